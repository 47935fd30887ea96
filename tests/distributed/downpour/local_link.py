"""Shards in this process, for tests of what reaches them: no Ray, one call after the other."""

from collections.abc import Sequence

from googlenet.distributed.downpour.exchange import Link
from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.shard import Fetched, Push, Rule, Shard, Taken
from googlenet.training.optimizer import SGD


class LocalLink(Link):
    def __init__(self, optimizer: SGD, rule: Rule, count: int) -> None:
        self.slices = Slices.of(optimizer, count)
        weights = self.slices.cut(optimizer.parameters)
        self.shards = [Shard(one.clone(), rule, self.slices.spans(number)) for number, one in enumerate(weights)]
        self.pushes: list[Sequence[Push]] = []

    def fetch(self, replica: int, at_least: Sequence[int]) -> list[Fetched]:
        assert all(shard.clock >= least for shard, least in zip(self.shards, at_least, strict=True))
        return [shard.fetch(replica) for shard in self.shards]

    def push(self, pushes: Sequence[Push]) -> list[Taken]:
        self.pushes.append(pushes)
        return [shard.push(push) for shard, push in zip(self.shards, pushes, strict=True)]
