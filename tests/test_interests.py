"""From reading events to an interest, by arithmetic that can be done by hand."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.config import FeedSettings
from recnews.interests import event_weights, from_history, grouped, in_session
from recnews.records import ArticleId, Event, EventKind, Float32, Interests
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


def interests_of(history: object, weights: object, recent: object = None, **settings: object) -> Interests:
    """From rows, weights and which of them belong to the visit that is going on."""
    rows, heavy = np.array(history, np.float32), np.array(weights, np.float32)
    now = np.zeros(len(heavy), bool) if recent is None else np.array(recent, bool)
    used = FeedSettings.model_validate(SETTINGS.model_dump() | settings)
    return from_history(rows.reshape(len(heavy), -1) if len(heavy) else rows.reshape(0, 2), heavy, now, used)


def around(draw: np.random.Generator, middle: int, count: int, dim: int = 12, spread: float = 0.15) -> Float32:
    """Unit vectors near an axis."""
    rows = draw.normal(scale=spread, size=(count, dim))
    rows[:, middle] += 1
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_an_interest_is_the_direction_of_the_weighted_sum() -> None:
    interests = interests_of([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [3, 4, 0])
    assert interests.importance.tolist() == [1.0]
    assert interests.of_read.tolist() == [0, 0, -1], "what weighs nothing belongs to no interest"
    assert interests.vectors[0].tolist() == pytest.approx([3 / 5, 4 / 5, 0])
    assert interests.vectors.dtype == np.float32
    assert interests.vectors.flags.c_contiguous


def test_a_dislike_pushes_away() -> None:
    found = interests_of([[1, 0], unit(1, 1)], [1, -0.5])
    [interest] = found.vectors
    assert interest.tolist() == pytest.approx(unit(1 - 0.5 / math.sqrt(2), -0.5 / math.sqrt(2)))
    assert found.of_read.tolist() == [0, 0]


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
    interests = interests_of(rows, weights)
    assert interests.vectors.shape == (0, 2)
    assert interests.importance.shape == (0,)
    assert interests.of_read.tolist() == [-1] * len(rows)


def test_a_reader_who_was_long_away_keeps_their_interest() -> None:
    """Only the weights' proportions say where an interest lies: 0.5 ** (365 / 14) is 1.4e-8, and all there is."""
    weights = event_weights([event(at=NOW - 365 * DAY)], NOW, SETTINGS)
    assert interests_of([[0, 1]], weights).vectors.tolist() == [[0, 1]]


@pytest.mark.parametrize("weight", [1e30, 1e300])
def test_a_huge_weight_is_a_weight(weight: float) -> None:
    weights = event_weights([event(weight=weight), event()], NOW, SETTINGS)
    [interest] = interests_of([[0, 1], [1, 0]], weights).vectors
    assert interest.tolist() == pytest.approx([0, 1])


@given(st.integers(1, 8), st.integers(2, 6), st.floats(0.125, 8), st.randoms(use_true_random=False))
def test_only_the_proportions_of_weights_count(events: int, dim: int, factor: float, random: object) -> None:
    draw = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    history = draw.normal(size=(events, dim)).astype(np.float32)
    history /= np.linalg.norm(history, axis=1, keepdims=True)
    weights = draw.uniform(0.1, 2, size=events).astype(np.float32)
    once, more = (interests_of(history, weights * np.float32(times), interests=1) for times in (1, factor))
    total = (weights.astype(np.float64)[:, None] * history).sum(axis=0)
    if np.linalg.norm(total) > 0.01:
        np.testing.assert_allclose(once.vectors[0], total / np.linalg.norm(total), atol=2e-4)
        np.testing.assert_allclose(once.vectors, more.vectors, atol=2e-4)
        assert np.linalg.norm(once.vectors[0]) == pytest.approx(1, abs=1e-5)


# Several interests


def test_three_topics_are_three_interests() -> None:
    draw = np.random.default_rng(1)
    history = np.concatenate([around(draw, topic, 5) for topic in (0, 1, 2)])
    found = interests_of(history, np.ones(15))
    assert len(found.vectors) == 3
    assert found.importance.tolist() == pytest.approx([1 / 3] * 3)
    groups = found.of_read.reshape(3, 5)
    assert (groups == groups[:, :1]).all()
    assert len({*groups[:, 0].tolist()}) == 3
    for place, topic in zip(groups[:, 0].tolist(), range(3), strict=True):
        total = history[5 * topic : 5 * topic + 5].sum(axis=0)
        np.testing.assert_allclose(found.vectors[place], total / np.linalg.norm(total), atol=1e-5)


def test_one_topic_is_one_interest() -> None:
    history = around(np.random.default_rng(2), 3, 30)
    assert len(interests_of(history, np.ones(30)).vectors) == 1


def test_no_more_interests_than_allowed() -> None:
    draw = np.random.default_rng(3)
    history = np.concatenate([around(draw, topic, 4) for topic in range(8)])
    assert [len(interests_of(history, np.ones(32), interests=most).vectors) for most in (1, 2, 6)] == [1, 2, 6]


@pytest.mark.parametrize(("power", "share"), [(0.5, 10 / 12), (1.0, 100 / 104), (0.0, 0.5)])
def test_a_binge_does_not_drown_the_rest(power: float, share: float) -> None:
    """A hundred reads against four: by the root of their number, 10 to 2."""
    draw = np.random.default_rng(4)
    history = np.concatenate([around(draw, 0, 100), around(draw, 1, 4)])
    found = interests_of(history, np.ones(104), interest_power=power, interests=2)
    assert sorted(found.importance.tolist()) == pytest.approx(sorted([share, 1 - share]), rel=1e-5)
    assert found.importance[found.of_read[0]] == pytest.approx(share, rel=1e-5)


