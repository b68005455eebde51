"""Measures, by values that can be recomputed by hand, and by what must hold of any scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from recnews.metrics import (
    Figure,
    bootstrap,
    mean,
    ndcg,
    ndcg_of_ranks,
    pearson,
    precision_at,
    ranks_of,
    recall_at,
    reciprocal_rank,
    spearman,
)

SCORES = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 12)), elements=st.integers(-3, 3).map(float)
)
PAIRS = arrays.arrays(np.float64, st.tuples(st.integers(2, 12), st.just(2)), elements=st.integers(-9, 9).map(float))


def test_the_rank_is_one_more_than_how_many_score_higher() -> None:
    scores = [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]
    assert ranks_of(scores, [0, 1, 2]).tolist() == [1, 2, 3]


def test_ties_count_against_the_right_one() -> None:
    assert ranks_of([[0.5, 0.5, 0.1]], [0]).tolist() == [2]
    assert ranks_of(np.zeros((2, 4)), [0, 3]).tolist() == [4, 4], "who scores everything alike finds nothing"


def test_a_score_that_is_no_number_stands_last() -> None:
    assert ranks_of([[math.nan, 0.1, 0.2], [0.3, math.nan, 0.2]], [0, 0]).tolist() == [3, 1]


def test_recall_and_reciprocal_rank() -> None:
    assert recall_at([1, 2, 10, 11], 1).tolist() == [1, 0, 0, 0]
    assert recall_at([1, 2, 10, 11], 10).tolist() == [1, 1, 1, 0]
    assert reciprocal_rank([1, 2, 4]).tolist() == [1, 0.5, 0.25]


def test_ndcg_with_one_right_candidate() -> None:
    assert ndcg_of_ranks([1, 3, 7, 11], 10).tolist() == [1, 0.5, 1 / 3, 0]


def test_ndcg_divides_by_the_best_order() -> None:
    # 3/log2(2) + 0/log2(3) + 1/log2(4) = 3.5; at best 3/log2(2) + 1/log2(3)
    assert ndcg([3, 0, 1], 3) == pytest.approx(3.5 / (3 + 1 / math.log2(3)))
    assert ndcg([3, 1, 0], 3) == 1
    assert ndcg([0, 0, 1], 2) == 0
    assert math.isnan(ndcg([0, 0], 2))


def test_ndcg_of_one_gain_is_that_of_its_rank() -> None:
    for rank in range(1, 8):
        gains = [float(place == rank) for place in range(1, 8)]
        assert ndcg(gains, 5) == pytest.approx(ndcg_of_ranks([rank], 5)[0])


def test_precision_looks_at_the_best_k() -> None:
    relevant = [[True, False, True, False]]
    assert precision_at([[0.9, 0.8, 0.7, 0.6]], relevant, 1).tolist() == [1]
    assert precision_at([[0.9, 0.8, 0.7, 0.6]], relevant, 2).tolist() == [0.5]
    assert precision_at([[0.1, 0.8, 0.2, 0.9]], relevant, 2).tolist() == [0]


def test_tied_candidates_share_the_last_places() -> None:
    # One of three tied ones takes the second place, and two of them are relevant.
    found = precision_at([[0.9, 0.5, 0.5, 0.5, 0.1]], [[True, True, True, False, True]], 2)
    assert found.tolist() == pytest.approx([(1 + 2 / 3) / 2])


def test_precision_divides_by_k_and_leaves_out_what_is_not_there() -> None:
    assert precision_at([[0.9, 0.8]], [[True, True]], 10).tolist() == [0.2]
    assert precision_at([[-np.inf, 0.8, 0.1]], [[True, True, False]], 3).tolist() == pytest.approx([1 / 3])
    assert precision_at([[-np.inf, 0.8, 0.1]], [[True, True, False]], 2).tolist() == [0.5]


def test_correlations_by_hand() -> None:
    # Deviations (-1, 0, 1) and (-2, 1, 1): 3 / sqrt(2 * 6).
    assert pearson([[1, 1], [2, 4], [3, 4]]) == pytest.approx(3 / math.sqrt(12))
    assert spearman([[1, 10], [2, 20], [3, 1000]]) == pytest.approx(1)
    assert spearman([[1, 3], [2, 2], [3, 1]]) == pytest.approx(-1)
    assert spearman([[1, 1], [2, 4], [3, 4]]) == pytest.approx(1.5 / math.sqrt(2 * 1.5)), "ties at their mean rank"


@pytest.mark.parametrize("pairs", [[], [[1, 2]], [[0.1, 1], [0.1, 2], [0.1, 3]]])
def test_a_correlation_that_is_not_defined_is_no_number(pairs: list[list[float]]) -> None:
    values = np.array(pairs, dtype=float).reshape(-1, 2)
    assert math.isnan(pearson(values))
    assert math.isnan(spearman(values))


def test_a_bootstrap_of_equal_values_is_certain() -> None:
    assert bootstrap(np.full(5, 0.25)) == Figure(0.25, 0.25, 0.25, 5)


def test_a_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.repeat([0.0, 1.0], 200)
    figure = bootstrap(values, seed=3)
    # 400 coin tosses: a standard error of .5 / sqrt(400) = .025, and 1.96 of them to each side.
    assert figure.value == 0.5
    assert figure.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.01)
    assert figure.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.01)


def test_a_bootstrap_draws_whole_rows() -> None:
    pairs = np.stack([np.arange(30.0), np.arange(30.0) * 2], axis=1)
    figure = bootstrap(pairs, pearson)
    assert (figure.value, figure.low, figure.high) == pytest.approx((1, 1, 1)), "torn apart, they would not agree"


def test_a_bootstrap_of_nothing_says_so() -> None:
    figure = bootstrap(np.zeros(0))
    assert figure.n == 0
    assert math.isnan(figure.value)


def test_a_bootstrap_repeats_itself_by_its_seed() -> None:
    values = np.arange(20.0)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


@given(SCORES, st.data())
def test_ranks_lie_within_the_candidates_and_better_scores_rank_better(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], data: st.DataObject
) -> None:
    right = data.draw(arrays.arrays(np.int64, len(scores), elements=st.integers(0, scores.shape[1] - 1)))
    ranks = ranks_of(scores, right)
    assert ((ranks >= 1) & (ranks <= scores.shape[1])).all()
    lifted = scores.copy()
    lifted[np.arange(len(scores)), right] = 9
    assert ranks_of(lifted, right).tolist() == [1] * len(scores)
    order = data.draw(st.permutations(range(scores.shape[1])))
    moved = np.array([order.index(column) for column in right])
    assert ranks_of(scores[:, order], moved).tolist() == ranks.tolist(), "the order of candidates does not matter"


@given(SCORES, st.integers(1, 12), st.data())
def test_precision_is_the_mean_over_orders_of_the_tied(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], k: int, data: st.DataObject
) -> None:
    relevant = data.draw(arrays.arrays(np.bool_, scores.shape))
    found = precision_at(scores, relevant, k)
    assert ((found >= 0) & (found <= 1)).all()
    # Relevant ones first among the tied, then last: the expectation lies between the two.
    nudge = np.where(relevant, 0.25, 0.0)
    low, high = _plain_precision(scores - nudge, relevant, k), _plain_precision(scores + nudge, relevant, k)
    assert (found >= low - 1e-9).all()
    assert (found <= high + 1e-9).all()
    distinct = scores + np.linspace(0, 0.5, scores.shape[1])
    assert precision_at(distinct, relevant, k) == pytest.approx(_plain_precision(distinct, relevant, k))


@given(PAIRS)
def test_correlations_agree_with_scipy(pairs: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    if np.ptp(pairs[:, 0]) == 0 or np.ptp(pairs[:, 1]) == 0:
        assert math.isnan(pearson(pairs))
        return
    assert pearson(pairs) == pytest.approx(stats.pearsonr(pairs[:, 0], pairs[:, 1]).statistic, abs=1e-9)
    assert spearman(pairs) == pytest.approx(stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic, abs=1e-9)


@given(arrays.arrays(np.float64, st.integers(1, 20), elements=st.integers(0, 5).map(float)), st.integers(0, 99))
def test_an_interval_lies_within_the_values(values: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int) -> None:
    figure = bootstrap(values, n=50, seed=seed)
    assert values.min() <= figure.low <= figure.high <= values.max()
    assert figure.value == pytest.approx(mean(values))


def _plain_precision(scores: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(relevant, best, axis=1).sum(axis=1) / k)
