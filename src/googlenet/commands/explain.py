"""`googlenet explain`: what the answer to an image rests on, as pictures and numbers."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.files import expect, expect_folder
from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import json_line, percent, printable, table
from googlenet.reporting.progress import Progress
from googlenet.weights.ensemble import expect_weights

if TYPE_CHECKING:
    from googlenet.evaluation.explain import Explanation


@dataclass(frozen=True)
class Options:
    """Show what an answer rests on: Grad-CAM, occlusion, the evidence of each branch, the first layer's filters."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint, or an ensemble, whose members are explained one by one."""
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
    """Print the numbers as one JSON object a line for each network (docs/json.md)."""


def run(options: Options) -> int:
    """Write the folder and print the evidence."""
    expect_folder(options.output)
    expect_weights(options.weights)
    expect(options.image)
    from googlenet.evaluation.explain import explain_members
    from googlenet.evaluation.explain_page import write_members
    from googlenet.evaluation.occlusion import places
    from googlenet.prediction.loading import load

    keep_freed_memory()
    model = load(options.weights, **vars(options.computing))
    members = getattr(model, "members", (model,))
    total = sum(prod(places(member.specification.input[1:])) for member in members)
    with Progress("covering parts", total=total, unit="parts") as progress:
        found = explain_members(model, options.image, class_=options.class_, at=options.at, done=progress.update)
    pages = write_members(found, options.output)
    for explanation, page in zip(found, pages, strict=True):
        if options.json:
            print(json_line(explanation.to_json()))
        else:
            _print(explanation, page)
    return 0


def _print(explanation: "Explanation", page: Path) -> None:
    from googlenet.evaluation.explain_page import about_rest, evidence_rows, named

    target = explanation.target
    print(f"{printable(explanation.file)}: {printable(named(target))} {percent(target.probability)}")
    print(f"evidence for it in {explanation.network}, in units of the logit ({explanation.logit:.2f}):")
    print(table(*evidence_rows(explanation)))
    print(about_rest(explanation))
    print(f"{page}: shows where it lies")
