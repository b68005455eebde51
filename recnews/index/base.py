"""What every vector index offers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recnews.records import Bools, Float32, Hits, Int64

EARLIEST, LATEST = -(2**63), 2**63 - 1
"""Bounds of publication times in microseconds that leave nothing out but the last instant itself."""


@dataclass(frozen=True, slots=True)
class Within:
    """Which rows a search may answer with; empty fields do not restrict.

    `allowed` and `exclude` are ids (n,) int64 (unknown and repeated ones are ignored), `since` and `until` publication
    times in microseconds, half-open: since <= published < until. What is to be left out is best said by `exclude` and
    times: a long list of allowed ids costs about 20 ns an id, and parts outside the times are not touched at all.
    """

    allowed: Int64 | None = None
    exclude: Int64 | None = None
    since: int = EARLIEST
    until: int = LATEST


ANYWHERE = Within()


class VectorIndex(Protocol):
    """Nearest neighbours by inner product over vectors of about unit length, exact or nearly so.

    A score is the inner product with the vector as `vectors` gives it, added up in one fixed order: the same query
    gives the same bits alone or in a batch, whatever else is indexed, however many threads there are. Equal scores go
    to the lower id.
    """

    dim: int

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """Add or replace vectors (n, dim) float32 with their publication times (n,) in microseconds, 0 if not given.
        Raises `ValueError` for another shape, a repeated or negative id, or a value that is not finite."""
        ...

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        ...

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim) `within` what may be answered; `allowed` is short for
        `Within(allowed)`, and restricts further where both are given."""
        ...

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids and (n,) which of them are indexed; rows of the others are zero."""
        ...

    def ids(self) -> Int64:
        """All ids, (n,) int64, in no particular order."""
        ...

    def __len__(self) -> int: ...


def check_vectors(vectors: Float32, rows: int, dim: int) -> None:
    """Raises `ValueError` unless `vectors` is (rows, dim) float32 and finite."""
    if vectors.dtype != np.float32 or vectors.shape != (rows, dim):
        raise ValueError(f"expected ({rows}, {dim}) float32, got {vectors.shape} {vectors.dtype}")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite")


def check_upsert(ids: Int64, vectors: Float32, published: Int64 | None, dim: int) -> Int64:
    """The publication times to store, once all is as `VectorIndex.upsert` asks; else raises `ValueError`."""
    check_vectors(vectors, len(ids), dim)
    if len(np.unique(ids)) != len(ids) or (len(ids) and ids.min() < 0):
        raise ValueError("ids must be unique and not negative")
    times = np.zeros(len(ids), dtype=np.int64) if published is None else np.asarray(published, dtype=np.int64)
    if times.shape != ids.shape:
        raise ValueError(f"expected {len(ids)} publication times, got {times.shape}")
    return times


def narrowed(within: Within, allowed: Int64 | None) -> Within:
    """`within`, restricted further to `allowed` ids where given."""
    if allowed is None:
        return within
    both = np.asarray(allowed, dtype=np.int64)
    if within.allowed is not None:
        both = np.intersect1d(both, within.allowed)
    return Within(both, within.exclude, within.since, within.until)


def merged(parts: list[list[Hits]], queries: int, k: int) -> list[Hits]:
    """The best `k` of what several parts of an index answer to each of `queries`."""
    return [best([part[query] for part in parts], k) for query in range(queries)]


def best(found: list[Hits], k: int) -> Hits:
    """The best `k` of hits on different ids; equal scores go to the lower id."""
    if not found:
        return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
    ids = np.concatenate([hits.ids for hits in found])
    scores = np.concatenate([hits.scores for hits in found])
    order = np.lexsort((ids, -scores))[: max(k, 0)]
    return Hits(ids[order], scores[order], any(hits.partial for hits in found))
