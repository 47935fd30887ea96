"""Selective Search: this package's against OpenCV contrib's, milliseconds for each hierarchy, one thread each.

Both search the same pixels, 500 wide, in the 8 strategies of `fast`: HSV and Lab, all four similarities and those
without colour, k = least size of 50 and 100. OpenCV's default strategies are others and more, so that they are set one
by one; its time is that of `process` and the conversion of colours, ours is that of everything after decoding. How many
regions both begin with, and how many boxes they end with, stands beside. The last row has pictures in turns on threads.

    python benchmarks/selective_search.py ../shared/data/imagenet-val-100 [--pictures 10] [--rounds 5]
        [--opencv PYTHON] [--json FILE]

The contrib wheel cannot be beside the package's own OpenCV: `--opencv` names a Python that has it; without one,
an environment is made in `build/opencv-contrib`, and pip asked for it. Without a folder, pictures are drawn.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from rounds import Result, measure, write

from googlenet import machine, native
from googlenet.detection.selective_search import SelectiveSearch, Settings
from googlenet.detection.selective_search.colour import to_space
from googlenet.detection.selective_search.resizing import resize, working_size
from googlenet.detection.selective_search.segmentation import segment
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images
from googlenet.randomness import generator

HIERARCHIES = 8
OURS, THREADS, OPENCV = "googlenet", "googlenet, threads", "opencv contrib"

WORKER = """
import sys
import cv2
import numpy as np

cv2.setNumThreads(1)
s = cv2.ximgproc.segmentation
pictures = list(np.load(sys.argv[1]).values())

def graphs():
    return [s.createGraphSegmentation(0.8, k, k) for k in (50, 100)]

def spaces(picture):
    return [cv2.cvtColor(picture, code) for code in (cv2.COLOR_RGB2HSV, cv2.COLOR_RGB2LAB)]

def search(picture):
    searching = s.createSelectiveSearchSegmentation()
    for image in spaces(picture):
        searching.addImage(image)
    for graph in graphs():
        searching.addGraphSegmentation(graph)
    prefix = "createSelectiveSearchSegmentationStrategy"
    terms = [getattr(s, prefix + name) for name in ("Color", "Texture", "Size", "Fill")]
    multiple = s.createSelectiveSearchSegmentationStrategyMultiple
    searching.addStrategy(multiple(*[term() for term in terms]))
    searching.addStrategy(multiple(*[term() for term in terms[1:]]))
    return len(searching.process())

regions = [[int(g.processImage(image).max()) + 1 for image in spaces(p) for g in graphs()] for p in pictures]
print(cv2.__version__, regions, sep="|", flush=True)
for _ in sys.stdin:
    print([search(picture) for picture in pictures], flush=True)
"""
"""Searches all pictures, once for each line that it is sent, and answers with the numbers of boxes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of the last row")
    parser.add_argument("--opencv", type=Path, metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pictures = photographs(options.folder, options.pictures) if options.folder else drawn(options.pictures)
    python = options.opencv or with_contrib(Path("build/opencv-contrib"))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "pictures.npz", *pictures)
        command = [str(python), "-c", WORKER, f"{folder}/pictures.npz"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
            result = compare(pictures, worker, options.rounds, options.threads)
            worker.communicate()
    show(result, len(pictures))
    if options.json:
        write(options.json, [result])


def photographs(folder: Path, count: int) -> list[np.ndarray]:
    images = [decode(path) for path in find_images([folder]).paths[:count]]
    return [resize(image, *working_size(*image.shape[:2], 500)) for image in images]


def drawn(count: int) -> list[np.ndarray]:
    """Rectangles over a slope, with noise."""
    pictures = []
    for number in range(count):
        random = generator(0, "benchmark", index=number)
        picture = np.broadcast_to(np.linspace(0, 120, 500)[None, :, None], (375, 500, 3)).copy()
        for _ in range(60):
            y, x, h, w = random.integers(0, (375, 500, 120, 160))
            picture[y : y + h, x : x + w] = random.integers(0, 256, 3)
        pictures.append(np.clip(picture + random.normal(0, 6, picture.shape), 0, 255).astype(np.uint8))
    return pictures


def with_contrib(folder: Path) -> Path:
    """Return the Python of an environment that has OpenCV contrib, made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        wheel = "opencv-contrib-python-headless>=4.10"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    return python


def compare(pictures: list[np.ndarray], worker: "subprocess.Popen[str]", rounds: int, threads: int) -> Result:
    assert worker.stdin is not None
    assert worker.stdout is not None
    to, answers = worker.stdin, worker.stdout
    version, regions = answers.readline().rstrip().split("|")
    boxes: dict[str, str] = {}
    search = SelectiveSearch(Settings("fast"))

    def theirs() -> None:
        to.write("\n")
        to.flush()
        boxes[OPENCV] = answers.readline().strip()

    def ours() -> None:
        boxes[OURS] = str([len(search.propose(picture).boxes) for picture in pictures])

    def together() -> None:
        boxes[THREADS] = str([len(found.boxes) for found in search.propose_all(pictures, threads)])

    settings = {"opencv": version, "kernels": native.level(), "threads": threads}
    result = Result(shlex.join(sys.argv), settings)
    measure({OPENCV: theirs, OURS: ours, THREADS: together}, rounds, result)
    settings["regions"] = {OPENCV: json.loads(regions), OURS: [first_regions(picture) for picture in pictures]}
    settings["boxes"] = {name: json.loads(text) for name, text in boxes.items()}
    return result


def first_regions(picture: np.ndarray) -> list[int]:
    scales = Settings("fast").scales
    return [int(labels.max()) + 1 for space in ("HSV", "Lab") for labels in segment(to_space(picture, space), scales)]


def show(result: Result, pictures: int) -> None:
    settings, searches = result.settings, pictures * HIERARCHIES
    print(f"{machine.processor()}; OpenCV {settings['opencv']}, kernels {settings['kernels']}, {pictures} pictures")
    print("regions: HSV 50, HSV 100, Lab 50, Lab 100")
    for name in result.seconds:
        regions = np.mean(settings["regions"][OPENCV if name == OPENCV else OURS], 0).round().astype(int)
        boxes = np.mean(settings["boxes"][name])
        ratios = " / ".join(f"{ratio:.2f}" for ratio in result.ratios(OPENCV, name))
        times = f"{result.best(name) / searches * 1e3:7.2f} ms least {result.median(name) / searches * 1e3:7.2f} median"
        print(f"{name:20} {times}   {regions.tolist()} regions, {boxes:.0f} boxes   {ratios} times as fast")


if __name__ == "__main__":
    main()
