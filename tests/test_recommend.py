"""What must hold of every feed, in worlds where the right answer is known."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recnews.errors import NoGenerationError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import Article, Draft, EventDraft, EventKind, Recommendation
from tests.conftest import EACH, WORLD
from tests.worlds import (
    CHINESE,
    DAY,
    HOUR,
    NOW,
    TOPICS,
    article,
    articles,
    checkerboard,
    read,
    small_settings,
)

pytestmark = pytest.mark.engines
MICROSECOND = timedelta(microseconds=1)
BOARD = ("足球", "金融")


def keys(feed: list[Recommendation]) -> list[str]:
    return [item.key for item in feed]


def parts(item: Recommendation) -> dict[str, float]:
    return {reason.part: reason.value for reason in item.reasons}


def of_topic(feed: list[Recommendation], topic: str) -> list[Recommendation]:
    return [item for item in feed if item.category == topic]


# Worlds with one right answer


@pytest.mark.parametrize("topics", [("足球", "金融"), ("航天", "sailing"), ("cooking", "医疗")], ids="-".join)
def test_on_a_checkerboard_the_withheld_article_comes_first(newsroom: Newsroom, topics: tuple[str, str]) -> None:
    board = list(checkerboard(topics, EACH))
    for _, _, reads in board:
        newsroom.record_many(reads)
    for user, withheld, reads in board:
        [first, *rest] = newsroom.recommend(user, 5, at=NOW)
        assert first.key == withheld
        assert first.source == "interests"
        assert first.reasons[0].key in {event.key for event in reads}
        assert set(first.reasons[0].words) <= set(TOPICS[topics[user.startswith(f"reader of {topics[1]}")]])
        assert not {item.key for item in rest} & {event.key for event in reads}


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("embedder", ["word2vec", "doc2vec"])
def test_a_checkerboard_from_nothing(tmp_path: Path, embedder: str) -> None:
    """Ingest, train and recommend, with either embedder, and no help from freshness, popularity or diversity."""
    home_settings = small_settings(embedder, freshness=0, popularity=0, diversity=0)
    with Newsroom.open(tmp_path, home_settings) as newsroom:
        newsroom.ingest(articles(BOARD, 6))
        newsroom.train()
        for user, withheld, reads in checkerboard(BOARD, 6):
            newsroom.record_many(reads)
            assert keys(newsroom.recommend(user, 1, at=NOW)) == [withheld]


def test_an_article_ingested_after_training_is_in_the_next_feed(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", f"航天-{number}") for number in range(EACH)])
    assert of_topic(newsroom.recommend("ann", 40, at=NOW), "航天") == []
    report = newsroom.ingest([article("航天", 50, NOW - 40 * DAY)])
    assert (report.added, report.indexed, report.pending) == (1, 1, 0)
    [first, *_] = newsroom.recommend("ann", 5, at=NOW)
    assert (first.key, first.source) == ("航天-50", "interests")


def test_an_article_that_changes_again_and_again_stays_in_the_feed(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", f"航天-{number}") for number in range(EACH)])
    for turn in range(4):
        newsroom.ingest([replace(article("航天", 50, NOW - 40 * DAY), summary=f"{turn}，火箭")])
        assert newsroom.recommend("ann", 5, at=NOW)[0].key == "航天-50"
        newsroom.editors.hide(["航天-50"])
        assert "航天-50" not in keys(newsroom.recommend("ann", 100, at=NOW))
        newsroom.editors.hide(["航天-50"], hidden=False)


def test_another_process_sees_what_was_ingested(home: Path) -> None:
    program = """
