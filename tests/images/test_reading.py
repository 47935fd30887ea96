"""Reading many images: order, errors in their place, bounded reading ahead, a prompt end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.errors import InputError
from googlenet.images import reading
from googlenet.images.decoding import decode
from googlenet.images.preprocessing import prepare
from googlenet.images.reading import read_crops
from googlenet.network.specification import Pixels, Resize

PIXELS = Pixels(resize=Resize(size=40))


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(24):
        paths.append(tmp_path / f"{number:02}.jpg")
        height, width = rng.integers(20, 200, 2)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    paths[5].write_bytes(paths[5].read_bytes()[:300])
    paths[11].unlink()
    return paths


@pytest.mark.parametrize("workers", [None, 1, 7])
def test_crops_and_errors_come_in_order(photographs: list[Path], workers: int | None) -> None:
    results = list(read_crops(photographs, PIXELS, (32, 36), workers))
    assert [name for name, _ in results] == [str(path) for path in photographs]
    for number, (name, crop) in enumerate(results):
        if number in (5, 11):
            assert isinstance(crop, InputError)
            assert name in str(crop)
        else:
            np.testing.assert_array_equal(crop, prepare(decode(name), PIXELS, (32, 36)))


def test_a_bug_is_not_taken_for_a_bad_image(photographs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reading, "prepare", broken)
    with pytest.raises(ZeroDivisionError):
        list(read_crops(photographs, PIXELS, (32, 32)))


def test_reading_ahead_is_bounded(photographs: list[Path]) -> None:
    taken = 0

    def paths() -> Iterator[Path]:
        nonlocal taken
        while True:  # without an end
            taken += 1
            yield photographs[0]

    crops = read_crops(paths(), PIXELS, (32, 32), workers=2)
    assert taken == 0
    for number in range(1, 20):
        next(crops)
        time.sleep(0.002)
        assert taken <= number + 4
    crops.close()
    taken = 0
    crops = read_crops(paths(), PIXELS, (32, 32), workers=2, ahead=9)
    for number in range(1, 20):
        next(crops)
        assert taken <= number + 9
    assert taken > 24
    crops.close()


def test_pictures_decoded_together_hold_a_bounded_number_of_pixels(
    photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, held, most = threading.Lock(), [], 0

    def slowly(picture: np.ndarray, **_: object) -> np.ndarray:
        nonlocal most
        with lock:
            held.append(picture.shape[0] * picture.shape[1])
            most = max(most, sum(held))
        time.sleep(0.003)
        with lock:
            held.remove(picture.shape[0] * picture.shape[1])
        return picture

    monkeypatch.setattr(reading, "prepare", slowly)
    monkeypatch.setattr(reading, "MAXIMUM_PIXELS", 60_000)
    good = [path for number, path in enumerate(photographs) if number not in (5, 11)]
    sizes = [pixels.shape[0] * pixels.shape[1] for _, pixels in read_crops(good, PIXELS, (32, 32), workers=8)]
    assert len(sizes) == 22
    assert sum(sizes) > 120_000
    assert max(sizes) < most <= 60_000


def test_no_thread_is_left_after_an_early_end(photographs: list[Path]) -> None:
    for _ in read_crops(photographs, PIXELS, (32, 32), workers=3):
        break
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("read_prepared") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_an_interruption_ends_promptly(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2000, 2000, 3), np.uint8)).save(tmp_path / "a.png")
    code = """
import itertools, sys
from pathlib import Path
from googlenet.images.reading import read_crops
from googlenet.network.specification import Pixels
for number, _ in enumerate(read_crops(itertools.repeat(Path(sys.argv[1])), Pixels(), (224, 224))):
    if number == 0:
        print("running", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "a.png"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)  # by itself it would never end
    finally:
        process.kill()
    assert b"KeyboardInterrupt" in told
