"""What networks said is asked for once: refinements, choices and ensembles of the same networks find it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coloured import Coloured
from gridded import COMPUTING, Grid, classifier

from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.evaluating import detect_all
from googlenet.detection.detector.kept_answers import key_of
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.regions import pipeline
from googlenet.detection.regions.refinement.context import Context
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.refinement.regression import BoxRegression
from googlenet.detection.regions.refinement.svm import Svms
from googlenet.detection.regions.selection import Selection

SETTINGS = DetectorSettings((ProposedBy("grid"),), selection=Selection(score=0.05))
IMAGES = Coloured(3)
BOXES = len(Grid().boxes)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, 0.2, shape).astype(np.float32)


SVMS = Refinement(Svms(drawn(2, 5 * 64), drawn(2)))
REGRESSION = Refinement(regression=BoxRegression(drawn(2, 4, 5 * 64), drawn(2, 4)))
AROUND = Refinement(context=Context(1 + abs(drawn(2)), drawn(2, 2), drawn(2)))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many boxes the networks are asked."""
    counts: list[int] = []
    compute = pipeline._computed
    monkeypatch.setattr(
        pipeline,
        "_computed",
        lambda batch, of: counts.append(sum(len(one.boxes) for one in batch.pieces)) or compute(batch, of),
    )
    return counts


def detector(folder: Path, refinements: Sequence[Refinement] = (), seeds: Sequence[int] = (0,)) -> Detector:
    networks = [classifier(seed) for seed in seeds]
    return Detector(networks, (Grid(),), SETTINGS, COMPUTING, ProposalCache(folder), refinements)


def found_by(made: Detector, folder: Path, kept: Path) -> list[dict]:
    folder.mkdir()
    found = detect_all(made, IMAGES, folder, folder.name, kept)
    return [json.loads(line) for line in found.files["all"].read_text().splitlines()]


def test_what_was_kept_detects_what_detect_does(tmp_path: Path, asked: list[int]):
    every = {
        "plain": detector(tmp_path),
        "svms": detector(tmp_path, [SVMS]),
        "regression": detector(tmp_path, [REGRESSION]),
        "around": detector(tmp_path, [AROUND]),
        "ensemble": detector(tmp_path, [REGRESSION, AROUND], [0, 1]),
    }
    found_by(every["regression"], tmp_path / "before", tmp_path / "kept")
    found_by(detector(tmp_path, (), [1]), tmp_path / "another", tmp_path / "kept")
    for name, made in every.items():
        asked.clear()
        found = found_by(made, tmp_path / name, tmp_path / "kept")
        # the ensemble finds the wholes of its first network, and asks both as its second lacks them
        assert sum(asked) == (len(IMAGES) if name in ("around", "ensemble") else 0), name
        for line, one in zip(found, made.detect([IMAGES.read(index) for index in range(3)]), strict=True):
            told = one.to_json(made.classes)["detections"]
            assert [row["id"] for row in line["detections"]] == [row["id"] for row in told]
            for kept, new in zip(line["detections"], told, strict=True):
                assert kept["score"] == pytest.approx(new["score"], abs=1e-4)
                assert kept["box"] == pytest.approx(new["box"], abs=0.05)


def test_only_what_was_never_asked_is_asked(tmp_path: Path, asked: list[int]):
    found_by(detector(tmp_path), tmp_path / "plain", tmp_path / "kept")
    assert sum(asked) == 3 * BOXES
    asked.clear()
    found_by(detector(tmp_path, [SVMS]), tmp_path / "svms", tmp_path / "kept")  # features were not kept
    assert sum(asked) == 3 * BOXES
    asked.clear()
    more = Grid(boxes=np.concatenate([Grid().boxes, [[1.5, 2, 30, 30.5], [0, 0, 7.5, 8]]]))
    made = Detector([classifier()], (more,), SETTINGS, COMPUTING, ProposalCache(tmp_path / "others"))
    found_by(made, tmp_path / "more", tmp_path / "kept")
    assert sum(asked) == 3 * 2
    asked.clear()
    found_by(detector(tmp_path, [REGRESSION]), tmp_path / "regression", tmp_path / "kept")
    assert sum(asked) == 0


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"nothing", None])
def test_a_damaged_file_is_made_anew(tmp_path: Path, asked: list[int], damage: bytes | None):
    plain = found_by(detector(tmp_path), tmp_path / "plain", tmp_path / "kept")
    path = sorted((tmp_path / "kept").rglob("*.npz"))[0]
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    asked.clear()
    again = found_by(detector(tmp_path), tmp_path / "again", tmp_path / "kept")
    assert sum(asked) == BOXES
    for one, other in zip(plain, again, strict=True):
        assert [row["id"] for row in one["detections"]] == [row["id"] for row in other["detections"]]


def test_a_key_is_of_all_that_an_answer_depends_on():
    first = classifier()
    keys = {key_of(first, "float32", 16), key_of(first, "bfloat16", 16), key_of(first, "float32", 8)}
    keys |= {key_of(classifier(1), "float32", 16), key_of(classifier(0, 48), "float32", 16)}
    assert len(keys) == 5
    assert key_of(replace(first, provenance={"source": "elsewhere"}), "float32", 16) in keys


def test_what_is_damaged_or_packed_is_asked_again(tmp_path: Path, asked: list[int]):
    """An entry of a release of zip that nobody reads, an array in place of a file of them, a bomb."""
    made = detector(tmp_path)
    expected = found_by(made, tmp_path / "first", tmp_path / "kept")
    (path, other, third) = sorted((tmp_path / "kept").rglob("*.npz"))
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 6] = 140
    path.write_bytes(content)
    with other.open("wb") as file:
        np.save(file, np.zeros((3, 4)))
    np.savez_compressed(third, boxes=np.zeros((1000, 4)), values=np.zeros((1000, 3), np.float32))
    asked.clear()
    found = found_by(made, tmp_path / "second", tmp_path / "kept")
    assert sum(asked) == len(IMAGES) * BOXES
    assert [one["detections"] for one in found] == [one["detections"] for one in expected]
