"""The page of detectors: what it shows, of whom, and that people can read it on whatever they have."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from in_memory import Pictures, predicted
from page_checks import check_page
from PIL import Image

from googlenet.detection.average_precision import evaluate
from googlenet.detection.detector.judging import Covered, Judged, WithFewer, differences
from googlenet.detection.detector.report import write_report
from googlenet.errors import InputError
from googlenet.weights.classes import Class


class Unseen(Pictures):
    """Annotations without pictures."""

    def read(self, index: int) -> bytes:
        raise InputError(f"{index}: no such picture; look for it")


class Seen(Pictures):
    """Grey pictures."""

    def read(self, index: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (700, 60), (128, 128, 128)).save(file, "PNG")
        return file.getvalue()


def data_of(names: list[str], kind: type[Pictures] = Unseen) -> Pictures:
    """Each class but the last has an object in each of four pictures."""
    boxes = {label: (20 * label, 0, 20 * label + 16, 16 + label) for label in range(len(names) - 1)}
    return kind([list(boxes.items())] * 4, tuple(Class(f"{number}", name) for number, name in enumerate(names)))


def found(data: Pictures, most: int = 6):  # type: ignore[no-untyped-def]
    """Objects are found where they are, or up to `most` pixels beside."""
    random = np.random.default_rng(0)
    rows = [
        (picture, label, float(random.random()), tuple((np.array(box) + random.integers(0, most)).tolist()))
        for picture in range(4)
        for label, box in data.objects_of[picture]
    ]
    return evaluate(predicted(rows, data), data, "voc2010")


def with_fewer(mean: float) -> tuple[WithFewer, ...]:
    return tuple(
        WithFewer(
            Covered(name, boxes, recall, by, 1234.5 - boxes, 0.95 - recall),
            *(mean * share, (mean * share - 0.02, mean * share + 0.02), difference),
        )
        for name, by, boxes, recall, share, difference in (
            ("50", None, 50.0, 0.7, 0.8, (-0.2, -0.1)),
            ("100", None, 100.0, 0.8, 0.995, (-0.01, 0.01)),
            ("50", "narrow/detector.safetensors", 50.0, 0.9, 0.992, (-0.01, 0.01)),
            ("fast", None, 48.5, 0.75, 0.9, (-0.1, 0.0)),
            ("all", None, 1234.5, 0.95, 1.0, None),
        )
    )


def test_a_page_of_several_detectors_for_readers_of_all_kinds(tmp_path: Path, browser: Chromium) -> None:
    data = data_of([f"class {number}" for number in range(30)], Seen)
    far, near = found(data, 9), found(data, 3)
    details = with_fewer(near.mean), {"detection": 2.5}, {"sources": "multibox:boxes=48", "overlap": 0.45}
    rows = [
        Judged("far.json", far),
        Judged("runs/one/detector.safetensors", near, {"members": 1, "context": False}, *details),
        Judged("runs/six/both.json", near, {"members": 6, "context": False}, with_fewer(near.mean)),
    ]
    path = write_report(rows, data, tmp_path, "pets", {"proposals": 100.0, "regions": 3000.0})
    check_page(browser, path)
    page = " ".join(path.read_text().split())
    for words in (
        "Average precision of 3 detectors",
        "row 2, one/detector.safetensors, which has the most",
        "points above row 1 (interval of the difference +",
        "1,234 proposals a picture were classified, which cover 95.0 % of the objects",
        "--fast, 48 boxes of MultiBox a picture, has",
        ", no more than a point less than all",
        "The best 50 proposals by narrow/detector.safetensors have ",
        "; 5.0 points of the coverage are lost",
        "best 50 by narrow/detector.safetensors",
        "1,184.5",
        "The other 5 classes",
        '<h2 id="best-pictures">',
        "29 right, 0 wrong, 0 missed",
        "Deep Insight",
        "43.9 %",
        "50 min 00 s",
        "multibox:boxes=48",
        "0.45",
    ):
        assert words in page, words
    assert page.count("<svg") == 29
    behind = json.loads((tmp_path / "average-precision.json").read_text(), parse_constant=pytest.fail)
    assert [row["name"] for row in behind["rows"]] == ["far.json", "one/detector.safetensors", "six/both.json"]
    told = behind["rows"][1]["by_proposals"]
    assert [(one["proposals"], one["rejected_by"]) for one in told[2:4]] == [
        *((50, "narrow/detector.safetensors"), ("fast", None))
    ]
    assert told[2]["rejected_per_image"] == 1184.5
    assert told[2]["recall_lost"] == pytest.approx(0.05)
    assert [(one["earlier"], one["later"]) for one in behind["differences"]] == [(0, 1), (0, 2), (1, 2)]
    assert behind["differences"][2]["interval"] == [0, 0]
    lines = (tmp_path / "proposals.csv").read_text().splitlines()
    assert lines[1].startswith("2,50,50.0,0.7,")
    assert lines[3].endswith(f",narrow/detector.safetensors,1184.5,{0.95 - 0.9}")
    assert len(lines) == 11
    assert (tmp_path / "row-3/classes.csv").exists()


def test_names_of_strangers_stay_names(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    data = data_of([hostile, "cat"])
    page = write_report([Judged(hostile, found(data))], data, tmp_path, hostile).read_text()
    assert "<script" not in page
    assert "no ground truth" in page
    assert "Worst pictures" not in page  # which cannot be read


def test_differences_are_those_of_the_same_pictures() -> None:
    """Of 100 pictures one finds 60 objects, and another these and 10 more: that is 10 +- 6 points, and not +- 14."""
    square = (0, 0, 100, 100)
    data = Unseen([[(0, square)]] * 100)
    rows = [
        Judged(name, evaluate(predicted([(place, 0, 0.9, square) for place in range(count)], data), data, "voc2010"))
        for name, count in (("fewer", 60), ("more", 70))
    ]
    (one,) = differences(rows)
    assert one.difference == pytest.approx(0.1)
    assert one.interval == pytest.approx((0.05, 0.16), abs=0.015)  # 0.1 -+ 1.96 sqrt(0.09 / 100)
