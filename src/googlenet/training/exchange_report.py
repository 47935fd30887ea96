"""What a run's page says of how gradients came together, made from `exchange` of its summary.json."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from googlenet.errors import counted
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import Figure, Illustration
from googlenet.reporting.pictures import file_uri

__all__ = ["facts", "figures", "staleness_chart"]

_MEASURED = ("staleness", "clocks", "lost_replicas", "lost_pushes", "lost_shards", "lost_updates", "dropped_pushes")
"""What the exchange came to; the rest of its entry is how it was to go."""

_MOST_SHARDS = 7
"""Whose bars can be told apart beside each other."""


def facts(exchange: Mapping[str, Any]) -> dict[str, Any]:
    """Return how it went by the names of the options, with `exchange` for its own name."""
    return {"exchange" if key == "name" else key: value for key, value in exchange.items() if key not in _MEASURED}


def figures(exchange: Mapping[str, Any]) -> list[Figure]:
    """Return how an asynchronous run went, how late its gradients came, and what was lost; of others nothing."""
    if "staleness" not in exchange:
        return []
    late: Counter[int] = Counter()
    for counts in exchange["staleness"]:
        late.update({int(updates): pushes for updates, pushes in counts.items()})
    mean = sum(updates * pushes for updates, pushes in late.items()) / max(1, late.total())
    at_most = f"updates that a gradient came late, on average; {max(late, default=0)} at most"
    return [
        Figure("Exchange", str(exchange["name"]), note=_words(exchange)),
        Figure("Staleness", f"{mean:.2f}", note=at_most),
        _lost(exchange),
    ]


def staleness_chart(path: Path, exchange: Mapping[str, Any]) -> Illustration | None:
    """Draw how late gradients came to each shard; None where that was not counted."""
    by_shard: Sequence[Mapping[str, int]] = exchange.get("staleness", ())
    if not by_shard:
        return None
    named = {f"shard {shard}": counts for shard, counts in enumerate(by_shard)}
    if len(by_shard) > _MOST_SHARDS:
        named = {f"all {len(by_shard)} shards": sum(map(Counter, by_shard), Counter())}
    bars = []
    for name, counts in named.items():
        x = range(max(map(int, counts), default=0) + 1)
        total = max(1, sum(counts.values()))
        bars.append(Curve(name, x, [counts.get(str(one), 0) / total for one in x]))
    panel = Panel("pushes", tuple(bars), share=True, bars=True)
    draw_curves(path, [panel], x_label="updates between fetch and push")
    caption = "Staleness: how many updates later than its weights a gradient came"
    return Illustration(file_uri(path), caption, half=True)


def _words(exchange: Mapping[str, Any]) -> str:
    """Say how it was to go; a mitigation has at most one parameter, whose name is no other option's."""
    of_mitigation = [f"{name} {exchange[name]:g}" for name in ("bound", "compensation", "backups") if name in exchange]
    words = [
        f"{counted(exchange['replicas'], 'replicas')}, {counted(exchange['shards'], 'shards')}",
        " ".join(["mitigation", exchange["mitigation"], *of_mitigation]),
        f"fetch every {_steps(exchange['fetch_every'])}, push every {_steps(exchange['push_every'])}",
        f"{exchange['wire']} on the wire",
    ]
    words += ["Adagrad"] if exchange["adagrad"] else []
    words += [f"warm start of {counted(exchange['warm_start'], 'images')}"] if exchange["warm_start"] else []
    return "; ".join(words)


def _steps(count: int) -> str:
    return "step" if count == 1 else counted(count, "steps")


def _lost(exchange: Mapping[str, Any]) -> Figure:
    replicas, pushes, shards, updates, dropped = (
        exchange[name] for name in ("lost_replicas", "lost_pushes", "lost_shards", "lost_updates", "dropped_pushes")
    )
    note = (
        f"pushes and updates: {counted(pushes, 'pushes')} with {counted(replicas, 'replicas')},"
        f" {counted(updates, 'updates')} with {counted(shards, 'shards')},"
        f" {counted(dropped, 'pushes')} dropped as too late"
    )
    return Figure("Lost", f"{pushes + updates + dropped:,}", note=note)
