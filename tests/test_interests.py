"""From reading events to an interest, by arithmetic that can be done by hand."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.config import FeedSettings
from recnews.interests import event_weights, from_history
from recnews.records import ArticleId, Event, EventKind
from tests.worlds import DAY, NOW

SETTINGS = FeedSettings(half_life_days=14, like_weight=2, share_weight=3, dislike_weight=1.5, bounce_seconds=3)


def event(
    kind: EventKind = "read", at: datetime | None = NOW, weight: float = 1.0, dwell: float | None = None
) -> Event:
    return Event("ann", ArticleId(1), kind, weight, dwell, at)


@pytest.mark.parametrize(
    ("given_event", "expected"),
    [
        (event(), 1.0),
        (event(at=NOW - 14 * DAY), 0.5 ** (14 / 14)),
        (event(at=NOW - 7 * DAY), 0.5 ** (7 / 14)),
        (event(at=NOW - timedelta(hours=36)), 0.5 ** (1.5 / 14)),
        (event(at=NOW + DAY), 1.0),
        (event(at=None), 1.0),
        (event("like"), 2.0),
        (event("share", at=NOW - 28 * DAY), 3.0 * 0.5**2),
        (event("dislike"), -1.5),
        (event("dislike", at=NOW - 14 * DAY, weight=2.0), -1.5 * 2.0 * 0.5),
        (event("impression"), 0.0),
        (event(weight=0.25), 0.25),
        (event(dwell=2.9), 0.0),
        (event(dwell=3.0), 1.0),
        (event("like", dwell=0.1), 2.0),
    ],
)
def test_the_weight_of_an_event(given_event: Event, expected: float) -> None:
    [weight] = event_weights([given_event], NOW, SETTINGS).tolist()
    assert weight == pytest.approx(expected, rel=1e-6)


def test_weights_are_float32_and_may_be_none_at_all() -> None:
    weights = event_weights([], NOW, SETTINGS)
    assert weights.shape == (0,)
    assert weights.dtype == np.float32


def unit(*values: float) -> list[float]:
    return [value / math.hypot(*values) for value in values]


def test_an_interest_is_the_direction_of_the_weighted_sum() -> None:
    history = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    interests = from_history(history, np.array([3, 4, 0], dtype=np.float32))
    assert interests.importance.tolist() == [1.0]
    assert interests.vectors[0].tolist() == pytest.approx([3 / 5, 4 / 5, 0])
    assert interests.vectors.dtype == np.float32
    assert interests.vectors.flags.c_contiguous


def test_a_dislike_pushes_away() -> None:
    history = np.array([[1, 0], unit(1, 1)], dtype=np.float32)
    [interest] = from_history(history, np.array([1, -0.5], dtype=np.float32)).vectors
    assert interest.tolist() == pytest.approx(unit(1 - 0.5 / math.sqrt(2), -0.5 / math.sqrt(2)))


@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        ([], []),
        ([[1, 0]], [0]),
        ([[1, 0]], [-1]),
        ([[1, 0], [-1, 0]], [1, 1]),
        ([[1, 0], [1, 0]], [1, -1]),
    ],
    ids=["empty", "weighs nothing", "only disliked", "opposed", "taken back"],
)
def test_no_interest(rows: list[list[float]], weights: list[float]) -> None:
    interests = from_history(np.array(rows, np.float32).reshape(-1, 2), np.array(weights, np.float32))
    assert interests.vectors.shape == (0, 2)
    assert interests.importance.shape == (0,)


def test_a_reader_who_was_long_away_keeps_their_interest() -> None:
    """Only the weights' proportions say where an interest lies: 0.5 ** (365 / 14) is 1.4e-8, and all there is."""
    weights = event_weights([event(at=NOW - 365 * DAY)], NOW, SETTINGS)
    assert from_history(np.array([[0, 1]], np.float32), weights).vectors.tolist() == [[0, 1]]


@pytest.mark.parametrize("weight", [1e30, 1e300])
def test_a_huge_weight_is_a_weight(weight: float) -> None:
    weights = event_weights([event(weight=weight), event()], NOW, SETTINGS)
    [interest] = from_history(np.array([[0, 1], [1, 0]], np.float32), weights).vectors
    assert interest.tolist() == pytest.approx([0, 1])


@given(st.integers(1, 8), st.integers(2, 6), st.floats(0.125, 8), st.randoms(use_true_random=False))
def test_only_the_proportions_of_weights_count(events: int, dim: int, factor: float, random: object) -> None:
    draw = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    history = draw.normal(size=(events, dim)).astype(np.float32)
    history /= np.linalg.norm(history, axis=1, keepdims=True)
    weights = draw.uniform(0.1, 2, size=events).astype(np.float32)
    once, more = from_history(history, weights), from_history(history, weights * np.float32(factor))
    total = (weights.astype(np.float64)[:, None] * history).sum(axis=0)
    if np.linalg.norm(total) > 0.01:
        np.testing.assert_allclose(once.vectors[0], total / np.linalg.norm(total), atol=2e-4)
        np.testing.assert_allclose(once.vectors, more.vectors, atol=2e-4)
        assert np.linalg.norm(once.vectors[0]) == pytest.approx(1, abs=1e-5)
