"""Cheap rejection: confidences worked by hand, which boxes are left, who is asked how often, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import Coloured, grid
from gridded import COMPUTING, Grid, classifier

from googlenet.detection.boxes import as_boxes
from googlenet.detection.detector.detector import Detector, load_detector
from googlenet.detection.detector.evaluating import detect_all
from googlenet.detection.detector.file import read_detector, save_detector, save_detector_ensemble
from googlenet.detection.detector.judging import judge_detector
from googlenet.detection.detector.rejection import MultiBoxRejector, NetworkRejector, in_rounds, open_rejector
from googlenet.detection.detector.settings import Choice, DetectorSettings, ProposedBy, chosen
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.sources import Found, MultiBoxSource
from googlenet.detection.regions import pipeline
from googlenet.detection.regions.crop import cut
from googlenet.detection.regions.selection import Selection
from googlenet.errors import InputError
from googlenet.files import sha256
from googlenet.images.decoding import decode
from googlenet.network import zoo
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.creation import build

SETTINGS = DetectorSettings((ProposedBy("grid"),), selection=Selection(score=0.05))


class Corner(MultiBoxSource):
    """Says, in place of a network, that there is an object in the right lower corner, and one left of it."""

    key = "corner"

    def __init__(self) -> None:
        super().__init__("corner", "nowhere", 2, COMPUTING)
        self.__dict__["asked"] = []

    def propose(self, image: np.ndarray) -> Found:
        self.__dict__["asked"].append(1)
        return Found(as_boxes([(38, 30, 48, 40), (28, 30, 38, 40)]), np.array([0.8, 0.5]))


def picture(index: int = 0) -> np.ndarray:
    return decode(Coloured(index + 1).read(index), "picture")


def rejecting(corner: Corner, settings: DetectorSettings = SETTINGS, **options: object) -> Detector:
    rejector = MultiBoxRejector("multibox", corner)
    return Detector((classifier(),), (Grid(), corner), settings, COMPUTING, rejector=rejector, **options)  # type: ignore[arg-type]


def test_a_box_is_as_likely_an_object_as_the_surest_of_multibox_times_the_square_of_the_overlap():
    boxes = as_boxes([(38, 30, 48, 40), (33, 30, 43, 40), (0, 0, 10, 10), (28, 20, 38, 40)])
    found = MultiBoxRejector("multibox", Corner()).confidences(picture(), boxes, lambda one: one.propose(picture()))
    assert found == pytest.approx([0.8, 0.8 / 9, 0, 0.125])
    nothing = Found(np.empty((0, 4)), np.empty(0))
    assert MultiBoxRejector("multibox", Corner()).confidences(picture(), boxes, lambda _: nothing).tolist() == [0] * 4


def test_what_a_surer_box_shows_already_waits_for_the_next_round():
    """Three boxes of one object, which overlap by 0.82, 0.9 and 0.74, two of another (0.8), and one alone."""
    boxes = as_boxes([(0, 0, 10, 10), (1, 0, 11, 10), (0, 1, 10, 10), (50, 0, 60, 10), (50, 0, 60, 8), (90, 0, 95, 5)])
    confidences = np.array([0.9, 0.8, 0.7, 0.5, 0.6, 0.0])
    assert in_rounds(boxes, confidences).tolist() == [0, 4, 5, 1, 3, 2]
    assert in_rounds(boxes, np.zeros(6))[:3].tolist() == [0, 3, 5]  # ties as they were given
    assert in_rounds(as_boxes([]), np.zeros(0)).tolist() == []


def test_the_best_are_left_whatever_proposed_them():
    corner = Corner()
    made = rejecting(corner)
    ordered = made.boxes(picture())
    assert ordered[:2].tolist() == [[38, 30, 48, 40], [28, 30, 38, 40]]
    assert len(corner.__dict__["asked"]) == 1
    boxes = {tuple(box) for box in grid().tolist()} | {(38, 30, 48, 40), (28, 30, 38, 40)}
    assert sorted(map(tuple, ordered.tolist())) == sorted(boxes)
    (few,) = made.detect([picture()], proposals=2)
    assert {tuple(box) for box in few.boxes.tolist()} <= {(38.0, 30.0, 48.0, 40.0), (28.0, 30.0, 38.0, 40.0)}
    plain = Detector((classifier(),), made.sources, SETTINGS, COMPUTING)
    (every,), (other,) = made.detect([picture()]), plain.detect([picture()])
    assert every.boxes.tolist() == other.boxes.tolist()  # nothing is rejected where no number is said


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    save_detector(tmp_path / "narrow/detector.safetensors", classifier(3), SETTINGS)
    return tmp_path / "narrow/detector.safetensors"


def test_a_narrower_detector_says_how_likely_a_box_shows_anything(narrow: Path):
    boxes, image = grid()[:9], picture()
    found = NetworkRejector(narrow, COMPUTING).confidences(image, boxes, Grid().propose)
    crops = cut(image, boxes, (32, 32))
    network = build(classifier(3), auxiliary=False).eval()
    pixels = network.specification.pixels
    values = (torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float() - torch.tensor(pixels.mean).view(3, 1, 1)) / (
        torch.tensor(pixels.scale).view(3, 1, 1)
    )
    for one, (x0, y0, x1, y1) in zip(values, crops.inside.tolist(), strict=True):
        mask = torch.ones(32, 32, dtype=torch.bool)
        mask[y0:y1, x0:x1] = False
        one[:, mask] = 0
    with torch.no_grad():
        expected = 1 - network(values).softmax(1)[:, 2].numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found) > 0.01


def test_what_a_network_says_of_a_picture_is_kept_with_the_proposals(narrow: Path, tmp_path: Path, monkeypatch):
    asked: list[int] = []
    plain = NetworkRejector.confidences
    monkeypatch.setattr(
        NetworkRejector, "confidences", lambda self, image, *rest: asked.append(1) or plain(self, image, *rest)
    )
    rejector, cache = NetworkRejector(narrow, COMPUTING), ProposalCache(tmp_path / "kept")
    made = Detector((classifier(),), (Grid(),), SETTINGS, COMPUTING, cache, rejector=rejector)
    first, second = made.boxes(picture()), made.boxes(picture())
    assert len(asked) == 1
    assert first.tolist() == second.tolist()
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, grid().tolist()))


def test_what_is_rejected_is_judged_by_the_same_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By each number of boxes what `detect` says with it; scored once, also where it is asked for later."""
    images, corner, cache = Coloured(3), Corner(), ProposalCache(tmp_path / "kept")
    computed: list[int] = []
    compute = pipeline._computed
    monkeypatch.setattr(
        pipeline,
        "_computed",
        lambda batch, of: computed.extend(len(one.boxes) for one in batch.pieces) or compute(batch, of),
    )
    plain = Detector((classifier(),), (Grid(), corner), SETTINGS, COMPUTING, cache)
    detect_all(plain, images, tmp_path, "hash", tmp_path)
    assert sum(computed) == 3 * len(plain.boxes(picture()))
    computed.clear()
    made = rejecting(corner, cache=cache)
    found = detect_all(made, images, tmp_path, "hash", tmp_path)
    assert sum(computed) == 0
    assert list(found.files) == ["50", "50-by-confidence", "fast", "all"]
    assert len(corner.__dict__["asked"]) == 3
    of_detect = list(rejecting(corner, replace(SETTINGS, proposals=50), cache=cache).detect(map(images.read, range(3))))
    judged = judge_detector("made", {}, found, images, "voc2010")
    for line, one in zip(found.files["50-by-confidence"].read_text().splitlines(), of_detect, strict=True):
        told = json.loads(line)["detections"]
        assert [(row["box"], row["id"]) for row in told] == [
            (box, identifier) for box, identifier in zip(one.boxes.tolist(), one.ids, strict=True)
        ]
        assert [row["score"] for row in told] == pytest.approx(one.scores, abs=1e-6)
    total = len(made.boxes(picture()))
    rows = {(one.name, one.part.rejected_by): one.part for one in judged.by_proposals}
    part = rows["50", "multibox"]
    assert (part.boxes, part.rejected) == (50, total - 50)
    assert part.lost == rows["all", None].recall - part.recall
    assert rows["50", None].rejected == total - 50


