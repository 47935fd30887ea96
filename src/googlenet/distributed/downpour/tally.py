"""What is counted of an asynchronous run: staleness by shard, clocks, and what was lost; plain numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from googlenet.distributed.shard import Taken
from googlenet.errors import counted

__all__ = ["Tally"]


class Tally:
    """Counts from the beginning of a run on, also where it was interrupted and goes on."""

    def __init__(self, shards: int) -> None:
        self.staleness: list[Counter[int]] = [Counter() for _ in range(shards)]
        """Of each shard: how many pushes were how many updates late."""
        self.clocks = [0] * shards
        """Of each shard, as far as it was heard of."""
        self.lost_pushes = 0
        """That were under way from replicas which were lost."""
        self.lost_updates = 0
        """Of shards which were lost and went back to an earlier copy, all together."""
        self.lost_replicas, self.lost_shards = 0, 0
        self.dropped = 0
        """Pushes that came late to a shard which had gone on without them."""

    @property
    def clocks_apart(self) -> int:
        """How far the shards' clocks differ now."""
        return max(self.clocks) - min(self.clocks)

    def take(self, taken: Sequence[Taken]) -> None:
        """Note what became of a push, by shard."""
        for number, one in enumerate(taken):
            if one.fate == "dropped":
                self.dropped += 1
            elif one.fate != "repeated":
                self.staleness[number][one.staleness] += 1

    def record(self, replica: int, taken: Sequence[Taken]) -> dict[str, Any]:
        """Return what a line of metrics.jsonl says of a step."""
        stale = [one.staleness for one in taken]
        lost = {"lost_pushes": self.lost_pushes, "lost_updates": self.lost_updates}
        return {"replica": replica, "staleness": stale, "clocks_apart": self.clocks_apart, **lost}

    def summary(self) -> dict[str, Any]:
        """Return what summary.json says."""
        return {
            "staleness": [{str(late): one[late] for late in sorted(one)} for one in self.staleness],
            "clocks": list(self.clocks),
            "lost_replicas": self.lost_replicas,
            "lost_pushes": self.lost_pushes,
            "lost_shards": self.lost_shards,
            "lost_updates": self.lost_updates,
            "dropped_pushes": self.dropped,
        }

    def told(self) -> str:
        """Return the words about an epoch."""
        whole: Counter[int] = sum(self.staleness, Counter())
        mean = sum(late * count for late, count in whole.items()) / max(1, whole.total())
        words = f"staleness {mean:.2f} on average, {max(whole, default=0)} at most; clocks {self.clocks_apart} apart"
        lost = f"lost with {counted(self.lost_replicas, 'replicas')} {counted(self.lost_pushes, 'pushes')}, "
        lost += f"with {counted(self.lost_shards, 'shards')} {counted(self.lost_updates, 'updates')}"
        return f"{words}; {lost}" if self.lost_replicas or self.lost_shards else words

    def state(self) -> dict[str, Tensor]:
        """Return the counts as tensors, for a checkpoint."""
        latest = max((max(one, default=0) for one in self.staleness), default=0)
        table = [[one[late] for late in range(latest + 1)] for one in self.staleness]
        losses = [self.lost_replicas, self.lost_pushes, self.lost_shards, self.lost_updates, self.dropped]
        return {
            "staleness": torch.tensor(table, dtype=torch.int64),
            "clocks": torch.tensor(self.clocks, dtype=torch.int64),
            "losses": torch.tensor(losses, dtype=torch.int64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned; with another number of shards their own counts begin anew."""
        losses = state["losses"].tolist()
        self.lost_replicas, self.lost_pushes, self.lost_shards, self.lost_updates, self.dropped = losses
        table = state["staleness"].tolist()
        if len(table) == len(self.staleness):
            self.staleness = [Counter({late: count for late, count in enumerate(row) if count}) for row in table]
        self.clocks = [int(state["clocks"].max())] * len(self.staleness)
