"""Sources from their texts."""

import numpy as np
import pytest

from googlenet.detection.multibox.proposing import load
from googlenet.detection.proposals.sources import open_source
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.detection.selective_search.settings import Settings
from googlenet.errors import InputError
from googlenet.inference.engine import Computing
from googlenet.network.zoo import specification, with_multibox
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import numbered_classes
from googlenet.weights.creation import create


def test_selective_search_with_its_settings():
    source = open_source("selective-search:single,superpixels=2,width=60")
    assert source.settings == Settings("single", 2, 60)
    assert source.name == "selective-search:single,superpixels=2,width=60"
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    image[10:30, 15:45] = (200, 30, 40)
    found, expected = source.propose(image), SelectiveSearch(source.settings).propose(image)
    assert found.boxes.tolist() == expected.boxes.tolist()
    assert np.all(np.diff(found.scores) <= 0)


def test_the_key_says_all_that_the_boxes_depend_on():
    texts = ["selective-search", "selective-search:fast", "selective-search:fast,seed=1", "selective-search:quality"]
    keys = [open_source(text).key for text in texts]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.fixture
def weights(tmp_path):
    """Writes a MultiBox of six boxes, whose weights depend on the seed."""

    def write(seed):
        priors = [(x / 8, 0.25, x / 8 + 0.25, 0.75) for x in range(6)]
        made = with_multibox(specification("googlenet-tiny", width=0.25), priors)
        path = tmp_path / f"boxes-{seed}.safetensors"
        save(path, Checkpoint(made, (), create(made, seed=seed).state_dict()))
        return path

    return write


def test_multibox_with_its_weights_and_number_of_boxes(weights):
    source = open_source(f"multibox:{weights(0)},boxes=4")
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    (expected,) = load(weights(0), boxes=4).propose([image])
    found = source.propose(image)
    assert found.boxes.tolist() == expected.boxes.tolist()
    assert 1 <= len(found.boxes) <= 4
    texts = [f"multibox:{weights(0)},boxes=4", f"multibox:{weights(0)}", f"multibox:{weights(1)},boxes=4"]
    assert len({open_source(text).key for text in texts}) == 3
    assert open_source(f"multibox:{weights(0)}").boxes == 200


def test_weights_of_classes_are_refused_before_any_picture(tmp_path):
    made = specification("googlenet-tiny", width=0.25, classes=3)
    save(tmp_path / "classes.safetensors", Checkpoint(made, numbered_classes(3), create(made).state_dict()))
    with pytest.raises(InputError, match=r"classes\.safetensors: a network of classes, not of boxes"):
        open_source(f"multibox:{tmp_path}/classes.safetensors")


def test_options_about_weights_of_classes_are_refused(weights):
    for computing, option in ((Computing(precision="int8"), "precision int8"), (Computing(calibrate="a"), "calibrate")):
        with pytest.raises(InputError, match=f"--{option} is about weights of classes"):
            open_source(f"multibox:{weights(0)}", computing)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("edge-boxes", "no such source; there are selective-search:SETTINGS and multibox:FILE"),
        ("selective-search:slow", "version 'slow' is not known"),
        ("selective-search:fast,width=x", "'x' is no number"),
        ("multibox:", "no file; give multibox:FILE"),
        ("multibox", "no file; give multibox:FILE"),
        ("multibox:nowhere.safetensors", "nowhere.safetensors: no such file"),
        ("multibox:nowhere.safetensors,boxes=0", "boxes must be a whole number of at least 1, found 0"),
        ("multibox:nowhere.safetensors,boxes=many", "boxes must be a whole number"),
    ],
)
def test_what_is_wrong_is_told(text, complaint):
    with pytest.raises(InputError, match=complaint):
        open_source(text)
