"""The rule for ties, and counts worked by hand."""

import numpy as np
import torch

from googlenet.evaluation.metrics import rank_of_truth, right_by_class, top


def test_equal_scores_go_by_index_and_nan_is_never_right():
    nan = float("nan")
    logits = torch.tensor([[2.0, 2.0, 1.0], [2.0, 2.0, 1.0], [0.0, 5.0, 9.0], [nan, nan, nan]])
    assert rank_of_truth(logits, torch.tensor([0, 1, 0, 0])).tolist() == [0, 1, 2, 3]


def test_a_share_counts_the_first_answers():
    ranks = np.array([0, 4, 5, 0])
    assert top(ranks) == 0.5
    assert top(ranks, 5) == 0.75
    assert top(ranks[:0]) == 0.0


def test_recall_is_counted_by_class_also_where_there_is_no_image():
    right, images = right_by_class(np.array([0, 0, 2, 0]), np.array([0, 1, 0, 0]), 4)
    assert right.tolist() == [2, 0, 1, 0]
    assert images.tolist() == [3, 0, 1, 0]
