"""Which articles tell the same story: the bands that find candidates, and the story each article belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from sqlalchemy import and_, delete, func, or_, select

from recnews.records import Int64
from recnews.store.articles import PUBLISHED, ArticleCard, card_query, to_card
from recnews.store.database import Database, announce, count_rows
from recnews.store.dialects import among, insert_rows, listed, update_rows
from recnews.store.schema import articles, story_bands, vectors

_LOOKED_AT, _PAGE = 200, 2000


@dataclass(frozen=True, slots=True)
class StoryText:
    """What decides on an article's story. `published_at` is in microseconds."""

    article_id: int
    story_id: int | None
    published_at: int
    title: str
    body: str
    text_digest: bytes


@dataclass(frozen=True, slots=True)
class StoryChoice:
    """The story an article was found to belong to, and its bands (12,) int64."""

    article_id: int
    story_id: int
    bands: Int64


class Stories:
    """The stories of a store. Every article has one; most are alone in theirs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ungrouped(self, limit: int, generation: str | None) -> list[StoryText]:
        """Articles whose present text has not been compared yet, in id order; where `generation` is given, only up to
        the first that it has not encoded."""
        query = _texts().where(articles.c.bands.is_(None)).order_by(articles.c.article_id).limit(limit)
        if generation is not None:
            encoded = or_(vectors.c.text_digest == articles.c.text_digest, vectors.c.text_digest == b"")
            its = and_(vectors.c.generation == generation, vectors.c.article_id == articles.c.article_id, encoded)
            query = query.outerjoin(vectors, its).add_columns(vectors.c.article_id.is_not(None).label("encoded"))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        if generation is not None:
            rows = list(takewhile(lambda row: row.encoded, rows))
        return [StoryText(*row[:6]) for row in rows]

    def sharing(self, bands: Int64, most: int) -> list[tuple[int, int]]:
        """(band, article id) of stored articles that share a band with `bands` (any shape), in order; of each band at
        most the `most` that were stored last, and no more rows are read."""
        asked, other = listed(np.unique(bands).tolist()), story_bands.alias()
        first = select(other.c.article_id).where(other.c.band == asked.c.value).order_by(other.c.article_id.desc())
        least = func.coalesce(first.limit(1).offset(most - 1).correlate(asked).scalar_subquery(), 0)
        both = and_(story_bands.c.band == asked.c.value, story_bands.c.article_id >= least)
        query = select(story_bands).join_from(asked, story_bands, both)
        with self._database.read() as connection:
            return sorted((band, article_id) for band, article_id in connection.execute(query))

    def texts(self, ids: Iterable[int]) -> dict[int, StoryText]:
        """What decides on the stories of some articles, by id."""
        query = _texts().where(among(articles.c.article_id, ids))
        with self._database.read() as connection:
            return {row.article_id: StoryText(*row) for row in connection.execute(query)}

    def assign(self, texts: Sequence[StoryText], choices: Sequence[StoryChoice]) -> None:
        """Record choices in one transaction; one whose article was changed or deleted meanwhile is left for later."""
        was = {text.article_id: text for text in texts}
        with self._database.write(derived=True) as connection:
            query = select(articles.c.article_id, articles.c.text_digest).where(among(articles.c.article_id, was))
            present = dict(connection.execute(query).all())
            rows = [row for row in choices if present.get(row.article_id) == was[row.article_id].text_digest]
            values = [(row.article_id, row.story_id, row.bands.tobytes()) for row in rows]
            update_rows(connection, articles, values, ("article_id", "story_id", "bands"))
            pairs = [(band, row.article_id) for row in rows for band in row.bands.tolist()]
            insert_rows(connection, story_bands, sorted(pairs))
            # Without a story an article is served as one of its own: to be alone is no news.
            told = [row.article_id for row in rows if row.story_id != (was[row.article_id].story_id or row.article_id)]
            announce(connection, told)

    def differing(self) -> int:
        """How many articles have bands of their own that no search would find, or bands that are not theirs any more:
        a count over the whole, and a look at some."""
        held = select(func.coalesce(func.sum(func.length(articles.c.bands) / 8), 0)).where(
            articles.c.bands.is_not(None)
        )
        some = (
            select(articles.c.article_id, articles.c.bands)
            .where(articles.c.bands.is_not(None))
            .order_by((articles.c.article_id * 2654435761) % 1000003, articles.c.article_id)
            .limit(_LOOKED_AT)
        )
        with self._database.read() as connection:
            surplus = abs(int(connection.execute(held).scalar_one()) - count_rows(connection, story_bands))
            lost = 0
            for row in connection.execute(some).all():
                own = set(np.frombuffer(row.bands, dtype=np.int64).tolist())
                query = select(story_bands.c.band).where(
                    among(story_bands.c.band, own), story_bands.c.article_id == row.article_id
                )
                lost += own != set(connection.execute(query).scalars())
        return max(lost, min(surplus, 1))

    def rebuild(self) -> None:
        """Make again, from the articles' own rows, by what stories are found. One transaction."""
        with self._database.write(derived=True) as connection:
            connection.execute(delete(story_bands))
            last = -1
            query = select(articles.c.article_id, articles.c.bands).order_by(articles.c.article_id).limit(_PAGE)
            while page := connection.execute(query.where(articles.c.article_id > last)).all():
                insert_rows(connection, story_bands, [
                    (band, row.article_id)
                    for row in page if row.bands is not None
                    for band in np.frombuffer(row.bands, dtype=np.int64).tolist()
                ])  # fmt: skip
                last = page[-1].article_id

    def groups(self, limit: int) -> list[list[ArticleCard]]:
        """Stories of more than one article, the one with the newest article first; each oldest article first."""
        shared = (
            select(articles.c.story_id)
            .where(articles.c.story_id.is_not(None))
            .group_by(articles.c.story_id)
            .having(func.count() > 1)
            .order_by(func.max(PUBLISHED).desc(), articles.c.story_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            order = list(connection.execute(shared).scalars())
            query = card_query().add_columns(articles.c.story_id).where(articles.c.story_id.in_(order))
            found: dict[int, list[ArticleCard]] = {story: [] for story in order}
            for row in connection.execute(query.order_by(PUBLISHED, articles.c.article_id)):
                found[row.story_id].append(to_card(row))
        return list(found.values())


def _texts() -> Any:
    return select(
        articles.c.article_id, articles.c.story_id, PUBLISHED.label("published_at"), articles.c.title, articles.c.body,
        articles.c.text_digest,
    )  # fmt: skip
