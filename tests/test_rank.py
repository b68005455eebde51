"""The order of a feed, against arithmetic by hand and a slow oracle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.rank import Audience, Spread, corrected, diversify, exploration, freshness, popularity, within_caps
from recnews.records import Float32, Int64

HOUR = 3_600_000_000
NOW = 1_773_144_000_000_000


def audience(readers: object, seen_by: object = None, shown: object = None) -> Audience:
    """An audience; nothing was shown unless told."""
    lately = np.array(readers, np.float32)
    seen = lately.astype(np.int64) if seen_by is None else np.array(seen_by, np.int64)
    return Audience(lately, seen, np.zeros(len(lately), np.int64) if shown is None else np.array(shown, np.int64))


def rows(scores: Float32, vectors: Float32, k: int, diversity: float, stories: Int64 | None = None) -> list[int]:
    """`diversify` where each row is its own story, unless told."""
    spread = Spread(diversity, np.arange(len(scores)) if stories is None else stories)
    return [int(row) for row in diversify(scores, vectors, k, spread)]


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, 1.0), (24, 0.5), (48, 0.25), (12, 0.5**0.5), (-5, 1.0), (24 * 365, 0.5**365)]
)
def test_freshness_halves(hours: float, expected: float) -> None:
    fresh = freshness(np.array([NOW - int(hours * HOUR)]), NOW, 24.0)
    assert fresh.dtype == np.float32
    assert fresh.tolist() == pytest.approx([expected], abs=1e-7)


def test_each_article_has_its_own_half_life() -> None:
    fresh = freshness(np.array([NOW - 12 * HOUR] * 2), NOW, np.array([12, 24], np.float32))
    assert fresh.tolist() == pytest.approx([0.5, 0.5**0.5])


def test_popularity_is_the_logarithm_of_readers() -> None:
    popular = popularity(audience([0, 1, 9, 99]), 99)
    assert popular.dtype == np.float32
    assert popular.tolist() == pytest.approx(
        [0, math.log(2) / math.log(100), math.log(10) / math.log(100), 1.0], rel=1e-6
    )


def test_nobody_has_read_anything() -> None:
    assert popularity(audience([0, 0]), 0).tolist() == [0, 0]


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
    assert rows(scores, vectors, 3, 0.5) == [0, 2, 1]
    assert rows(scores, vectors, 3, 0.3) == [0, 1, 2]
    assert rows(scores, vectors, 3, 0.0) == [0, 1, 2]
    assert rows(scores, vectors, 2, 0.5) == [0, 2]


def test_being_opposed_earns_nothing() -> None:
    """Without the floor at nought, row 2 would come first of the rest: 0.5 + 1 * 1 against 0.6."""
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    assert rows(np.array([1, 0.6, 0.5], np.float32), vectors, 3, 1.0) == [0, 1, 2]


def test_scores_below_nought_are_ranked_too() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    assert rows(np.array([-2, -1], np.float32), vectors, 2, 0.2) == [1, 0]


@pytest.mark.parametrize("k", [0, 1, 5])
def test_nothing_to_rank(k: int) -> None:
    order = diversify(np.zeros(0, np.float32), np.zeros((0, 4), np.float32), k, Spread(0.2, np.zeros(0, np.int64)))
    assert order.shape == (0,)
    assert order.dtype == np.int64


@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_the_oracle_agrees(n: int, k: int, eighths: int, seed: int) -> None:
    """Coordinates are in quarters and scores in eighths, so that sums are exact and ties real."""
    draw = np.random.default_rng(seed)
    vectors = (draw.integers(-4, 5, size=(n, 3)) / 4).astype(np.float32)
    scores = (draw.integers(-8, 9, size=n) / 8).astype(np.float32)
    order = rows(scores, vectors, k, eighths / 8)
    assert order == slow_mmr(scores, vectors, k, eighths / 8)
    if eighths == 0:
        assert [scores[row] for row in order] == sorted(scores, reverse=True)[:k]


FLAT = np.ones((6, 1), np.float32)
FALLING = np.array([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], np.float32)


def test_one_of_a_story() -> None:
    stories = np.array([1, 1, 2, 1, 2, 3])
    assert rows(FALLING, FLAT, 6, 0.0, stories) == [0, 2, 5]
    assert rows(FALLING, FLAT, 2, 0.0, stories) == [0, 2]


# Caps


def capped(labels: list[int], cap: int, k: int = 6, other: tuple[list[int], int] | None = None) -> list[int]:
    caps = [(np.array(labels), cap)] + ([(np.array(other[0]), other[1])] if other else [])
    return [int(row) for row in diversify(FALLING, FLAT, k, Spread(0.0, np.arange(6), caps))]


def test_a_cap_holds() -> None:
    assert capped([7, 7, 7, 8, 8, 9], 2) == [0, 1, 3, 4, 5]
    assert capped([7, 7, 7, 8, 8, 9], 1) == [0, 3, 5]
    assert capped([7] * 6, 2) == [0, 1]
    assert capped([7, 7, 7, 8, 8, 9], 2, 3) == [0, 1, 3]


def test_what_has_no_label_is_not_capped() -> None:
    assert capped([-1, -1, 7, -1, 7, 7], 1) == [0, 1, 2, 3]
    assert capped([-1, 7, 7, -1, 7, -1], 1) == [0, 1, 3, 5]


def test_two_caps() -> None:
    assert capped([1, 1, 2, 2, 3, 3], 1, 3, ([5, 6, 5, 6, 6, 7], 1)) == [0, 3, 5]


def test_caps_of_what_fills_up() -> None:
    labels, none = np.array([7, 7, 7, 8, -1, 9]), np.zeros(0, np.int64)
    assert within_caps(6, 4, []).tolist() == [0, 1, 2, 3]
    assert within_caps(6, 6, [(labels, none, 2)]).tolist() == [0, 1, 3, 4, 5]
    assert within_caps(6, 3, [(labels, np.array([7, 7, -1, -1, -1]), 2)]).tolist() == [3, 4, 5], "counted before"
    assert within_caps(6, 6, [(labels, none, 1), (np.array([1, 1, 1, 1, 2, 3]), none, 1)]).tolist() == [0, 4, 5]
    assert within_caps(0, 3, [(none, none, 1)]).tolist() == []


# Shares of interests


def test_a_feed_is_held_to_the_shares_of_interests() -> None:
    """By score alone rows 0 to 2 come first; half of the feed belongs to interest 1."""
    spread = Spread(0.0, np.arange(6), (), 2.0, np.array([0, 0, 0, 0, 1, 1]), np.array([0.5, 0.5], np.float32))
    order = diversify(FALLING, FLAT, 4, spread).tolist()
    assert order[:2] == [0, 4]
    assert sorted(order) == [0, 1, 4, 5]
    none = Spread(0.0, np.arange(6), (), 0.0, np.array([0, 0, 0, 0, 1, 1]), np.array([0.5, 0.5], np.float32))
    assert diversify(FALLING, FLAT, 4, none).tolist() == [0, 1, 2, 3]


def test_an_interest_that_scores_less_has_its_places_later() -> None:
    """A fifth of the feed belongs to interest 1, whose articles score .9 less: at .6 a place it must be 1.5 places
    further short than the other, which it is at the seventh place, and from then on at every fifth."""
    scores, interest = np.repeat([1.0, 0.1], 20).astype(np.float32), np.repeat([0, 1], 20)
    spread = Spread(0.0, np.arange(40), (), 0.6, interest, np.array([0.8, 0.2], np.float32))
    order = diversify(scores, np.ones((40, 1), np.float32), 20, spread)
    assert np.flatnonzero(interest[order] == 1).tolist() == [6, 11, 16]


@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_the_oracle_of_shares_agrees(n: int, k: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = (draw.integers(-8, 9, size=n) / 8).astype(np.float32)
    interest, importance = draw.integers(0, 2, n), np.array([0.25, 0.75], np.float32)
    spread = Spread(0.0, np.arange(n), (), 0.5, interest, importance)
    chosen: list[int] = []
    while len(chosen) < min(k, n):
        taken = np.bincount(interest[chosen], minlength=2).astype(np.float32)
        owed = importance * np.float32(len(chosen) + 1) - taken
        value = scores + np.float32(0.5) * owed[interest]
        chosen.append(max((row for row in range(n) if row not in chosen), key=lambda row: (value[row], -row)))
    assert diversify(scores, np.ones((n, 1), np.float32), k, spread).tolist() == chosen


# Exposure


def test_readers_are_corrected_for_exposure() -> None:
    """At a usual rate of .2: 10 readers of 25 showings are twice what is usual, 10 of 100 half, as far as ten showings
    of nothing known let them; without showings there is nothing to correct."""
    found = corrected(audience([10, 10, 10], [10, 10, 0], [25, 100, 0]), 0.2)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([10 * 12 / 7, 10 * 12 / 22, 10], rel=1e-6)


def test_the_correction_is_bounded() -> None:
    assert corrected(audience([8, 8], [1000, 0], [1000, 10_000]), 0.01).tolist() == pytest.approx([32, 2])
    assert corrected(audience([8], [8], [50]), 0).tolist() == [8], "nothing is known of the usual rate"


def test_read_oftener_than_shown() -> None:
    """From a search engine, say: those reads were no answer to a showing."""
    assert corrected(audience([50], [50], [10]), 0.5).tolist() == pytest.approx([50 * 55 / 30])


# Exploration


def explored(seen_by: list[int], shown: list[int], user: str = "ann", hour: int = 5, rate: float = 0.1) -> Float32:
    return exploration(np.arange(len(shown)), audience(seen_by, seen_by, shown), rate, user, hour)


def test_exploration_holds_still_for_an_hour_and_a_reader() -> None:
    one = explored([0] * 50, [0] * 50)
    assert one.dtype == np.float32
    assert one.tolist() == explored([0] * 50, [0] * 50).tolist()
    assert one.tolist() != explored([0] * 50, [0] * 50, hour=6).tolist()
    assert one.tolist() != explored([0] * 50, [0] * 50, user="bob").tolist()
    assert ((one >= 0) & (one <= 1)).all()


def test_exploration_of_an_article_does_not_depend_on_the_others() -> None:
    everybody = audience([0, 3, 5, 0], [0, 3, 5, 0], [0, 30, 20, 8])
    whole = exploration(np.array([4, 9, 2, 7]), everybody, 0.1, "ann", 5)
    some = Audience(*(getattr(everybody, name)[[3, 1]] for name in ("readers", "seen_by", "shown")))
    assert exploration(np.array([7, 9]), some, 0.1, "ann", 5).tolist() == whole[[3, 1]].tolist()


def test_exploration_shrinks_with_what_is_known() -> None:
    means = []
    for shown in (0, 100, 10_000):
        draws = [explored([shown // 10] * 40, [shown] * 40, f"reader {n}").mean() for n in range(50)]
        means.append(float(np.mean(draws)))
    assert means[0] > 2 * means[1] > 8 * means[2]
    assert means[2] < 0.02


def test_exploration_is_that_of_a_beta_posterior() -> None:
    """10 showings of nothing known at a rate of .1, and 40 known ones with 7 readers: Beta(8, 42)."""
    draws = np.concatenate([explored([7] * 100, [40] * 100, f"reader {n}") for n in range(200)])
    exact = np.random.default_rng(1).beta(8, 42, size=200_000) / (8 / 50)
    expected = np.clip(exact - 1, 0, 2) / 2
    assert draws.mean() == pytest.approx(expected.mean(), rel=0.03)
    assert (draws == 0).mean() == pytest.approx((expected == 0).mean(), abs=0.02)
    assert np.quantile(draws, 0.95) == pytest.approx(np.quantile(expected, 0.95), rel=0.05)


def test_without_showings_readers_are_what_is_known() -> None:
    """A log of reads alone: who is read much is known well."""
    unread, read = (np.mean([explored([n] * 40, [0] * 40, f"r{u}", rate=0).mean() for u in range(20)]) for n in (0, 90))
    assert unread > 3 * read
