"""What may be shown, told in four ways, is the same by each, and as an article-by-article look says."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recnews.audience import Audiences
from recnews.catalog import Catalog
from recnews.columns import Columns
from recnews.config import FeedSettings
from recnews.index.flat import FlatIndex
from recnews.recommend import FeedRequest, Recommender
from recnews.records import ArticleId, Draft, Layout
from recnews.servable import Filter, Servable
from recnews.store import Change, Store
from tests.test_vectors_follow import DIM, GENERATION, encode_pending
from tests.worlds import HOUR, NOW, read

FIRST, LAST = 10, 20
"""Microseconds since 1970 within which articles are published."""
names = st.sampled_from(["", "a", "b", "c"])
some_names = st.lists(names, max_size=2).map(tuple)


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    ids = draw(st.lists(st.integers(1, 40), unique=True, max_size=25))
    return [
        Change(
            ArticleId(article_id), True, draw(st.integers(0, 3)) == 0, draw(st.integers(FIRST, LAST)),
            draw(st.none() | st.integers(FIRST, LAST + 5)), draw(names), draw(names), draw(names),
            draw(st.sampled_from(ids)), None,
        )
        for article_id in ids
    ]  # fmt: skip


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    since = draw(st.none() | st.integers(FIRST, LAST))
    start = None if since is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since)
    return Filter(draw(some_names), draw(some_names), draw(some_names), start, draw(some_names), draw(some_names))


def by_hand(kept: Sequence[Change], asked: Servable, excluded: Sequence[int]) -> set[int]:
    wanted, told = asked.wanted, {change.story_id for change in kept if change.article_id in excluded}
    start = 0 if wanted.since is None else wanted.since.microsecond
    return {
        change.article_id
        for change in kept
        if start <= change.published_at <= asked.moment
        and not change.hidden
        and (change.expires_at is None or change.expires_at > asked.moment)
        and all(
            (not some or value in some) and value not in none
            for value, some, none in (
                (change.category, wanted.categories, wanted.no_categories),
                (change.lang, wanted.langs, ()),
                (change.source, wanted.sources, wanted.no_sources),
            )
        )
        and change.story_id not in told
        and (asked.only is None or change.article_id in asked.only)
        and (asked.newest is None or change.article_id <= asked.newest)
    }


@given(
    before=changes(), later=changes(), gone=st.lists(st.integers(1, 40), max_size=5), wanted=filters(),
    moment=st.integers(FIRST - 1, LAST + 1), excluded=st.lists(st.integers(1, 45), max_size=4),
    only=st.none() | st.lists(st.integers(1, 45), max_size=9), newest=st.none() | st.integers(0, 40),
)  # fmt: skip
def test_every_way_to_tell_it_says_the_same(  # noqa: PLR0917
    before: list[Change], later: list[Change], gone: list[int], wanted: Filter, moment: int, excluded: list[int],
    only: list[int] | None, newest: int | None,
) -> None:  # fmt: skip
    columns, kept = Columns(), dict[int, Change]()
    for batch in (before, later):
        columns.upsert(np.array([change.article_id for change in batch], dtype=np.int64), batch)
        kept |= {change.article_id: change for change in batch}
        assert columns.by_time[0].tolist() == sorted(change.published_at for change in kept.values())
    columns.remove(np.array(gone, dtype=np.int64))
    kept = {article_id: change for article_id, change in kept.items() if article_id not in gone}
    named = None if only is None else np.array(only, dtype=np.int64)
    asked = Servable(columns, moment, wanted, only=named, newest=newest).beside(np.array(excluded, dtype=np.int64))
    expected = by_hand(list(kept.values()), asked, excluded)
    everything = np.arange(50)
    assert asked.ids().tolist() == sorted(expected)
    assert set(everything[asked.holds(everything)].tolist()) == expected
    for count in (1, 3, 100):
        told = [chunk.tolist() for chunk in asked.newest_first(count)]
        order = [article_id for chunk in told for article_id in chunk]
        assert sorted(order) == sorted(expected)
        times = [kept[article_id].published_at for article_id in order]
        assert times == sorted(times, reverse=True)
        assert all(kept[a[-1]].published_at > kept[b[0]].published_at for a, b in pairwise(told) if a and b)
    index = FlatIndex(2)
    ids = np.array(sorted(kept), dtype=np.int64)
    index.upsert(ids, np.ones((len(ids), 2), np.float32), np.array([kept[i].published_at for i in ids.tolist()], int))
    [hits] = index.search(np.ones((1, 2), np.float32), 50, within=asked.within())
    assert hits.ids.tolist() == sorted(expected)
    refused = asked.outside(("a",))
    assert set(refused.ids().tolist()) == {i for i in expected if kept[i].category != "a"}


def test_what_fills_a_feed_is_the_same_as_if_all_were_looked_at(store: Store) -> None:
    """Of 1,200 articles, most of them looked at by none of the quick ways: freshness, readers, dates, stories, caps."""
    drafts = [
        Draft(
            f"{number}", "", f"{number}", source=f"s{number % 7}", category=f"c{number % 5}",
            published_at=NOW - HOUR * (number // 3),
        )
        for number in range(1200)
    ]  # fmt: skip
    store.articles.upsert(drafts, NOW)
    encode_pending(store, limit=500)
    store.events.add([read(f"u{reader}", key) for key in ("1100", "900", "3", "40") for reader in range(int(key) % 7)])
    catalog = Catalog(GENERATION, Layout(DIM))
    catalog.refresh(store)
    audiences = Audiences(store)

    def recommender_of(settings: FeedSettings) -> Recommender:
        return Recommender(store, catalog, settings, audiences)

    for chosen, k, reached in (
        ({"popularity": 0.5}, 10, "900"),
        ({"popularity": 0.5, "freshness_half_lives": {"c1": 500.0}, "freshness_half_life_hours": 3.0}, 50, "900"),
        ({"freshness": 0.0}, 20, "3"),
        ({"popularity": 0.0, "most_of_source": 4}, 28, "8"),
        ({"most_of_category": 150}, 900, "900"),
    ):
        settings = FeedSettings.model_validate(chosen).learned({})
        feed, whole = (
            [(item.key, item.score) for item in recommender_of(them).recommend(FeedRequest("nobody", many, NOW))]
            for them, many in ((settings, k), (settings.model_copy(update=UNCAPPED), 1200))
        )
        assert reached in dict(feed)
        assert [score for _, score in whole] == sorted((score for _, score in whole), reverse=True)
        assert len(dict(whole)) == 1200
        assert feed == capped(whole, k, settings)


UNCAPPED = {"most_of_source": 0, "most_of_category": 0}


def capped(whole: list[tuple[str, float]], k: int, settings: FeedSettings) -> list[tuple[str, float]]:
    """The first `k` within the caps, then, while places are left, the first of the others."""
    counts, first, others = Counter[tuple[int, int]](), list[tuple[str, float]](), list[tuple[str, float]]()
    for item in whole:
        labels = [
            (modulus, int(item[0]) % modulus)
            for modulus, cap in ((7, settings.most_of_source), (5, settings.most_of_category))
            if cap
        ]
        full = any(counts[label] >= (settings.most_of_source or settings.most_of_category) for label in labels)
        (others if full else first).append(item)
        counts.update([] if full else labels)
    return [*first[:k], *others[: max(k - len(first), 0)]]
