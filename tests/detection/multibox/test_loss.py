"""The loss by hand, its gradients by finite differences, and their order of magnitude."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from googlenet.detection.multibox.loss import MultiBoxLoss, boxes_of
from googlenet.network.specification import MultiBox

PRIORS = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.1, 0.4, 0.6), (0.5, 0.2, 0.9, 0.8))
HEAD = MultiBox(PRIORS, unit=0.01)
TRUTHS = [np.array([[0.1, 0.12, 0.4, 0.6], [0.02, 0.0, 1.0, 1.0]]), np.zeros((0, 4)), np.array([[0.5, 0.2, 0.9, 0.9]])]


def outputs(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 15, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_it_is_what_the_paper_writes():
    """Outputs of 0: boxes lie at their priors, and each confidence is a half."""
    found = MultiBoxLoss(HEAD, weight=0.3)(torch.zeros(3, 15), TRUTHS)
    units = np.array([2**2 + 2**2, 0, 10**2])  # of 0.01: 0.02 of each of the first two, 0.1 of the last
    np.testing.assert_allclose(found.location.numpy(), 0.15 * units, atol=1e-4)
    np.testing.assert_allclose(found.confidence.numpy(), 3 * np.log(2), atol=1e-6)
    expected = [0.3 * 0.48 / (0.3 * 0.5), 0.98, (0.4 * 0.6) / (0.4 * 0.7)]
    assert sorted(found.overlaps.tolist()) == pytest.approx(sorted(expected), abs=1e-6)


def test_without_objects_it_is_confidence_alone():
    given = outputs()
    found = MultiBoxLoss(HEAD)(given, [np.zeros((0, 4))] * 3)
    assert found.location.tolist() == [0, 0, 0]
    torch.testing.assert_close(found.confidence, functional.softplus(given[:, 12:]).sum(1))
    assert len(found.overlaps) == 0


@pytest.mark.parametrize("matching", ["prediction", "prior"])
@pytest.mark.parametrize("part", ["location", "confidence"])
def test_gradients_are_those_of_finite_differences(matching: str, part: str):
    """The assignment is held: a step of 1e-6 changes none that is not at a tie."""
    loss, given = MultiBoxLoss(HEAD, 0.3, matching), outputs(4).requires_grad_()  # type: ignore[arg-type]
    value = getattr(loss(given, TRUTHS), part).sum()
    (gradient,) = torch.autograd.grad(value, given)
    step = 1e-6
    with torch.no_grad():
        for place in np.ndindex(3, 15):
            moved = torch.zeros_like(given)
            moved[place] = step
            high, low = (getattr(loss(given + sign * moved, TRUTHS), part).sum() for sign in (1, -1))
            assert float(high - low) / (2 * step) == pytest.approx(float(gradient[place]), abs=1e-5)
    assert gradient.abs().max() > 0.1


def test_gradients_are_the_closed_forms():
    """alpha (l - g) for the boxes that are matched, c - x for every confidence."""
    given = outputs(1).requires_grad_()
    found = MultiBoxLoss(HEAD, 0.3, "prior")(given, TRUTHS)
    (gradient,) = torch.autograd.grad((found.location + found.confidence).sum(), given)
    is_object = torch.tensor([[1.0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(gradient[:, 12:], given[:, 12:].sigmoid() - is_object)
    offset = (torch.tensor(TRUTHS[2][0]) - torch.tensor(PRIORS[2], dtype=torch.float64)) / 0.01
    torch.testing.assert_close(gradient[2, 8:12], 0.3 * (given[2, 8:12] - offset))
    assert gradient[1, :12].abs().max() == 0


def test_the_order_of_objects_and_images_changes_nothing():
    loss, given = MultiBoxLoss(HEAD), outputs(2)
    found = loss(given, TRUTHS)
    other = loss(given[[2, 0, 1]], [TRUTHS[2], TRUTHS[0][::-1].copy(), TRUTHS[1]])
    torch.testing.assert_close(other.location, found.location[[2, 0, 1]])
    torch.testing.assert_close(other.confidence, found.confidence[[2, 0, 1]])


def test_a_tall_object_stays_tall():
    """A loss that took y for x would be as low, on boxes as tall as they should be wide."""
    tall = np.array([[0.4, 0.1, 0.5, 0.9]])
    given = torch.zeros(1, 15, dtype=torch.float64)
    given[0, 4:8] = torch.tensor((tall[0] - PRIORS[1]) / 0.01)
    given[0, 13] = 5.0
    found = MultiBoxLoss(HEAD)(given, [tall])
    assert float(found.location) == pytest.approx(0)
    assert found.overlaps.tolist() == pytest.approx([1.0])
    np.testing.assert_allclose(boxes_of(given, HEAD)[0][0, 1].numpy(), tall[0], atol=1e-12)


def test_the_unit_is_a_weight_of_one_over_its_square():
    """Places in shares of the square with alpha = 0.3 / 0.01^2 are places in units of 0.01 with alpha = 0.3."""
    given, shares = outputs(3), outputs(3)
    shares[:, :12] *= 0.01
    fine, coarse = MultiBoxLoss(HEAD, 0.3), MultiBoxLoss(MultiBox(PRIORS, unit=1.0), 3000.0)
    torch.testing.assert_close(fine(given, TRUTHS).location, coarse(shares, TRUTHS).location)
