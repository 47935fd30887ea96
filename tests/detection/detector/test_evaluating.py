"""What a detector finds by fewer boxes: the same as `detect` says of so many, resumed line by line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coloured import Coloured, grid
from gridded import COMPUTING, Grid, classifier

from googlenet.detection.boxes import iou
from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.evaluating import detect_all
from googlenet.detection.detector.judging import judge_detector
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.sources import Found, MultiBoxSource
from googlenet.detection.regions.selection import Selection
from googlenet.errors import InputError
from googlenet.training.folder import alone_in

SETTINGS = DetectorSettings((ProposedBy("grid"),), selection=Selection(score=0.05))
FIFTY = replace(SETTINGS, proposals=50)


class Quick(MultiBoxSource):
    """Proposes, in place of a network, 60 boxes, of which the grid has every other."""

    key = "quick"

    def __init__(self) -> None:
        super().__init__("quick", "nowhere", 60, COMPUTING)

    def propose(self, image: np.ndarray) -> Found:
        boxes = grid()[::-1][:60].copy()
        boxes[::2] += 0.5
        return Found(boxes, np.linspace(1, 0, 60))


def detector(cache: Path, settings: DetectorSettings = SETTINGS, sources: tuple | None = None) -> Detector:
    return Detector((classifier(),), sources or (Grid(), Quick()), settings, COMPUTING, ProposalCache(cache))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(found: dict, expected: dict) -> None:
    assert found["file"].rpartition("/")[2] == expected["file"].rpartition("/")[2]
    for one, other in zip(found["detections"], expected["detections"], strict=True):
        assert (one["box"], one["id"]) == (other["box"], other["id"])
        assert one["score"] == pytest.approx(other["score"], abs=1e-6)  # of another batch


def test_fewer_boxes_detect_what_detect_says_of_so_many(tmp_path: Path):
    images = Coloured(3)
    pictures = [images.read(index) for index in range(3)]
    made = detector(tmp_path / "kept")
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert list(found.files) == ["50", "100", "fast", "all"]
    fast = detector(tmp_path / "kept", FIFTY, (made.sources[1],))
    of_detect = {name: made.detect(pictures, proposals=int(name)) for name in ("50", "100")}
    of_detect |= {"fast": fast.detect(pictures), "all": made.detect(pictures)}
    for name, detections in of_detect.items():
        told = [one.to_json(made.classes) | {"file": images.name(index)} for index, one in enumerate(detections)]
        for one, other in zip(lines(found.files[name]), told, strict=True):
            same(one, other)
    counts = [len(one["detections"]) for name in found.files for one in lines(found.files[name])]
    assert min(counts) > 0


def test_what_the_boxes_cover_is_counted(tmp_path: Path):
    images = Coloured(3)
    made = detector(tmp_path / "kept")
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    boxes = made.boxes(np.zeros((40, 48, 3), np.uint8))
    for name, some in (("50", boxes[:50]), ("all", boxes), ("fast", Quick().propose(None).boxes[:50])):
        best = [iou(some, images.objects(index).boxes).max(0) for index in range(3)]
        assert found.covered[name].recall == (np.concatenate(best) >= 0.5).mean()
        assert found.covered[name].boxes == len(some)
        assert found.covered[name].rejected == len(boxes) - len(some)
        assert found.covered[name].lost == found.covered["all"].recall - found.covered[name].recall


def test_a_detector_that_takes_few_boxes_is_judged_by_no_more(tmp_path: Path):
    images, made = Coloured(2), detector(tmp_path / "kept", replace(SETTINGS, proposals=60))
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert list(found.files) == ["50", "fast", "all"]
    assert found.covered["all"].boxes == 60
    (first, _) = lines(found.files["all"])
    same(first, next(iter(made.detect(images.read(0)))).to_json(made.classes) | {"file": first["file"]})
    (fast, _) = lines(found.files["fast"])  # also of boxes that are not among the 60
    alone = detector(
        tmp_path / "kept", DetectorSettings(SETTINGS.sources, 50, selection=SETTINGS.selection), (Quick(),)
    )
    same(fast, next(iter(alone.detect(images.read(0)))).to_json(made.classes) | {"file": fast["file"]})


def test_what_a_kill_leaves_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images, made = Coloured(4), detector(tmp_path / "kept")
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    whole = {name: path.read_bytes() for name, path in found.files.items()}
    ends = {"50": (3, 9), "100": (2, 0), "fast": (2, 5), "all": (1, 4)}  # whole lines, and bytes of the next
    for name, path in found.files.items():
        count, more = ends[name]
        kept = whole[name].splitlines(keepends=True)
        path.write_bytes(b"".join(kept[:count]) + kept[count][:more])
    scored = []
    plain = made.detected
    monkeypatch.setattr(made, "detected", lambda one, rows: scored.append(one.picture.name) or plain(one, rows))
    again = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert set(scored) == {images.name(index) for index in (1, 2, 3)}
    for name, path in again.files.items():
        for one, other in zip(lines(path), map(json.loads, whole[name].splitlines()), strict=True):
            same(one, other)
    scored.clear()
    assert detect_all(made, images, tmp_path, "hash", tmp_path).seconds == {}
    assert not scored
    detect_all(made, images, tmp_path, "another", tmp_path)
    assert len(scored) == 4 * len(found.files)


def test_a_broken_picture_is_in_every_file(tmp_path: Path):
    class Broken(Coloured):
        def read(self, index: int) -> bytes:
            return super().read(index)[: 200 if index == 1 else None]

    images, made = Broken(3), detector(tmp_path / "kept")
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert [error.partition(":")[0] for error in found.errors] == ["coloured/1.png"]
    assert all(["error" in one for one in lines(path)] == [False, True, False] for path in found.files.values())
    assert detect_all(made, images, tmp_path, "hash", tmp_path).errors == found.errors
    assert found.covered["all"].boxes < len(made.boxes(np.zeros((40, 48, 3), np.uint8)))  # it has none


def test_fewer_boxes_are_judged_against_all(tmp_path: Path):
    images, made = Coloured(6), detector(tmp_path / "kept")
    judged = judge_detector(
        "made", {"members": 1}, detect_all(made, images, tmp_path, "hash", tmp_path), images, "voc2010"
    )
    assert [one.name for one in judged.by_proposals] == ["50", "100", "fast", "all"]
    *fewer, every = judged.by_proposals
    assert every.mean == judged.found.mean
    assert every.difference is None
    for one in fewer:
        assert one.difference
        assert one.difference[0] <= one.mean - every.mean <= one.difference[1]
    told = judged.to_json()
    assert [one["proposals"] for one in told["by_proposals"]] == [50, 100, "fast", "all"]
    assert told["by_proposals"][-1]["mean_average_precision"] == told["mean_average_precision"]


class Mended(Coloured):
    """Whose second picture is broken, or another one."""

    second: bytes | None = b"broken"

    def read(self, index: int) -> bytes:
        return self.second if index == 1 and self.second is not None else super().read(index)


def test_a_picture_that_was_mended_or_replaced_is_looked_at_again(tmp_path: Path):
    images, made = Mended(3), detector(tmp_path / "kept")
    broken = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert len(broken.errors) == len(detect_all(made, images, tmp_path, "hash", tmp_path).errors) == 1
    for second in (None, Coloured(3, seed=5).read(2)):
        images.second = second
        found = detect_all(made, images, tmp_path, "hash", tmp_path)
        assert not found.errors
        (one,) = made.detect([images.read(1)])
        same(lines(found.files["all"])[1], one.to_json(made.classes) | {"file": images.name(1)})


def test_what_others_wrote_is_not_deleted(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/detections.jsonl").write_text("mine")
    (tmp_path / "b/detections-50.jsonl").mkdir(parents=True)
    for name in ("a/detections.jsonl", "b/detections-50.jsonl"):
        with pytest.raises(InputError, match=f"{name}: not written by an evaluation in this folder; give another"):
            detect_all(detector(tmp_path / "kept"), Coloured(2), (tmp_path / name).parent, "hash", tmp_path)
    assert (tmp_path / "a/detections.jsonl").read_text() == "mine"


def test_two_do_not_detect_in_one_folder(tmp_path: Path):
    with alone_in(tmp_path), pytest.raises(InputError, match="another process detects in this folder"):
        detect_all(detector(tmp_path / "kept"), Coloured(2), tmp_path, "hash", tmp_path)
