"""The store as a SQLite file: write-ahead log, foreign keys on, STRICT tables."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError

from recnews.errors import StorageError
from recnews.store import schema
from recnews.store.database import Database

_BUSY_SECONDS = 60

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


class SqliteDatabase(Database):
    """A file that the processes of one machine share."""

    def __init__(self, path: Path) -> None:
        """Open or create it, its schema brought up to date. Raises `StorageError`, `SchemaError`."""
        super().__init__()
        self.path, self.place = path, str(path)
        self._engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        with self.read() as connection:
            current = schema.found_version(connection)
        if current != len(schema.STEPS):
            with self.write() as connection:
                schema.migrate(connection, self.place)

    @contextmanager
    def write(self, derived: bool = False) -> Iterator[Connection]:
        mode = "NORMAL" if derived else "FULL"
        with (
            self._translated(),
            self._engine.connect().execution_options(recnews_writes=mode) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def alone(self, what: str, wait: bool) -> Iterator[None]:  # noqa: ARG002
        """One machine is all there is: the locks in the home's folders do."""
        yield

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
        with self.read() as connection:
            quick = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
            orphans = [f"{row[0]} row {row[1]} refers to a missing {row[2]}" for row in
                       connection.exec_driver_sql("PRAGMA foreign_key_check")]  # fmt: skip
        return [line for line in quick if line != "ok"] + orphans

    def disk_bytes(self) -> int:
        """With the write-ahead log."""
        return sum(file.stat().st_size for file in self.path.parent.glob(f"{self.path.name}*"))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

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