import sys
from recnews import Newsroom
from tests.worlds import NOW, article
Newsroom.open(sys.argv[1]).ingest([article("航天", 50, NOW)])
"""
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many([read("ann", f"航天-{number}") for number in range(EACH)])
        assert "航天-50" not in keys(newsroom.recommend("ann", 100, at=NOW))
        subprocess.run([sys.executable, "-c", program, str(home)], check=True, cwd=Path(__file__).parent.parent)
        assert keys(newsroom.recommend("ann", 1, at=NOW)) == ["航天-50"]


# What reading does


def test_a_read_changes_the_next_feed(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", "足球-0"), read("ann", "足球-1")])
    before = newsroom.recommend("ann", 5, at=NOW)
    assert {item.category for item in before if item.source == "interests"} == {"足球"}
    newsroom.record("ann", before[0].key, at=NOW - MICROSECOND)
    after = newsroom.recommend("ann", 5, at=NOW)
    assert before[0].key not in keys(after)
    for number in range(4):
        newsroom.record("ann", f"医疗-{number}", at=NOW - MICROSECOND)
    assert newsroom.recommend("ann", 5, at=NOW)[0].category == "医疗"


def test_a_dislike_pushes_away(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", key) for key in ("足球-0", "足球-1", "金融-0", "金融-1")])

    def similarity(topic: str) -> dict[str, float]:
        feed = newsroom.recommend("ann", 100, at=NOW)
        return {item.key: parts(item)["similarity"] for item in of_topic(feed, topic) if item.source == "interests"}

    football, finance = similarity("足球"), similarity("金融")
    newsroom.record("ann", "金融-2", "dislike", at=NOW - HOUR)
    assert all(value < finance[key] - 0.01 for key, value in similarity("金融").items())
    unmoved = {key: pytest.approx(value, abs=1e-6) for key, value in football.items()}
    assert similarity("足球") == unmoved, "it is another interest, and keeps its own direction"
    for number in (3, 4, 5):
        newsroom.record("ann", f"金融-{number}", "dislike", at=NOW - HOUR)
    assert similarity("金融") == {}
    assert similarity("足球") == unmoved
    assert len(unmoved) == EACH - 2


def test_impressions_and_bounces_are_no_interest(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", "impression", at=NOW - HOUR)
    newsroom.record("bob", "足球-0", dwell=1.0, at=NOW - HOUR)
    for user, seen in (("ann", True), ("bob", False)):
        feed = newsroom.recommend(user, 100, at=NOW)
        assert {item.source for item in feed} <= {"fresh", "popular"}
        assert ("足球-0" in keys(feed)) is seen, "an impression may be shown again, a bounce may not"


def test_a_reader_shown_very_much_keeps_their_interests(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", at=NOW - DAY)
    shown = [replace(read("ann", "金融-0", NOW - n * MICROSECOND), kind="impression") for n in range(1, 400)]
    newsroom.record_many(shown)
    assert newsroom.recommend("ann", 1, at=NOW)[0].category == "足球"


def test_the_named_read_is_what_speaks_for_the_article(newsroom: Newsroom) -> None:
    """Take the named read out of the history, and the similarity drops; another topic's read matters less."""
    history = ["足球-0", "足球-1", "航天-0"]
    newsroom.record_many([read("ann", key) for key in history])
    feed = newsroom.recommend("ann", 40, at=NOW)
    for item in of_topic(feed, "足球"):
        named = item.reasons[0].key
        assert named in {"足球-0", "足球-1"}
        assert item.reasons[0].title == newsroom.article(named).title
        user = f"ann without {named}"
        newsroom.record_many([read(user, key) for key in history if key != named])
        [without] = [other for other in newsroom.recommend(user, 40, at=NOW) if other.key == item.key]
        assert parts(without)["similarity"] < parts(item)["similarity"]


