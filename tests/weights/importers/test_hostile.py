"""Files that went wrong in every way: each reader refuses them in one line, or reads what is still whole."""

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from attacks import HARMLESS, attacks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import Sample, mutated, narrow_zoo, samples

from googlenet.errors import InputError

KINDS = (
    "caffemodel, layer",
    "caffemodel, layers",
    "GraphDef",
    "npz",
    "npz, compressed",
    ".pth, ZIP",
    ".pth, before 1.6",
    "safetensors",
    "checkpoint",
)
PARTS = ("npz, one array", ".pth, its pickle", "checkpoint, its specification")


@pytest.fixture(scope="module")
def files() -> Iterator[dict[str, Sample]]:
    with narrow_zoo():
        yield samples()


def refused(sample: Sample, path: Path, content: bytes) -> str | None:
    """Return the message of a refusal, or None where the file is read; anything else is a fault of the reader."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            sample.read(path)
        except InputError as error:
            message = str(error)
            assert "\n" not in message
            assert message.startswith(f"{path}: ")
            assert message.isprintable()
            return message
    return None


def test_every_kind_is_tried(files: dict[str, Sample], tmp_path: Path) -> None:
    assert tuple(files) == KINDS + PARTS
    for sample in files.values():
        assert refused(sample, tmp_path / "file", sample.whole(sample.content)) is None


@pytest.mark.parametrize("kind", KINDS + PARTS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_mutated_files_are_read_or_refused(files: dict[str, Sample], tmp_path: Path, kind: str, seed: int) -> None:
    refused(files[kind], tmp_path / "file", mutated(files[kind], Random(seed)))


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files_are_refused(files: dict[str, Sample], tmp_path: Path, kind: str) -> None:
    sample = files[kind]
    cuts = Random(0).sample(sample.structure, 30)
    for cut in [*cuts, len(sample.content) - 1]:
        message = refused(sample, tmp_path / "file", sample.content[:cut])
        if kind not in ("GraphDef", "caffemodel, layer"):  # there, operations or whole heads may be what is missing
            assert message, cut


REFUSE = """
import sys
from googlenet.errors import InputError
from googlenet.weights.ensemble import expect_weights
from googlenet.weights.importers import import_weights
for path in sys.argv[1:]:
    try:
        (expect_weights if path.endswith("checkpoint") else import_weights)(path)
    except InputError:
        continue
    sys.exit(f"{path} is read")
print("torch" in sys.modules)
"""


def test_no_torch_is_loaded_to_refuse_a_file(files: dict[str, Sample], tmp_path: Path) -> None:
    """It takes seconds; a state dict alone is opened by it before its shapes are known."""
    paths = []
    for kind in KINDS:
        content = files[kind].content
        paths.append(tmp_path / kind)
        paths[-1].write_bytes(content[: len(content) // 2])
    done = subprocess.run([sys.executable, "-c", REFUSE, *map(str, paths)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


HEAVY = ("a gigabyte of zeros in one", "a gigabyte behind the array", "900,000 tensors")
"""Files that take longer to make than all others together."""


def test_every_reader_is_attacked() -> None:
    counts = {kind: len(hostile) for kind, hostile in attacks().items()}
    assert counts == {
        "caffemodel": 14,
        "GraphDef": 9,
        "npz": 10,
        ".pth, ZIP": 11,
        ".pth, before 1.6": 10,
        "safetensors": 10,
        "checkpoint": 16,
    }


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", attacks())
def test_files_made_to_harm_are_refused_soon(files: dict[str, Sample], tmp_path: Path, kind: str, heavy: bool) -> None:
    sample = files["checkpoint" if kind == "checkpoint" else "npz"]  # any but the checkpoint's goes by the content
    for title, write in attacks()[kind].items():
        if heavy != (title in HEAVY):
            continue
        content = write()
        start = time.process_time()
        message = refused(sample, tmp_path / "file", content)
        assert time.process_time() - start < 5, title
        assert (message is None) == (title in HARMLESS), f"{title}: {message}"
        assert len(message or "") < 500


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_files_cut_at_every_boundary_are_refused(files: dict[str, Sample], tmp_path: Path, kind: str) -> None:
    sample = files[kind]
    for cut in sorted({*range(400), *boundaries(sample)}):
        message = refused(sample, tmp_path / "file", sample.content[:cut])
        if kind not in ("GraphDef", "caffemodel, layer"):
            assert message, cut


def boundaries(sample: Sample) -> list[int]:
    """Where weights begin and end: both ends of every four bytes or more that do not depend on them."""
    places = np.array(sample.structure)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return sorted(
        {end for run in runs if len(run) >= 4 for end in (int(run[0]), int(run[-1]) + 1)} - {len(sample.content)}
    )
