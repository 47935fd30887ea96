"""Training samples from photographs on one core: this package against torchvision's usual pipeline.

    python benchmarks/input_pipeline.py [FOLDER] [--rounds 7] [--json FILE]

FOLDER holds photographs of about 500 x 375 pixels, as ImageNet's are; without it such pictures are made. All forms run
in turns in one process on one core, from files in memory to samples of 224 x 224:

    torchvision    PIL, RandomResizedCrop, RandomHorizontalFlip, ToTensor, Normalize: a float tensor for each sample
    ours           the patch of section 6, one of four resizes, mirror: uint8, as worker processes send it
    + normalised   the same, and the batch brought to floats by this core (a training does it on the network's device)
    + howard       the same as "ours", and Howard's distortions

torchvision is taken where it can be imported; `torchvision_without_operators` is imported before it where it is on the
path, for wheels that belong to another build of torch. The allocator keeps freed memory, which helps every form.
"""

import argparse
import importlib.util
import io
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from rounds import Result, measure, write

from googlenet import machine
from googlenet.data.samples import TrainingSamples
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images
from googlenet.images.preprocessing import normalise
from googlenet.images.regions import decoder, open_image
from googlenet.network.specification import Pixels
from googlenet.randomness import generator
from googlenet.reporting.console import table

REFERENCE, OURS = "torchvision", "ours"
SIZE = (224, 224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    on_one_core()
    files = [path.read_bytes() for path in find_images([options.folder]).paths] if options.folder else synthetic(60)
    sizes = np.array([(image.width, image.height) for image in (open_image(f, "") for f in files)])
    settings = {
        "photographs": len(files),
        "mean_size": sizes.mean(axis=0).round(1).tolist(),
        "mean_kilobytes": round(float(np.mean([len(f) for f in files])) / 1000, 1),
        "decoder": decoder(),
        "keep_memory": machine.keep_freed_memory(),
    }
    result = Result(shlex.join(sys.argv), settings)
    measure(forms(files), options.rounds, result)
    show(result, len(files))
    if options.json:
        write(options.json, [result])


def on_one_core() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def forms(files: list[bytes]) -> dict[str, Callable[[], Any]]:
    """Return the work of each form: all photographs once, with new random numbers in each round."""
    epochs = iter(range(10**9))

    def ours(samples: TrainingSamples) -> np.ndarray:
        epoch, batch = next(epochs), np.empty((len(files), *SIZE, 3), np.uint8)
        for index, data in enumerate(files):
            batch[index] = samples.image(data, "photograph", epoch, index)
        return batch

    def decoded_by_opencv() -> None:
        for data in files:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    plain, howard = TrainingSamples(SIZE, 1), TrainingSamples(SIZE, 1, distortion="howard")
    found: dict[str, Callable[[], Any]] = {}
    if reference := torchvision_pipeline():
        found[REFERENCE] = lambda: [reference(Image.open(io.BytesIO(data)).convert("RGB")) for data in files]
    found |= {
        OURS: lambda: ours(plain),
        f"{OURS} + normalised": lambda: normalise(ours(plain), Pixels()),
        f"{OURS} + howard": lambda: ours(howard),
        "only decoding, PIL": lambda: [Image.open(io.BytesIO(data)).convert("RGB") for data in files],
        "only decoding, PIL into an array": lambda: [decode(data) for data in files],
        "only decoding, OpenCV": decoded_by_opencv,
    }
    if importlib.util.find_spec("simplejpeg"):
        simplejpeg: Any = importlib.import_module("simplejpeg")
        found["only decoding, simplejpeg"] = lambda: [simplejpeg.decode_jpeg(d, "RGB", strict=False) for d in files]
        found["its entropy code (an eighth of the size)"] = lambda: [
            simplejpeg.decode_jpeg(d, "RGB", strict=False, min_height=1, min_width=1) for d in files
        ]
    return found


def torchvision_pipeline() -> Callable[[Image.Image], torch.Tensor] | None:
    try:
        if importlib.util.find_spec("torchvision_without_operators"):
            importlib.import_module("torchvision_without_operators")
        transforms: Any = importlib.import_module("torchvision.transforms")
    except (ImportError, RuntimeError) as error:
        print(f"torchvision cannot be imported ({error}): its pipeline is left out")
        return None
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )


def synthetic(count: int) -> list[bytes]:
    """Pictures of 500 x 375 with detail on all scales, of about 100 kB each, as photographs have."""
    files = []
    for number in range(count):
        random = generator(number, "photograph")
        scales = (1, 2, 4, 8, 16, 32, 64)
        layers = [random.normal(0, 10 * s**0.5, (375 // s + 1, 500 // s + 1, 3)).astype(np.float32) for s in scales]
        pixels = 128 + sum(cv2.resize(layer, (500, 375), interpolation=cv2.INTER_CUBIC) for layer in layers)
        file = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
        files.append(file.getvalue())
    return files


def show(result: Result, images: int) -> None:
    rows = []
    for form in result.seconds:
        ratio = ""
        if REFERENCE in result.seconds:
            least, median, greatest = result.ratios(REFERENCE, form)
            ratio = f"{median:.2f} ({least:.2f} to {greatest:.2f})"
        rows.append((form, f"{images / result.best(form):.0f}", ratio))
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.settings.items()))
    print(machine.processor())
    print(table(("one core", "images/s, best round", "times torchvision: median (least to greatest)"), rows))


if __name__ == "__main__":
    main()
