"""Exact search by FAISS: a flat segment mapped from disk, never changed, and a flat segment in memory for what is new.

FAISS aborts the process when a mapped index is added to, stores an id twice when it is added twice, pads short answers
with -1 and takes vectors of any kind silently; none of that leaves this file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from recnews import arrays
from recnews.records import Bools, Float32, Hits, Int64

_INDEX_FILE = "vectors.faiss"
_IDS_FILE = "ids.npy"
_GROWTH = 1024


class _Segment:
    """Rows of a flat index with their ids; a row is alive until its id is removed or moves to another segment."""

    def __init__(self, index: Any, ids: Int64) -> None:
        self.index, self.ids = index, ids
        self.alive = np.ones(len(ids), dtype=bool)
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def rows(self, ids: Int64) -> Int64:
        """(n,) row of each id, -1 where it is not alive here."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        # Of several rows of one id only the last can be alive: the others were replaced by it.
        place = np.maximum(np.searchsorted(self._sorted, ids, side="right") - 1, 0)
        rows = self._order[place]
        return np.where((self._sorted[place] == ids) & self.alive[rows], rows, -1)

    def search(self, queries: Float32, k: int, wanted: Bools) -> tuple[Float32, Int64]:
        """Scores and ids (q, k) among rows that are `wanted`; -1 marks an empty place."""
        # Always through a selector, even when all rows are wanted: FAISS then scores row by row, in the same order
        # for one query as for a hundred, where it would otherwise switch to BLAS and to other last bits.
        bits = np.packbits(wanted, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(wanted), faiss.swig_ptr(bits))
        scores, rows = self.index.search(queries, k, params=_parameters(selector))
        return scores, np.where(rows >= 0, self.ids[rows], -1)


class FaissIndex:
    """Exact inner-product search with upserts and deletions."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._segments = [_empty(dim), _empty(dim)]

    @classmethod
    def load(cls, folder: Path) -> "FaissIndex":
        """Map a saved index; memory is shared between the processes that map it.

        Raises `OSError` or `ValueError` when the files are not what `save` wrote.
        """
        try:
            index = faiss.read_index(str(folder / _INDEX_FILE), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ValueError(f"{folder / _INDEX_FILE}: {error}") from error
        try:
            ids = arrays.load(folder / _IDS_FILE)
        except EOFError as error:
            raise ValueError(f"{folder / _IDS_FILE}: {error}") from error
        if index.ntotal != len(ids):
            raise ValueError(f"{folder}: {index.ntotal} vectors but {len(ids)} ids")
        loaded = cls(index.d)
        loaded._segments = [_Segment(index, ids), _empty(index.d)]
        return loaded

    def save(self, folder: Path) -> None:
        """Write what is alive, in id order, into an existing folder."""
        ids = np.sort(self.ids())
        index = faiss.IndexFlatIP(self.dim)
        vectors, _ = self.vectors(ids)
        index.add(vectors)
        faiss.write_index(index, str(folder / _INDEX_FILE))
        np.save(folder / _IDS_FILE, ids)

    def __len__(self) -> int:
        return sum(int(segment.alive.sum()) for segment in self._segments)

    def ids(self) -> Int64:
        """All ids, (n,) int64, in no particular order."""
        return np.concatenate([segment.ids[segment.alive] for segment in self._segments])

    def upsert(self, ids: Int64, vectors: Float32) -> None:
        """Add or replace vectors (n, dim) float32. Raises `ValueError` as the protocol says."""
        ids = np.asarray(ids, dtype=np.int64)
        self._check(vectors, len(ids))
        if len(np.unique(ids)) != len(ids) or (len(ids) and ids.min() < 0):
            raise ValueError("ids must be unique and not negative")
        self.remove(ids)
        fresh = self._segments[1]
        fresh.index.add(np.ascontiguousarray(vectors))
        grown = _Segment(fresh.index, np.concatenate([fresh.ids, ids]))
        grown.alive[: len(fresh.alive)] = fresh.alive
        self._segments[1] = self._compacted(grown)

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        for segment in self._segments:
            rows = segment.rows(np.asarray(ids, dtype=np.int64))
            segment.alive[rows[rows >= 0]] = False

    def search(self, queries: Float32, k: int, allowed: Int64 | None = None) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim), exactly; ties go to the lower id."""
        self._check(queries, len(queries))
        parts = [self._search_segment(segment, queries, k, allowed) for segment in self._segments]
        scores = np.concatenate([part[0] for part in parts], axis=1)
        ids = np.concatenate([part[1] for part in parts], axis=1)
        return [_best(row_scores, row_ids, k) for row_scores, row_ids in zip(scores, ids, strict=True)]

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids and (n,) which of them are indexed; rows of the others are zero."""
        ids = np.asarray(ids, dtype=np.int64)
        found, known = np.zeros((len(ids), self.dim), dtype=np.float32), np.zeros(len(ids), dtype=bool)
        for segment in self._segments:
            rows = segment.rows(ids)
            here = rows >= 0
            if here.any():
                found[here] = segment.index.reconstruct_batch(rows[here])
                known |= here
        return found, known

    def _search_segment(
        self, segment: _Segment, queries: Float32, k: int, allowed: Int64 | None
    ) -> tuple[Float32, Int64]:
        wanted = segment.alive
        if allowed is not None:
            rows = segment.rows(np.asarray(allowed, dtype=np.int64))
            wanted = np.zeros(len(segment.ids), dtype=bool)
            wanted[rows[rows >= 0]] = True
        most = int(wanted.sum())
        if min(k, most) <= 0 or not len(queries):
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        take, queries = min(k + 1, most), np.ascontiguousarray(queries)
        scores, ids = segment.search(queries, take, wanted)
        # FAISS breaks ties by row. Where the last place is tied with the next, all of the tie must be seen.
        while take < most and (scores[:, -1] == scores[:, k - 1]).any():
            take = min(2 * take, most)
            scores, ids = segment.search(queries, take, wanted)
        return scores, ids

    def _compacted(self, segment: _Segment) -> _Segment:
        """Rewrite the segment in memory once more than half of its rows are dead."""
        if len(segment.ids) < _GROWTH or segment.alive.mean() > 0.5:
            return segment
        rows = np.flatnonzero(segment.alive)
        index = faiss.IndexFlatIP(self.dim)
        index.add(segment.index.reconstruct_batch(rows))
        return _Segment(index, segment.ids[rows])

    def _check(self, vectors: Float32, rows: int) -> None:
        if vectors.dtype != np.float32 or vectors.shape != (rows, self.dim):
            raise ValueError(f"expected ({rows}, {self.dim}) float32, got {vectors.shape} {vectors.dtype}")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors must be finite")


def _parameters(selector: Any) -> Any:
    parameters = faiss.SearchParameters()
    parameters.sel = selector
    return parameters


def _empty(dim: int) -> _Segment:
    return _Segment(faiss.IndexFlatIP(dim), np.empty(0, dtype=np.int64))


def _best(scores: Float32, ids: Int64, k: int) -> Hits:
    order: Sequence[int] | Int64 = np.lexsort((ids, -scores))
    order = [place for place in order if ids[place] >= 0][:k]
    return Hits(ids[order], scores[order])
