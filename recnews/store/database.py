"""What the store asks of an engine: connections, transactions, and a view that stays the same while it is read."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select, update

from recnews.store import schema
from recnews.store.dialects import among

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """An aware time as microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def optional_micros(moment: datetime | None) -> int | None:
    """`to_micros` that lets None through."""
    return None if moment is None else to_micros(moment)


class _OwnView(threading.local):
    """The connection of the view that a thread is in, if any."""

    connection: Connection | None = None


class Database(ABC):
    """An engine behind SQLAlchemy Core. Writers queue for one transaction at a time; readers never wait for them.

    `place` says where it lies, in messages: a file, or a server without the password.
    """

    place: str
    _engine: Engine

    def __init__(self) -> None:
        self._own = _OwnView()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises `StorageError` when the engine cannot be read."""
        if self._own.connection is not None:
            yield self._own.connection
            return
        with self._reading() as connection:
            yield connection

    @contextmanager
    def one_view(self) -> Iterator[None]:
        """All that this thread reads inside sees one state of the store, and costs one transaction."""
        if self._own.connection is not None:
            yield
            return
        with self.read() as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    @abstractmethod
    def write(self, derived: bool = False) -> AbstractContextManager[Connection]:
        """One transaction: all of it or nothing. Raises `StorageError` when the engine refuses, with nothing written.

        What is `derived` from the rest of the store need not wait for the disk: a power cut may undo it, and the next
        run makes it again. Everything else is on the disk when the block ends.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the connections back."""

    @abstractmethod
    def alone(self, what: str, wait: bool) -> AbstractContextManager[None]:
        """Hold a right that one process of all machines has at a time; locks in the home's folders keep those of one
        machine apart. Raises `BusyError` when another machine has it and it is not waited for."""

    @abstractmethod
    def scrub(self) -> bool:
        """Leave no byte of what was deleted in the engine's tables; False when that cannot be, because somebody still
        reads an older state."""

    @abstractmethod
    def check(self) -> list[str]:
        """What the engine itself finds wrong; empty when all is well."""

    def standby_behind(self) -> int | None:
        """How many bytes a standby is behind; None when there is none that answers."""
        return None

    @abstractmethod
    def disk_bytes(self) -> int:
        """Size on disk."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state and writes nothing."""


def next_change(connection: Connection) -> int:
    """Take the next sequence number. Writers are serialised, so numbers commit in order."""
    statement = update(schema.change_counter).values(value=schema.change_counter.c.value + 1)
    return int(connection.execute(statement.returning(schema.change_counter.c.value)).scalar_one())


def announce(connection: Connection, ids: list[int]) -> None:
    """Mark what is served under these ids as changed by this transaction, so every follower looks again."""
    if ids:
        table = schema.article_ids
        connection.execute(update(table).where(among(table.c.id, ids)).values(seq=next_change(connection)))


def count_rows(connection: Connection, table: Any, *conditions: Any) -> int:
    """How many rows of a table meet all conditions."""
    return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())
