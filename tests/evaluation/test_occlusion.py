"""The grey square: where it goes, what it covers, and what the network then says."""

import numpy as np
import pytest
import torch

import googlenet
from googlenet.evaluation.occlusion import occlude, places
from googlenet.inference.predictor import Predictor


class Looking:
    """A network of two classes that looks at one pixel alone: logits (1, 0) where it is seen, else (0, 0)."""

    batch_size = 8

    def __init__(self, row, column):
        self.row, self.column = row, column

    def __call__(self, pictures, mask):
        seen = ~torch.from_numpy(mask[:, self.row, self.column])
        return torch.stack([seen.float(), torch.zeros(len(mask))], dim=1)


def test_the_class_is_lost_where_the_square_covers_what_it_rests_on():
    """A crop of 28 x 14 pixels: cells of 2 x 1, squares of 6 x 3, whose centres are the cells' as nearly as can be."""
    found = occlude(Looking(row=10, column=5), np.zeros((28, 14, 3), np.uint8), 0)
    assert found.square == (6, 3)
    assert found.whole == pytest.approx(1)
    # A square at cell i begins at 2i + 1 - 3 rows and ends 6 later; at cell j at j - 1 columns, and ends 3 later.
    rows, columns = [i for i in range(14) if 2 * i - 2 <= 10 < 2 * i + 4], [j for j in range(14) if j - 1 <= 5 < j + 2]
    lost = np.zeros((14, 14), bool)
    lost[np.ix_(rows, columns)] = True
    assert lost.sum() == 9
    np.testing.assert_allclose(found.lost, np.where(lost, 1, 0), atol=1e-6)
    np.testing.assert_allclose(found.probability, np.where(lost, 0.5, np.e / (np.e + 1)), rtol=1e-6)


def test_what_speaks_against_the_class_is_below_zero():
    assert occlude(Looking(0, 0), np.zeros((20, 20, 3), np.uint8), 1).lost.min() == pytest.approx(-1)


@pytest.mark.parametrize(
    ("size", "grid"), [((224, 224), (14, 14)), ((32, 20), (14, 14)), ((5, 3), (5, 3)), ((1, 1), (1, 1))]
)
def test_crops_of_any_size_are_covered_everywhere(size, grid):
    assert places(size) == grid
    covered = np.zeros(size, bool)

    class Remembering(Looking):
        def __call__(self, pictures, mask):
            covered[:] |= mask.any(axis=0)
            return super().__call__(pictures, mask)

    assert occlude(Remembering(0, 0), np.zeros((*size, 3), np.uint8), 0).probability.shape == grid
    assert covered.all()


def test_batches_are_counted_as_they_are_done():
    counts = []
    occlude(Looking(0, 0), np.zeros((14, 14, 3), np.uint8), 0, counts.append)
    assert sum(counts) == 196
    assert set(counts) == {8, 4}


def test_the_network_sees_its_mean_colour_under_the_square():
    network = googlenet.create("googlenet-tiny", classes=4, seed=0).eval()
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = occlude(Predictor(network), crop, 2)
    x = googlenet.normalise(crop[None], network.specification.pixels)
    with torch.no_grad():
        whole = network(x).softmax(1)[0, 2].item()
        x[:, :, :4, :4] = 0  # the first cell's centre is 1.1, and the square's side 6
        covered = network(x).softmax(1)[0, 2].item()
    assert found.whole == pytest.approx(np.log(whole / (1 - whole)), rel=1e-4)
    assert found.probability[0, 0] == pytest.approx(covered, rel=1e-4)
    assert covered != pytest.approx(whole, rel=1e-3)


def test_a_network_that_is_sure_still_has_something_to_lose():
    class Sure(Looking):
        def __call__(self, pictures, mask):
            return super().__call__(pictures, mask) + torch.tensor([40.0, 0.0])

    assert occlude(Sure(3, 3), np.zeros((14, 14, 3), np.uint8), 0).lost.max() == pytest.approx(1, rel=1e-4)
