"""The rule for ties, and counts worked by hand."""

import numpy as np
import torch

from googlenet.evaluation.metrics import confusion, rank_of_truth, right_by_class, top


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


def test_confusion_has_a_row_for_each_truth_as_scikit_learn_has_it():
    from sklearn.metrics import confusion_matrix

    assert confusion(np.array([0, 0, 0, 2]), np.array([0, 1, 1, 2])).tolist() == [[0, 0, 1], [0, 1, 2], [2, 2, 1]]
    labels, answers = np.random.default_rng(0).integers(0, 7, (2, 500)).astype(np.int32)
    truth, answered, images = confusion(labels, answers).T
    matrix = np.zeros((9, 9), int)
    matrix[truth, answered] = images
    assert np.array_equal(matrix, confusion_matrix(labels, answers, labels=range(9)))
    assert confusion(labels[:0], answers[:0]).shape == (0, 3)
