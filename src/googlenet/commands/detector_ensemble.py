"""`googlenet detector ensemble`: several detectors as one small file that stands for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from googlenet.detection.detector.file import read_detector, save_detector_ensemble
from googlenet.reporting.console import json_line


@dataclass(frozen=True)
class Options:
    """Make an ensemble of detectors: the mean of their scores, with the proposals of the first."""

    detectors: Annotated[Positional[tuple[Path, ...]], arg(metavar="DETECTOR...")]
    """Files of `googlenet detector train`, two or more; an ensemble stands for its members."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="FILE.json")]
    """What to write; it names the members by path, relative to its own folder, and by hash."""
    json: bool = False
    """Print what was written as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Write the ensemble, and print what it is."""
    save_detector_ensemble(options.output, options.detectors)
    made = read_detector(options.output)
    if options.json:
        members, classes = [str(member) for member in made.members], [one.id for one in made.classes]
        print(json_line({"file": str(options.output), "members": members, "classes": classes}))
    else:
        print(f"{options.output}: stands for {len(made.members)} detectors")
    return 0
