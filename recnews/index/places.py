"""Where ids lie, and which rows a search wants."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recnews.index.base import Within
from recnews.records import Bools, Int64

_SPARSE, _SMALL = 8, 4096  # a table of 4 bytes an id may have this many places for each row, and so many more


class Places:
    """The row of each id of a part of an index. An id may stand in several rows: the last is meant."""

    def __init__(self, ids: Int64) -> None:
        self._ids = ids
        self._lowest = int(ids.min()) if len(ids) else 0
        span = int(ids.max()) - self._lowest + 1 if len(ids) else 0
        # The store counts its ids up, so that those of a part lie close together: a table finds 100,000 of them in a
        # tenth of the time that a search among sorted ids takes.
        self._table: NDArray[np.int32] | None = None
        if span <= _SPARSE * len(ids) + _SMALL:
            self._table = np.full(span, -1, dtype=np.int32)
            self._table[ids - self._lowest] = np.arange(len(ids), dtype=np.int32)
        else:
            self._order = np.argsort(ids, kind="stable")
            self._sorted = ids[self._order]

    def find(self, ids: Int64) -> Int64:
        """(n,) row of each id, -1 where there is none."""
        if not len(self._ids):
            return np.full(len(ids), -1, dtype=np.int64)
        if self._table is not None:
            offsets = ids - self._lowest
            inside = (offsets >= 0) & (offsets < len(self._table))
            return np.where(inside, self._table[np.where(inside, offsets, 0)], -1).astype(np.int64)
        rows = self._order[np.maximum(np.searchsorted(self._sorted, ids, side="right") - 1, 0)]
        return np.where(self._ids[rows] == ids, rows, -1)


def wanted_rows(alive: Bools, find: Callable[[Int64], Int64], within: Within) -> Bools:
    """(n,) which of the rows that are `alive` may be answered by the ids of `within`; times are not looked at."""
    wanted = alive
    if within.allowed is not None:
        rows = find(np.asarray(within.allowed, dtype=np.int64))
        rows = rows[rows >= 0]
        wanted = np.zeros(len(alive), dtype=bool)
        wanted[rows] = alive[rows]
    if within.exclude is not None and len(within.exclude):
        rows = find(np.asarray(within.exclude, dtype=np.int64))
        wanted = wanted.copy()
        wanted[rows[rows >= 0]] = False
    return wanted
