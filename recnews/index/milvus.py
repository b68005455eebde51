"""Older vectors in Milvus: a collection a generation, a partition a month of publication.

Consistency: rows leave the memory of a node once a `Strong` read has shown that they are here, which also brings the
query node so far; searches then are `Bounded`, which answers at once. What was deleted or has changed since is known to
the node, so that no search needs to wait for the newest writes.
"""

import json
import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from recnews.errors import ArchiveError, MissingExtraError
from recnews.index.archive import ArchiveSettings, Mark, left_over, rescored, row_digests
from recnews.index.base import ANYWHERE, EARLIEST, LATEST, Within, check_upsert, check_vectors, narrowed
from recnews.records import Bools, Float32, Hits, Int64

_MARK_ID = -1
"""The row that notes how far the collection has come: it shares the fate of what it speaks of."""
_BREADTH = 128
_MORE = 40
_MOST_FOUND = 16_384
_BATCH = 2000
_PATIENCE = 60.0


class MilvusArchive:
    """The rows of one generation. For one thread at a time."""

    exact_rows = 2000
    most_named = 10_000

    def __init__(self, settings: ArchiveSettings, name: str, dim: int) -> None:
        """Nothing is asked yet. Raises `MissingExtraError`."""
        try:
            import grpc
            import pymilvus
        except ImportError as error:
            raise MissingExtraError("pymilvus", "milvus", "an archive in Milvus") from error
        self.dim, self._driver = dim, pymilvus
        self._failures = (pymilvus.MilvusException, grpc.RpcError)  # a time limit is told by gRPC's own
        self._url, self._token = _address(settings.url)
        self._prefix, self._name = settings.prefix, f"{settings.prefix}_{name}"
        self._seconds = settings.seconds
        self._client: Any = None
        self._written = 0

    def prepare(self) -> None:
        """See `Archive`."""
        self._ask("has_collection", timeout=_PATIENCE)

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """See `VectorIndex`. What was there under an id, in whichever partition, is deleted first: killed in between
        and run again, nothing is there twice."""
        ids = np.asarray(ids, dtype=np.int64)
        times = check_upsert(ids, vectors, published, self.dim)
        digests, months = row_digests(vectors, times), _months(times)
        self._written += len(ids)
        self.remove(ids)
        for month in np.unique(months).tolist():
            rows = np.flatnonzero(months == month)
            self._need_partition(month)
            for start in range(0, len(rows), _BATCH):
                batch = [
                    {
                        "id": int(ids[row]), "published": int(times[row]), "digest": int(digests[row]), "note": "",
                        "embedding": vectors[row],
                    }
                    for row in rows[start : start + _BATCH]
                ]  # fmt: skip
                self._ask("insert", batch, partition_name=month, timeout=_PATIENCE)

    def remove(self, ids: Int64) -> None:
        """See `VectorIndex`."""
        ids = np.asarray(ids, dtype=np.int64)
        for start in range(0, len(ids), _BATCH):
            self._ask("delete", filter=f"id in {_listed(ids[start : start + _BATCH])}", timeout=_PATIENCE)

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """See `VectorIndex`. Exact among few that are allowed: these are fetched and scored here."""
        check_vectors(queries, len(queries), self.dim)
        within = narrowed(within, allowed)
        if k < 1 or not len(queries):
            return [Hits(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
        if within.allowed is not None and len(within.allowed) <= self.exact_rows:
            ids, vectors = self._fetched(within)
            return [rescored(ids, vectors, np.ascontiguousarray(query), k) for query in queries]
        count = min(2 * k + _MORE, _MOST_FOUND)
        answers = self._ask(
            "search", list(queries), limit=count, filter=_passing(within), output_fields=["embedding"],
            consistency_level="Bounded", search_params={"params": {"ef": max(_BREADTH, count)}},
        )  # fmt: skip
        return [
            rescored(*self._rows([(hit["id"], hit["entity"]["embedding"]) for hit in answer]), query, k)
            for query, answer in zip(np.ascontiguousarray(queries), answers, strict=True)
        ]

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """See `VectorIndex`."""
        ids = np.asarray(ids, dtype=np.int64)
        held_ids, held = self._fetched(Within(ids))
        places = {article_id: row for row, article_id in enumerate(held_ids.tolist())}
        found, known = np.zeros((len(ids), self.dim), np.float32), np.zeros(len(ids), dtype=bool)
        for row, article_id in enumerate(ids.tolist()):
            if article_id in places:
                found[row], known[row] = held[places[article_id]], True
        return found, known

    def ids(self) -> Int64:
        """See `VectorIndex`."""
        found: list[int] = []
        pages = self._ask(
            "query_iterator", batch_size=_BATCH, filter="id >= 0", output_fields=["id"], timeout=_PATIENCE,
            consistency_level="Strong",
        )  # fmt: skip
        with self._translated():
            while page := pages.next():
                found += [row["id"] for row in page]
            pages.close()
        return np.array(found, dtype=np.int64)

    def __len__(self) -> int:
        told = self._ask(
            "query", filter="id >= 0", output_fields=["count(*)"], consistency_level="Strong", timeout=_PATIENCE
        )
        return int(told[0]["count(*)"])

    def digests(self, ids: Int64) -> Int64:
        """See `Archive`; a `Strong` read."""
        held: dict[int, int] = {}
        for start in range(0, len(ids), _BATCH):
            rows = self._ask(
                "query", filter=f"id in {_listed(ids[start : start + _BATCH])}", output_fields=["id", "digest"],
                consistency_level="Strong",
            )  # fmt: skip
            held.update((row["id"], row["digest"]) for row in rows)
        return np.array([held.get(article_id, 0) for article_id in ids.tolist()], dtype=np.int64)

    def mark(self) -> Mark:
        """See `Archive`."""
        rows = self._ask("query", filter=f"id == {_MARK_ID}", output_fields=["note"], consistency_level="Bounded")
        marks = [Mark(**json.loads(row["note"])) for row in rows]
        return max(marks, key=lambda mark: mark.version, default=Mark())

    def publish(self, mark: Mark) -> None:
        """See `Archive`. Milvus makes its index by itself, a segment at a time."""
        note = json.dumps({"version": mark.version, "cut": mark.cut})
        row = {"id": _MARK_ID, "published": 0, "digest": 0, "note": note, "embedding": np.zeros(self.dim, np.float32)}
        self._ask("delete", filter=f"id in [{_MARK_ID}]", timeout=_PATIENCE)
        self._ask("insert", [row], timeout=_PATIENCE)
        if self._written > _BATCH:  # else Milvus seals its segments, and makes their indexes, when it sees fit
            self._ask("flush", timeout=_PATIENCE)
            self._written = 0

    def retain(self, ids: Int64, published: Int64) -> None:
        """See `Archive`. A month of which nothing is left is dropped as a whole."""
        kept = {*np.unique(_months(published)).tolist(), "_default"}
        for month in set(self._ask("list_partitions", timeout=_PATIENCE)) - kept:
            self._ask("release_partitions", partition_names=[month], timeout=_PATIENCE)
            self._ask("drop_partition", partition_name=month, timeout=_PATIENCE)
        self.remove(np.setdiff1d(self.ids(), ids))

    def drop(self) -> None:
        """See `Archive`."""
        self._ask("drop_collection", timeout=_PATIENCE)
        self.close()

    def drop_others(self, generations: Collection[str]) -> list[str]:
        """See `Archive`."""
        self._ask("has_collection")  # connects
        with self._translated():
            names = self._client.list_collections(timeout=self._seconds)
            gone = left_over(names, self._prefix, generations)
            for name in gone:
                self._client.drop_collection(name, timeout=_PATIENCE)
        return gone

    def close(self) -> None:
        """Give the connection back."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _fetched(self, within: Within) -> tuple[Int64, Float32]:
        """Ids (n,) and vectors (n, dim) of what is allowed and there."""
        ids = np.unique(np.asarray(within.allowed, dtype=np.int64))
        if within.exclude is not None:
            ids = np.setdiff1d(ids, within.exclude)
        rows: list[tuple[int, Any]] = []
        for start in range(0, len(ids), _BATCH):
            some = Within(ids[start : start + _BATCH], None, within.since, within.until)
            found = self._ask(
                "query", filter=_passing(some), output_fields=["id", "embedding"], consistency_level="Bounded"
            )
            rows += [(row["id"], row["embedding"]) for row in found]
        return self._rows(rows)

    def _rows(self, found: list[tuple[int, Any]]) -> tuple[Int64, Float32]:
        ids = np.array([article_id for article_id, _ in found], dtype=np.int64)
        vectors = np.array([vector for _, vector in found], dtype=np.float32).reshape(len(found), self.dim)
        return ids, vectors

    def _need_partition(self, month: str) -> None:
        if not self._ask("has_partition", partition_name=month, timeout=_PATIENCE):
            self._ask("create_partition", partition_name=month, timeout=_PATIENCE)
            self._ask("load_partitions", partition_names=[month], timeout=_PATIENCE)

    def _ask(self, name: str, *given: Any, timeout: float = 0.0, **options: Any) -> Any:
        """What the client's method `name` answers about the collection, within `timeout` seconds or those of the
        settings. Raises `ArchiveError`."""
        seconds = timeout or self._seconds
        with self._translated():
            if self._client is None:
                self._client = self._connected(seconds)
            return getattr(self._client, name)(self._name, *given, timeout=seconds, **options)

    def _connected(self, seconds: float) -> Any:
        """A connection to a server that has the collection loaded. One that was killed and started again loads it when
        the lease of the process that was killed has ended: this waits for no longer than a question may take, and the
        next question goes on."""
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # we tell a failure once
        until = time.monotonic() + seconds
        # Of its own: one that others share outlives a failure, and gRPC tries an old one ever more seldom.
        client = self._driver.MilvusClient(uri=self._url, token=self._token, timeout=self._seconds, dedicated=True)
        try:
            if not client.has_collection(self._name, timeout=_left(until)):
                self._create(client)
                until = time.monotonic() + seconds
            client.load_collection(self._name, timeout=_left(until))
        except BaseException:
            client.close()
            raise
        return client

    def _create(self, client: Any) -> None:
        types = self._driver.DataType
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", types.INT64, is_primary=True)
        schema.add_field("published", types.INT64)
        schema.add_field("digest", types.INT64)
        schema.add_field("note", types.VARCHAR, max_length=256)
        schema.add_field("embedding", types.FLOAT_VECTOR, dim=self.dim)
        index = client.prepare_index_params()
        index.add_index("embedding", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 100})
        client.create_collection(
            self._name, schema=schema, index_params=index, consistency_level="Bounded", timeout=_PATIENCE
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            self.close()  # the next question connects anew
            told = error.details() if hasattr(error, "details") else error.message
            raise ArchiveError(f"milvus+{self._url}", " ".join(str(told).split())) from error


def _left(until: float) -> float:
    """Seconds until then; some, since none would be taken for any number of them."""
    return max(until - time.monotonic(), 0.1)


def _address(url: str) -> tuple[str, str]:
    """Where Milvus is, and `user:password` for it, from `milvus+http://user:password@host:port`."""
    from urllib.parse import unquote, urlsplit, urlunsplit

    parts = urlsplit(url.removeprefix("milvus+"))
    who, _, where = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, where, parts.path, "", "")), unquote(who)


def _months(published: Int64) -> Any:
    """(n,) names of partitions."""
    months, of_row = np.unique(published.astype("datetime64[us]").astype("datetime64[M]"), return_inverse=True)
    return np.array([f"m{month}".replace("-", "_") for month in months.astype(str).tolist()], dtype=object)[of_row]


def _passing(within: Within) -> str:
    """A filter as Milvus writes it."""
    passing = ["id >= 0"]
    if within.since > EARLIEST:
        passing.append(f"published >= {within.since}")
    if within.until < LATEST:
        passing.append(f"published < {within.until}")
    if within.allowed is not None:
        passing.append(f"id in {_listed(np.unique(within.allowed))}")
    if within.exclude is not None and len(within.exclude):
        passing.append(f"id not in {_listed(np.unique(within.exclude))}")
    return " and ".join(passing)


def _listed(ids: Int64) -> str:
    return "[" + ",".join(map(str, ids.tolist())) + "]"
