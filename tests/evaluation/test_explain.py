"""An explanation as a whole: of which class, of what the network saw, and as a folder."""

import json
from dataclasses import replace

import numpy as np
import pytest
from chromium import Chromium
from page_checks import check_page
from PIL import Image

import googlenet
from googlenet.errors import InputError
from googlenet.evaluation import occlusion
from googlenet.evaluation.explain import explain_members
from googlenet.evaluation.explain_page import evidence_rows, write_members
from googlenet.prediction.ensemble import Ensemble
from googlenet.prediction.model import Model
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class

CLASSES = (Class("n1", "crane, bird"), Class("n2", "crane"), Class("cup", "cup"))


@pytest.fixture(scope="module", autouse=True)
def few_places():
    """A grid of 4 x 4 for the grey square says as much here, and takes less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occlusion, "MOST_PLACES", 4)
        yield


def made(seed, classes):
    network = googlenet.create("googlenet-tiny", classes=3, seed=seed)
    network.classifier.weight.data.mul_(50)
    return Model(Checkpoint(network.specification, classes, network.state_dict()), engine="torch")


@pytest.fixture(scope="module")
def model():
    return made(2, CLASSES)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_the_most_probable_class_is_explained_unless_one_is_named(model, picture):
    (answer,) = model.predict(picture)
    found = googlenet.explain(model, picture)
    assert (found.file, found.target) == (answer.file, answer.best)
    assert found.predictions == answer.predictions
    for wanted, index in (("bird", 0), (2, 2)):
        found = googlenet.explain(model, picture, class_=wanted)
        assert found.target.index == index
        assert found.target == next(one for one in answer.predictions if one.index == index)
        odds = np.exp(found.occlusion.whole)
        assert odds / (1 + odds) == pytest.approx(found.target.probability, rel=1e-4)
    with pytest.raises(InputError, match="class 'crane' is the name of 2"):
        googlenet.explain(model, picture, class_="crane")


def test_the_crop_is_that_of_prediction(model, picture):
    found = googlenet.explain(model, picture, class_=0, at="inception_4a")
    assert (found.at, found.attribution.module) == ("inception_4a", "inception_4a")
    logits = model.features(picture, at="classifier")
    assert found.logit == pytest.approx(float(logits[0, 0]), rel=1e-4)
    assert found.crop.shape == (32, 32, 3)


def test_images_are_one_and_readable(model, picture, tmp_path):
    with pytest.raises(InputError, match="one image is explained at a time, found 2"):
        googlenet.explain(model, [picture, picture])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"broken\.png"):
        googlenet.explain(model, tmp_path / "broken.png")


@pytest.fixture(scope="module")
def saved(model, picture, tmp_path_factory):
    """An explanation of a file whose name is a stranger's, and the paths of its folder."""
    folder = tmp_path_factory.mktemp("saved")
    Image.fromarray(picture).save(folder / "<b>&.png")
    found = googlenet.explain(model, folder / "<b>&.png", at="inception_4a")
    return found, googlenet.save_explanation(folder / "below" / "it", found)


def test_the_folder_holds_pictures_numbers_and_a_page(saved):
    found, (page, numbers, *pictures) = saved
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(
        ["explanation.html", "explanation.json"]
        + [f"{name}.png" for name in ("crop", "grad-cam", "occlusion", "filters", "branches", "modules")]
    )
    for path in pictures:
        with Image.open(path) as image:
            image.load()
            assert min(image.size) > 100, path
    with Image.open(page.parent / "crop.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[::14, ::14], found.crop)
    assert json.loads(numbers.read_text()) == found.to_json()
    text = page.read_text()
    assert f"<h1>Why {found.target.name.split(',')[0]}?</h1>" in text
    assert all(name in text for name in found.attributions)
    assert text.count("<img ") == 3 + 4 + len(found.attributions) + 1


def test_names_of_strangers_are_escaped(saved):
    _, (page, *_) = saved
    assert "<b>" not in page.read_text()
    assert "&lt;b&gt;&amp;.png" in page.read_text()


def test_the_page_can_be_read_everywhere(browser: Chromium, saved):
    _, (page, *_) = saved
    check_page(browser, page)


def test_a_folder_that_cannot_be_written_is_named(model, picture):
    with pytest.raises(InputError, match=r"/dev/null/x/crop\.png: cannot be written"):
        googlenet.save_explanation("/dev/null/x", googlenet.explain(model, picture))


def test_each_member_of_an_ensemble_is_explained_for_the_class_of_all(model, picture, tmp_path):
    both = Ensemble([model, made(5, CLASSES[::-1])])
    (answer,) = both.predict(picture)
    found = explain_members(both, picture)
    assert [one.target.id for one in found] == [answer.best.id] * 2
    assert [one.target.index for one in found] == [answer.best.index, 2 - answer.best.index]
    assert [one.target.id for one in explain_members(both, picture, class_=0, at="inception_4a")] == ["n1", "n1"]
    pages = write_members(found, tmp_path)
    assert [page.relative_to(tmp_path).parent.name for page in pages] == ["member-1", "member-2"]
    with Image.open(tmp_path / "members.png") as sheet:
        assert sheet.width > 3 * 176
    with pytest.raises(InputError, match="explain its members one by one"):
        googlenet.explain(both, picture)
    with pytest.raises(InputError, match="--at inception_3z: no Inception module"):
        explain_members(both, picture, at="inception_3z")


def test_a_share_that_rounds_to_nothing_has_no_sign(model, picture):
    found = googlenet.explain(model, picture)
    shares = replace(found.attribution, logit=-0.0036, maps=dict.fromkeys(("1x1", "pool"), np.array([[-0.0018]])))
    _, (row,) = evidence_rows(replace(found, attributions={found.at: shares}))
    assert row == [found.at, "+0.00", "+0.00", "+0.00"]
