"""Connections and transactions. Writers queue for one short transaction at a time; readers never wait for them."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Table, create_engine, event, func, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from recnews.errors import StorageError
from recnews.store import schema

_BUSY_SECONDS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# What the driver says -> what is wrong and what to do about it. The first match wins.
_REMEDIES = (
    ("full", "the disk is full", "free some space and run the command again; nothing stored was lost"),
    ("readonly", "cannot be written", "give this user the right to write the folder and the file"),
    ("unable to open", "cannot be opened", "check that the folder exists and that this user may write it"),
    ("locked", "another process has been writing for a minute", "wait for it to end, then run the command again"),
    ("malformed", "the file is damaged", "restore a backup with `recnews restore`"),
    ("not a database", "the file is not a recnews store", "move it away, or restore a backup with `recnews restore`"),
    ("disk i/o", "the disk refused a write", "check its free space and health; nothing stored was lost"),
)


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


class Database:
    """A SQLite file (write-ahead log, foreign keys on, STRICT tables) behind SQLAlchemy Core."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._own = _OwnView()
        with self.read() as connection:
            current = schema.found_version(connection)
        if current != len(schema.STEPS):
            with self.write() as connection:
                schema.migrate(connection, str(path))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises `StorageError` when the file cannot be read."""
        if self._own.connection is not None:
            yield self._own.connection
            return
        with self._translated(), self._engine.connect() as connection, connection.begin():
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

    @contextmanager
    def write(self, derived: bool = False) -> Iterator[Connection]:
        """One transaction: all of it or nothing. Raises `StorageError` when the disk refuses, with nothing written.

        What is `derived` from the rest of the store does not wait for the disk: a power cut may undo it, and the next
        run makes it again. Everything else is on the disk when the block ends.
        """
        mode = "NORMAL" if derived else "FULL"
        with (
            self._translated(),
            self._engine.connect().execution_options(recnews_writes=mode) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def scrub(self) -> bool:
        """Write the file anew from what is in it, and empty the write-ahead log, so that no byte of what was deleted
        stays; False when the log cannot be emptied, because somebody still reads an older state.

        `secure_delete` would not do: when SQLite moves rows between pages it leaves copies behind that a later deletion
        does not find.
        """
        with self._translated(), self._engine.connect() as connection:
            _driver(connection).execute("VACUUM")
            return not _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def check(self) -> list[str]:
        """What SQLite itself finds wrong with the file; empty when all is well."""
        with self.read() as connection:
            quick = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
            orphans = [f"{row[0]} row {row[1]} refers to a missing {row[2]}" for row in
                       connection.exec_driver_sql("PRAGMA foreign_key_check")]  # fmt: skip
        return [line for line in quick if line != "ok"] + orphans

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DatabaseError, sqlite3.DatabaseError) as error:
            said = str(error.orig if isinstance(error, DatabaseError) else error).lower()
            for needle, reason, remedy in _REMEDIES:
                if needle in said:
                    raise StorageError(self.path, reason, remedy) from error
            raise


def next_change(connection: Connection) -> int:
    """Take the next sequence number. Writers are serialised, so numbers commit in order."""
    statement = update(schema.change_counter).values(value=schema.change_counter.c.value + 1)
    return int(connection.execute(statement.returning(schema.change_counter.c.value)).scalar_one())


def announce(connection: Connection, ids: list[int]) -> None:
    """Mark what is served under these ids as changed by this transaction, so every follower looks again."""
    if ids:
        table = schema.article_ids
        connection.execute(update(table).where(among(table.c.id, ids)).values(seq=next_change(connection)))


def among(column: ColumnElement[Any], values: Iterable[int] | Iterable[str]) -> ColumnElement[bool]:
    """Whether a column holds one of many numbers or words, as one parameter: a parameter each takes SQLAlchemy and
    SQLite longer than looking all of them up. Not for keys and ids from outside: SQLite ends a text at a NUL here."""
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of plain values in the order of the columns, those that are there already left alone; many times
    faster than rows by name for the tables that get a dozen rows an article."""
    if rows:
        places = ", ".join("?" * len(table.c))
        names = ", ".join(column.name for column in table.c)
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING", list(rows)
        )


def count_rows(connection: Connection, table: Any, *conditions: Any) -> int:
    """How many rows of a table meet all conditions."""
    return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _prepare(connection: Any, _record: Any) -> None:
    """Set what SQLite forgets between connections, and leave BEGIN to `_begin`."""
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("foreign_keys=ON", "mmap_size=268435456"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Turn the write-ahead log on. Here SQLite does not wait by itself when several processes open a new file."""
    for attempt in range(1, 100 * _BUSY_SECONDS + 1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == 100 * _BUSY_SECONDS:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    """Writers take the lock at once: a reader that becomes a writer halfway could only fail."""
    mode = connection.get_execution_options().get("recnews_writes")
    if mode:
        connection.exec_driver_sql(f"PRAGMA synchronous={mode}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if mode else "BEGIN")