def test_shared_words_are_in_both_articles(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", at=NOW - HOUR)
    item = newsroom.recommend("ann", 1, at=NOW)[0]
    one, other = (newsroom.article(key) for key in (item.key, "足球-0"))
    assert 1 <= len(item.reasons[0].words) <= 5
    for word in item.reasons[0].words:
        assert word in one.title + one.body
        assert word in other.title + other.body


def test_candidates_of_another_system_are_ranked(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", at=NOW - HOUR)
    among = ["医疗-1", "足球-3", "航天-2", "足球-0", "nobody's"]
    feed = newsroom.recommend("ann", 10, at=NOW, among=among)
    assert keys(feed)[0] == "足球-3"
    assert sorted(keys(feed)) == sorted(["医疗-1", "足球-3", "航天-2"]), "what is read is not shown again"
    assert newsroom.recommend("ann", 10, at=NOW, among=[]) == []


# Unknown readers


def test_an_unknown_reader_gets_what_is_fresh(newsroom: Newsroom) -> None:
    feed = newsroom.recommend("never seen", 6, at=NOW)
    assert {item.source for item in feed} == {"fresh"}
    assert {item.published_at for item in feed} == {NOW - HOUR}, "one article of each topic is an hour old"
    assert [item.score for item in feed] == pytest.approx([0.1 * 0.5 ** (1 / 24)] * 6, rel=1e-5)


def test_an_unknown_reader_gets_what_is_popular(newsroom: Newsroom) -> None:
    newsroom.ingest([article("足球", 60, NOW - 30 * DAY), article("足球", 61, NOW - 31 * DAY)])
    newsroom.record_many([read(f"reader {number}", "足球-60") for number in range(9)])
    newsroom.record_many([read(f"reader {number}", "足球-61") for number in range(3)])
    feed = newsroom.recommend("never seen", 100, at=NOW)
    found = {item.key: item for item in feed if item.source == "popular"}
    assert list(found) == ["足球-60", "足球-61"]
    left = 0.5 ** (1 / 48)  # they read an hour ago
    assert parts(found["足球-60"])["popularity"] == pytest.approx(0.05)
    expected = 0.05 * np.log1p(3 * left) / np.log1p(9 * left)
    assert parts(found["足球-61"])["popularity"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("history", ["an article nobody has", "a text nobody understands", "a deleted article"])
def test_a_reader_of_nothing_known_gets_a_fallback(newsroom: Newsroom, history: str) -> None:
    if history == "a text nobody understands":
        newsroom.ingest([Draft(history, "zzyzx qwxyz", published_at=NOW - DAY)])
    newsroom.record("ann", history, at=NOW - HOUR)
    if history == "a deleted article":
        newsroom.ingest([replace(article("足球", 70), key=history)])
        newsroom.delete([history])
    feed = newsroom.recommend("ann", 5, at=NOW)
    assert len(feed) == 5
    assert {item.source for item in feed} == {"fresh"}


def test_a_short_list_of_interests_is_filled_up(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", f"足球-{number}") for number in range(EACH - 1)])
    feed = newsroom.recommend("ann", 10, at=NOW)
    assert len(feed) == 10
    sources = [item.source for item in feed]
    assert sources[0] == "interests"
    assert sources == sorted(sources, key=lambda source: source != "interests"), "interests first, then the rest"


# Time


def test_a_question_about_the_past_is_answered_as_it_was(newsroom: Newsroom) -> None:
    """Nothing that came later counts: not reads, not likes of others, not publications, not expiries."""
    moment = NOW - 2 * HOUR
    newsroom.record_many([read("ann", "足球-3", moment - HOUR), read("bob", "金融-4", moment - MICROSECOND)])
    asked = [newsroom.recommend(user, 12, at=moment) for user in ("ann", "bob", "nobody")]
    newsroom.record_many([read(user, f"航天-{n}", moment + n * HOUR) for user in ("ann", "bob") for n in range(4)])
    newsroom.record_many([read(f"crowd {n}", "医疗-5", moment) for n in range(20)])
    newsroom.ingest([article("足球", 80, moment + MICROSECOND), article("金融", 81, NOW)])
    assert [newsroom.recommend(user, 12, at=moment) for user in ("ann", "bob", "nobody")] == asked
    assert newsroom.recommend("ann", 12, at=NOW) != asked[0]


def test_what_is_read_at_this_very_moment_counts_from_the_next_on(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", at=NOW)
    assert "足球-0" in keys(newsroom.recommend("ann", 100, at=NOW))
    assert "足球-0" not in keys(newsroom.recommend("ann", 100, at=NOW + MICROSECOND))


def test_popularity_forgets(newsroom: Newsroom) -> None:
    """Readers count half after two days, and not at all after seven: by whole hours."""
    newsroom.record_many([read(f"reader {n}", "足球-7", NOW - 7 * DAY) for n in range(5)])
    newsroom.record_many([read(f"reader {n}", "足球-6", NOW - 2 * DAY) for n in range(20)])

    def popularity(at: datetime, key: str = "足球-7") -> float:
        [item] = [item for item in newsroom.recommend("x", 100, at=at) if item.key == key]
        return parts(item)["popularity"]

    assert popularity(NOW, "足球-6") == pytest.approx(0.05)
    expected = 0.05 * np.log1p(5 * 0.5 ** (7 / 2)) / np.log1p(20 * 0.5)
    assert popularity(NOW) == pytest.approx(expected, rel=1e-5)
    assert popularity(NOW + HOUR - MICROSECOND) == pytest.approx(expected, rel=1e-5)
    assert popularity(NOW + HOUR) == 0


# Determinism


def test_the_same_question_has_the_same_answer_in_any_process(home: Path) -> None:
    program = """
import sys
from recnews import Newsroom
from tests.worlds import NOW
print(repr(Newsroom.open(sys.argv[1]).recommend("ann", 20, at=NOW)), end="")
"""
    with Newsroom.open(home) as newsroom:
        newsroom.record_many([read("ann", key) for key in ("足球-0", "航天-1", "sailing-2")])
        here = repr(newsroom.recommend("ann", 20, at=NOW))
        assert repr(newsroom.recommend("ann", 20, at=NOW)) == here
    for seed in ("1", "99"):
        there = subprocess.run(
            [sys.executable, "-c", program, str(home)], check=True, capture_output=True, text=True,
            cwd=Path(__file__).parent.parent, env=os.environ | {"PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert there.stdout == here


# Refusals


@pytest.mark.parametrize("k", [0, -1])
def test_a_feed_has_a_place(newsroom: Newsroom, k: int) -> None:
    with pytest.raises(UsageError, match="at least one place"):
        newsroom.recommend("ann", k)


def test_naive_times_are_refused(newsroom: Newsroom) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(UsageError, match="has no time zone"):
        newsroom.recommend("ann", at=naive)
    with pytest.raises(UsageError, match="has no time zone"):
        newsroom.recommend("ann", at=NOW, since=naive)


@pytest.mark.usefixtures("engines")
def test_before_the_first_training(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path) as newsroom:
        newsroom.ingest(articles(["足球"], 2))
        with pytest.raises(NoGenerationError, match="run `recnews train` first"):
            newsroom.recommend("ann")


def test_a_feed_longer_than_the_world(newsroom: Newsroom) -> None:
    feed = newsroom.recommend("ann", 100_000, at=NOW)
    assert len(feed) == EACH * len(WORLD)
    assert newsroom.recommend("ann", 5, at=NOW - 100 * DAY) == []


# Whatever happens


COUNTER = count()
ALL = [f"{topic}-{number}" for topic in WORLD for number in range(EACH)]
FUTURE = [article(topic, 90 + n, NOW + n * HOUR) for n, topic in enumerate(CHINESE)]


@pytest.fixture
def prepared(newsroom: Newsroom) -> Newsroom:
    """A world with some articles that are not published yet."""
    newsroom.ingest(FUTURE)
    assert newsroom.duplicates() == [], "each article is its own story, or the oracle below would be wrong"
    return newsroom


@dataclass(frozen=True)
class Wish:
    """What is asked of a feed; hours count from `NOW`, an age from the moment of asking."""

    k: int
    hour: int
    exclude: list[str]
    categories: list[str]
    langs: tuple[str, ...]
    sources: tuple[str, ...]
    age: int | None
    diversity: float
    coverage: float
    exploration: float

    @property
    def moment(self) -> datetime:
        return NOW + self.hour * HOUR

    def allows(self, found: Article) -> bool:
        """Whether an article may be shown to somebody who has not read it."""
        return (
            found.key not in self.exclude
            and not found.hidden
            and found.published_at <= self.moment
            and (found.expires_at is None or found.expires_at > self.moment)
            and (not self.categories or found.category in self.categories)
            and (not self.langs or found.lang in self.langs)
            and (not self.sources or found.source in self.sources)
            and (self.age is None or found.published_at >= self.moment - self.age * HOUR)
        )

    def ask(self, newsroom: Newsroom, user: str) -> list[Recommendation]:
        newsroom.settings = newsroom.settings.override(
            "feed", diversity=self.diversity, coverage=self.coverage, exploration=self.exploration
        )
        return newsroom.recommend(
            user,
            self.k,
            at=self.moment,
            exclude=self.exclude,
            categories=self.categories,
            langs=self.langs,
            sources=self.sources,
            since=None if self.age is None else self.age * HOUR,
        )


EVERYTHING = [*ALL, *(draft.key for draft in FUTURE)]
some_keys = st.lists(st.sampled_from(EVERYTHING), max_size=12)
wishes = st.builds(
    Wish,
    k=st.integers(1, 70),
    hour=st.integers(-6, 6),
    exclude=some_keys,
    categories=st.lists(st.sampled_from([*WORLD, "nobody's"]), max_size=3),
    langs=st.sampled_from([(), ("zh",), ("en",)]),
    sources=st.sampled_from([(), ("晚报",), ("日报", "晚报")]),
    age=st.none() | st.integers(0, 10),
    diversity=st.sampled_from([0.0, 0.2, 1.0]),
    coverage=st.sampled_from([0.0, 0.4]),
    exploration=st.sampled_from([0.0, 0.02]),
)
KINDS: list[EventKind] = ["read", "read", "read", "like", "share", "dislike", "impression"]
acts = st.builds(
    lambda key, kind, hour: EventDraft("", key, kind, at=None if hour is None else NOW + hour * HOUR),
    st.sampled_from(ALL),
    st.sampled_from(KINDS),
    st.none() | st.integers(-48, 12),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(acts, max_size=15), hidden=some_keys, expired=some_keys, wish=wishes)
def test_what_holds_of_every_feed(
    prepared: Newsroom, acts: list[EventDraft], hidden: list[str], expired: list[str], wish: Wish
) -> None:
    user, store = f"reader {next(COUNTER)}", prepared.store
    store.articles.hide(EVERYTHING, False)
    store.articles.expire(EVERYTHING, None)
    store.articles.hide(hidden, True)
    store.articles.expire(expired, NOW)
    events = [replace(act, user_id=user) for act in acts]
    store.events.add(events)
    before = [event for event in events if event.at is None or event.at < wish.moment]
    liked = {event.key for event in before if event.kind in ("read", "like", "share")}
    seen = {event.key for event in before if event.kind != "impression"}
    stored = {key: store.articles.get(key) for key in EVERYTHING}
    allowed = {key for key, found in stored.items() if key not in seen and wish.allows(found)}

    feed = wish.ask(prepared, user)

    assert len(feed) == min(wish.k, len(allowed)), "never longer, and never shorter than it must be"
    assert len(set(keys(feed))) == len(feed)
    assert set(keys(feed)) <= allowed
    near = [item for item in feed if item.source == "interests"]
    rest = feed[len(near) :]
    assert all(item.source in ("fresh", "popular") for item in rest), "interests stand before what fills up"
    assert [item.score for item in rest] == sorted((item.score for item in rest), reverse=True)
    if wish.diversity == wish.coverage == 0:
        assert [item.score for item in near] == sorted((item.score for item in near), reverse=True)
    assert not near or liked
    for item in feed:
        assert_explained(item, stored[item.key], wish, liked)
    assert wish.ask(prepared, user) == feed


def assert_explained(item: Recommendation, found: Article, wish: Wish, liked: set[str]) -> None:
    """The parts of the score are what they are said to be, and sum to it."""
    assert (item.title, item.url, item.category) == (found.title, found.url, found.category)
    assert item.published_at == found.published_at
    assert item.score == pytest.approx(sum(reason.value for reason in item.reasons))
    hours = (wish.moment - item.published_at) / HOUR
    assert parts(item)["freshness"] == pytest.approx(0.1 * 0.5 ** (hours / 24), rel=1e-4)
    assert 0 <= parts(item)["popularity"] <= 0.05 + 1e-6
    assert 0 <= parts(item).get("exploration", 0) <= wish.exploration
    assert "behaviour" not in parts(item), "nothing was learned from readers here"
    if item.source == "interests":
        [similarity] = [reason for reason in item.reasons if reason.part == "similarity"]
        assert 0 < similarity.value <= 1 + 1e-5
        assert similarity.key in liked | {""}
    else:
        assert "similarity" not in parts(item)
        assert item.source == ("popular" if parts(item)["popularity"] > parts(item)["freshness"] else "fresh")
