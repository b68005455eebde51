"""Older vectors in PostgreSQL, searched by pgvector.

A row holds a vector as float32. The index over `halfvec` (16-bit floats) holds a copy, in three fifths of the space
that one over `vector` takes; what it finds is scored again from the whole row.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from recnews.errors import ArchiveError, MissingExtraError, SettingsError
from recnews.index.archive import ArchiveSettings, Mark, is_settled, left_over, rescored, row_digests
from recnews.index.base import ANYWHERE, Within, check_upsert, check_vectors, narrowed
from recnews.records import Bools, Float32, Hits, Int64

_LARGEST = 4000
"""Numbers that an index over `halfvec` takes."""
_INLINE = 2000
"""Numbers that fit into a page; a vector that lies in its row is read twice as fast as one that lies elsewhere."""
_BREADTH = 200
_MORE = 40
_MOST_SCANNED = 100_000
_CONNECT_SECONDS = 2
_BUILD_MEMORY = "1GB"
_Answer = TypeVar("_Answer")


class PgvectorArchive:
    """The rows of one generation, a table. One connection, for one thread at a time."""

    exact_rows = 5_000
    most_named = 100_000
    numbers = "halfvec"
    """What its index holds: 16-bit floats. `vector`, 32-bit ones, is there to be measured (docs/scaling.md)."""

    def __init__(self, settings: ArchiveSettings, name: str, dim: int) -> None:
        """Nothing is asked yet. Raises `MissingExtraError`, `SettingsError`."""
        try:
            import psycopg
            from pgvector.psycopg import register_vector
        except ImportError as error:
            raise MissingExtraError("pgvector", "postgres", "an archive in PostgreSQL") from error
        if dim > _LARGEST:
            raise SettingsError("settings", "index.archive", f"pgvector indexes {_LARGEST} numbers a row, not {dim}")
        self.dim, self._driver, self._register = dim, psycopg, register_vector
        self._url = settings.url.replace("+psycopg", "", 1)
        self._engine, self._seconds = without_password(settings.url), settings.seconds
        self._prefix, self._name = settings.prefix, f"{settings.prefix}_{name}"
        self._table = psycopg.sql.Identifier(f"{self._name}_vectors")
        self._index = psycopg.sql.Identifier(f"{self._name}_near")
        self._connection: Any = None

    def prepare(self) -> None:
        """See `Archive`."""
        self.mark()  # connects

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """See `VectorIndex`; one transaction."""
        ids = np.asarray(ids, dtype=np.int64)
        times = check_upsert(ids, vectors, published, self.dim)
        rows = zip(ids.tolist(), times.tolist(), row_digests(vectors, times).tolist(), vectors, strict=True)

        def write(cursor: Any) -> None:
            cursor.execute(self._sql("CREATE TEMP TABLE coming (LIKE {table}) ON COMMIT DROP"))
            with cursor.copy("COPY coming (id, published, digest, embedding) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "int8", "int8", "vector"])
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                self._sql(
                    "INSERT INTO {table} SELECT * FROM coming ON CONFLICT (id) DO UPDATE SET"
                    " published = excluded.published, digest = excluded.digest, embedding = excluded.embedding"
                )
            )

        self._ask(write, patient=True)

    def remove(self, ids: Int64) -> None:
        """See `VectorIndex`."""
        gone = np.asarray(ids, dtype=np.int64).tolist()
        self._ask(lambda cursor: cursor.execute(self._sql("DELETE FROM {table} WHERE id = ANY(%s)"), [gone]), True)

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """See `VectorIndex`. Exact among few that are allowed, and as long as there is no index; else nearly so."""
        check_vectors(queries, len(queries), self.dim)
        within = narrowed(within, allowed)
        few = within.allowed is not None and len(within.allowed) <= self.exact_rows
        one = self._exactly if few else self._nearly
        if k < 1:
            return [Hits(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
        return self._ask(lambda cursor: [one(cursor, np.ascontiguousarray(query), k, within) for query in queries])

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """See `VectorIndex`."""
        ids = np.asarray(ids, dtype=np.int64)
        query = self._sql("SELECT id, embedding FROM {table} WHERE id = ANY(%s)")
        rows = self._ask(lambda cursor: cursor.execute(query, [np.unique(ids).tolist()]).fetchall())
        held = {row[0]: row[1].to_numpy() for row in rows}
        found, known = np.zeros((len(ids), self.dim), np.float32), np.zeros(len(ids), dtype=bool)
        for row, article_id in enumerate(ids.tolist()):
            if article_id in held:
                found[row], known[row] = held[article_id], True
        return found, known

    def ids(self) -> Int64:
        """See `VectorIndex`."""
        rows = self._ask(lambda cursor: cursor.execute(self._sql("SELECT id FROM {table}")).fetchall(), patient=True)
        return np.array([row[0] for row in rows], dtype=np.int64)

    def __len__(self) -> int:
        query = self._sql("SELECT count(*) FROM {table}")
        return int(self._ask(lambda cursor: cursor.execute(query).fetchone(), patient=True)[0])

    def digests(self, ids: Int64) -> Int64:
        """See `Archive`."""
        query = self._sql("SELECT id, digest FROM {table} WHERE id = ANY(%s)")
        held = dict(self._ask(lambda cursor: cursor.execute(query, [ids.tolist()]).fetchall()))
        return np.array([held.get(article_id, 0) for article_id in ids.tolist()], dtype=np.int64)

    def mark(self) -> Mark:
        """See `Archive`."""
        query = "SELECT version, cut FROM recnews_archives WHERE name = %s"
        row = self._ask(lambda cursor: cursor.execute(query, [self._name]).fetchone())
        return Mark(*row) if row else Mark()

    def publish(self, mark: Mark) -> None:
        """See `Archive`. The index is made once there are more rows than are searched exactly: to fill a table first is
        several times quicker."""
        many = len(self) > self.exact_rows

        def write(cursor: Any) -> None:
            if many:
                cursor.execute(f"SET LOCAL maintenance_work_mem = '{_BUILD_MEMORY}'")
                cursor.execute(
                    self._sql(
                        "CREATE INDEX IF NOT EXISTS {index} ON {table}"
                        " USING hnsw ((embedding::{numbers}({dim})) {operators}) WITH (m = 16, ef_construction = 100)"
                    )
                )
            cursor.execute(
                "INSERT INTO recnews_archives (name, version, cut) VALUES (%s, %s, %s)"
                " ON CONFLICT (name) DO UPDATE SET version = excluded.version, cut = excluded.cut",
                [self._name, mark.version, mark.cut],
            )

        self._ask(write, patient=True)
        self._ask(lambda cursor: cursor.execute(self._sql("ANALYZE {table}")), patient=True)

    def retain(self, ids: Int64, published: Int64) -> None:  # noqa: ARG002  # other engines keep rows by time
        """See `Archive`."""
        self.remove(np.setdiff1d(self.ids(), ids))

    def drop(self) -> None:
        """See `Archive`."""

        def write(cursor: Any) -> None:
            cursor.execute(self._sql("DROP TABLE IF EXISTS {table}"))
            cursor.execute("DELETE FROM recnews_archives WHERE name = %s", [self._name])

        self._ask(write, patient=True)
        self.close()

    def drop_others(self, generations: Collection[str]) -> list[str]:
        """See `Archive`."""
        rows = self._ask(lambda cursor: cursor.execute("SELECT name FROM recnews_archives").fetchall())
        gone = left_over([row[0] for row in rows], self._prefix, generations)

        def write(cursor: Any) -> None:
            for name in gone:
                table = self._driver.sql.Identifier(f"{name}_vectors")
                cursor.execute(self._driver.sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            cursor.execute("DELETE FROM recnews_archives WHERE name = ANY(%s)", [gone])

        if gone:
            self._ask(write, patient=True)
        return gone

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exactly(self, cursor: Any, query: Float32, k: int, within: Within) -> Hits:
        """The best of rows that are named: their distances are worked out first, all of them."""
        statement = self._sql(
            "WITH wanted AS MATERIALIZED (SELECT id, embedding <#> %(query)s AS distance FROM {table} WHERE {passing}),"
            " nearest AS (SELECT id, distance FROM wanted ORDER BY distance, id LIMIT %(count)s)"
            " SELECT id, embedding FROM nearest JOIN {table} USING (id) ORDER BY distance, id",
            within,
        )
        count = k + _MORE
        while True:
            ids, vectors = self._candidates(cursor, statement, query, count, within)
            hits = rescored(ids, vectors, query, k)
            if len(ids) < count or is_settled(vectors, hits, query):
                return hits
            count *= 4

    def _nearly(self, cursor: Any, query: Float32, k: int, within: Within) -> Hits:
        """The best that the index finds; it goes on (iteratively) until enough pass."""
        count = 2 * k + _MORE
        for name, value in (
            ("hnsw.ef_search", min(max(_BREADTH, count), 1000)),
            ("hnsw.iterative_scan", "relaxed_order"),
            ("hnsw.max_scan_tuples", _MOST_SCANNED),
        ):
            cursor.execute("SELECT set_config(%s, %s, true)", [name, str(value)])
        statement = self._sql(
            "SELECT id, embedding FROM {table} WHERE {passing}"
            " ORDER BY embedding::{numbers}({dim}) <#> %(query)s::{numbers}({dim}) LIMIT %(count)s",
            within,
        )
        return rescored(*self._candidates(cursor, statement, query, count, within), query, k)

    def _candidates(
        self, cursor: Any, statement: Any, query: Float32, count: int, within: Within
    ) -> tuple[Int64, Float32]:
        given = {
            "query": query,
            "count": count,
            "since": within.since,
            "until": within.until,
            "allowed": None if within.allowed is None else np.unique(within.allowed).tolist(),
            "exclude": None if within.exclude is None else np.unique(within.exclude).tolist(),
        }
        rows = cursor.execute(statement, given).fetchall()
        if not rows:
            return np.empty(0, np.int64), np.empty((0, self.dim), np.float32)
        return np.array([row[0] for row in rows], np.int64), np.stack([row[1].to_numpy() for row in rows])

    def _sql(self, text: str, within: Within = ANYWHERE) -> Any:
        """A statement about the table, with what `within` asks for."""
        passing = ["true"]
        if within.since > ANYWHERE.since:
            passing.append("published >= %(since)s")
        if within.until < ANYWHERE.until:
            passing.append("published < %(until)s")
        if within.allowed is not None:
            passing.append("id = ANY(%(allowed)s::bigint[])")
        if within.exclude is not None and len(within.exclude):
            passing.append("id <> ALL(%(exclude)s::bigint[])")
        sql = self._driver.sql
        return sql.SQL(text).format(
            table=self._table, index=self._index, dim=sql.Literal(self.dim), passing=sql.SQL(" AND ".join(passing)),
            numbers=sql.SQL(self.numbers), operators=sql.SQL(f"{self.numbers}_ip_ops"),
        )  # fmt: skip

    def _ask(self, question: Callable[[Any], _Answer], patient: bool = False) -> _Answer:
        """An answer in a transaction of its own; a connection that was cut meanwhile is made anew once.

        `patient`: it may take as long as it takes. Raises `ArchiveError`.
        """
        fresh = self._connection is None
        try:
            return self._answer(question, patient)
        except ArchiveError:
            if fresh or self._connection is not None:
                raise
        return self._answer(question, patient)

    def _answer(self, question: Callable[[Any], _Answer], patient: bool) -> _Answer:
        with self._translated():
            if self._connection is None:
                self._connection = self._connected()
            with self._connection.transaction(), self._connection.cursor(binary=True) as cursor:
                milliseconds = 0 if patient else int(1000 * self._seconds)
                cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                return question(cursor)

    def _connected(self) -> Any:
        """A connection to a database that has the table. A server that is gone without a word is noticed in time."""
        waiting = int(1000 * self._seconds)
        connection = self._driver.connect(
            self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS, tcp_user_timeout=waiting,
            keepalives_idle=1, keepalives_interval=1, keepalives_count=2, application_name="recnews archive",
        )  # fmt: skip
        try:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext('recnews archive'))")  # others may do the same
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS recnews_archives"
                    " (name text PRIMARY KEY, version bigint NOT NULL, cut bigint NOT NULL)"
                )
                cursor.execute(
                    self._sql(
                        "CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, published bigint NOT NULL,"
                        " digest bigint NOT NULL, embedding vector({dim}) NOT NULL)"
                    )
                )
                if self.dim <= _INLINE:
                    cursor.execute(self._sql("ALTER TABLE {table} ALTER embedding SET STORAGE PLAIN"))
            self._register(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            if isinstance(error, self._driver.errors.UndefinedTable):  # dropped by others: made anew with a connection
                self.close()
            if self._connection is not None and self._connection.closed:
                self._connection = None
            raise ArchiveError(self._engine, " ".join(str(error).split()) or type(error).__name__) from error


def without_password(url: str) -> str:
    """An address that can be shown."""
    return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1:…@", url)
