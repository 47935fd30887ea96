"""What an exchange takes on a link: the bytes over the bandwidth, and the latency of each message on the way."""

import math

import numpy as np
from numpy.typing import NDArray

from googlenet.distributed.simulation.cluster import Cluster

__all__ = ["BUCKET", "all_reduce_seconds", "in_step_seconds", "occupied_seconds", "round_trip_seconds"]

BUCKET = 4 * 2**20
"""Bytes of float32 gradients that the synchronous exchange sends together."""

SMALL = 3
"""Exchanges of a few bytes in each synchronous step: figures, their sizes, and what is decided."""

BACKWARD = 2 / 3
"""Share of a step that is the backward pass, in which gradients come: two products of matrices for each one forward."""


def all_reduce_seconds(cluster: Cluster, workers: int, size: float) -> float:
    """Return the seconds until all workers have the sum of what each had, `size` bytes.

    Around a ring each sends 2 (M - 1) parts of 1/M of it, one after the other; along a tree all of it up and down, cut
    finely, so that only the latency grows with the depth.
    """
    if workers == 1:
        return 0.0
    if cluster.all_reduce == "ring":
        rounds = 2 * (workers - 1)
        return rounds * (cluster.latency_seconds + size / workers / cluster.bytes_per_second)
    depth = math.ceil(math.log2(workers))
    return 2 * (depth * cluster.latency_seconds + size / cluster.bytes_per_second)


def in_step_seconds(cluster: Cluster, workers: int, computing: float) -> float:
    """Return the seconds of a synchronous step whose slowest worker computes for so many.

    Gradients go out in buckets, evenly over the backward pass, the last one when it ends; one bucket at a time is on
    the way. With one bucket this is the computation, and then the exchange.
    """
    buckets = max(1, math.ceil(4 * cluster.parameters / BUCKET))
    each = all_reduce_seconds(cluster, workers, cluster.wire_bytes / buckets)
    first = computing * (1 - BACKWARD * (1 - 1 / buckets))
    ended = max(computing + each, first + buckets * each)  # either the computation is waited for, or the link
    return ended + SMALL * all_reduce_seconds(cluster, workers, 0)


def occupied_seconds(cluster: Cluster, moves: float = 1.0) -> float:
    """Return how long a gradient occupies a shard that moves so many times for each, by what takes longest of it.

    That is receiving it, moving, or sending the weights back: a machine does these beside each other.
    """
    assert cluster.update_seconds is not None
    sending = cluster.wire_bytes / cluster.bytes_per_second
    return max(sending, moves * cluster.update_seconds) / cluster.shards


def round_trip_seconds(cluster: Cluster, ready: NDArray[np.float64], fetching: int) -> float:
    """Return when the workers that were `ready` at these moments, sorted, have pushed and so many have fetched.

    Each sends a slice of its gradient to each shard. A shard takes in one at a time, moves once all are there, and
    sends its weights to one after the other. All shards do so alike.
    """
    assert cluster.update_seconds is not None
    sending = cluster.wire_bytes / cluster.bytes_per_second
    before_end = np.arange(len(ready), 0, -1)
    received = max(float(ready[-1]) + sending, float((ready + before_end * sending / cluster.shards).max()))
    moved = received + cluster.latency_seconds + cluster.update_seconds / cluster.shards
    return moved + cluster.latency_seconds + max(1.0, fetching / cluster.shards) * sending
