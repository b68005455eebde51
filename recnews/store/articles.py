"""Articles: upserts, editorial state, and reading them back."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from recnews.digests import digest_of
from recnews.errors import UnknownArticleError
from recnews.records import Article, ArticleEdit, ArticleId, Draft
from recnews.store.database import Database, announce, count_rows, from_micros, optional_micros, to_micros
from recnews.store.dialects import among, among_given, holds, insert_rows, update_rows
from recnews.store.guesses import CATEGORY, PROBABILITY, vector_of
from recnews.store.prepared import Prepared
from recnews.store.schema import article_ids, articles, story_bands, vectors

Outcome = Literal["added", "changed", "unchanged"]
PUBLISHED = func.coalesce(articles.c.published_at, articles.c.ingested_at)
_PAGE = 500


@dataclass(frozen=True, slots=True)
class ArticleCard:
    """What a list of articles shows of each: no text. `category_probability` is None unless it was predicted."""

    article_id: ArticleId
    key: str
    title: str
    url: str
    category: str
    published_at: datetime
    category_probability: float | None = None


@dataclass(frozen=True, slots=True)
class ArticleText:
    """What an embedder reads of an article."""

    article_id: ArticleId
    title: str
    summary: str
    body: str


class Articles:
    """The articles of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upsert(self, drafts: Sequence[Draft], now: datetime) -> list[Outcome]:
        """Store drafts in one transaction, the outcome of each in order. Editorial state survives a change.

        `drafts` must not name a key twice.
        """
        with self._database.write() as connection:
            ids = ids_for(connection, [draft.key for draft in drafts])
            rows = [_row(draft, ids[draft.key]) for draft in drafts]
            outcomes = _outcomes(connection, rows)
            fresh = [
                row | {"ingested_at": to_micros(now)}
                for row, outcome in zip(rows, outcomes, strict=True)
                if outcome == "added"
            ]
            changed = [
                row | {"bands": None} for row, outcome in zip(rows, outcomes, strict=True) if outcome == "changed"
            ]
            if fresh:
                insert_rows(connection, articles, [tuple(row.values()) for row in fresh], list(fresh[0]))
            if changed:
                forget_bands(connection, [row["article_id"] for row in changed])
                update_rows(connection, articles, [tuple(row.values()) for row in changed], list(changed[0]))
            announce(connection, [row["article_id"] for row in fresh + changed])
        return outcomes

    def compare(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """What `upsert` would make of drafts, writing nothing."""
        with self._database.read() as connection:
            ids = known_ids(connection, [draft.key for draft in drafts])
            return _outcomes(connection, [_row(draft, ids.get(draft.key, ArticleId(-1))) for draft in drafts])

    def hide(self, keys: Sequence[str], hidden: bool) -> None:
        """Take articles out of every answer, or put them back. Raises `UnknownArticleError`."""
        self._set(keys, hidden=int(hidden))

    def expire(self, keys: Sequence[str], at: datetime | None) -> None:
        """Serve articles until `at` at most; None leaves the publisher's own date. Raises `UnknownArticleError`."""
        self._set(keys, editor_expires_at=optional_micros(at))

    def categorize(self, keys: Sequence[str], category: str | None) -> None:
        """Serve articles under a category, whatever their publisher or a generation says, also when they are ingested
        again; None takes that back. Raises `UnknownArticleError`."""
        self._set(keys, editor_category=category)

    def edit(self, keys: Sequence[str], change: ArticleEdit) -> None:
        """`hide`, `expire` and `categorize` in one transaction, as far as they are asked for. Raises
        `UnknownArticleError`."""
        values: dict[str, Any] = {}
        if "hidden" in change:
            values["hidden"] = int(change["hidden"])
        if "expires_at" in change:
            values["editor_expires_at"] = optional_micros(change["expires_at"])
        if "category" in change:
            values["editor_category"] = change["category"]
        if values:
            self._set(keys, **values)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove articles and their vectors. Events about them stay. Raises `UnknownArticleError`."""
        with self._database.write() as connection:
            remove_articles(connection, stored_ids(connection, keys))

    def get(self, key: str, generation: str = "") -> Article:
        """The article of a key, with the category that `generation` predicts for it where it has none. Raises
        `UnknownArticleError`."""
        with self._database.read() as connection:
            row = connection.execute(_everything(generation).where(article_ids.c.key == key)).one_or_none()
        if row is None:
            raise UnknownArticleError(key)
        return _article(row)

    def newest(
        self, limit: int, contains: str = "", category: str = "", hidden: bool | None = None, generation: str = ""
    ) -> list[Article]:
        """The latest articles, newest first; `contains` is looked for in titles and keys. Those without a category have
        the one that `generation` predicts."""
        query = _everything(generation).order_by(PUBLISHED.desc(), articles.c.article_id.desc()).limit(limit)
        if contains:
            query = query.where(holds(articles.c.title, contains) | holds(article_ids.c.key, contains))
        if category:
            query = query.where(CATEGORY == category)  # noqa: SIM300 - turned round it is no expression of SQL
        if hidden is not None:
            query = query.where(articles.c.hidden == int(hidden))
        with self._database.read() as connection:
            return [_article(row) for row in connection.execute(query)]

    def cards(self, ids: Iterable[int], generation: str = "") -> dict[int, ArticleCard]:
        """Cards of stored articles by id, with the category that `generation` predicts where there is none; an id
        without an article is left out."""
        with self._database.read() as connection:
            rows = _CARDS.rows(connection, generation=generation, ids=list(map(int, ids)))
        return {row.article_id: to_card(row) for row in rows}

    def ids(self, keys: Sequence[str]) -> dict[str, ArticleId]:
        """Ids of those keys that the store knows, from an article or from an event."""
        with self._database.read() as connection:
            return known_ids(connection, keys)

    def texts(self) -> Iterator[ArticleText]:
        """All articles' texts in id order, read page by page so that no reader holds the store open for long."""
        last = -1
        while True:
            with self._database.read() as connection:
                query = select(articles.c.article_id, articles.c.title, articles.c.summary, articles.c.body)
                page = connection.execute(
                    query.where(articles.c.article_id > last).order_by(articles.c.article_id).limit(_PAGE)
                ).all()
            yield from (ArticleText(*row) for row in page)
            if len(page) < _PAGE:
                return
            last = page[-1].article_id

    def count(self, hidden: bool | None = None) -> int:
        """How many articles are stored."""
        conditions = [] if hidden is None else [articles.c.hidden == int(hidden)]
        with self._database.read() as connection:
            return count_rows(connection, articles, *conditions)

    def known(self) -> int:
        """How many keys were ever named, by an article or by an event."""
        with self._database.read() as connection:
            return count_rows(connection, article_ids)

    def _set(self, keys: Sequence[str], **values: Any) -> None:
        with self._database.write() as connection:
            ids = stored_ids(connection, keys)
            connection.execute(update(articles).where(among(articles.c.article_id, ids)).values(**values))
            announce(connection, ids)


def remove_articles(connection: Connection, ids: list[int]) -> None:
    """Remove stored articles and all that belongs to them, and tell followers."""
    forget_bands(connection, ids)
    connection.execute(delete(articles).where(among(articles.c.article_id, ids)))
    announce(connection, ids)


def forget_bands(connection: Connection, ids: Sequence[int]) -> None:
    """Take the bands of articles out, before their text changes or goes."""
    query = select(articles.c.article_id, articles.c.bands).where(
        among(articles.c.article_id, ids), articles.c.bands.is_not(None)
    )
    pairs: list[dict[str, Any]] = [
        {"of_band": band, "of_article": row.article_id}
        for row in connection.execute(query)
        for band in np.frombuffer(row.bands, dtype=np.int64).tolist()
    ]
    if pairs:
        where = (story_bands.c.band == bindparam("of_band"), story_bands.c.article_id == bindparam("of_article"))
        connection.execute(delete(story_bands).where(*where), pairs)


def card_query(generation: Any = "") -> Select[Any]:
    """Selects what `to_card` needs."""
    columns = (articles.c.article_id, article_ids.c.key, articles.c.title, articles.c.url)
    return _served(select(*columns, PUBLISHED.label("published_at")).join_from(articles, article_ids), generation)


def _served(query: Select[Any], generation: Any) -> Select[Any]:
    """A query of articles, with the category that each is served under."""
    served = (CATEGORY.label("served_category"), PROBABILITY.label("category_probability"))
    return query.outerjoin(vectors, vector_of(generation)).add_columns(*served)


def to_card(row: Row[Any]) -> ArticleCard:
    """The card in a row of `card_query`."""
    return ArticleCard(
        row.article_id, row.key, row.title, row.url, row.served_category, from_micros(row.published_at),
        row.category_probability,
    )  # fmt: skip


def ids_for(connection: Connection, keys: Sequence[str]) -> dict[str, ArticleId]:
    """Ids of keys, new ones given out in the order of `keys`. The one place where an id is made."""
    known = known_ids(connection, keys)
    missing = [key for key in dict.fromkeys(keys) if key not in known]
    if missing:
        last = connection.execute(select(func.coalesce(func.max(article_ids.c.id), 0))).scalar_one()
        fresh = {key: ArticleId(number) for number, key in enumerate(missing, start=last + 1)}
        insert_rows(connection, article_ids, [(number, key) for key, number in fresh.items()], ("id", "key"))
        known |= fresh
    return known


def known_ids(connection: Connection, keys: Sequence[str]) -> dict[str, ArticleId]:
    """Ids of those keys that have one."""
    query = select(article_ids.c.key, article_ids.c.id).where(article_ids.c.key.in_(keys))
    return {row.key: ArticleId(row.id) for row in connection.execute(query)}


def stored_ids(connection: Connection, keys: Sequence[str]) -> list[int]:
    """Ids, ascending, of stored articles. Raises `UnknownArticleError` for a key without one."""
    known = known_ids(connection, keys)
    query = select(articles.c.article_id).where(among(articles.c.article_id, known.values()))
    stored = set(connection.execute(query).scalars())
    for key in keys:
        if known.get(key) not in stored:
            raise UnknownArticleError(key)
    return sorted(stored)


def _everything(generation: str) -> Select[Any]:
    return _served(select(article_ids.c.key, articles).join_from(articles, article_ids), generation)


def _outcomes(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Outcome]:
    ids = [row["article_id"] for row in rows]
    found = select(articles.c.article_id, articles.c.digest).where(among(articles.c.article_id, ids))
    digests = {row.article_id: row.digest for row in connection.execute(found)}
    outcomes: list[Outcome] = []
    for row in rows:
        known = digests.get(row["article_id"])
        outcomes.append("added" if known is None else "unchanged" if known == row["digest"] else "changed")
    return outcomes


def _row(draft: Draft, article_id: int) -> dict[str, Any]:
    tags = json.dumps(draft.tags, ensure_ascii=False)
    published, expires = optional_micros(draft.published_at), optional_micros(draft.expires_at)
    text = digest_of(draft.title, draft.summary, draft.body)
    rest = digest_of(draft.url, draft.author, draft.source, draft.category, tags, draft.lang, f"{published} {expires}")
    return {
        "article_id": article_id,
        "digest": text + rest,
        "text_digest": text,
        "published_at": published,
        "expires_at": expires,
        "category": draft.category,
        "lang": draft.lang,
        "source": draft.source,
        "title": draft.title,
        "url": draft.url,
        "author": draft.author,
        "tags": tags,
        "summary": draft.summary,
        "body": draft.body,
    }


def _article(row: Row[Any]) -> Article:
    ends = [moment for moment in (row.expires_at, row.editor_expires_at) if moment is not None]
    return Article(
        article_id=row.article_id,
        key=row.key,
        title=row.title,
        body=row.body,
        summary=row.summary,
        url=row.url,
        author=row.author,
        source=row.source,
        category=row.served_category,
        tags=tuple(json.loads(row.tags)),
        lang=row.lang,
        published_at=from_micros(row.ingested_at if row.published_at is None else row.published_at),
        expires_at=from_micros(min(ends)) if ends else None,
        hidden=bool(row.hidden),
        ingested_at=from_micros(row.ingested_at),
        category_probability=row.category_probability,
    )


_CARDS = Prepared(lambda: card_query(bindparam("generation")).where(among_given(articles.c.article_id)))
