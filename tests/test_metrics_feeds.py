"""Measures of feeds, against values worked out by hand."""

import math

import numpy as np
import pytest

from recnews.metrics import (
    auc_of,
    bootstrap,
    bootstrap_means,
    calibration,
    first_reciprocal,
    hit_of,
    intra_list_diversity,
    mean_reciprocal,
    ndcg_of,
    novelty,
    recall_of,
)

GONE = math.inf
RANKS = np.array([[1.0, 4.0, GONE], [3.0, GONE, GONE], [GONE, GONE, GONE]])
RIGHT = np.array([3, 1, 2])


def test_hit_recall_and_first_reciprocal() -> None:
    assert hit_of(RANKS, 2).tolist() == [1, 0, 0]
    assert hit_of(RANKS, 3).tolist() == [1, 1, 0]
    assert recall_of(RANKS, RIGHT, 3).tolist() == pytest.approx([1 / 3, 1, 0])
    assert first_reciprocal(RANKS, 3).tolist() == pytest.approx([1, 1 / 3, 0])
    assert first_reciprocal(RANKS, 2).tolist() == [1, 0, 0]


def test_ndcg_is_divided_by_the_best_that_the_places_allow() -> None:
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg_of(RANKS, RIGHT, 4).tolist() == pytest.approx([(1 + 1 / math.log2(5)) / best, 1 / 2, 0])
    assert ndcg_of([[1.0, 2.0, 3.0]], [3], 2).tolist() == pytest.approx([1.0]), "two places cannot hold three"


def test_mrr_of_mind_is_the_mean_over_the_clicks() -> None:
    assert mean_reciprocal(RANKS, RIGHT).tolist() == pytest.approx([(1 + 1 / 4) / 3, 1 / 3, 0])


def test_auc_is_the_share_of_pairs_in_order() -> None:
    # Ranks 1 and 4 of 5: the first beats all three wrong ones, the second beats one of them.
    assert auc_of([[1.0, 4.0]], [2], [5]).tolist() == pytest.approx([4 / 6])
    assert auc_of([[1.0], [5.0]], [1, 1], [5, 5]).tolist() == [1, 0]
    assert np.isnan(auc_of([[1.0, 2.0]], [2], [2])).all(), "nothing is wrong"


def test_diversity_is_over_pairs() -> None:
    likeness = [[1, 0.5, 0], [0.5, 1, 0.25], [0, 0.25, 1]]
    assert intra_list_diversity(likeness) == pytest.approx(1 - (0.5 + 0 + 0.25) / 3)
    assert math.isnan(intra_list_diversity([[1.0]]))
    assert math.isnan(intra_list_diversity(np.zeros((0, 0))))


def test_novelty_in_bits() -> None:
    assert novelty([3, 0], 7) == pytest.approx((1 + 3) / 2)  # log2(8/4), log2(8/1)
    assert math.isnan(novelty([], 7))


def test_calibration_is_zero_in_proportion_and_grows_away_from_it() -> None:
    assert calibration([2, 1], [4, 2]) == pytest.approx(0)
    one_sided = 0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(0.5 / 0.005)
    assert calibration([1, 1], [3, 0]) == pytest.approx(one_sided)
    assert calibration([3, 0], [0, 5]) == pytest.approx(math.log(1 / 0.01))
    assert math.isnan(calibration([0, 0], [1, 0]))
    assert math.isnan(calibration([1, 0], [0, 0]))


def test_one_row_a_reader_gives_what_the_plain_bootstrap_gives() -> None:
    values = np.random.default_rng(3).random((40, 2))
    found = bootstrap_means(values, np.arange(40), n=200, seed=5)
    for column in (0, 1):
        plain = bootstrap(values[:, column], n=200, seed=5)
        one = found[column]
        assert (one.value, one.low, one.high, one.n) == pytest.approx((plain.value, plain.low, plain.high, plain.n))


def test_rows_of_one_reader_are_drawn_together() -> None:
    values = np.array([[0.0], [0.0], [0.0], [1.0]])
    apart = bootstrap_means(values, [0, 1, 2, 3], n=500)[0]
    together = bootstrap_means(values, [0, 0, 0, 1], n=500)[0]
    assert apart.value == together.value == 0.25
    assert (together.low, together.high, together.n) == (0, 1, 2)
    assert apart.high < 1


def test_what_is_not_defined_is_left_out() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    first, second = bootstrap_means(values, [0, 1, 2], n=50)
    assert (first.value, first.n) == (2, 2)
    assert math.isnan(second.value)
    assert second.n == 0
    assert bootstrap_means(np.zeros((0, 1)), [], n=50)[0].n == 0
