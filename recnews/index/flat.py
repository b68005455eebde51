"""Exact search: float32 rows mapped from disk, never changed, and rows in memory for what is new."""

from pathlib import Path

import numpy as np

from recnews.index.base import ANYWHERE, EARLIEST, LATEST, Within, check_upsert, check_vectors, merged, narrowed
from recnews.index.engine import one_thread
from recnews.index.exact import search_exactly
from recnews.index.files import load_array
from recnews.index.places import Places, wanted_rows
from recnews.index.rows import FloatRows, longest
from recnews.records import Bools, Float32, Hits, Int64

_VECTORS_FILE = "vectors.npy"
_IDS_FILE = "ids.npy"
_PUBLISHED_FILE = "published.npy"
_GROWTH = 1024


class _Part:
    """Rows with their ids and publication times; a row is alive until its id is removed or moves to another part."""

    def __init__(self, array: Float32, ids: Int64, published: Int64, length: float | None = None) -> None:
        self.rows = FloatRows(array, longest(array) if length is None else length)
        self.ids, self.published = ids, published
        self.alive = np.ones(len(ids), dtype=bool)
        self.places = Places(ids)

    def find(self, ids: Int64) -> Int64:
        """(n,) row of each id, -1 where it is not alive here."""
        rows = self.places.find(ids)
        return np.where((rows >= 0) & self.alive[rows], rows, -1) if len(self.ids) else rows

    def search(self, queries: Float32, k: int, within: Within) -> list[Hits]:
        """The best `k` for each query, exactly."""
        wanted = self.alive
        if within.since > EARLIEST or within.until < LATEST:
            wanted = wanted & (self.published >= within.since) & (self.published < within.until)
        wanted = wanted_rows(wanted, self.find, within)
        return search_exactly(self.rows, self.ids, queries, k, wanted)


class FlatIndex:
    """Exact inner-product search with upserts and deletions."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._saved, self._fresh = _empty(dim), _empty(dim)
        self._room = np.empty((0, dim), dtype=np.float32)  # what the fresh rows grow into

    @classmethod
    def load(cls, folder: Path) -> "FlatIndex":
        """Map a saved index; memory is shared between the processes that map it.

        Raises `OSError` or `ValueError`, naming the file, when the files are not what `save` wrote.
        """
        vectors = load_array(folder / _VECTORS_FILE, np.float32, 2, mapped=True)
        ids = load_array(folder / _IDS_FILE, np.int64, 1)
        published = load_array(folder / _PUBLISHED_FILE, np.int64, 1)
        if not len(vectors) == len(ids) == len(published):
            raise ValueError(f"{folder}: {len(vectors)} vectors, {len(ids)} ids, {len(published)} publication times")
        loaded = cls(vectors.shape[1])
        loaded._saved = _Part(vectors, ids, published)
        return loaded

    def save(self, folder: Path) -> None:
        """Write what is alive, in id order, into an existing folder."""
        ids = np.sort(self.ids())
        vectors, _ = self.vectors(ids)
        np.save(folder / _VECTORS_FILE, vectors)
        np.save(folder / _IDS_FILE, ids)
        np.save(folder / _PUBLISHED_FILE, self.published(ids))

    def __len__(self) -> int:
        return sum(int(part.alive.sum()) for part in self._parts())

    def ids(self) -> Int64:
        """All ids, (n,) int64, in no particular order."""
        return np.concatenate([part.ids[part.alive] for part in self._parts()])

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """Add or replace vectors (n, dim) float32. Raises `ValueError` as the protocol says."""
        ids = np.asarray(ids, dtype=np.int64)
        times = check_upsert(ids, vectors, published, self.dim)
        if not len(ids):
            return
        self.remove(ids)
        before = self._fresh
        held = len(before.ids)
        if held + len(ids) > len(self._room):
            room = np.empty((max(2 * held, held + len(ids)), self.dim), dtype=np.float32)
            room[:held] = before.rows.array
            self._room = room
        self._room[held : held + len(ids)] = vectors
        self._fresh = _Part(
            self._room[: held + len(ids)],
            np.concatenate([before.ids, ids]),
            np.concatenate([before.published, times]),
            max(before.rows.longest, longest(vectors)),
        )
        self._fresh.alive[:held] = before.alive
        self.compact()

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        for part in self._parts():
            rows = part.find(np.asarray(ids, dtype=np.int64))
            part.alive[rows[rows >= 0]] = False

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim), exactly; ties go to the lower id."""
        check_vectors(queries, len(queries), self.dim)
        within = narrowed(within, allowed)
        with one_thread():
            parts = [part.search(queries, k, within) for part in self._parts()]
        return merged(parts, len(queries), k)

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids and (n,) which of them are indexed; rows of the others are zero."""
        ids = np.asarray(ids, dtype=np.int64)
        found, known = np.zeros((len(ids), self.dim), dtype=np.float32), np.zeros(len(ids), dtype=bool)
        for part in self._parts():
            rows = part.find(ids)
            here = rows >= 0
            found[here] = part.rows.array[rows[here]]
            known |= here
        return found, known

    def published(self, ids: Int64) -> Int64:
        """(n,) publication times of ids in microseconds; 0 of those that are not indexed."""
        times = np.zeros(len(ids), dtype=np.int64)
        for part in self._parts():
            rows = part.find(np.asarray(ids, dtype=np.int64))
            here = rows >= 0
            times[here] = part.published[rows[here]]
        return times

    def _parts(self) -> tuple[_Part, _Part]:
        return self._saved, self._fresh

    def compact(self) -> None:
        """Copy what is alive into memory once more than half of the rows are dead."""
        parts = self._parts()
        rows = sum(len(part.ids) for part in parts)
        if rows < _GROWTH or len(self) > rows / 2:
            return
        ids = self.ids()
        published = np.concatenate([part.published[part.alive] for part in parts])
        self._room = np.concatenate([part.rows.array[part.alive] for part in parts])
        self._saved, self._fresh = _empty(self.dim), _Part(self._room, ids, published)


def _empty(dim: int) -> _Part:
    nothing = np.empty(0, dtype=np.int64)
    return _Part(np.empty((0, dim), dtype=np.float32), nothing, nothing)
