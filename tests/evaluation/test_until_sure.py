"""Stopping: against whatever the unseen views could say, worked by hand, and over simulated images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.evaluation.until_sure import Certainty, Sure, best, view_order, views_needed


def answer(probabilities: np.ndarray, weights: np.ndarray, top: int) -> tuple[int, frozenset[int]]:
    """The best class and the first `top` of all views, in float32 as a careless program would sum them."""
    sums = (probabilities.astype(np.float32) * weights[:, None].astype(np.float32)).sum(axis=0)
    order = sorted(range(len(sums)), key=lambda c: (-sums[c], c))
    return order[0], frozenset(order[:top])


def certainty_after(probabilities: np.ndarray, weights: np.ndarray, sure: Sure) -> Certainty:
    certainty = Certainty(sure, probabilities.shape[1])
    certainty.add(probabilities, weights)
    return certainty


def says(*classes: int, of: int = 3) -> np.ndarray:
    """Views that are certain of a class each."""
    return np.eye(of)[list(classes)]


# ------------------------------------------------------------------------------------------------------------- exact


def test_more_than_half_of_the_views_decide():
    equal = np.full(4, 0.25)
    assert not certainty_after(
        says(1, 1), equal[:2], Sure()
    ).is_sure  # the other two could make it a tie, or 0 the first
    assert certainty_after(says(1, 1, 1), equal[:3], Sure()).is_sure
    assert not certainty_after(says(1, 1, 2), equal[:3], Sure()).is_sure
    assert certainty_after(says(1, 1, 2, 2), equal, Sure()).is_sure  # a tie, but nothing is unseen
    assert best(certainty_after(says(1, 1, 2, 2), equal, Sure()).sums, 3).tolist() == [1, 2, 0]


def test_a_tie_that_the_last_view_could_break_is_not_sure():
    probabilities = np.array([[0.5, 0.5, 0.0]] * 9)
    assert not certainty_after(probabilities, np.full(9, 0.1), Sure()).is_sure
    # the last view, unseen, weighs exactly what class 0 leads by: all of it on class 1 would be a tie
    probabilities = np.array([[0.8, 0.2, 0.0]] + [[0.5, 0.5, 0.0]] * 2)
    assert not certainty_after(probabilities, np.array([0.25, 0.3, 0.3]), Sure()).is_sure


def test_the_first_five_are_a_set():
    order_unclear = np.array([[0.3, 0.28, 0.2, 0.2, 0.02, 0.0, 0.0]] * 99)
    weights = np.full(99, 0.01)
    assert certainty_after(order_unclear, weights, Sure(top=5)).is_sure  # 0.0198 against 0.01
    assert certainty_after(order_unclear, weights, Sure(top=4)).is_sure
    assert not certainty_after(order_unclear, weights, Sure(top=3)).is_sure  # the third and fourth are equal
    assert not certainty_after(order_unclear[:60], weights[:60], Sure(top=5)).is_sure


def test_models_and_views_that_coincide_weigh_what_they_weigh():
    # two models, one with a single view: that is half of the answer
    assert certainty_after(says(0, 0), np.array([0.5, 0.05]), Sure()).is_sure
    assert not certainty_after(says(0, 0), np.array([0.05, 0.05]), Sure()).is_sure


def test_nothing_is_sure_before_a_view_and_one_class_always():
    assert not Certainty(Sure(), 3).is_sure
    assert certainty_after(np.ones((1, 1)), np.array([0.1]), Sure(top=5)).is_sure
    few = certainty_after(np.array([[0.9, 0.05, 0.05]]), np.array([0.9]), Sure(top=5))
    assert few.is_sure  # under six classes the first five say nothing


def test_what_is_no_number_is_never_sure():
    broken = np.array([[np.nan, 0.9, 0.1]] * 3)
    for risk in (0.0, 0.1):
        assert not certainty_after(broken, np.full(3, 0.3), Sure(risk)).is_sure


shares = st.lists(st.integers(1, 6), min_size=2, max_size=14)
grids = st.sampled_from([1, 2, 4, 1000])


@given(shares, st.integers(2, 8), st.integers(1, 6), grids, st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=150, deadline=None)
def test_no_view_still_unseen_could_change_what_is_sure(multiplicities, classes, top, grid, seed, data):
    weights = np.array(multiplicities) / sum(multiplicities)
    random = np.random.default_rng(seed)
    # probabilities in halves and quarters make ties
    counts = random.multinomial(grid, random.dirichlet(np.full(classes, 0.3), len(weights)))
    probabilities = (counts / grid).astype(np.float32)
    seen = data.draw(st.integers(1, len(weights) - 1))
    if not certainty_after(probabilities[:seen], weights[:seen], Sure(top=top)).is_sure:
        return
    expected = answer(probabilities, weights, top)
    assert best(certainty_after(probabilities[:seen], weights[:seen], Sure()).sums, 1) == expected[0]
    for rival in range(classes):  # whatever the others say
        probabilities[seen:] = np.eye(classes, dtype=np.float32)[rival]
        first, set_ = answer(probabilities, weights, top)
        assert first == expected[0]
        if top < classes:
            assert set_ == expected[1]


@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 2**32 - 1), st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_the_steps_do_not_matter_and_nothing_is_asked_in_vain(views, classes, seed, step):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.1), views)
    weights = np.full(views, 1 / views)
    one_by_one = views_needed(probabilities, weights, Sure(), 1)
    assert views_needed(probabilities, weights, Sure(), step) == min(-(-one_by_one // step) * step, views)
    if one_by_one > 1:  # one less, and some class could have come first
        before = probabilities[: one_by_one - 1].sum(axis=0)
        leader, rival = best(before, 2)
        assert before[leader] - before[rival] <= views - (one_by_one - 1) + views * 2e-4


# -------------------------------------------------------------------------------------------------------- with a risk


def simulated(random: np.random.Generator, views: int = 144, classes: int = 12) -> np.ndarray:
    """An image's probabilities: logits with a part that all views share and one that differs, some of them close."""
    shared = random.normal(0, 1.5, classes)
    logits = 2 * (shared + random.normal(0, 1, (views, classes)))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("risk", [0.01, 0.1])
