"""Times of exchanges, worked by hand: 8 Gbit/s are a GB/s."""

import numpy as np
import pytest
from clusters import cluster

from googlenet.distributed import synchronous
from googlenet.distributed.simulation.link import (
    BUCKET,
    all_reduce_seconds,
    in_step_seconds,
    occupied_seconds,
    round_trip_seconds,
)


def test_a_ring_sends_two_parts_for_each_other_machine():
    of = cluster(latency=1.0)
    assert all_reduce_seconds(of, 4, 4e6) == pytest.approx(6 * (1e-3 + 1e-3))
    assert all_reduce_seconds(of, 2, 4e6) == pytest.approx(2 * (1e-3 + 2e-3))
    assert all_reduce_seconds(of, 1, 4e6) == 0


def test_a_tree_is_as_deep_as_the_logarithm():
    of = cluster(latency=1.0, all_reduce="tree")
    assert all_reduce_seconds(of, 4, 4e6) == pytest.approx(2 * (2e-3 + 4e-3))
    assert all_reduce_seconds(of, 1000, 0) == pytest.approx(20e-3)


def test_one_bucket_is_sent_after_the_computation():
    """A million parameters are 4 MB: 2 (4 - 1) parts of 1 MB; and three exchanges of nothing."""
    assert in_step_seconds(cluster(10**6), 4, 2.0) == pytest.approx(2.0 + 6e-3)
    assert in_step_seconds(cluster(10**6, latency=1.0), 4, 2.0) == pytest.approx(2.0 + 6 * 2e-3 + 3 * 6e-3)
    assert in_step_seconds(cluster(10**6, wire="bfloat16"), 4, 2.0) == pytest.approx(2.0 + 3e-3)
    assert in_step_seconds(cluster(10**6), 1, 2.0) == 2.0


def test_buckets_are_sent_during_the_backward_pass():
    """Four buckets of a second each on the link between two. Gradients come in the last two thirds of the step."""
    four = cluster(BUCKET, bandwidth=8e-9 * BUCKET)
    assert all_reduce_seconds(four, 2, BUCKET) == pytest.approx(1.0)
    assert in_step_seconds(four, 2, 30.0) == pytest.approx(31.0)  # all but the last are hidden
    assert in_step_seconds(four, 2, 3.0) == pytest.approx(1 + 0.5 + 4)  # the first is there after 1.5 s, then the link


def test_the_buckets_are_those_of_the_exchange():
    assert BUCKET == synchronous.BUCKET


def test_shards_take_in_all_gradients_and_give_their_weights_to_all():
    """Three workers push 4 GB each to one shard, or to two, and four fetch them; a move takes half a second."""
    ready = np.array([1.0, 2.0, 2.0])
    one = cluster(10**9, update_seconds=0.5)
    assert round_trip_seconds(one, ready, 4) == pytest.approx(1 + 3 * 4 + 0.5 + 4 * 4)
    two = cluster(10**9, update_seconds=0.5, shards=2, latency=100.0)
    assert round_trip_seconds(two, ready, 4) == pytest.approx(1 + 3 * 2 + 0.25 + 4 * 2 + 2 * 0.1)
    many = cluster(10**9, shards=100)  # then each worker's own link is what takes long
    assert round_trip_seconds(many, ready, 4) == pytest.approx(2 + 4 + 4)


def test_a_gradient_occupies_a_shard_with_its_slice():
    assert occupied_seconds(cluster(10**9, shards=4)) == pytest.approx(1.0)
    assert occupied_seconds(cluster(10**9, shards=4, update_seconds=8.0)) == pytest.approx(2.0)
    assert occupied_seconds(cluster(10**9, shards=4, update_seconds=8.0), 0.1) == pytest.approx(1.0)
