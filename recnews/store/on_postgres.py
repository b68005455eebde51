"""The store on PostgreSQL: any number of machines write and follow.

Writers queue for the row of the change counter, which a transaction holds from its first statement until it has ended.
Numbers therefore become visible in their order, to every reader and on every standby: whoever sees a number sees all
that is below it. Readers take one snapshot each (REPEATABLE READ) and wait for nobody.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from recnews.errors import BusyError, StorageError, UnreachableError
from recnews.store import schema
from recnews.store.database import Database
from recnews.store.servers import WAIT_SECONDS, Replica, engine_for, parsed, shown, snapshots_of

# What the server says, by SQLSTATE -> what is wrong and what to do about it.
_REMEDIES = {
    "53100": ("the server's disk is full", "free some space there and run the command again; nothing stored was lost"),
    "55P03": ("another process has been writing for a minute", "wait for it to end, then run the command again"),
    "42501": ("this user may not do that there", "grant it all rights on the database's tables"),
    "54000": ("an id or a name is longer than PostgreSQL can look up", "keep ids below 2,600 bytes"),
}
# What a server says that refuses a connection for good; it has no SQLSTATE then.
_REFUSALS = (
    ("password", "the password is not accepted", "mend `store` in the settings"),
    ("authentication", "the user is not accepted", "mend `store` in the settings"),
    ("pg_hba", "the user may not connect from this machine", "add a line to the server's pg_hba.conf"),
    ("does not exist", "there is no such database or user", "make them there, or mend `store` in the settings"),
    ("invalid", "the address is not one", "mend `store` in the settings"),
)
_TRANSIENT = ("08", "57P", "25006", "53300", "25P02", "25P03", "40001", "40P01")


class PostgresDatabase(Database):
    """A database of a server, or of the one among several that may be written."""

    def __init__(self, address: str, replica: str = "") -> None:
        """Connect, and bring the schema up to date; `replica` is the address of a standby to read from. Raises
        `StorageError`, `SchemaError`, `MissingExtraError`."""
        super().__init__()
        url = parsed(address)
        self.place = shown(url)
        self._engine = engine_for(url)
        self._alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reader = snapshots_of(self._engine)
        self._replica = Replica(replica, self._engine) if replica else None
        try:
            self._prepare_tables()
        except BaseException:
            self.close()
            raise

    def _prepare_tables(self) -> None:
        with self.read() as connection:
            current = schema.found_version(connection)
        if current != len(schema.STEPS):
            with self._translated(), self._engine.begin() as connection:
                # Several processes may find an empty database at the same moment.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('recnews', 0))")
                _fit(connection, self.place)
                schema.migrate(connection, self.place)

    @contextmanager
    def write(self, derived: bool = False) -> Iterator[Connection]:  # noqa: ARG002
        """`derived` or not, a commit is on the server's disk before anybody sees it: followers on other machines must
        not have seen what a crash of the server undoes."""
        with self._translated(), self._engine.begin() as connection:
            connection.exec_driver_sql(_TAKE_TURN)
            yield connection

    def close(self) -> None:
        self._engine.dispose()
        if self._replica:
            self._replica.close()

    @contextmanager
    def alone(self, what: str, wait: bool) -> Iterator[None]:
        """An advisory lock of a connection of its own: it ends with the process, however that ends."""
        with self._translated(), self._alone.connect() as connection:
            named = {"name": f"recnews {what}"}
            while not connection.execute(_TRY_LOCK, named).scalar_one():
                if not wait:
                    raise BusyError(what, f"another process on {self.place}")
                time.sleep(0.1)
            try:
                yield
            finally:
                with suppress(DBAPIError):
                    connection.execute(_UNLOCK, named)

    def scrub(self) -> bool:
        """Write the tables anew that hold ids of readers, once nobody reads an older state any more. The server's own
        log of changes keeps bytes until it is recycled."""
        with self._translated(), self._alone.connect() as connection:
            mine = connection.exec_driver_sql("SELECT pg_current_xact_id()::xid::text").scalar_one()
            until = time.monotonic() + WAIT_SECONDS
            while connection.execute(_OLDER_VIEWS, {"mine": mine}).scalar_one():
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
            # ANALYZE: the planner's statistics hold the most common values, too; and so do earlier statistics, whose
            # rows are dead in their catalog. A user who does not own the database is warned by the server there.
            connection.exec_driver_sql("VACUUM (FULL, ANALYZE) events, article_ids")
            connection.exec_driver_sql("VACUUM (FULL) pg_catalog.pg_statistic")
            with suppress(DBAPIError):  # not everybody may
                connection.exec_driver_sql("CHECKPOINT")
        return True

    def check(self) -> list[str]:
        """Rows that refer to missing ones: a server keeps them apart by itself, but for damage."""
        found = []
        with self.read() as connection:
            for table in schema.metadata.sorted_tables:
                for key in table.foreign_keys:
                    column, other = key.parent.name, key.column
                    query = (
                        f'SELECT count(*) FROM "{table.name}" WHERE NOT EXISTS (SELECT FROM "{other.table.name}" '
                        f'WHERE "{other.table.name}"."{other.name}" = "{table.name}"."{column}")'
                    )
                    if count := connection.exec_driver_sql(query).scalar_one():
                        found.append(f"{count} rows of {table.name} refer to a missing {other.table.name}")
        return found

    def standby_behind(self) -> int | None:
        return self._replica.behind() if self._replica else None

    def disk_bytes(self) -> int:
        names = [table.name for table in schema.metadata.sorted_tables]
        with self.read() as connection:
            query = text("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(:names) AS name")
            return int(connection.execute(query, {"names": names}).scalar_one() or 0)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        reader = self._replica.reader if self._replica and self._replica.is_current() else self._reader
        with self._translated(), reader.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Tell what PostgreSQL says in the words of `StorageError`, and when it is worth asking again."""
        try:
            yield
        except IntegrityError:
            raise
        except PoolTimeoutError as error:
            raise UnreachableError(self.place, "all connections are in use") from error
        except DBAPIError as error:
            raise self._told(error) from error

    def _told(self, error: DBAPIError) -> Exception:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in _REMEDIES:
            return StorageError(self.place, *_REMEDIES[state])
        said = str(error.orig).lower()
        if not state and not error.connection_invalidated:
            for needle, reason, remedy in _REFUSALS:
                if needle in said:
                    return StorageError(self.place, reason, remedy)
        if not state or state.startswith(_TRANSIENT) or error.connection_invalidated:
            if state == "25006":  # what was the primary is none any more
                self._engine.dispose()
            return UnreachableError(self.place, "the server cannot be reached, or may not be written now")
        return error


_TAKE_TURN = (
    "SELECT value, set_config('idle_in_transaction_session_timeout', '60s', true) FROM change_counter FOR UPDATE"
)
_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(current_schema() || :name, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(current_schema() || :name, 0))")
_OLDER_VIEWS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() "
    "AND datname = current_database() AND age(backend_xmin) > age(CAST(:mine AS xid))"
)


def _fit(connection: Connection, place: str) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StorageError(place, f"the database's encoding is {encoding}", "make one with ENCODING 'UTF8'")
