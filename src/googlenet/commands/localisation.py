"""`googlenet localisation`: the localisation error of ILSVRC, of boxes that were predicted elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from googlenet.evaluation.localisation import Localisation, localisation
from googlenet.evaluation.metrics import TOP
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
    found = localisation(options.predictions, options.truths)
    print(json_line(found.to_json()) if options.json else _page(found))
    return 0


def _page(found: Localisation) -> str:
    figures = found.to_json()
    rows = [(name, *(_error(figures, f"{name}_error_top{first}") for first in (1, TOP))) for name in _NAMES]
    left_out = f", {found.left_out:,} without boxes left out" if found.left_out else ""
    errors = table(["error", "of the first guess", f"of the first {TOP}"], rows)
    return f"{errors}\n{figures['images']:,} images{left_out}"


_NAMES = ("localisation", "classification")


def _error(figures: dict[str, Any], name: str) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{percent(figures[name])}  [{100 * low:.1f}, {100 * high:.1f}]"