def test_a_dislike_is_taken_from_the_interest_nearest_to_it() -> None:
    """By direction: a hundred articles that are a little like it do not outweigh the four that are much like it."""
    draw = np.random.default_rng(5)
    football, finance = around(draw, 0, 100), around(draw, 1, 4)
    disliked = np.zeros((1, 12), np.float32)
    disliked[0, :2] = unit(0.3, 1)
    history = np.concatenate([football, finance])
    before = interests_of(history, np.ones(104), interests=2)
    after = interests_of(np.concatenate([history, disliked]), [*[1] * 104, -1], interests=2)
    assert after.of_read[-1] == after.of_read[100] != after.of_read[0]
    np.testing.assert_allclose(after.vectors[after.of_read[0]], before.vectors[before.of_read[0]], atol=1e-6)
    assert after.vectors[after.of_read[100]] @ finance[0] < before.vectors[before.of_read[100]] @ finance[0]
    assert after.importance[after.of_read[100]] < before.importance[before.of_read[100]]


def test_a_dislike_unlike_all_interests_is_taken_from_none() -> None:
    history = np.concatenate([around(np.random.default_rng(6), topic, 4) for topic in (0, 1)])
    far = np.array([unit(-1, -1, *[0] * 10)], np.float32)
    before, after = interests_of(history, np.ones(8)), interests_of(np.concatenate([history, far]), [*[1] * 8, -1])
    np.testing.assert_array_equal(before.vectors, after.vectors)
    assert after.of_read[-1] == -1


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_an_interest_disliked_more_than_liked_is_gone(power: float) -> None:
    draw = np.random.default_rng(7)
    history = np.concatenate([around(draw, 0, 4), around(draw, 1, 4), around(draw, 1, 5)])
    found = interests_of(history, [1] * 8 + [-1] * 5, interest_power=power)
    assert found.of_read.tolist() == [0] * 4 + [-1] * 9
    assert found.importance.tolist() == [1]
    assert found.vectors[0, 0] > 0.9


def test_a_visit_is_an_interest_of_its_own() -> None:
    draw = np.random.default_rng(8)
    history = np.concatenate([around(draw, 0, 6), around(draw, 1, 6)])
    recent = [False] * 11 + [True]
    found = interests_of(history, np.ones(12), recent, session=0.25)
    assert found.importance.tolist() == pytest.approx([0.375, 0.375, 0.25])
    np.testing.assert_allclose(found.vectors[-1], history[-1], atol=1e-6)
    assert (found.of_read < 2).all(), "its articles belong to the interests they have grown into"
    assert len(interests_of(history, np.ones(12), recent, session=0).vectors) == 2
    alone = interests_of(history, np.ones(12), [True] * 12)
    assert len(alone.vectors) == 2, "all is one visit: nothing to differ from"
    disliked = interests_of(history, [1] * 11 + [-1], recent)
    assert len(disliked.vectors) == 2, "a dislike is no visit"


def test_a_visit_is_heard_though_all_before_it_was_taken_back() -> None:
    draw = np.random.default_rng(9)
    history = np.concatenate([around(draw, 0, 1), around(draw, 0, 6), around(draw, 0, 1)])
    found = interests_of(history, [1, *[-1] * 6, 1], [False] * 7 + [True])
    assert found.importance.tolist() == [1]
    np.testing.assert_allclose(found.vectors[0], history[-1], atol=1e-6)


def test_a_visit_that_is_an_interest_already_makes_it_more_important() -> None:
    draw = np.random.default_rng(8)
    history = np.concatenate([around(draw, 0, 4), around(draw, 1, 4)])
    found = interests_of(history, np.ones(8), [False] * 4 + [True] * 4, session=0.5)
    assert found.importance[found.of_read[0]] == pytest.approx(0.25)
    assert found.importance[found.of_read[4]] == pytest.approx(0.75)


def test_what_belongs_to_a_visit() -> None:
    events = [event(at=NOW - timedelta(minutes=minutes)) for minutes in (0, 30, 31)]
    assert in_session([*events, event(at=None)], NOW, SETTINGS).tolist() == [True, True, False, False]


@given(st.integers(0, 25), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_groups_are_numbered_without_gaps_and_found_again(count: int, most: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    none = np.zeros((0, 12), np.float32)
    vectors = np.concatenate([none, *(around(draw, int(draw.integers(12)), 1) for _ in range(count))])
    weights = draw.uniform(0.01, 2, count).astype(np.float32)
    groups = grouped(vectors, weights, most, 0.01)
    assert sorted(set(groups.tolist())) == list(range(len(set(groups.tolist()))))
    assert len(set(groups.tolist())) <= max(min(most, count // 2), 1)
    assert grouped(vectors, weights, most, 0.01).tolist() == groups.tolist()


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_interests_are_unit_vectors_that_share_a_feed(count: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = np.concatenate([around(draw, int(draw.integers(12)), 1) for _ in range(count)])
    vectors[draw.random(count) < 0.1] = 0
    weights = draw.uniform(-1, 2, count)
    found = interests_of(vectors, weights, draw.random(count) < 0.3)
    if len(found.vectors):
        np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
        assert found.importance.sum() == pytest.approx(1, abs=1e-5)
        assert (found.importance > 0).all()
    assert set(found.of_read.tolist()) <= set(range(-1, len(found.vectors)))
    assert (found.of_read[~vectors.any(axis=1)] == -1).all()
