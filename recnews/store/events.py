"""Reading events. The same event twice counts once; an event may come before its article."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, or_, select

from recnews.digests import digest_of
from recnews.records import ArticleId, Event, EventDraft, EventKind, HeldEvent
from recnews.store.articles import ids_for, known_ids
from recnews.store.database import Database, count_rows, from_micros, next_change, optional_micros, to_micros
from recnews.store.dialects import among, insert_or
from recnews.store.prepared import Prepared
from recnews.store.privacy import same_key
from recnews.store.readers import ReaderIds
from recnews.store.schema import article_ids, articles, events

_LAST = 2**63 - 1
_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as a follower of the log sees it. `at` is in microseconds, None where the log has no times; `seq` is the
    number of the transaction that stored it."""

    seq: int
    user_id: str
    article_id: int
    kind: EventKind
    weight: float
    dwell: float | None
    at: int | None


class Events:
    """The events of a store."""

    def __init__(self, database: Database, readers: ReaderIds) -> None:
        self._database, self._readers = database, readers

    def add(self, drafts: Sequence[EventDraft]) -> tuple[int, int]:
        """Store events in one transaction; returns how many were new, and how many of those name an article that is
        not stored yet. Raises `SettingsError` when another process has switched how ids of readers are kept."""
        told = self.add_each(drafts)
        return sum(new for new, _ in told), sum(new and waiting for new, waiting in told)

    def add_each(self, drafts: Sequence[EventDraft]) -> list[tuple[bool, bool]]:
        """As `add`; of each event, in order, whether it was new and whether its article is not stored yet."""
        if not drafts:
            return []
        with self._database.write() as connection:
            same_key(connection, self._readers, self._database.place)
            ids = ids_for(connection, [draft.key for draft in drafts])
            seq = next_change(connection)
            rows = [
                {
                    "user_id": self._readers(draft.user_id),
                    "event_id": _identity(draft),
                    "article_id": ids[draft.key],
                    "kind": draft.kind,
                    "weight": draft.weight,
                    "dwell": draft.dwell,
                    "at": optional_micros(draft.at),
                    "seq": seq,
                }
                for draft in drafts
            ]
            statement = (
                insert_or(connection, events).on_conflict_do_nothing().returning(events.c.user_id, events.c.event_id)
            )
            added = {(row.user_id, row.event_id) for row in connection.execute(statement, rows)}
            waiting = _waiting(connection, list(ids.values()))
        told = []
        for draft, row in zip(drafts, rows, strict=True):  # of two alike the first is the new one
            told.append(((row["user_id"], row["event_id"]) in added, ids[draft.key] in waiting))
            added.discard((row["user_id"], row["event_id"]))
        return told

    def compare(self, drafts: Sequence[EventDraft]) -> tuple[int, int]:
        """What `add` would return, writing nothing."""
        with self._database.read() as connection:
            unique = {(self._readers(draft.user_id), _identity(draft)): draft.key for draft in drafts}
            known = connection.execute(
                select(events.c.user_id, events.c.event_id).where(
                    events.c.user_id.in_({user for user, _ in unique}),
                    events.c.event_id.in_({identity for _, identity in unique}),
                )
            ).all()
            stored = {tuple(row) for row in known}
            keys = [key for identity, key in unique.items() if identity not in stored]
            ids = known_ids(connection, keys)
            named = [ids.get(key, ArticleId(-1)) for key in keys]
            waiting = _waiting(connection, named)
            return len(keys), sum(article_id in waiting for article_id in named)

    def of_user(self, user_id: str, before: datetime, limit: int) -> list[Event]:
        """A reader's latest `limit` acts with `at < before`, newest first; those without a time come last.

        Impressions are no acts: being shown three hundred articles must not push out what a reader has read.
        """
        with self._database.read() as connection:
            rows = _OF_USER.rows(connection, user=self._readers(user_id), before=to_micros(before), most=limit)
        return [
            Event(
                row.user_id,
                ArticleId(row.article_id),
                row.kind,
                row.weight,
                row.dwell,
                _time(row.at),
            )
            for row in rows
        ]

    def history(self, user_id: str, before: datetime, limit: int) -> list[HeldEvent]:
        """As `of_user`, with keys and titles; the title is None where the article is not stored."""
        query = (
            _acts(article_ids.c.key, articles.c.title, *(events.c[name] for name in ("kind", "weight", "dwell", "at")))
            .join_from(events, article_ids, article_ids.c.id == events.c.article_id)
            .outerjoin(articles, articles.c.article_id == events.c.article_id)
            .order_by(events.c.at.desc().nulls_last(), events.c.event_id)
            .limit(limit)
        )
        given = {"user": self._readers(user_id), "before": to_micros(before)}
        with self._database.read() as connection:
            return [
                HeldEvent(row.key, row.title, row.kind, row.weight, row.dwell, _time(row.at))
                for row in connection.execute(query, given)
            ]

    def recent_readers(self, limit: int) -> list[str]:
        """Ids of the readers of the latest events to be stored, as they are stored."""
        latest = select(events.c.user_id, events.c.seq).order_by(events.c.seq.desc()).limit(_LOOKED_AT).subquery()
        query = select(latest.c.user_id).group_by(latest.c.user_id)
        with self._database.read() as connection:
            ordered = query.order_by(func.max(latest.c.seq).desc(), latest.c.user_id).limit(limit)
            return list(connection.execute(ordered).scalars())

    def articles_seen(self, user_id: str, before: datetime) -> list[int]:
        """Ids of all articles a reader did anything with but be shown them (impressions), before a time."""
        with self._database.read() as connection:
            rows = _SEEN.rows(connection, user=self._readers(user_id), before=to_micros(before))
        return [row.article_id for row in rows]

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

    def since(self, seq: int, limit: int) -> list[LoggedEvent]:
        """Events stored after change number `seq`, in the order of these numbers, then by reader; none when there are
        no more. Ask again with the last one's `seq`.

        A transaction is never cut in two: these are `limit` events and the rest of the last one's transaction. What
        was removed since (`recnews forget`) is not told.
        """
        later = select(events.c.seq).where(events.c.seq > seq).order_by(events.c.seq)
        last = later.offset(limit - 1).limit(1).scalar_subquery()
        query = (
            select(*(events.c[name] for name in LoggedEvent.__slots__))
            .where(events.c.seq > seq, events.c.seq <= func.coalesce(last, _LAST))
            .order_by(events.c.seq, events.c.user_id, events.c.event_id)
        )
        with self._database.read() as connection:
            return [LoggedEvent(*row) for row in connection.execute(query)]

    def through(self) -> int:
        """The change number of the latest event; 0 without any."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(events.c.seq), 0))).scalar_one())

    def counts(self) -> tuple[int, int, int]:
        """How many events, how many readers, and how many events wait for their article."""
        waiting = events.c.article_id.not_in(select(articles.c.article_id))
        with self._database.read() as connection:
            readers = connection.execute(select(func.count(events.c.user_id.distinct()))).scalar_one()
            return count_rows(connection, events), readers, count_rows(connection, events, waiting)

    def all(self) -> Iterator[EventDraft]:
        """Every event, with its article's key: in the order they were stored, by transaction, then by reader; the order
        of rows within one transaction is not kept."""
        query = (
            select(events, article_ids.c.key)
            .join(article_ids, article_ids.c.id == events.c.article_id)
            .order_by(events.c.seq, events.c.user_id, events.c.at, events.c.event_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield EventDraft(row.user_id, row.key, row.kind, row.weight, row.dwell, _time(row.at))


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _waiting(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Which of some ids belong to articles that are not stored."""
    query = select(articles.c.article_id).where(among(articles.c.article_id, set(ids)))
    return set(ids) - set(connection.execute(query).scalars())


def _identity(draft: EventDraft) -> bytes:
    """The event's own id where the log has one, else who did what to which article when."""
    parts = (
        ("id", draft.event_id)
        if draft.event_id
        else ("what", draft.key, draft.kind, "" if draft.at is None else str(to_micros(draft.at)))
    )
    return digest_of(*parts)


def _acts(*columns: Any) -> Select[Any]:
    """What a reader did before a time, or at a time the log does not know."""
    return select(*columns).where(
        events.c.user_id == bindparam("user"),
        events.c.kind != "impression",
        or_(events.c.at.is_(None), events.c.at < bindparam("before")),
    )


_OF_USER = Prepared(
    lambda: _acts(*events.c).order_by(events.c.at.desc().nulls_last(), events.c.event_id).limit(bindparam("most"))
)
_SEEN = Prepared(lambda: _acts(events.c.article_id).distinct())
