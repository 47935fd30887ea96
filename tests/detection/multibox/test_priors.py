"""k-means: clusters that are there are found, the same ones everywhere, as well as scikit-learn finds them."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from googlenet.detection.multibox.priors import find_priors
from googlenet.errors import InputError
from googlenet.randomness import generator


def boxes_around(centres: np.ndarray, each: int, spread: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate([centre + spread * random.standard_normal((each, 4)) for centre in centres])


def test_clusters_that_lie_apart_are_found_and_the_largest_is_first():
    centres = np.array([[0.1, 0.1, 0.3, 0.3], [0.0, 0.0, 1.0, 1.0], [0.5, 0.6, 0.9, 0.8]])
    boxes = boxes_around(centres, each=50, spread=0.005)
    found = np.array(find_priors(boxes, 3, generator(0, "k-means")))
    means = np.stack([boxes[:50].mean(0), boxes[50:100].mean(0), boxes[100:].mean(0)])
    np.testing.assert_allclose(found, means[[1, 2, 0]], atol=1e-3)


def test_it_is_as_good_as_scikit_learn():
    random = np.random.default_rng(1)
    corners = random.uniform(0, 0.7, (800, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.3, (800, 2))], 1)
    found = np.array(find_priors(boxes, 20, generator(3, "k-means")))
    inertia = np.square(boxes[:, None] - found[None]).sum(2).min(1).sum()
    assert inertia < 1.1 * KMeans(20, n_init=3, random_state=0).fit(boxes).inertia_


def test_they_depend_on_the_generator_alone_and_not_on_the_order_of_boxes():
    boxes = np.random.default_rng(2).uniform(0, 0.4, (100, 4)) + np.array([0, 0, 0.5, 0.5])
    assert find_priors(boxes, 7, generator(1, "k-means")) == find_priors(boxes[::-1], 7, generator(1, "k-means"))


def test_as_many_boxes_as_priors_are_the_priors_and_fewer_are_refused():
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.2, 0.2, 0.4, 0.4]])
    assert find_priors(boxes, 3, generator(0, "k-means"))[0] == (0, 0, 1, 1)
    with pytest.raises(InputError, match="boxes 3: the training crops show only 2 different ones; give fewer --boxes"):
        find_priors(boxes[[0, 1, 1]], 3, generator(0, "k-means"))
