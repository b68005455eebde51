"""What a reader may ask for: to be told all that is held on them, and to be forgotten to the last byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, literal, select, update

from recnews.errors import BusyError, SettingsError
from recnews.records import HeldEvent
from recnews.store.database import Database, count_rows, from_micros, next_change, to_micros
from recnews.store.dialects import among, insert_or
from recnews.store.readers import ReaderIds
from recnews.store.schema import (
    article_ids,
    articles,
    behaviour_through,
    events,
    forgotten,
    forgotten_readers,
    reader_key,
)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """That a reader was forgotten, and no word of whom: how many events and how many rejected rows were held."""

    number: int
    at: datetime
    events: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ForgottenReader:
    """Whom, as a keyed hash: `fingerprint` tells which key, and not the key."""

    reader: str
    at: datetime
    fingerprint: bytes


class Privacy:
    """What the store holds on single readers."""

    def __init__(self, database: Database, readers: ReaderIds) -> None:
        self._database, self._readers = database, readers

    def held(self, user_id: str) -> list[HeldEvent]:
        """All events of a reader, oldest first, those without a time before them."""
        query = (
            select(events, article_ids.c.key, articles.c.title)
            .join_from(events, article_ids, article_ids.c.id == events.c.article_id)
            .outerjoin(articles, articles.c.article_id == events.c.article_id)
            .where(events.c.user_id == self._readers(user_id))
            .order_by(events.c.at.nulls_first(), article_ids.c.key, events.c.kind, events.c.event_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            HeldEvent(
                row.key, row.title, row.kind, row.weight, row.dwell, None if row.at is None else from_micros(row.at)
            )
            for row in rows
        ]

    def readers(self) -> list[str]:
        """All readers with events, as their ids are kept."""
        with self._database.read() as connection:
            return list(connection.execute(select(events.c.user_id).distinct()).scalars())

    def forgotten_readers(self) -> list[ForgottenReader]:
        """Who was forgotten, one for each time."""
        with self._database.read() as connection:
            rows = connection.execute(select(forgotten_readers).order_by(forgotten_readers.c.at)).all()
        return [ForgottenReader(row.reader, from_micros(row.at), bytes(row.fingerprint)) for row in rows]

    def keep(self, notes: Sequence[ForgottenReader]) -> None:
        """Keep notes of another store."""
        with self._database.write() as connection:
            for note in notes:
                _keep(connection, note)

    def forget(self, user_id: str, rejected: int, now: datetime, note: ForgottenReader | None = None) -> int:
        """Delete a reader's events, and the keys that only they have named; how many events that was. One transaction,
        with the `note` of whom.

        `rejected` counts what else is held and about to be removed. Their bytes are gone only after `scrub`.
        """
        with self._database.write() as connection:
            if note is not None:
                _keep(connection, note)
            mine = delete(events).where(events.c.user_id == self._readers(user_id)).returning(events.c.article_id)
            named = list(connection.execute(mine).scalars())
            forget_keys(connection, set(named))
            if named:
                connection.execute(delete(behaviour_through))  # what readers taught is counted again, without this one
            # A run that was killed after this has noted the rejected rows already.
            if named or (rejected and not count_rows(connection, forgotten, forgotten.c.done == 0)):
                values = {"at": to_micros(now), "events": len(named), "rejected": rejected}
                connection.execute(insert(forgotten).values(seq=next_change(connection), **values))
        return len(named)

    def unfinished(self) -> list[Forgetting]:
        """What was deleted and not yet scrubbed and told."""
        query = select(forgotten).where(forgotten.c.done == 0).order_by(forgotten.c.seq)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Forgetting(row.seq, from_micros(row.at), row.events, row.rejected) for row in rows]

    def finish(self, done: Sequence[Forgetting]) -> None:
        """Note that no more is to be done about these."""
        with self._database.write() as connection:
            these = among(forgotten.c.seq, [it.number for it in done])
            connection.execute(update(forgotten).where(these).values(done=1))

    def forgotten_since(self, moment: datetime) -> int:
        """How many readers with events were forgotten at `moment` or later: what was learned before knows them."""
        with self._database.read() as connection:
            return count_rows(connection, forgotten, forgotten.c.at >= to_micros(moment), forgotten.c.events > 0)

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the store's files. Raises `BusyError` while somebody reads an older
        state of the store for longer than a minute."""
        if not self._database.scrub():
            raise BusyError(f"an earlier state of {self._database.place}", "another process")

    def adopt(self) -> bool:
        """Keep ids from now on as the settings say, and turn plain ones that are stored into hashes; whether the bytes
        of plain ids may still be about, to be removed by `scrub` and then `adopted`.

        Raises `SettingsError` where ids are hashed already and the settings have no key, or another one.
        """
        with self._database.read() as connection:
            found = connection.execute(select(reader_key)).one_or_none()
        if found is None and self._readers.fingerprint is None:
            return False
        if found is None:
            return self._hash_ids()
        if found.fingerprint != self._readers.fingerprint:
            raise SettingsError(self._database.place, "privacy.hash_ids", _wrong_key(self._readers))
        return not found.clean

    def adopted(self) -> None:
        """Note that no plain id is left."""
        with self._database.write() as connection:
            connection.execute(update(reader_key).values(clean=1))

    def _hash_ids(self) -> bool:
        with self._database.write() as connection:
            if count_rows(connection, reader_key):
                return True  # another process was faster, and may not be done
            plain = connection.execute(select(events.c.user_id).distinct()).scalars().all()
            for user_id in plain:
                # Not an UPDATE: what rows are sharded by cannot be changed in place.
                rest = [column for column in events.c if column is not events.c.user_id]
                mine = events.c.user_id == user_id
                hashed = select(literal(self._readers(user_id)), *rest).where(mine)
                connection.execute(insert(events).from_select([events.c.user_id, *rest], hashed))
                connection.execute(delete(events).where(mine))
            connection.execute(insert(reader_key).values(fingerprint=self._readers.fingerprint, clean=int(not plain)))
        return bool(plain)


def _keep(connection: Connection, note: ForgottenReader) -> None:
    values = {"reader": note.reader, "at": to_micros(note.at), "fingerprint": note.fingerprint}
    connection.execute(insert_or(connection, forgotten_readers).values(values).on_conflict_do_nothing())


def same_key(connection: Connection, readers: ReaderIds, path: str) -> None:
    """Raise `SettingsError` unless the store keeps ids as `readers` does: another process may have switched."""
    found = connection.execute(select(reader_key.c.fingerprint)).scalar_one_or_none()
    if found != readers.fingerprint:
        raise SettingsError(path, "privacy.hash_ids", _wrong_key(readers))


def _wrong_key(readers: ReaderIds) -> str:
    if readers.fingerprint is None:
        return "is off, and the ids of readers in this home are hashed, for good; switch it on and start again"
    return (
        "the ids of readers in this home were hashed with another key; put the right one into corpora/reader.key or "
        "RECNEWS_READER_KEY"
    )


def forget_keys(connection: Connection, ids: set[int]) -> None:
    """Delete the keys that no article and no event names any more. A key whose article was served once stays: it tells
    followers of the deletion."""
    still = select(events.c.article_id).where(among(events.c.article_id, ids))
    connection.execute(
        delete(article_ids).where(
            among(article_ids.c.id, ids),
            article_ids.c.seq == 0,
            ~exists().where(articles.c.article_id == article_ids.c.id),
            article_ids.c.id.not_in(still),
        )
    )
