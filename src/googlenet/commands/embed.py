"""`googlenet embed`: the features of images at any row, for whatever comes after."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from googlenet.files import atomic_write
from googlenet.images.finding import find_images, image_arguments
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Write the features of images to a .npz file: `files`, and `features` float32 [N, channels, height, width]."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint."""
    images: Annotated[Positional[tuple[str, ...]], arg(metavar="IMAGE...")]
    """Images, folders, patterns; - reads a list of paths from standard input, one a line."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="OUT")]
    """The .npz file to write."""
    at: Annotated[str, arg(metavar="ROW")] = "pool5"
    """Which row or layer, by the paper's names: pool5, inception_5b, inception_3a/3x3_reduce."""
    null: Annotated[bool, arg(aliases=["-0"])] = False
    """The paths on standard input end in zero bytes, as `find -print0` writes them."""


def run(options: Options) -> int:
    """Compute the features batch by batch and write them; 1 where a folder or pattern gave no image."""
    from googlenet.prediction.model import BATCH, load

    found = find_images(image_arguments(options.images, options.null))
    paths = found.paths
    for told in (found.describe_passed_over(), *(str(error) for _, error in found.failures)):
        if told:
            say(told)
    keep_freed_memory()
    model = load(options.weights)
    model.expect(len(paths))
    parts = []
    with Progress("embedding", total=len(paths)) as progress:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            parts.append(model.features(batch, at=options.at))
            progress.update(len(batch))
    features = np.concatenate(parts)
    with atomic_write(options.output) as file:
        np.savez(file, files=np.array([str(path) for path in paths]), features=features)
    print(f"{options.output}: {options.at} of {len(paths)} images, {list(features.shape)}")
    return 1 if found.failures else 0
