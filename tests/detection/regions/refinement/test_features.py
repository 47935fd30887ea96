"""Features in a file: which windows have them, what they are, and that a kill costs no more than what it cut off."""

from pathlib import Path

import numpy as np
import pytest
from coloured import grid, objects, region_data
from regions_world import region_images

from googlenet.detection.boxes import as_boxes
from googlenet.detection.regions.crop import CONTEXT, cut, outside
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.refinement import features
from googlenet.detection.regions.refinement.features import FeaturePlan, _chosen, write_features
from googlenet.detection.regions.windows import label_windows
from googlenet.inference.predictor import Predictor
from googlenet.weights.creation import create

PLAN = FeaturePlan(20, 0, CONTEXT, "key")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    network = create("googlenet-tiny", width=0.25, classes=3, size=(32, 32)).eval()
    return Predictor(network, None, "cpu", engine="torch")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> RegionImages:
    return region_data(tmp_path_factory.mktemp("windows"), 5).images


def test_features_are_what_the_classifier_reads(images: RegionImages, predictor: Predictor, tmp_path: Path):
    found = write_features(tmp_path, images, predictor, PLAN)
    assert found.values.dtype == np.float16
    assert (np.diff(found.starts) == 21).all()
    picture = images.picture(3)
    rows = slice(*found.starts[3:5])
    assert found.windows[rows][0] == -1
    assert found.windows[rows][1:3].tolist() == [0, 1]  # the objects
    boxes = np.concatenate([as_boxes((0, 0, 48, 40)), images.windows(3).boxes[found.windows[rows][1:]]])
    pixels, inside = cut(picture, boxes, (32, 32))
    mask = outside(inside, (32, 32))
    expected = predictor.features(pixels, ["pool5"], mask)["pool5"].flatten(1).numpy()
    assert found.values.shape[1] == 5 * expected.shape[1]  # behind them those of the quarters
    np.testing.assert_allclose(found.values[rows, : expected.shape[1]], expected, rtol=2e-3, atol=1e-5)
    weights = predictor.network.get_parameter("classifier.weight").numpy()
    np.testing.assert_allclose(expected @ weights.T, predictor(pixels, mask), atol=1e-5)


def test_half_are_of_objects_and_each_box_counts_once():
    truth = objects([(0, 0, 10, 10), (20, 20, 40, 40)], [0, 1])
    near = [(0, 0, 10, 10 - n / 10) for n in range(1, 30)]
    far = [(n, 42, n + 5, 47) for n in range(60)]
    boxes = np.concatenate([truth.boxes, truth.boxes, as_boxes(near + far), as_boxes(near)])
    labelled = label_windows(boxes, truth, 2)

    def kinds(most: int, picture: int = 0) -> tuple[int, int, int]:
        numbers = _chosen(labelled, truth, 2, FeaturePlan(most, 0, CONTEXT, ""), picture)
        assert numbers[0] == -1
        assert (np.diff(numbers) > 0).all()
        found = labelled.boxes[numbers[1:]]
        assert len(np.unique(found, axis=0)) == len(found)
        own = (found[:, None] == truth.boxes[None]).all(2).any(1)
        shows = labelled.labels[numbers[1:]] != 2
        return int(own.sum()), int((shows & ~own).sum()), int((~shows).sum())

    assert kinds(22) == (2, 10, 10)
    assert kinds(1) == (2, 0, 0)  # objects always
    assert kinds(72) == (2, 29, 41)
    assert kinds(1000) == (2, 29, 60)
    one, other, again = (
        _chosen(labelled, truth, 2, FeaturePlan(22, 0, CONTEXT, ""), picture).tolist() for picture in (0, 1, 0)
    )
    assert one != other
    assert one == again


def test_the_size_is_said_before(
    images: RegionImages, predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    found = write_features(tmp_path, images, predictor, PLAN)
    size = (tmp_path / "values").stat().st_size
    assert size == found.values.nbytes
    told = f"features of 105 regions, {found.values.shape[1]} numbers each: {size / 2**20:,.1f} MiB on the disk"
    assert told in capsys.readouterr().err
    write_features(tmp_path, images, predictor, PLAN)
    assert "features of" not in capsys.readouterr().err


def test_what_is_cut_off_is_gone_on_with_to_the_bit(
    images: RegionImages, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(features, "CHUNK", 2)
    write_features(tmp_path, images, predictor, PLAN)
    whole = (tmp_path / "values").read_bytes()
    asked: list[str] = []
    original = features.read_boxes

    def counted(pictures, *more):  # type: ignore[no-untyped-def]
        for read in original(pictures, *more):
            asked.append(read.picture.name)
            yield read

    monkeypatch.setattr(features, "read_boxes", counted)
    of_picture = len(whole) // 5
    for left, missing in ((len(whole), 0), (len(whole) - 1, 1), (3 * of_picture, 3), (4 * of_picture, 1), (1, 5)):
        with (tmp_path / "values").open("r+b") as file:
            file.truncate(left)
        asked.clear()
        write_features(tmp_path, images, predictor, PLAN)
        assert (tmp_path / "values").read_bytes() == whole
        assert len(asked) == missing


def test_others_are_made_anew(images: RegionImages, predictor: Predictor, tmp_path: Path):
    first = write_features(tmp_path, images, predictor, PLAN)
    other = write_features(tmp_path, images, predictor, FeaturePlan(10, 0, CONTEXT, "key"))
    assert (np.diff(other.starts) == 11).all()
    again = write_features(tmp_path, images, predictor, PLAN)
    assert (first.windows == again.windows).all()


def test_a_picture_without_windows_has_no_rows(predictor: Predictor, tmp_path: Path):
    nothing = objects(np.empty((0, 4)), [])
    images = region_images(tmp_path / "windows", 2, [nothing, nothing], [[], []])
    found = write_features(tmp_path / "features", images, predictor, PLAN)
    assert found.starts.tolist() == [0, 0, 0]
    assert len(found.values) == 0
    assert len(grid()) > 20  # of which the other tests draw
