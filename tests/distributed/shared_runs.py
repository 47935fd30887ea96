"""What tests of several processes share: images unequally divided, and whole runs."""

import json
from pathlib import Path

from googlenet.data.sources import Source
from googlenet.training.exchange import Exchange
from googlenet.training.recipe import Recipe
from googlenet.training.run import train

SHARES = [
    ([1, 2, 3], [4], [5, 6]),
    ([7], [], [8, 9, 10, 11]),
    ([], [], []),
    ([], [12], []),
    ([13, 15], [16], []),
]
"""Images of three processes, step by step: unequal, some without any, one step without any at all."""


def run(exchange: Exchange, data: tuple[Source, Source], output: Path, chosen: Recipe) -> dict[str, object]:
    return dict(train(data[0], chosen, validation=data[1], output=output, exchange=exchange).summary)


def logged(folder: Path) -> list[float]:
    """The loss of each step."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["event"] == "step"]
