"""What is counted survives a checkpoint."""

from googlenet.distributed.downpour.tally import Tally
from googlenet.distributed.shard import Taken


def test_counts_go_through_a_checkpoint() -> None:
    tally = Tally(2)
    tally.take([Taken(1, 0, "applied"), Taken(1, 3, "applied")])
    tally.take([Taken(2, 0, "waiting"), Taken(1, 2, "dropped")])
    tally.take([Taken(2, 0, "repeated"), Taken(2, 3, "applied")])
    tally.clocks = [7, 5]
    tally.lost_replicas, tally.lost_pushes, tally.lost_shards, tally.lost_updates = 1, 2, 3, 4
    summary = tally.summary()
    assert summary["staleness"] == [{"0": 2}, {"3": 2}]
    assert (summary["dropped_pushes"], tally.clocks_apart) == (1, 2)
    assert tally.record(1, [Taken(8, 4, "applied"), Taken(6, 0, "applied")]) == {
        "replica": 1,
        "staleness": [4, 0],
        "clocks_apart": 2,
        "lost_pushes": 2,
        "lost_updates": 4,
    }
    again = Tally(2)
    again.restore(tally.state())
    assert again.summary() == summary | {"clocks": [7, 7]}
    other = Tally(3)  # shards of which nothing is known but the time
    other.restore(tally.state())
    assert (other.staleness, other.clocks, other.lost_updates) == ([{}, {}, {}], [7, 7, 7], 4)
    assert "staleness 1.50 on average, 3 at most; clocks 2 apart; lost with 1 replica 2 pushes" in tally.told()
