"""Top-1, top-5 and losses as scikit-learn has them, the rule for ties by hand, and counts worked by hand."""

from math import log

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

from googlenet.data.truths import Truths
from googlenet.evaluation.metrics import (
    brier,
    confusion,
    counted_labels,
    first_answers,
    most_confident_errors,
    negative_log_likelihood,
    rank_of_truth,
    right_by_class,
    top,
)

NAN, INFINITY = float("nan"), float("inf")


def probabilities(images: int, classes: int) -> np.ndarray:
    made = np.random.default_rng(0).dirichlet(np.full(classes, 0.3), images).astype(np.float32)
    assert all(len(set(row)) == classes for row in made.tolist())  # no ties
    return made


def one_each(*labels: int) -> Truths:
    return Truths.single(np.array(labels))


def test_top_1_top_5_and_the_first_answers_are_those_of_scikit_learn():
    scores, labels = probabilities(300, 12), np.random.default_rng(1).integers(0, 12, 300)
    ranks, first = rank_of_truth(scores, Truths.single(labels)), first_answers(scores)
    for count in (1, 2, 5):
        expected = top_k_accuracy_score(labels, scores, k=count, labels=range(12))
        assert top(ranks, count) == pytest.approx(expected)
        assert (first[:, :count] == labels[:, None]).any(axis=1).mean() == pytest.approx(expected)
    assert first.tolist() == np.argsort(-scores, axis=1)[:, :5].tolist()


def test_equal_scores_go_by_index_and_nan_is_never_right():
    scores = np.array([[2, 2, 1], [2, 2, 1], [0, 5, 9], [NAN, NAN, NAN], [1, 1, 1], [NAN, 1, 1]], np.float32)
    assert rank_of_truth(scores, one_each(0, 1, 0, 0, 2, 2)).tolist() == [0, 1, 2, 3, 2, 1]
    assert rank_of_truth(scores[:0], one_each()).tolist() == []
    scores = np.array([[2, 3, 3, 2], [NAN, 1, -INFINITY, INFINITY], [0, 0, 0, 0]], np.float32)
    assert first_answers(scores, 4).tolist() == [[1, 2, 0, 3], [3, 1, 0, 2], [0, 1, 2, 3]]
    with pytest.raises(ValueError, match="the first 5 of 4 classes"):
        first_answers(scores, 5)


def test_of_several_right_answers_the_best_counts():
    scores = np.array([[1, 4, 3, 4], [1, 4, 3, 4], [NAN, 4, 3, 4], [NAN, 4, 3, NAN]], np.float32)
    assert rank_of_truth(scores, Truths.of([(0, 2), (3, 1), (0, 3), (0, 3)])).tolist() == [2, 0, 1, 4]


def test_a_share_counts_the_first_answers():
    ranks = np.array([0, 4, 5, 0])
    assert top(ranks) == 0.5
    assert top(ranks, 5) == 0.75
    assert top(ranks[:0]) == 0.0


def test_the_likelihood_is_that_of_scikit_learn():
    found, labels = probabilities(200, 7), np.random.default_rng(2).integers(0, 7, 200)
    losses = negative_log_likelihood(found, Truths.single(labels))
    assert losses.dtype == np.float32
    exact = found / found.sum(axis=1, keepdims=True, dtype=float)
    assert losses.mean() == pytest.approx(log_loss(labels, exact, labels=range(7)), rel=1e-5)
    assert negative_log_likelihood(np.array([[0, 1]], np.float32), one_each(0)) == pytest.approx(-log(2**-126))


def test_the_brier_score_is_the_squared_distance_to_the_truth():
    found, labels = probabilities(200, 7), np.random.default_rng(3).integers(0, 7, 200)
    assert brier(found, Truths.single(labels)) == pytest.approx(
        ((found - np.eye(7)[labels]) ** 2).sum(axis=1), abs=1e-6
    )


def test_several_right_answers_share_their_probability():
    found = np.array([[0.5, 0.25, 0.125, 0.125]], np.float32)
    assert negative_log_likelihood(found, Truths.of([(0, 1)])) == pytest.approx(log(4 / 3))
    assert brier(found, Truths.of([(0, 1)])) == pytest.approx((1 - 0.75) ** 2 + 2 * 0.125**2)


def test_an_image_counts_for_the_right_answer_that_it_got():
    labels, answers, ranks = np.array([3, 3, 3, 0]), np.array([1, 3, 2, 1]), np.array([0, 0, 1, 2])
    assert counted_labels(labels, answers, ranks).tolist() == [1, 3, 3, 0]


def test_recall_is_counted_by_class_also_where_there_is_no_image():
    right, images = right_by_class(np.array([0, 0, 2, 0]), np.array([0, 1, 0, 0]), 4)
    assert right.tolist() == [2, 0, 1, 0]
    assert images.tolist() == [3, 0, 1, 0]


def test_confusion_has_a_row_for_each_truth_as_scikit_learn_has_it():
    assert confusion(np.array([0, 0, 0, 2]), np.array([0, 1, 1, 2])).tolist() == [[0, 0, 1], [0, 1, 2], [2, 2, 1]]
    labels, answers = np.random.default_rng(0).integers(0, 7, (2, 500)).astype(np.int32)
    truth, answered, images = confusion(labels, answers).T
    matrix = np.zeros((9, 9), int)
    matrix[truth, answered] = images
    assert np.array_equal(matrix, confusion_matrix(labels, answers, labels=range(9)))
    assert confusion(labels[:0], answers[:0]).shape == (0, 3)


def test_the_surest_errors_come_first():
    ranks, probability = np.array([0, 1, 3, 1, 2]), np.array([0.99, 0.5, 0.8, 0.5, 0.9], np.float32)
    assert most_confident_errors(ranks, probability, 3).tolist() == [4, 2, 1]
    assert most_confident_errors(ranks, probability, 9).tolist() == [4, 2, 1, 3]
    assert most_confident_errors(ranks[:1], probability[:1], 9).tolist() == []
