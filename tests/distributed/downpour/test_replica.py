"""One replica is one process by the digit; between fetches it moves by its own gradients; it waits to be admitted."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from local_link import LocalLink
from small_runs import recipe, write_images
from toy_task import TwoHeads, batch

from googlenet.distributed.downpour.exchange import ToShards
from googlenet.distributed.downpour.leader import rule_of
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.downpour.replica import Ended, Hand, Replica, Report, mean_buffers
from googlenet.distributed.shard import Rule
from googlenet.records import decode
from googlenet.training import checkpoints
from googlenet.training.averaging import Average
from googlenet.training.classification import prepare
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import Recipe, complete
from googlenet.training.run import train
from googlenet.training.trainer import steps


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


RUNS = {
    "heads and dropout, Polyak's mean": recipe(epochs=2, log_every=1),
    "batch normalisation, Nesterov": recipe(
        network="googlenet-cifar", width=0.1, epochs=2, averaging="exponential", nesterov=True, clip=1.0
    ),
}


@pytest.mark.parametrize(("name", "shards"), [*zip(RUNS, (3, 1), strict=True)])
def test_one_replica_is_the_run_of_one_process_by_the_digit(data: Path, tmp_path: Path, name: str, shards: int) -> None:
    chosen: Recipe = RUNS[name]
    train(data, chosen, output=tmp_path)
    state = checkpoints.load(tmp_path)
    assert state is not None

    setup = prepare(str(data), chosen, None, None)
    links: list[LocalLink] = []

    def connect(optimizer: SGD, admit: Callable[[int], None]) -> ToShards:
        rule = rule_of(setup.recipe, Downpour(shards=shards), int(setup.recipe.burn_in * state.step))
        links.append(LocalLink(optimizer, rule, shards))
        return ToShards(links[0], links[0].slices, optimizer.parameters, admit=admit)

    replica = Replica(setup, decode(Execution, state.counters["execution"], "execution"), connect)
    replica.hand.deal(0, range(state.step))
    replica.hand.end(state.step)
    *reports, ended = replica.run()
    assert isinstance(ended, Ended)
    assert [report.step.number for report in reports if isinstance(report, Report)] == list(range(1, state.step + 1))

    slices, kept = links[0].slices, [shard.state() for shard in links[0].shards]
    assert [one.clock for one in kept] == [state.step] * shards
    assert [one.averaged for one in kept] == [state.counters["average_updates"]] * shards
    for part, what in (("network", "weights"), ("velocity", "velocity"), ("average", "average")):
        expected = torch.cat(slices.cut(state.part(part)))
        assert torch.equal(torch.cat([one.tensors[what] for one in kept]), expected), part
    found = state.part("network")
    assert ended.buffers.keys() == found.keys() - dict(replica.network.named_parameters()).keys()
    for buffer, value in ended.buffers.items():
        assert torch.equal(value, found[buffer])
    assert ("batch" in name) == any("running_mean" in buffer for buffer in ended.buffers)
    replica.close()


def pushes_of(fetch_every: int, push_every: int, count: int) -> tuple[LocalLink, TwoHeads]:
    task = TwoHeads()
    for parameter in task.parameters.values():
        parameter.data = parameter.data.float()
    optimizer = SGD(list(task.parameters.items()), momentum=0.0)  # type: ignore[arg-type]
    link = LocalLink(optimizer, Rule(momentum=0.0), 2)
    every = {"fetch_every": fetch_every, "push_every": push_every}
    exchange = ToShards(link, link.slices, optimizer.parameters, replica=7, **every)
    batches = [batch([step, step + 1], step) for step in range(count)]
    for one in batches:
        one.arrays["inputs"].data = one.arrays["inputs"].float()
        one.arrays["sizes"].data = one.arrays["sizes"].float()
    chosen = complete(recipe(epochs=3, rate=0.1), fresh_classifiers=False)
    average, options = Average(torch.nn.Module(), "none"), {"start": 0, "steps_per_epoch": count, "name": str}
    list(steps(task, optimizer, average, iter(batches), chosen, exchange, **options))  # type: ignore[arg-type]
    exchange.finish()
    return link, task


def test_gradients_of_several_steps_go_as_one_and_the_rest_at_the_end() -> None:
    link, _ = pushes_of(fetch_every=1, push_every=2, count=5)
    assert [[push.images for push in pushes] for pushes in link.pushes] == [[4, 4], [4, 4], [2, 2]]
    assert [pushes[0].number for pushes in link.pushes] == [1, 2, 3]
    assert [pushes[0].version for pushes in link.pushes] == [0, 1, 2]
    assert {push.replica for pushes in link.pushes for push in pushes} == {7}


def test_between_two_fetches_a_replica_moves_as_plain_gradient_descent_does() -> None:
    """Without momentum the local steps are the shards' own, so that nothing differs from fetching each time."""
    often, _ = pushes_of(fetch_every=1, push_every=1, count=5)
    rarely, task = pushes_of(fetch_every=4, push_every=1, count=5)
    for one, other in zip(often.shards, rarely.shards, strict=True):
        torch.testing.assert_close(one.weights, other.weights)
    assert [pushes[0].version for pushes in rarely.pushes] == [0, 0, 0, 0, 4]
    own = torch.cat(rarely.slices.cut(task.parameters))
    torch.testing.assert_close(own, torch.cat([shard.weights for shard in rarely.shards]))


def test_a_replica_begins_no_batch_before_it_is_admitted() -> None:
    hand, begun = Hand(), []

    def work() -> None:
        for place, number in enumerate(hand.numbers()):
            hand.admit(place)
            begun.append(number)

    hand.deal(0, [5, 6], limit=1)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    hand.deal(3, [8], limit=2)  # before what lies between
    hand.deal(2, [7])
    hand.end(4)
    thread.join(0.2)
    assert begun == [5, 6]
    hand.deal(4, [], limit=4)
    thread.join(10)
    assert begun == [5, 6, 7, 8]


def test_statistics_of_replicas_are_averaged_and_counters_are_not() -> None:
    found = [
        {"mean": torch.tensor([1.0, 2.0]), "count": torch.tensor(5)},
        {"mean": torch.tensor([3.0, 2.0]), "count": torch.tensor(8)},
    ]
    assert torch.equal(mean_buffers(found)["mean"], torch.tensor([2.0, 2.0]))
    assert mean_buffers(found)["count"] == 8
    assert mean_buffers([]) == {}
