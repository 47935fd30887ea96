"""`googlenet import`: public weights of other programs to a checkpoint, and what was found in them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from googlenet.errors import counted
from googlenet.reporting.console import say, warn
from googlenet.weights.classes import read_classes


@dataclass(frozen=True)
class Options:
    """Turn GoogLeNet weights of Caffe, torch (torchvision's names or this package's) or Google into a checkpoint."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """A .caffemodel, .pb, .npz, .pth or .safetensors file; its kind is told by its content."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="OUT")]
    """The checkpoint to write."""
    classes: Path | None = None
    """A file with one class a line, in the order of the outputs (default: ILSVRC's, which come with the package)."""
    classifier: Annotated[str | None, arg(metavar="NAME")] = None
    """The last layer by its name in FILE, where fine-tuning gave it one that does not tell (Caffe, torch)."""
    json: bool = False
    """Print what was found, used and left as one JSON object."""


def run(options: Options) -> int:
    """Import, save, and say what was found."""
    from googlenet.weights import importers
    from googlenet.weights.checkpoint import save

    classes = None if options.classes is None else read_classes(options.classes)
    checkpoint, report = importers.import_weights(options.file, classes, classifier=options.classifier)
    save(options.output, checkpoint)
    for warning in report.warnings:
        warn(warning)
    if options.json:
        print(json.dumps(asdict(report)))
        return 0
    parameters = sum(tensor.numel() for tensor in checkpoint.weights.values())
    say(f"{options.file}: {len(report.found)} arrays found, {len(report.used)} used, {len(report.left)} left")
    for name in report.left:
        say(f"  left: {name}")
    print(
        f"{options.output}: {checkpoint.specification.name}, {parameters:,} numbers,"
        f" {counted(len(checkpoint.classes), 'classes')}"
    )
    return 0
