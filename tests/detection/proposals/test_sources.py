"""Sources from their texts."""

import numpy as np
import pytest

from googlenet.detection.proposals.sources import open_source
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.detection.selective_search.settings import Settings
from googlenet.errors import InputError


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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("edge-boxes", "no such source; there is selective-search:SETTINGS"),
        ("selective-search:slow", "version 'slow' is not known"),
        ("selective-search:fast,width=x", "'x' is no number"),
    ],
)
def test_what_is_wrong_is_told(text, complaint):
    with pytest.raises(InputError, match=complaint):
        open_source(text)