def test_a_detector_that_rejects_is_judged_by_what_is_left(tmp_path: Path):
    made = rejecting(Corner(), replace(SETTINGS, proposals=60), cache=ProposalCache(tmp_path / "kept"))
    found = detect_all(made, Coloured(2), tmp_path, "hash", tmp_path)
    assert list(found.files) == ["50-by-confidence", "fast", "all"]
    every = found.covered["all"]
    assert (every.boxes, every.rejected_by) == (60, "multibox")
    assert every.rejected == len(made.boxes(picture())) - 60


def multibox(path: Path) -> Path:
    found = zoo.with_multibox(zoo.specification("googlenet-tiny"), ((0.1, 0.1, 0.5, 0.5), (0.2, 0.2, 0.9, 0.9)))
    network = Network(found)
    initialise(network, seed=0)
    checkpoint.save(path, Checkpoint(found, (), network.state_dict()))
    return path


def test_a_file_remembers_what_rejects_and_so_does_an_ensemble_elsewhere(narrow: Path, tmp_path: Path):
    boxes = multibox(tmp_path / "boxes.safetensors")
    own = ProposedBy("multibox:../boxes.safetensors,boxes=2", sha256(boxes))
    plain = DetectorSettings((ProposedBy("selective-search:single"), own))
    place = tmp_path / "run/detector.safetensors"
    for text, expected in (
        ("multibox", "multibox"),
        (f"multibox:{boxes},boxes=2", "multibox:../boxes.safetensors,boxes=2"),
        (str(narrow), "../narrow/detector.safetensors"),
    ):
        settings = chosen(plain, Choice(proposals=3, reject_by=text), place)
        assert settings.reject_by
        assert settings.reject_by.text == expected
        members = [tmp_path / f"run/{seed}.safetensors" for seed in (0, 1)]
        for seed, path in enumerate(members):
            save_detector(path, classifier(seed), settings)
        save_detector_ensemble(tmp_path / "far/off/both.json", members)
        for path in (members[0], tmp_path / "far/off/both.json"):
            found = load_detector(path, device="cpu", engine="torch")
            assert found.rejector
            assert found.rejector.name in (
                text,
                "multibox:" + "/".join(boxes.parts[-2:]),
                "narrow/detector.safetensors",
            )
            assert len(found.boxes(picture())) > 3
            (detected,) = found.detect([picture()])
            left = {tuple(box) for box in found.boxes(picture())[:3].tolist()}
            assert {tuple(box) for box in detected.boxes.tolist()} <= left
    assert read_detector(tmp_path / "far/off/both.json").settings.reject_by == ProposedBy(
        "../../narrow/detector.safetensors", sha256(narrow)
    )


