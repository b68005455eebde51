"""What editors look up: articles by day and title, what came in, who reads what. Each is answered by an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, case, func, or_, select, tuple_

from recnews.records import ArticleId
from recnews.store.articles import PUBLISHED, ArticleCard, card_query, known_ids, to_card
from recnews.store.database import Database, count_rows, from_micros, to_micros
from recnews.store.dialects import holds
from recnews.store.schema import articles, events


@dataclass(frozen=True, slots=True)
class CameIn:
    """How many articles of a source came in, and when the last of them did."""

    source: str
    articles: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class ReadBy:
    """How many different readers did something of one kind with an article, and how often it was done."""

    kind: str
    readers: int
    times: int


@dataclass(frozen=True, slots=True)
class Published:
    """How many articles were published in one step of time, and how many of them hold each of some words."""

    step: int
    articles: int
    holding: tuple[int, ...]


class Listing:
    """Looks things up in a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(
        self, limit: int, contains: str = "", before: tuple[int, int] | None = None, generation: str = ""
    ) -> tuple[list[ArticleCard], tuple[int, int] | None]:
        """The latest articles, newest first, and where the next page begins, None at the end. `contains` is looked for
        in titles; the article whose key it is comes first. `before` is where an earlier page said that this one begins.

        Without `contains` as many rows are read as are returned; with it, titles are read from the index by day until
        enough are found.
        """
        place = (PUBLISHED, articles.c.article_id)
        chosen = select(PUBLISHED.label("day"), articles.c.article_id)
        if contains:
            chosen = chosen.where(holds(articles.c.title, contains))
        if before is not None:
            chosen = chosen.where(tuple_(*place) < tuple_(*before))
        chosen = chosen.order_by(*(column.desc() for column in place)).limit(limit + 1)
        with self._database.read() as connection:
            rows = [(int(day), int(article_id)) for day, article_id in connection.execute(chosen)]
            ids = [article_id for _, article_id in rows[:limit]]
            named = known_ids(connection, [contains]).get(contains) if contains and before is None else None
            ids = ids if named is None else [named, *(one for one in ids if one != named)]
            found = connection.execute(card_query(generation).where(articles.c.article_id.in_(ids)))
            cards = {row.article_id: to_card(row) for row in found}
        return [cards[one] for one in ids if one in cards], rows[limit - 1] if len(rows) > limit else None

    def earliest(self) -> datetime | None:
        """When the oldest article was published; None without articles."""
        with self._database.read() as connection:
            found = connection.execute(select(func.min(PUBLISHED))).scalar_one()
        return None if found is None else from_micros(found)

    def came_in(self, since: datetime) -> list[CameIn]:
        """What came in since a time, by source, the most first."""
        count = func.count()
        query = (
            select(articles.c.source, count, func.max(articles.c.ingested_at))
            .where(articles.c.ingested_at >= to_micros(since))
            .group_by(articles.c.source)
            .order_by(count.desc(), articles.c.source)
        )
        with self._database.read() as connection:
            return [CameIn(source, many, from_micros(last)) for source, many, last in connection.execute(query)]

    def read_by(self, article_id: ArticleId) -> list[ReadBy]:
        """Who did what with an article, in counts, the most frequent first."""
        times = func.count()
        query = (
            select(events.c.kind, func.count(events.c.user_id.distinct()), times)
            .where(events.c.article_id == article_id)
            .group_by(events.c.kind)
            .order_by(times.desc(), events.c.kind)
        )
        with self._database.read() as connection:
            return [ReadBy(*row) for row in connection.execute(query)]

    def story(self, article_id: ArticleId, limit: int) -> list[ArticleCard]:
        """Other articles that tell the same story, oldest first."""
        own = select(articles.c.story_id).where(articles.c.article_id == article_id).scalar_subquery()
        query = card_query().where(articles.c.story_id == own, articles.c.article_id != article_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(PUBLISHED, articles.c.article_id).limit(limit))
            return [to_card(row) for row in rows]

    def mentions(self, words: Sequence[str], bounds: Sequence[int]) -> list[Published]:
        """Articles by steps of time, in order, those without any left out; how many hold each word in title, summary or
        text. Step `i` is from `bounds[i]` up to `bounds[i + 1]`, in microseconds, ascending. The texts of that time are
        read."""
        start, end = bounds[0], bounds[-1]
        texts = (articles.c.title, articles.c.summary, articles.c.body)
        held = [case((or_(*(holds(text, word) for text in texts)), 1), else_=0) for word in words]
        with self._database.read() as connection:
            many = count_rows(connection, articles, start <= PUBLISHED)
            last = connection.execute(select(func.coalesce(func.max(articles.c.article_id), 0))).scalar_one()
            # Most of the table is read faster in its own order than by day.
            day = PUBLISHED + 0 if 2 * many > last else PUBLISHED
            looked = select(_step(bounds).label("place"), *held).where(day >= start, day < end)
            # A query of its own (OFFSET keeps it one): texts would else be carried into the sorting of the groups.
            found = looked.offset(0).subquery()
            place, *each = found.c
            query = select(place, func.count(), *map(func.sum, each)).group_by(place).order_by(place)
            rows = connection.execute(query).all()
        return [Published(int(row[0]), int(row[1]), tuple(int(it) for it in row[2:])) for row in rows]


def _step(bounds: Sequence[int]) -> ColumnElement[int]:
    """The step that an article was published in. Steps as long as the one before are found by one division: a year of
    days has three such runs where clocks are changed twice."""
    sizes = np.diff(bounds)
    firsts = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist()]
    *before, last = (first + (PUBLISHED - bounds[first]) // int(sizes[first]) for first in firsts)
    ends = [bounds[first] > PUBLISHED for first in firsts[1:]]
    return case(*zip(ends, before, strict=True), else_=last) if before else last