def test_the_risk_is_kept_and_views_are_saved(risk):
    random = np.random.default_rng(5)
    weights = np.full(144, 1 / 144)
    changed, needed, images = 0, 0, 300
    for _ in range(images):
        probabilities = simulated(random)[view_order(144)]
        views = views_needed(probabilities, weights, Sure(risk), 12)
        needed += views
        changed += best(probabilities[:views].sum(axis=0), 1) != best(probabilities.sum(axis=0), 1)
    assert changed / images <= risk
    assert needed / images < 0.5 * 144


def test_more_risk_needs_no_more_views():
    random = np.random.default_rng(2)
    weights = np.full(144, 1 / 144)
    for _ in range(20):
        probabilities = simulated(random)
        needed = [views_needed(probabilities, weights, Sure(risk), 12) for risk in (0.0, 0.001, 0.01, 0.1)]
        assert needed == sorted(needed, reverse=True)


def test_a_few_views_that_agree_are_not_enough():
    weights = np.full(144, 1 / 144)
    agreeing = says(*[0] * 144)
    assert not certainty_after(agreeing[:2], weights[:2], Sure(0.05)).is_sure
    assert 4 < views_needed(agreeing, weights, Sure(0.01), 4) < 36


def test_a_class_that_leads_in_each_view_by_a_hair_is_one_that_leads():
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.6, (144, 1))
    probabilities = np.hstack([base + 0.01, base, 1 - 2 * base - 0.01])
    probabilities[:, 2] = 0
    assert views_needed(probabilities, np.full(144, 1 / 144), Sure(0.01), 12) < 72


# --------------------------------------------------------------------------------------------------------- the order


def test_the_order_is_always_the_same_and_takes_each_once():
    order = view_order(144)
    assert sorted(order) == list(range(144))
    assert (order == view_order(144)).all()
    assert len(set(order[:24] // 36)) == 4  # all scales soon


@pytest.mark.parametrize("risk", [-0.1, 0.5, 1, float("nan")])
def test_a_risk_is_a_small_probability(risk):
    with pytest.raises(InputError, match=r"--until-sure must be a probability from 0 to below 0\.5"):
        Sure(risk)
