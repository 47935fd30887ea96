"""All three fitted to a network's features: kept, gone on with, in a detector's file and out of it again."""

from pathlib import Path

import numpy as np
import pytest
from coloured import Coloured, grid, objects, pretrained, region_data

import googlenet
from googlenet.detection.detector.detector import Detector
from googlenet.detection.detector.file import read_refinement, save_detector, save_detector_ensemble
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.proposals.sources import Found
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.refinement import fitting
from googlenet.detection.regions.refinement.fitting import fit_refinement
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.refinement.svm import Svms
from googlenet.detection.regions.scoring import Boxed, score
from googlenet.detection.regions.selection import Selection
from googlenet.detection.regions.setup import RegionData
from googlenet.detection.regions.windows import label_windows, write_windows
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.inference.engine import Computing
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.creation import create

ALL = RefinementRecipe("svm", box_regression=True, context=True, feature_windows=30)
SETTINGS = DetectorSettings((ProposedBy("grid"),), selection=Selection(score=0.01))

SOME = grid()[::3]


class Grid:
    name = key = "grid"

    def __init__(self, times: int = 1) -> None:
        self.times = times

    def propose(self, image: np.ndarray) -> Found:
        boxes = np.repeat(SOME, self.times, axis=0)
        return Found(boxes, np.linspace(1, 0, len(boxes)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    return region_data(tmp_path_factory.mktemp("windows"), 12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was not trained: its features are random, and still tell colours apart."""
    network = create("googlenet-tiny", width=0.25, classes=3, size=(32, 32), seed=3)
    classes = (Class("red", "red"), Class("green", "green"), BACKGROUND)
    path = tmp_path_factory.mktemp("weights") / "classifier.safetensors"
    checkpoint.save(path, Checkpoint(network.specification, classes, network.state_dict()))
    return path


@pytest.fixture(scope="module")
def fitted(data: RegionData, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Refinement:
    return fit_refinement(ALL, data.images, weights, tmp_path_factory.mktemp("fitted"), device="cpu")


def detections(detector: Detector, count: int = 2) -> list[tuple]:
    pictures = [decode(Coloured(count, 1).read(index), "picture") for index in range(count)]
    return [(found.ids, found.boxes.tolist(), found.scores.tolist()) for found in detector.detect(pictures)]


def detector(weights: Path, *refinements: Refinement, times: int = 1) -> Detector:
    classifiers = [checkpoint.read(weights)] * max(1, len(refinements))
    return Detector(classifiers, (Grid(times),), SETTINGS, Computing("cpu", engine="torch"), None, refinements)


def _all_moved(weights: Path, refinement: Refinement) -> list[list[float]]:
    """Every box that a class may have in the pictures of `detections`."""
    (member,) = detector(weights, refinement)._members
    pictures = [decode(Coloured(2, 1).read(index), "picture") for index in range(2)]
    scored = score([Boxed("picture", one, SOME) for one in pictures], [member])
    return np.concatenate([one.boxes.reshape(-1, 4) for one in scored]).tolist()


def test_nothing_is_fitted_unless_it_is_asked_for(data: RegionData, weights: Path, tmp_path: Path):
    assert fit_refinement(RefinementRecipe(), data.images, weights, tmp_path / "none") == Refinement()
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="feature_windows must be a whole number of at least 1, found 0"):
        RefinementRecipe(feature_windows=0)


def test_svms_tell_colours_apart_that_the_network_does_not(weights: Path, fitted: Refinement):
    images = Coloured(8, seed=5)
    boxed = [Boxed("picture", decode(images.read(index), "picture"), images.objects(index).boxes) for index in range(8)]
    right = []
    for refinement in (Refinement(), Refinement(fitted.svms)):
        found = np.concatenate([one.scores for one in score(boxed, detector(weights, refinement)._members)])
        right.append((found.argmax(1) == np.tile([0, 1], 8)).sum())
    assert right[0] <= 12
    assert right[1] == 16


def test_a_file_holds_it_all_and_remains_a_classifier(weights: Path, fitted: Refinement, tmp_path: Path):
    classifier = checkpoint.read(weights)
    save_detector(tmp_path / "detector.safetensors", classifier, SETTINGS, fitted)
    save_detector(tmp_path / "again.safetensors", classifier, SETTINGS, fitted)
    assert (tmp_path / "detector.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    loaded = googlenet.load_detector(tmp_path / "detector.safetensors", device="cpu", engine="torch", sources=(Grid(),))
    expected = detections(detector(weights, fitted))
    assert detections(loaded) == expected
    assert sum(len(ids) for ids, *_ in expected) > 3
    read = checkpoint.read(tmp_path / "detector.safetensors")
    assert read.weights.keys() == classifier.weights.keys()
    assert checkpoint.describe(tmp_path / "detector.safetensors").classes == classifier.classes
    model = googlenet.load(tmp_path / "detector.safetensors")
    assert next(iter(model.predict([np.zeros((40, 48, 3), np.uint8)]))).best.id in ("red", "green", "__background__")
    names = fitted.arrays().keys()
    assert names == read_refinement(tmp_path / "detector.safetensors", classifier).arrays().keys()


def test_an_ensemble_of_a_detector_with_itself_equals_it(weights: Path, fitted: Refinement, tmp_path: Path):
    alone = detections(detector(weights, fitted))
    assert detections(detector(weights, fitted, fitted)) == alone
    assert detections(detector(weights, fitted, Refinement())) != alone
    half = Refinement(fitted.svms, None, fitted.context)  # boxes are those of the only one who moves them
    assert {tuple(box) for _, boxes, _ in detections(detector(weights, half, fitted)) for box in boxes} <= {
        tuple(box) for box in _all_moved(weights, fitted)
    }
    two = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for path in two:
        save_detector(path, checkpoint.read(weights), SETTINGS, fitted if path is two[0] else Refinement(fitted.svms))
    save_detector_ensemble(tmp_path / "both.json", two)
    both = googlenet.load_detector(tmp_path / "both.json", device="cpu", engine="torch", sources=(Grid(),))
    assert detections(both) == detections(detector(weights, fitted, Refinement(fitted.svms)))


def test_a_member_with_its_classes_in_another_order(weights: Path, fitted: Refinement):
    one = checkpoint.read(weights)
    turned = dict(one.weights)
    for name in ("classifier.weight", "classifier.bias"):
        turned[name] = one.weights[name][[1, 0, 2]]
    other = Checkpoint(one.specification, (one.classes[1], one.classes[0], BACKGROUND), turned)
    computing = Computing("cpu", engine="torch")
    members = ([one, other], (Grid(),), SETTINGS, computing, None, [fitted, fitted.ordered(np.array([1, 0]))])
    found, expected = detections(Detector(*members)), detections(detector(weights, fitted))
    for (ids, boxes, scores), (own_ids, own_boxes, own_scores) in zip(found, expected, strict=True):
        assert ids == own_ids
        np.testing.assert_allclose(boxes, own_boxes, atol=1e-4)
        np.testing.assert_allclose(scores, own_scores, atol=1e-6)


def test_duplicated_proposals_change_nothing(weights: Path, fitted: Refinement, data: RegionData, tmp_path: Path):
    once, thrice = (detections(detector(weights, fitted, times=times)) for times in (1, 3))
    assert [(ids, boxes) for ids, boxes, _ in once] == [(ids, boxes) for ids, boxes, _ in thrice]
    np.testing.assert_allclose(once[0][2], thrice[0][2], atol=1e-6)
    images = data.images.annotated
    parts = [
        label_windows(np.concatenate([images.objects(index).boxes, np.repeat(grid(), 2, 0)]), images.objects(index), 2)
        for index in range(len(images))
    ]
    doubled = RegionImages(images, write_windows(tmp_path / "windows", parts, 2, "grid"))
    whole = RefinementRecipe("svm", True, True, 10_000)
    one, two = (
        fit_refinement(whole, given, weights, tmp_path / name, device="cpu")
        for name, given in (("one", data.images), ("two", doubled))
    )
    for name, array in one.arrays().items():
        if name.startswith("regression"):
            np.testing.assert_allclose(two.arrays()[name], array, atol=1e-5)


def test_what_is_done_is_not_done_again(
    data: RegionData, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: Refinement
):
    def never(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit_context", never)
        with pytest.raises(KeyboardInterrupt):
            fit_refinement(ALL, data.images, weights, tmp_path, device="cpu")
    assert not (tmp_path / "refinement.safetensors").exists()
    with monkeypatch.context() as broken:
        broken.setattr("googlenet.detection.regions.refinement.features.read_boxes", never)
        found = fit_refinement(ALL, data.images, weights, tmp_path, device="cpu")
    for name, array in fitted.arrays().items():
        assert (found.arrays()[name] == array).all()
    monkeypatch.setattr(fitting, "write_features", never)
    again = fit_refinement(ALL, data.images, weights, tmp_path, device="cpu")
    for name, array in fitted.arrays().items():
        assert (again.arrays()[name] == array).all()
    with pytest.raises(KeyboardInterrupt):
        fit_refinement(RefinementRecipe("svm"), data.images, weights, tmp_path, device="cpu")


def test_a_class_without_objects_is_named_and_never_found(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    class Red(Coloured):
        def objects(self, index: int):  # type: ignore[no-untyped-def]
            return objects(super().objects(index).boxes[:1], [0])

    images = Red(6)
    parts = [
        label_windows(np.concatenate([images.objects(index).boxes, grid()]), images.objects(index), 2)
        for index in range(6)
    ]
    given = RegionImages(images, write_windows(tmp_path / "windows", parts, 2, "grid"))
    found = fit_refinement(ALL, given, weights, tmp_path / "fitted", device="cpu")
    told = [line for line in capsys.readouterr().err.splitlines() if "green" in line]
    assert told == ["warning: no object of green to fit to; what is never seen is never found"]
    seen = {name for ids, *_ in detections(detector(weights, found)) for name in ids}
    assert seen == {"red"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"svms.biases": None}, r"svms\.biases is missing, not float32 \[2\]"),
        ({"svms.weights": np.zeros((3, 4), np.float32)}, r"svms\.weights is float32 \[3, 4\], not float32 \[2, \d+\]"),
        ({"context.slopes": np.zeros(2)}, r"context\.slopes is float64 \[2\]"),
        ({"more": np.zeros(1, np.float32)}, "more is not known; update googlenet"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(fitted: Refinement, change: dict, complaint: str):
    arrays = {name: array for name, array in (fitted.arrays() | change).items() if array is not None}
    width = fitted.svms.weights.shape[1] if fitted.svms else 0
    with pytest.raises(InputError, match=f"^bad.safetensors: {complaint}"):
        Refinement.of(arrays, 2, width, "bad.safetensors")


def test_a_file_whose_last_class_is_no_background_is_refused(tmp_path: Path):
    made = checkpoint.read(pretrained(tmp_path / "plain.safetensors"))
    svms = Svms(np.zeros((2, 4), np.float32), np.zeros(2, np.float32))
    save_detector(tmp_path / "odd.safetensors", made, SETTINGS, Refinement(svms))
    with pytest.raises(InputError, match=r"odd\.safetensors: its last class is no background"):
        read_refinement(tmp_path / "odd.safetensors", made)
