"""Random numbers as a function: (seed, purpose, epoch, index) -> generator.

Nothing here has a state that others share. Whoever needs random numbers says what for, in which epoch and for which
sample, and gets the same numbers whatever else ran before, in whichever process, on however many machines. Exact
resume, sharding and repeatable augmentation follow from this.

`words` gives the same numbers for many indices at once.

The generator is Philox, which is counter-based: its key is (seed, purpose), its counter starts at (epoch, index), so
that two different calls read from streams that do not meet.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError

__all__ = ["generator", "words"]

_LIMIT = 1 << 64


def generator(seed: int, purpose: str, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """Return a fresh generator for one purpose, epoch and index (a sample's or a step's number).

    All three numbers lie in 0 .. 2^64 - 1, otherwise `InputError`. Up to 2^130 numbers can be drawn before the stream
    of another index begins.
    """
    for name, value in (("seed", seed), ("epoch", epoch), ("index", index)):
        if not 0 <= value < _LIMIT:
            raise InputError(f"{name} {value}: give a whole number from 0 to 2^64 - 1")
    key = np.array([seed, _number(purpose)], np.uint64)
    counter = np.array([0, 0, index, epoch], np.uint64)  # the first two words count the draws
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def words(
    seed: int, purpose: str, epoch: int, indices: Sequence[int] | NDArray[np.integer], count: int
) -> NDArray[np.uint32]:
    """Return `count` uniform words for each of many indices, uint32 [N, count]: the streams of `generator` themselves.

    One bit generator serves them all, which is several times as fast.
    """
    bits = generator(seed, purpose, epoch).bit_generator
    state: dict[str, Any] = dict(bits.state)
    rows = np.empty((len(indices), -(-count // 2)), "<u8")
    for row, index in zip(rows, indices, strict=True):
        state["state"]["counter"] = np.array([0, 0, index, epoch], np.uint64)
        bits.state = state
        row[:] = bits.random_raw(len(row))
    return rows.view("<u4")[:, :count]


@lru_cache(maxsize=256)
def _number(purpose: str) -> int:
    """A purpose as 64 bits, the same in every process (Python's own `hash` of a string is not)."""
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")
