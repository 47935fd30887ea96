"""Real gradients in simulated time: one worker is plain SGD, and what is late is as late as the clock says."""

from itertools import islice

import numpy as np
import pytest
import torch
from clusters import cluster, script

from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.distributed.shard import Rule
from googlenet.distributed.simulation.cluster import ARMS
from googlenet.distributed.simulation.downpour import Counting, Downpour
from googlenet.distributed.simulation.learner import EXECUTION, Learner, small_network
from googlenet.distributed.simulation.learning import (
    _asynchronous,
    _in_step,
    _joined,
    _Replicas,
    corrected,
    learn,
    rule_of,
)
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.training.optimizer import SGD, clip, parameter_groups
from googlenet.training.task import Classification

RATE = 0.02


@pytest.fixture(scope="module")
def learner():
    data = Subset(Digits("validation"), range(80))
    return Learner(small_network(10), data, data, batch_size=4, seed=5, longest=5.0)


def plain(learner, batches):
    """The weights after plain SGD on these batches, each of several mini-batches, in their own network."""
    network = Network(small_network(10))
    initialise(network, seed=5)
    training = EXECUTION.fuse(EXECUTION.place(network))
    task = Classification(training, EXECUTION, seed=5, steps_per_epoch=learner.images // 4)
    optimizer = SGD(parameter_groups(training), lr=RATE, momentum=0.9)
    with EXECUTION.computing():
        for numbers in batches:
            optimizer.zero_grad()
            task.compute(learner.batch(numbers))
            clip(optimizer.parameters.values(), 5.0)
            optimizer.step()
    return torch.cat([parameter.detach().reshape(-1) for parameter in optimizer.parameters.values()])


def weights_after(states, count):
    with EXECUTION.computing():
        *_, last = islice(states, count)
    return _joined(last[2])


@pytest.mark.parametrize("shards", [1, 3])
def test_one_asynchronous_worker_is_plain_sgd_bit_for_bit(learner, shards):
    states = _asynchronous(cluster(shards=shards), learner, "downpour", 1, Rule(0.9), RATE)
    found = weights_after(states, 6)
    assert torch.equal(found, plain(learner, [[number] for number in range(6)]))
    assert not torch.equal(found, learner.first_weights)


def test_workers_in_step_are_plain_sgd_on_their_joint_batch(learner):
    states = _in_step(cluster(), learner, "synchronous", 3, Rule(0.9), RATE)
    assert torch.equal(weights_after(states, 3), plain(learner, [[0, 1, 2], [3, 4, 5], [6, 7, 8]]))


def test_with_backups_the_slowest_gradients_count_for_nothing(learner, monkeypatch):
    script(monkeypatch, [1.0, 5.0, 2.0], [1.0, 1.0, 1.0])
    of = cluster(backups=1 / 3)
    states = _in_step(of, learner, "backup", 3, rule_of("backup", of, 3, 0.9), RATE)
    expected = plain(learner, [[0, 2], [3, 5]])
    torch.testing.assert_close(weights_after(states, 2), expected, rtol=1e-4, atol=1e-6)


def test_what_is_learnt_is_as_late_as_what_is_counted(learner):
    of = cluster(step_spread=0.4, shards=2)
    real, counted = _Replicas(of, learner, 5, Rule(0.0), 1e-3), Counting(5, 2)
    with EXECUTION.computing():
        learnt = list(islice(Downpour(of, 5, real).pushes(), 25))
    assert learnt == list(islice(Downpour(of, 5, counted).pushes(), 25))
    assert [shard.clock for shard in real.shards] == counted.clocks


@pytest.mark.parametrize("arm", ARMS)
def test_every_exchange_learns_the_same_each_time(learner, arm):
    of = cluster(step_spread=0.2, shards=2, backups=0.34, bound=1, push_every=2)
    options = {"rate": RATE, "momentum": 0.5, "epochs": 1, "target": 1.0}
    first, second = ([*learn(of, learner, arm, 3, **options)][-1] for _ in range(2))
    assert first == second
    assert first.arm == arm
    assert first.points[-1].images >= learner.images
    seconds = [point.seconds for point in first.points]
    assert seconds == sorted(seconds)
    assert not first.diverged
    assert first.reached is None


def test_a_run_ends_where_it_meets_the_target_or_diverges(learner):
    of = cluster()
    options = {"momentum": 0.9, "epochs": 3}
    *_, met = learn(of, learner, "synchronous", 2, rate=RATE, target=0.05, **options)
    assert met.reached == met.points[-1]
    assert len(met.points) == 1
    *_, broken = learn(of, learner, "downpour", 4, rate=1e12, target=1.0, **options)
    assert broken.diverged
    assert broken.reached is None


def test_the_time_is_that_of_the_machines_and_their_failures(learner):
    options = {"rate": RATE, "momentum": 0.9, "epochs": 1, "target": 1.0}
    of = cluster(step_seconds=2.0)
    *_, alone = learn(of, learner, "synchronous", 1, **options)
    assert [point.seconds for point in alone.points] == pytest.approx([point.images / 4 * 2 for point in alone.points])
    failing = cluster(step_seconds=2.0, failures=10.0)
    *_, later = learn(failing, learner, "synchronous", 1, **options)
    kept = failing.productive("in step", 1)
    assert later.points[0].seconds == pytest.approx(alone.points[0].seconds / kept)


def test_momentum_is_corrected_for_what_asynchrony_adds():
    """1 - 1/M of implicit momentum: with it, two workers of 0.8 have that of one of 0.9; from ten on none is left."""
    assert [corrected(0.9, workers) for workers in (1, 2, 4, 10, 64)] == pytest.approx([0.9, 0.8, 0.6, 0, 0])
    assert corrected(0.0, 1) == 0


def test_how_shards_move():
    of = cluster(backups=0.25)
    assert rule_of("downpour", of, 4, 0.9) == Rule(0.9)
    assert rule_of("backup", of, 4, 0.9) == Rule(0.9, together=3)
    assert rule_of("downpour-divide", of, 4, 0.9).divide
    assert rule_of("downpour-delay-compensation", of, 4, 0.9).compensation == 0.04
    assert rule_of("downpour-adagrad", of, 4, 0.9) == Rule(0.0, adagrad=True)


def test_mini_batches_go_through_the_images_epoch_by_epoch(learner):
    steps = learner.images // 4
    numbers = np.concatenate([learner.batch([number]).indices.numpy() for number in range(steps)])
    assert len(set(numbers.tolist())) == 4 * steps
    joint = learner.batch([0, 1]).indices.tolist()
    assert joint == [*learner.batch([0]).indices.tolist(), *learner.batch([1]).indices.tolist()]
    assert learner.batch([steps]).indices.tolist() != learner.batch([0]).indices.tolist()


def test_weights_and_biases_move_as_in_caffes_network(learner):
    kinds = learner.slices(1).kinds
    assert sum(kind.length for kind in kinds) == len(learner.first_weights)
    assert {(kind.rate, kind.decay) for kind in kinds} == {(1.0, 2e-4), (2.0, 0.0)}
    assert torch.equal(learner.rates.unique(), torch.tensor([1.0, 2.0]))
