"""Connecting to servers of PostgreSQL: the one that may be written, and a standby that only answers."""

import logging
import time
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from recnews.errors import MissingExtraError, StorageError

WAIT_SECONDS = 60
_CONNECT_SECONDS = 3
_LEFT_ALONE_SECONDS = 1.0
_HIDDEN = "the store's address"
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_REPLAYED = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint WHERE pg_is_in_recovery()"
_log = logging.getLogger("recnews")


def parsed(address: str) -> URL:
    """An address as SQLAlchemy takes it. Raises `StorageError`, which does not tell it: it may hold a password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StorageError(_HIDDEN, "is not an address", "write postgresql+psycopg://user@host/database") from None
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """Servers and database, and nothing that could be a secret."""
    given = url.query.get("host", ())
    hosts = [url.host] if url.host else [given] if isinstance(given, str) else list(given)
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{','.join(host for host in hosts if host)}{port}/{url.database or ''}"


def engine_for(url: URL) -> Engine:
    """The pool of connections to an address. Raises `MissingExtraError`."""
    try:
        from recnews.store import postgres_text
    except ImportError as error:
        raise MissingExtraError("psycopg", "postgres", "a store on PostgreSQL") from error
    given = {
        "client_encoding": "utf8",
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "recnews",
        "tcp_user_timeout": 10_000,
    }
    engine = create_engine(
        url,
        connect_args={"cursor_factory": postgres_text.BinaryCursor}
        | {name: value for name, value in given.items() if name not in url.query},
        pool_pre_ping=True,
        pool_timeout=WAIT_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        postgres_text.prepare(connection)
        connection.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        connection.commit()

    return engine


def snapshots_of(engine: Engine) -> Engine:
    """The same, for transactions that see one state and write nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


class Replica:
    """A standby that is read from as long as it has replayed all that the primary had written when it was asked: what
    is answered is never older than without it. While the primary does not answer, it is read from as it is.

    `lag_bytes`: how far it was behind when that was last measured.
    """

    def __init__(self, address: str, primary: Engine) -> None:
        """Connects when it is first asked. Raises `StorageError`, `MissingExtraError`."""
        self._engine = engine_for(parsed(address))
        self.reader = snapshots_of(self._engine)
        self._here, self._there = (it.execution_options(isolation_level="AUTOCOMMIT") for it in (self._engine, primary))
        self._rests: dict[Engine, float] = {}
        self.lag_bytes = 0

    def is_current(self) -> bool:
        """Whether to read from it now."""
        there = self._position(self._there, _WRITTEN)
        here = self._position(self._here, _REPLAYED)
        if here is None:
            return False
        if there is None:
            return True
        self.lag_bytes = max(there - here, 0)
        return self.lag_bytes == 0

    def behind(self) -> int | None:
        """How many bytes of the log of changes it has not replayed, 0 while the primary does not answer; None when it
        does not answer itself, or is no standby."""
        there, here = self._position(self._there, _WRITTEN), self._position(self._here, _REPLAYED)
        return None if here is None else max((there or here) - here, 0)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _position(self, engine: Engine, query: str) -> int | None:
        """How far a server has come in the log of changes; None when it does not answer, and for a moment after that,
        so that not every question waits for it."""
        if time.monotonic() < self._rests.get(engine, 0.0):
            return None
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql(query).scalar()
        except DBAPIError:
            if engine not in self._rests:
                _log.warning("%s does not answer; reading goes on elsewhere", shown(engine.url))
            self._rests[engine] = time.monotonic() + _LEFT_ALONE_SECONDS
            return None
        self._rests.pop(engine, None)
        return None if found is None else int(found)