def test_what_does_not_fit_is_refused(narrow: Path, tmp_path: Path):
    file = tmp_path / "detector.safetensors"
    with pytest.raises(InputError, match="--reject-by multibox takes the boxes of its MultiBox, and it has none"):
        open_rejector(ProposedBy("multibox"), file, (Grid(),), COMPUTING)
    with pytest.raises(InputError, match=r"--reject-by .*nowhere: cannot be read \(No such file"):
        chosen(SETTINGS, Choice(reject_by=str(tmp_path / "nowhere")), file)
    with pytest.raises(InputError, match=r"--reject-by .*: cannot be read"):
        chosen(SETTINGS, Choice(reject_by=str(tmp_path)), file)
    with pytest.raises(InputError, match="overlap 2: give a number from 0 to 1"):
        chosen(SETTINGS, Choice(overlap=2), file)
    with pytest.raises(InputError, match=r"narrow/detector.safetensors, which rejects boxes, has changed"):
        open_rejector(ProposedBy("narrow/detector.safetensors", "0" * 64), file, (Grid(),), COMPUTING)
    boxes = multibox(tmp_path / "boxes.safetensors")
    with pytest.raises(InputError, match=r"boxes.safetensors: no detector"):
        open_rejector(ProposedBy("boxes.safetensors", sha256(boxes)), file, (Grid(),), COMPUTING)
    with pytest.raises(InputError, match="a network of classes, not of boxes"):
        open_rejector(
            ProposedBy("multibox:narrow/detector.safetensors,boxes=9", sha256(narrow)), file, (Grid(),), COMPUTING
        )
