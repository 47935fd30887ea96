"""The numbers are a function of (seed, purpose, epoch, index) and of nothing else."""

import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from googlenet.errors import InputError
from googlenet.randomness import generator, words


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Philox-4x64 with ten rounds, after Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011)."""
    word = (1 << 64) - 1
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
        c = [(second >> 64) ^ c[1] ^ k[0], second & word, (first >> 64) ^ c[3] ^ k[1], first & word]
        k = [(k[0] + 0x9E3779B97F4A7C15) & word, (k[1] + 0xBB67AE8584CAA73B) & word]
    return c


def test_reference_implementation_matches_the_published_vector():
    # Random123's known-answer file: counter and key all ones
    ones = (1 << 64) - 1
    assert philox4x64([ones] * 4, [ones] * 2) == [
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    ]


def test_stream_is_philox_of_seed_purpose_epoch_and_index():
    # blake2b("augmentation"), 8 bytes, little end first: computed with `printf augmentation | b2sum -l 64`
    purpose = int.from_bytes(bytes.fromhex("a3889c5b8c0d7469"), "little")
    drawn = generator(20140917, "augmentation", epoch=3, index=1234567).bit_generator.random_raw(8)
    expected = [n for draw in (1, 2) for n in philox4x64([draw, 0, 1234567, 3], [20140917, purpose])]
    assert [int(n) for n in drawn] == expected


def test_frozen_draws():
    """The distributions as well as the raw stream: a release of numpy that changed them would change every run."""
    random = generator(1, "frozen", 2, 3)
    assert random.random(2).tolist() == [0.5495621814627044, 0.2778096767466466]
    assert random.integers(0, 1000, 4).tolist() == [11, 115, 692, 726]
    assert random.normal(size=2).tolist() == [0.1267933345474826, 1.0924078395512988]


def test_another_process_gives_the_same_numbers():
    code = "from googlenet.randomness import generator; print(generator(7, 'crops', 1, 2).random(3).tolist())"
    command = [sys.executable, "-c", code]
    runs = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert runs == {f"{generator(7, 'crops', 1, 2).random(3).tolist()}\n"}


def test_every_argument_matters_and_neighbours_do_not_overlap():
    base = (5, "crops", 1, 2)
    others = [(6, "crops", 1, 2), (5, "order", 1, 2), (5, "crops", 2, 2), (5, "crops", 1, 3), (5, "crops", 2, 1)]
    streams = [set(generator(*call).bit_generator.random_raw(5000).tolist()) for call in [base, *others]]
    for i, one in enumerate(streams):
        for other in streams[:i]:
            assert not one & other


def test_first_draws_of_neighbours_are_uniform_and_independent():
    first = np.array([generator(0, "crops", epoch, index).random() for epoch in range(20) for index in range(100)])
    assert stats.kstest(first, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 4 / np.sqrt(first.size)


@pytest.mark.parametrize("call", [(-1, "a", 0, 0), (0, "a", -1, 0), (0, "a", 0, -1), (1 << 64, "a", 0, 0)])
def test_numbers_out_of_range_are_named(call):
    with pytest.raises(InputError, match=r"(seed|epoch|index) .*: give a whole number"):
        generator(*call)


def test_cheap_and_without_torch():
    code = "import sys, googlenet.randomness; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for index in range(500):
            generator(1, "crops", 2, index)
        rounds.append((time.perf_counter() - start) / 500)
    assert min(rounds) < 200e-6  # about 13 microseconds on a quiet core


def test_words_are_the_streams_of_generators():
    indices = [7, (1 << 64) - 1, 0, 7]
    rows = words(5, "masks", 2, indices, 9)
    assert rows.shape == (4, 9)
    assert rows.dtype == np.uint32
    for row, index in zip(rows.tolist(), indices, strict=True):
        wide = generator(5, "masks", 2, index).bit_generator.random_raw(5).tolist()
        assert row == [part for word in wide for part in (word & 0xFFFFFFFF, word >> 32)][:9]
    assert words(0, "masks", 0, [], 10).shape == (0, 10)
