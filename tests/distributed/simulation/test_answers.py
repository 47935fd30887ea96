"""The answers in words, for a comparison whose outcome is known."""

from dataclasses import replace

import pytest
from studies import study

from googlenet.distributed.simulation.answers import answer, efficiency, limit_of, speed_up, worth
from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.study import Study, paces
from googlenet.distributed.simulation.throughput import throughput


@pytest.fixture(scope="module")
def found() -> Study:
    return study()


def test_machines_are_worth_it_as_long_as_each_does_half(found):
    """A GPU's link of 10 Gbit/s: 53.5 MB take 43 ms, four shards take in 93 gradients a second, of two a worker."""
    by_place = {(pace.arm, pace.workers): pace for pace in found.paces}
    best = worth(found, "downpour")
    assert best == by_place["downpour", 64]
    assert efficiency(found, by_place["downpour", 64]) > 0.5 > efficiency(found, by_place["downpour", 256])
    assert speed_up(found, by_place["downpour", 256]) == pytest.approx(4 * 1.25e9 / 53_513_120 * 0.5, rel=0.02)
    assert worth(found, "downpour-corrected") is None  # its pace is that of downpour, and not simulated again


def test_what_limits_a_pace_is_named():
    slow = Cluster(step_seconds=0.5, update_seconds=0.0, bandwidth=0.1, failures=0.0)
    far = replace(slow, bandwidth=100.0, latency=50.0)
    unequal = replace(slow, bandwidth=1000.0, latency=0.0, step_spread=0.5)
    failing = replace(unequal, step_spread=0.0, failures=5.0)
    for cluster, words in (
        (slow, "bandwidth of the link"),
        (far, "latency of the many messages"),
        (unequal, "slowest worker"),
        (failing, "failures"),
    ):
        assert words in limit_of(cluster, throughput(cluster, "synchronous", 16))
    assert "the shards" in limit_of(slow, throughput(replace(slow, shards=1), "downpour", 16))
    few = replace(slow, shards=100)
    assert "own link" in limit_of(few, throughput(few, "downpour", 4))


def test_the_answer_comes_first_and_every_exchange_has_its_own(found):
    lines = answer(found)
    assert lines[0].startswith(
        "For googlenet (a gradient of 53.5 MB, 500 ms a step) on a link of 10 Gbit/s and 0.1 ms, "
    )
    assert "64 machines are worth it, with downpour:" in lines[0]
    assert [line.partition(":")[0] for line in lines[1:4]] == ["synchronous", "backup", "downpour"]
    assert "With 256 most is lost to the shards, which are occupied 100 % of the time" in lines[3]


def test_learning_is_told_beside_one_machine(found):
    lines = answer(found)
    assert "Learning: one machine recognises 90 % after 1 min 40 s." in lines
    assert "Soonest to 90 %: backup with 16 machines, after 20 s, 5 times as soon." in lines
    assert any("16 machines, downpour: 90 % is not met within the epochs" in line for line in lines)
    assert "16 machines, downpour-corrected: 90 % after 50 s and 1,440 images, at a rate of 0.03." in lines


def test_the_error_of_the_calibration_is_that_of_several_workers(found):
    in_step, late = answer(found)[-2:]
    assert "171.0 foretold and 180.0 measured with 2; the largest error with several workers is 5.0 %" in in_step
    assert late.startswith("Calibration on this machine, downpour, googlenet-tiny, images a second: 99.0 foretold")
    assert "is 30.0 %" in late
    assert "Not calibrated" in answer(study(calibrated=False))[-1]


def test_the_first_sentence_says_how_far_it_can_be_believed(found):
    assert answer(found)[0].endswith(" The simulation was off by up to 30 % for real workers of this machine (below).")
    in_step = replace(found.calibration, exchanges=found.calibration.exchanges[:1])
    assert "was off by" not in answer(replace(found, calibration=in_step))[0]
    assert "was off by" not in answer(study(calibrated=False))[0]


def test_no_machine_may_be_worth_it(found):
    cluster = replace(found.cluster, bandwidth=1e-3)
    settings = replace(found.settings, workers=(2, 4))
    hopeless = replace(found, cluster=cluster, settings=settings, paces=paces(cluster, settings), learnt=())
    assert "no number of machines is worth it" in answer(hopeless)[0]
    assert answer(hopeless)[1].startswith(
        "synchronous: never worth it. With 2 most is lost to the bandwidth of the link."
    )
