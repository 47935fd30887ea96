"""`googlenet preview`: training samples as the network will see them, with what was done to each."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from googlenet.data.samples import Augmented, TrainingSamples
from googlenet.data.sources import open_dataset
from googlenet.errors import InputError, counted
from googlenet.images.crops import find_sampling
from googlenet.images.decoding import open_picture
from googlenet.images.photometric import DistortionName
from googlenet.randomness import generator
from googlenet.reporting.console import json_line
from googlenet.reporting.sheet import Tile, check_name, draw_sheet

VARIANTS = 5


@dataclass(frozen=True)
class Options:
    """Draw a sheet: images of the data set, each followed by training samples of it and what was done to them."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """A folder of class folders, a list file, or tar shards."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="PNG")] = Path("preview.png")
    """The picture to write."""
    images: Annotated[int, arg(metavar="N")] = 6
    """How many images of the data set to show (1 to 16)."""
    sampling: Annotated[str, arg(metavar="SCHEME")] = "paper"
    """How patches are drawn, as `train --sampling`."""
    distortion: DistortionName = "howard"
    """Photometric distortion, as `train --distortion`."""
    size: Annotated[int, arg(metavar="PIXELS")] = 224
    """Side of a sample."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """The run whose samples are shown."""
    epoch: Annotated[int, arg(metavar="N")] = 0
    """And its epoch, counted from 0."""
    json: bool = False
    """Print what was done to each image as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Draw and write the sheet."""
    sampling = find_sampling(options.sampling)
    if not 1 <= options.images <= 16 or not 1 <= options.size <= 1024:
        raise InputError("give 1 to 16 images and a size of 1 to 1024 pixels")
    check_name(options.output)
    dataset = open_dataset(options.data)
    samples = TrainingSamples((options.size, options.size), options.seed, sampling, options.distortion)
    chosen = generator(options.seed, "preview").permutation(len(dataset))[: options.images]
    tiles, shown = [], list[dict[str, Any]]()
    for index in chosen.tolist():
        data, name = dataset.read(index), dataset.name(index)
        picture = open_picture(data, name).decoded()
        height, width = picture.height, picture.width
        label = dataset.classes[dataset.labels[index]]
        tiles.append(Tile(picture.pixels, (label.name, f"{width} x {height}, as it is")))
        shown.append({"file": name, "class": label.id, "image": [width, height], "samples": []})
        # Draw numbers beyond the data set stand for further visits, as they do with balanced classes.
        for draw in range(index, index + VARIANTS * len(dataset), len(dataset)):
            done = samples.draw(width, height, options.epoch, draw)
            changes = [change.describe() for change in done.distortion.changes]
            caption = (done.crop.describe(width, height), *changes)
            tiles.append(Tile(samples.image(data, name, options.epoch, draw), caption))
            shown[-1]["samples"].append(_told(done))
    draw_sheet(options.output, tiles, columns=1 + VARIANTS)
    if options.json:
        print(json_line({"file": str(options.output), "images": shown}))
    else:
        print(f"{options.output}: {counted(len(chosen), 'images')}, {VARIANTS} samples of each")
    return 0


def _told(done: Augmented) -> dict[str, Any]:
    crop = done.crop
    return {
        "box": [crop.x0, crop.y0, crop.x0 + crop.width, crop.y0 + crop.height],
        "interpolation": crop.interpolation,
        "mirror": crop.mirror,
        "changes": [asdict(change) for change in done.distortion.changes],
    }
