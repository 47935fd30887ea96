"""`googlenet explain`: what the answer to an image rests on, as pictures and numbers."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import json_line, percent, printable, table
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Show what an answer rests on: Grad-CAM, occlusion, the evidence of each branch, the first layer's filters."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint."""
    image: Annotated[Positional[Path], arg(metavar="IMAGE")]
    """The image; what is explained is its central crop, as prediction sees it."""
    class_: Annotated[Optional[str], arg(name="class", metavar="CLASS")] = None  # noqa: UP045
    """A class's id, name, or place among the outputs (default: the most probable one)."""
    at: Annotated[Optional[str], arg(metavar="MODULE")] = None  # noqa: UP045
    """The Inception module to look at (default: the last)."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")] = Path("explanation")
    """Where to write the pictures, the numbers and a page that shows them."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print the numbers as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Write the folder and print the evidence."""
    from googlenet.evaluation.explain import explain
    from googlenet.evaluation.explain_page import about_rest, evidence_rows, named
    from googlenet.evaluation.occlusion import places
    from googlenet.prediction.model import load

    keep_freed_memory()
    model = load(options.weights, **vars(options.computing))
    with Progress("covering parts", total=prod(places(model.specification.input[1:])), unit="parts") as progress:
        found = explain(model, options.image, class_=options.class_, at=options.at, done=progress.update)
    page, *_ = found.save(options.output)
    if options.json:
        print(json_line(found.to_json()))
        return 0
    print(f"{printable(found.file)}: {printable(named(found.target))} {percent(found.target.probability)}")
    print(f"evidence for it, in units of the logit ({found.logit:.2f}):")
    print(table(*evidence_rows(found)))
    print(about_rest(found))
    print(f"{page}: shows where it lies")
    return 0
