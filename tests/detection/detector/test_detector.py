"""A detector in use: what it detects, broken pictures, ensembles, fewer proposals, duplicated ones."""

from pathlib import Path

import numpy as np
import pytest
from coloured import Coloured, grid
from gridded import CLASSES, COMPUTING, Grid, classifier
from PIL import Image

import googlenet
from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.predictions import predictions_of
from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.sources import Found
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.scoring import Boxed
from googlenet.detection.regions.selection import Selection, select
from googlenet.errors import InputError
from googlenet.files import sha256
from googlenet.images.decoding import decode
from googlenet.inference.engine import Computing
from googlenet.network import zoo
from googlenet.network.module import Network
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class


def detector(*members: Checkpoint, source: Grid | None = None, **options: object) -> Detector:
    settings = DetectorSettings((ProposedBy("grid"),), selection=Selection(score=0.05))
    return Detector(members or (classifier(),), (source or Grid(),), settings, COMPUTING, **options)  # type: ignore[arg-type]


def pictures(count: int = 3) -> list[np.ndarray]:
    images = Coloured(count)
    return [decode(images.read(index), "picture") for index in range(count)]


def same(one, other) -> bool:  # type: ignore[no-untyped-def]
    return (
        one.ids == other.ids and (one.boxes == other.boxes).all() and np.allclose(one.scores, other.scores, atol=1e-6)
    )


def test_detections_are_the_selection_of_all_scores():
    made = detector()
    (found,) = made.detect(pictures(1)[0])
    assert found.size == (48, 40)
    assert 0 < len(found) <= 100
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() >= 0.05
    assert set(found.ids) <= {"red", "green"}
    boxes = {tuple(box) for box in grid().tolist()}
    assert {tuple(box) for box in found.boxes.tolist()} <= boxes
    for identifier in set(found.ids):
        own = np.array([one == identifier for one in found.ids])
        kept, _ = select(found.boxes[own], found.scores[own][:, None], made.settings.selection)
        assert len(kept) == own.sum()  # nothing is left to be suppressed


def test_many_pictures_are_as_each_alone_and_broken_ones_are_named(tmp_path: Path):
    made = detector()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.fromarray(pictures()[1]).save(tmp_path / "good.png")
    several = [pictures()[0], tmp_path / "broken.png", str(tmp_path / "good.png"), pictures()[2]]
    found = list(made.detect(iter(several)))
    assert [one.image for one in found] == [
        *("array 0", str(tmp_path / "broken.png"), str(tmp_path / "good.png"), "array 3")
    ]
    assert found[1].error is not None
    assert "broken.png" in found[1].error
    assert found[1].to_json(made.classes) == {"file": str(tmp_path / "broken.png"), "error": found[1].error}
    for place, picture in ((0, 0), (2, 1), (3, 2)):
        assert same(found[place], next(made.detect(pictures()[picture])))


def test_an_ensemble_of_a_network_with_itself_equals_the_network():
    one, other = classifier(), classifier(1)
    alone, twice, both = (list(detector(*members).detect(pictures())) for members in ([one], [one, one], [one, other]))
    assert all(same(a, b) for a, b in zip(alone, twice, strict=True))
    assert not all(same(a, b) for a, b in zip(alone, both, strict=True))


def test_members_may_have_their_classes_in_another_order_and_inputs_of_another_size():
    one = classifier(classes=(CLASSES[1], CLASSES[0], BACKGROUND))
    for member in (one, classifier(2, 48)):
        for found in detector(classifier(), member).detect(pictures()):
            assert set(found.ids) <= {"red", "green"}
    weights = dict(one.weights)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = one.weights[name][[1, 0, 2]]
    turned = Checkpoint(one.specification, (*CLASSES, BACKGROUND), weights)
    alone, together = (list(detector(*members).detect(pictures())) for members in ([turned], [turned, one]))
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_members_must_detect_the_same():
    with pytest.raises(InputError, match="the members of the ensemble have other classes"):
        detector(classifier(), classifier(classes=(CLASSES[0], Class("blue", "blue"), BACKGROUND)))
    with pytest.raises(InputError, match="a network whose last class is green, not background"):
        detector(classifier(classes=CLASSES))
    with pytest.raises(InputError, match="int8 is for networks of whole pictures"):
        Detector((classifier(),), (Grid(),), DetectorSettings((ProposedBy("grid"),)), Computing("cpu", "int8"))


