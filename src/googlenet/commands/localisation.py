"""`googlenet localisation`: the localisation error of ILSVRC, of boxes that were predicted elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from googlenet.errors import counted
from googlenet.files import expect
from googlenet.reporting.console import json_line, percent, table


@dataclass(frozen=True)
class Options:
    """Judge up to five guesses an image, each a class and a box, by annotated boxes."""

    predictions: Annotated[Positional[Path], arg(metavar="PREDICTIONS")]
    """JSON lines of file, and id and box of each guess (docs/commands/localisation.md)."""
    truths: Annotated[Positional[Path], arg(metavar="TRUTHS")]
    """One JSON object: the annotated boxes of each file."""
    json: bool = False
    """Print the errors as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print the errors, with their intervals."""
    for path in (options.predictions, options.truths):
        expect(path)
    from googlenet.evaluation.localisation import localisation

    figures = localisation(options.predictions, options.truths).to_json()
    print(json_line(figures) if options.json else _page(figures))
    return 0


def _page(figures: dict[str, Any]) -> str:
    names = ("localisation", "classification")
    rows = [(name, *(_error(figures, f"{name}_error_{top}") for top in ("top1", "top5"))) for name in names]
    left_out = f", {figures['left_out']:,} without boxes left out" if figures["left_out"] else ""
    told = f"{counted(figures['images'], 'images')}{left_out}"
    return f"{table(['error', 'of the first guess', 'of the first 5'], rows)}\n{told}"


def _error(figures: dict[str, Any], name: str) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{percent(figures[name])}  [{100 * low:.1f}, {100 * high:.1f}]"
