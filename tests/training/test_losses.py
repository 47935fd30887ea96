"""The losses of section 5, against hand-worked numbers."""

from math import log

import numpy as np
import pytest
import torch

from googlenet.data.truths import Truths
from googlenet.evaluation.metrics import rank_of_truth
from googlenet.training.losses import cross_entropies, rank_of_label, total


def test_heads_count_three_tenths_and_go_by_name():
    even, labels = torch.zeros(2, 4), torch.tensor([0, 3])
    sure = torch.tensor([[log(3.0), 0, 0, 0], [0, 0, 0, log(3.0)]])  # the truth has probability 3/6
    losses = cross_entropies({"logits": sure, "auxiliary_4a": even, "auxiliary_4d": even}, labels)
    assert list(losses) == ["main", "auxiliary_4a", "auxiliary_4d"]
    assert [float(loss) for loss in losses.values()] == pytest.approx([log(2), log(4), log(4)])
    assert float(total(losses, 0.3)) == pytest.approx(log(2) + 0.6 * log(4))


def test_the_first_loss_of_the_papers_network_is_1_6_times_ln_1000():
    logits = torch.zeros(3, 1000)
    losses = cross_entropies({"logits": logits, "a": logits, "b": logits}, torch.tensor([1, 2, 3]))
    assert float(total(losses, 0.3)) == pytest.approx(11.0524, abs=1e-4)


def test_label_smoothing_spreads_a_share_over_all_classes():
    logits = torch.tensor([[log(3.0), 0.0]])  # probabilities 3/4 and 1/4
    found = cross_entropies({"logits": logits}, torch.tensor([0]), 0.2)["main"]
    assert float(found) == pytest.approx(-0.9 * log(3 / 4) - 0.1 * log(1 / 4))


def test_losses_of_short_types_are_float32():
    logits = torch.zeros(1, 3, dtype=torch.bfloat16)
    assert cross_entropies({"logits": logits}, torch.tensor([0]))["main"].dtype == torch.float32


def test_ranks_are_those_of_an_evaluation_ties_and_nan_included():
    logits = np.random.default_rng(0).integers(0, 4, (200, 7)).astype(np.float32)
    logits[logits == 3] = np.nan
    labels = np.random.default_rng(1).integers(0, 7, 200)
    found = rank_of_label(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found.tolist() == rank_of_truth(logits, Truths.single(labels)).tolist()
