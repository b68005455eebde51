"""Removing what has outlived its keeping: a little at a time, so that others read and write in between."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, tuple_

from recnews.records import EventKind
from recnews.store.articles import remove_articles
from recnews.store.database import Database, count_rows, to_micros
from recnews.store.dialects import among
from recnews.store.privacy import forget_keys
from recnews.store.schema import articles, behaviour_through, events


class Pruning:
    """What of a store is older than it is to become."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expired(self, before: datetime) -> int:
        """How many articles were served until `before` at the latest."""
        with self._database.read() as connection:
            return count_rows(connection, articles, _expired(before))

    def events(self, before: datetime, kinds: Sequence[EventKind]) -> int:
        """How many events of some kinds are older than `before`; one without a time is not."""
        with self._database.read() as connection:
            return count_rows(connection, events, *_older(before, kinds))

    def remove_expired(self, before: datetime, most: int) -> int:
        """Remove at most so many expired articles, with all that belongs to them, in one transaction; how many that
        were. Events about them stay."""
        with self._database.write() as connection:
            query = select(articles.c.article_id).where(_expired(before)).order_by(articles.c.article_id).limit(most)
            ids = list(connection.execute(query).scalars())
            if ids:
                remove_articles(connection, ids)
        return len(ids)

    def remove_events(self, before: datetime, kinds: Sequence[EventKind], most: int) -> int:
        """Remove at most so many old events, and keys that only these named, in one transaction; how many events that
        were. What readers taught is counted again without them."""
        with self._database.write() as connection:
            key = (events.c.user_id, events.c.event_id)
            query = select(*key, events.c.article_id).where(*_older(before, kinds)).order_by(events.c.at).limit(most)
            rows = connection.execute(query).all()
            if rows:
                these = [(row.user_id, row.event_id) for row in rows]
                connection.execute(delete(events).where(tuple_(*key).in_(these)))
                forget_keys(connection, {row.article_id for row in rows})
                connection.execute(delete(behaviour_through))
        return len(rows)


def _expired(before: datetime) -> ColumnElement[bool]:
    moment = to_micros(before)
    return or_(articles.c.expires_at <= moment, articles.c.editor_expires_at <= moment)


def _older(before: datetime, kinds: Sequence[EventKind]) -> tuple[ColumnElement[bool], ...]:
    return events.c.at < to_micros(before), among(events.c.kind, kinds)
