"""The order of a feed, against arithmetic by hand and a slow oracle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.rank import diversify, freshness, popularity
from recnews.records import Float32

HOUR = 3_600_000_000
NOW = 1_773_144_000_000_000


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, 1.0), (24, 0.5), (48, 0.25), (12, 0.5**0.5), (-5, 1.0), (24 * 365, 0.5**365)]
)
def test_freshness_halves(hours: float, expected: float) -> None:
    fresh = freshness(np.array([NOW - int(hours * HOUR)]), NOW, 24.0)
    assert fresh.dtype == np.float32
    assert fresh.tolist() == pytest.approx([expected], abs=1e-7)


def test_popularity_is_the_logarithm_of_readers() -> None:
    popular = popularity(np.array([0, 1, 9, 99]), 99)
    assert popular.dtype == np.float32
    assert popular.tolist() == pytest.approx(
        [0, math.log(2) / math.log(100), math.log(10) / math.log(100), 1.0], rel=1e-6
    )


def test_nobody_has_read_anything() -> None:
    assert popularity(np.array([0, 0]), 0).tolist() == [0, 0]


def slow_mmr(scores: Float32, vectors: Float32, k: int, diversity: float) -> list[int]:
    """Carbonell and Goldstein 1998, as it stands in the docstring."""
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        values = {
            row: float(scores[row]) - diversity * max([0.0, *(float(vectors[row] @ vectors[c]) for c in chosen)])
            for row in range(len(scores))
            if row not in chosen
        }
        chosen.append(max(values, key=lambda row: (values[row], -row)))
    return chosen


def test_a_twin_is_pushed_down() -> None:
    """Rows 0 and 1 are the same article; 1.0 - 0.5 * 1.0 < 0.6 - 0.5 * 0.0, so row 2 comes between them."""
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([1.0, 1.0, 0.6], np.float32)
    assert diversify(scores, vectors, 3, 0.5).tolist() == [0, 2, 1]
    assert diversify(scores, vectors, 3, 0.3).tolist() == [0, 1, 2]
    assert diversify(scores, vectors, 3, 0.0).tolist() == [0, 1, 2]
    assert diversify(scores, vectors, 2, 0.5).tolist() == [0, 2]


def test_being_opposed_earns_nothing() -> None:
    """Without the floor at nought, row 2 would come first of the rest: 0.5 + 1 * 1 against 0.6."""
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    assert diversify(np.array([1, 0.6, 0.5], np.float32), vectors, 3, 1.0).tolist() == [0, 1, 2]


def test_scores_below_nought_are_ranked_too() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    assert diversify(np.array([-2, -1], np.float32), vectors, 2, 0.2).tolist() == [1, 0]


@pytest.mark.parametrize("k", [0, 1, 5])
def test_nothing_to_rank(k: int) -> None:
    order = diversify(np.zeros(0, np.float32), np.zeros((0, 4), np.float32), k, 0.2)
    assert order.shape == (0,)
    assert order.dtype == np.int64


@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_the_oracle_agrees(n: int, k: int, eighths: int, seed: int) -> None:
    """Coordinates are in quarters and scores in eighths, so that sums are exact and ties real."""
    draw = np.random.default_rng(seed)
    vectors = (draw.integers(-4, 5, size=(n, 3)) / 4).astype(np.float32)
    scores = (draw.integers(-8, 9, size=n) / 8).astype(np.float32)
    order = diversify(scores, vectors, k, eighths / 8).tolist()
    assert order == slow_mmr(scores, vectors, k, eighths / 8)
    if eighths == 0:
        assert [scores[row] for row in order] == sorted(scores, reverse=True)[:k]
