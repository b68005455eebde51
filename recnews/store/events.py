"""Reading events. The same event twice counts once; an event may come before its article."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.dialects.sqlite import insert as insert_or

from recnews.records import ArticleId, Event, EventDraft
from recnews.store.articles import ids_for, known_ids
from recnews.store.database import Database, count_rows, from_micros, optional_micros, to_micros
from recnews.store.schema import articles, events


class Events:
    """The events of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, drafts: Sequence[EventDraft]) -> tuple[int, int]:
        """Store events in one transaction; returns how many were new, and how many of those name an article that is
        not stored yet."""
        with self._database.write() as connection:
            ids = ids_for(connection, [draft.key for draft in drafts])
            rows = [
                {
                    "user_id": draft.user_id,
                    "event_id": _identity(draft),
                    "article_id": ids[draft.key],
                    "kind": draft.kind,
                    "weight": draft.weight,
                    "dwell": draft.dwell,
                    "at": optional_micros(draft.at),
                }
                for draft in drafts
            ]
            if not rows:
                return 0, 0
            statement = insert_or(events).on_conflict_do_nothing().returning(events.c.article_id)
            added = list(connection.execute(statement, rows).scalars())
            return len(added), _waiting(connection, added)

    def compare(self, drafts: Sequence[EventDraft]) -> tuple[int, int]:
        """What `add` would return, writing nothing."""
        with self._database.read() as connection:
            unique = {(draft.user_id, _identity(draft)): draft.key for draft in drafts}
            known = connection.execute(
                select(events.c.user_id, events.c.event_id).where(
                    events.c.user_id.in_({user for user, _ in unique}),
                    events.c.event_id.in_({identity for _, identity in unique}),
                )
            ).all()
            stored = {tuple(row) for row in known}
            keys = [key for identity, key in unique.items() if identity not in stored]
            ids = known_ids(connection, keys)
            return len(keys), _waiting(connection, [ids.get(key, ArticleId(-1)) for key in keys])

    def of_user(self, user_id: str, before: datetime, limit: int) -> list[Event]:
        """A reader's latest `limit` acts with `at < before`, newest first; those without a time come last.

        Impressions are no acts: being shown three hundred articles must not push out what a reader has read.
        """
        query = (
            select(events)
            .where(
                events.c.user_id == user_id,
                events.c.kind != "impression",
                or_(events.c.at.is_(None), events.c.at < to_micros(before)),
            )
            .order_by(events.c.at.desc().nulls_last(), events.c.event_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Event(
                row.user_id,
                ArticleId(row.article_id),
                row.kind,
                row.weight,
                row.dwell,
                None if row.at is None else from_micros(row.at),
            )
            for row in rows
        ]

    def articles_seen(self, user_id: str, before: datetime) -> list[int]:
        """Ids of all articles a reader did anything with but be shown them (impressions), before a time."""
        query = select(events.c.article_id).where(
            events.c.user_id == user_id,
            events.c.kind != "impression",
            or_(events.c.at.is_(None), events.c.at < to_micros(before)),
        )
        with self._database.read() as connection:
            return list(connection.execute(query.distinct()).scalars())

    def reader_counts(self, since: datetime, before: datetime) -> dict[int, int]:
        """How many different readers each article had in `since <= at < before`, or at a time the log does not know."""
        query = (
            select(events.c.article_id, func.count(events.c.user_id.distinct()).label("readers"))
            .where(
                events.c.kind.in_(("read", "like", "share")),
                or_(events.c.at.is_(None), events.c.at.between(to_micros(since), to_micros(before) - 1)),
            )
            .group_by(events.c.article_id)
        )
        with self._database.read() as connection:
            return {row.article_id: row.readers for row in connection.execute(query)}

    def counts(self) -> tuple[int, int, int]:
        """How many events, how many readers, and how many events wait for their article."""
        waiting = events.c.article_id.not_in(select(articles.c.article_id))
        with self._database.read() as connection:
            readers = connection.execute(select(func.count(events.c.user_id.distinct()))).scalar_one()
            return count_rows(connection, events), readers, count_rows(connection, events, waiting)


def _waiting(connection: Connection, ids: Sequence[int]) -> int:
    query = select(articles.c.article_id).where(articles.c.article_id.in_(set(ids)))
    stored = set(connection.execute(query).scalars())
    return sum(article_id not in stored for article_id in ids)


def _identity(draft: EventDraft) -> bytes:
    """The event's own id where the log has one, else who did what to which article when."""
    parts = (
        ("id", draft.event_id)
        if draft.event_id
        else ("what", draft.key, draft.kind, "" if draft.at is None else str(to_micros(draft.at)))
    )
    return blake2b("".join(f"{len(part)}:{part}" for part in parts).encode(), digest_size=16).digest()
