"""The stages of a network, as `summary --stages` prints them."""

from dataclasses import asdict
from typing import Any

from googlenet.network.stages import Cut, bubble
from googlenet.reporting.console import percent, table

__all__ = ["staged_to_json", "stages_page"]


def stages_page(found: Cut, balanced_by: str, batch: int) -> str:
    """Return two tables: the stages, and what waiting and memory a number of parts brings; memory is for a batch."""
    total = sum(stage.cost for stage in found.stages)
    rows = [
        (
            f"{number}",
            _span(stage.rows),
            " ".join(stage.heads),
            stage.parameters,
            percent(stage.cost / total if total else 0.0),
            stage.received_bytes,
            stage.kept_bytes,
        )
        for number, stage in enumerate(found.stages, start=1)
    ]
    headers = ["stage", "rows", "heads", "parameters", "cost", "bytes received", "bytes kept"]
    count = len(found.stages)
    memory = [f"bytes in stage {number}" for number in range(1, count + 1)]
    schedules = [
        (parts, -(-batch // parts), percent(bubble(count, parts)), *_memory(found, batch, parts))
        for parts in _parts(count, batch)
    ]
    return "\n".join(
        [
            f"In {count} stages, balanced by {balanced_by}:",
            table(headers, rows, separators=True),
            f"balance {percent(found.balance)} (the mean stage, of the slowest one); bytes are those of an image",
            "",
            f"A batch of {batch} in parts that follow each other (train --accumulate), and what that needs (estimate):",
            table(["parts", "images a part", "bubble", *memory], schedules, separators=True),
        ]
    )


def staged_to_json(found: Cut, balanced_by: str, batch: int) -> dict[str, Any]:
    """Return the field of `summary --json`."""
    count = len(found.stages)
    schedules = [
        {
            "parts": parts,
            "images": -(-batch // parts),
            "bubble": bubble(count, parts),
            "memory_bytes": _memory(found, batch, parts),
        }
        for parts in _parts(count, batch)
    ]
    stages = [asdict(stage) for stage in found.stages]
    return {
        "stages": {
            "balanced_by": balanced_by,
            "balance": found.balance,
            "batch": batch,
            "stages": stages,
            "schedules": schedules,
        }
    }


def _memory(found: Cut, batch: int, parts: int) -> list[int]:
    return [found.memory_bytes(stage, batch, parts) for stage in range(len(found.stages))]


def _parts(stages: int, batch: int) -> list[int]:
    """One part, as many as stages, and doubled from there."""
    return sorted({min(parts, batch) for parts in (1, stages, 2 * stages, 4 * stages, 8 * stages)})


def _span(rows: tuple[str, ...]) -> str:
    return rows[0] if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