def test_duplicated_proposals_change_nothing():
    images = Coloured(4)
    boxes = np.concatenate([images.objects(index).boxes for index in range(4)])
    figures = []
    for times in (1, 3):
        made = detector(source=Grid(times, boxes))
        shown = [decode(images.read(index), "picture") for index in range(4)]
        scored = made.score(Boxed(images.name(index), one, made.boxes(one)) for index, one in enumerate(shown))
        figures.append(evaluate(predictions_of(map(made.detected, scored)), images, "voc2010").mean)
    assert figures[0] == figures[1] > 0


def test_fewer_proposals_are_the_best_ones():
    (few,) = detector().detect(pictures(1), proposals=5)
    assert {tuple(box) for box in few.boxes.tolist()} <= {tuple(box) for box in grid()[:5].tolist()}
    with pytest.raises(InputError, match="proposals must be a whole number of at least 1, found 0"):
        detector().detect(pictures(1), proposals=0)


def test_what_was_proposed_once_is_kept(tmp_path: Path):
    source = Grid()
    made = detector(source=source, cache=ProposalCache(tmp_path))
    first, second = (list(made.detect(pictures(2))) for _ in range(2))
    assert source.asked == 2
    assert all(same(a, b) for a, b in zip(first, second, strict=True))


def test_an_ensemble_asks_for_the_proposals_of_a_picture_once():
    source = Grid()
    made = detector(classifier(), classifier(1), classifier(2, 48), source=source)
    assert len(list(made.detect(pictures(2)))) == source.asked == 2


def test_a_picture_without_proposals_has_no_detections():
    class Nothing(Grid):
        def propose(self, image: np.ndarray) -> Found:
            return Found(np.empty((0, 4)), np.empty(0))

    found = list(detector(source=Nothing()).detect(pictures(2)))
    assert [(len(one), one.error) for one in found] == [(0, None), (0, None)]


def test_a_fast_detector_takes_the_best_boxes_of_its_multibox_alone(tmp_path: Path):
    from googlenet.detection.detector.file import save_detector

    found = zoo.with_multibox(
        zoo.specification("googlenet-tiny"), tuple((0.1, 0.1, 0.2 + n / 100, 0.9) for n in range(70))
    )
    checkpoint.save(tmp_path / "boxes.safetensors", Checkpoint(found, (), Network(found).state_dict()))
    boxes = ProposedBy("multibox:boxes.safetensors,boxes=200", sha256(tmp_path / "boxes.safetensors"))
    settings = DetectorSettings((ProposedBy("selective-search:single"), boxes))
    save_detector(tmp_path / "both.safetensors", classifier(), settings)
    made = googlenet.load_detector(tmp_path / "both.safetensors", device="cpu", engine="torch", fast=True)
    assert [source.name.partition(":")[0] for source in made.sources] == ["multibox"]
    assert made.settings.proposals == 50
    (detected,) = made.detect(pictures(1))
    offered = {tuple(box) for box in made.boxes(pictures(1)[0])[:50].tolist()}
    assert {tuple(box) for box in detected.boxes.tolist()} <= offered
    save_detector(tmp_path / "one.safetensors", classifier(), DetectorSettings(settings.sources[:1]))
    with pytest.raises(InputError, match=r"one\.safetensors: --fast takes the boxes of a MultiBox, and it has none"):
        googlenet.load_detector(tmp_path / "one.safetensors", fast=True)


def test_the_public_name_loads_what_is_saved(tmp_path: Path):
    from googlenet.detection.detector.file import save_detector

    settings = DetectorSettings((ProposedBy("selective-search:single"),), 20)
    save_detector(tmp_path / "one.safetensors", classifier(), settings)
    made = googlenet.load_detector(tmp_path / "one.safetensors", device="cpu", engine="torch")
    assert [one.id for one in made.classes] == ["red", "green"]
    (found,) = made.detect(pictures(1))
    (other,) = googlenet.load_detector(
        tmp_path / "one.safetensors", device="cpu", engine="torch", sources=[Grid()]
    ).detect(pictures(1), proposals=10_000)
    assert isinstance(found, googlenet.Detections)
    assert not (len(found) == len(other) and (found.boxes == other.boxes).all())
