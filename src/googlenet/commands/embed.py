"""`googlenet embed`: the features of images at any row, for whatever comes after."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.errors import counted
from googlenet.images.finding import find_images, image_arguments
from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import json_line, say
from googlenet.reporting.progress import Progress
from googlenet.weights.ensemble import expect_weights


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
    batch_size: int = 32
    """How many images go through the network at once."""
    null: Annotated[bool, arg(aliases=["-0"])] = False
    """The paths on standard input end in zero bytes, as `find -print0` writes them."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print what was written as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Write the features batch by batch; name what could not be read and return 1 for it."""
    expect_weights(options.weights)
    found = find_images(image_arguments(options.images, options.null))
    from googlenet.prediction.feature_file import FeatureFile
    from googlenet.prediction.loading import load

    paths = found.paths
    for told in (found.describe_passed_over(), *(str(error) for _, error in found.failures)):
        if told:
            say(told)
    keep_freed_memory()
    model = load(options.weights, **vars(options.computing))
    failed = [{"file": name, "error": str(error)} for name, error in found.failures]
    total = len(failed) + len(paths)
    with Progress("embedding", total=len(paths)) as progress, FeatureFile(options.output) as features:
        for embedding in model.embed(paths, at=options.at, batch_size=options.batch_size):
            if embedding.error is not None:
                failed.append({"file": embedding.file, "error": embedding.error})
                say(embedding.error)
            else:
                features.add(embedding.file, embedding.features[options.at])
            progress.update()
        if features.files:
            features.save()
    written = bool(features.files)
    shape = list(features.shape) if written else None
    if options.json:
        file = str(options.output) if written else None
        print(json_line({"file": file, "at": options.at, "shape": shape, "failed": failed}))
    elif written:
        print(f"{options.output}: {options.at} of {counted(len(features.files), 'images')}, {shape}")
    if failed:
        left = "" if written else f"; {options.output} is not written"
        say(f"{len(failed)} of {total} images could not be read{left}")
    return 1 if failed else 0
