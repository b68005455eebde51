"""Which rows of an archive are searched: ids, publication times and digests, in memory."""

from pathlib import Path

import numpy as np

from recnews.index.base import EARLIEST, LATEST, Within
from recnews.index.files import load_array
from recnews.index.places import Places, wanted_rows
from recnews.records import Bools, Int64

_FILE = "archived.npy"


class Kept:
    """Rows in no particular order; one that is removed is dead until the next is added."""

    def __init__(self, table: Int64 | None = None) -> None:
        """`table` (3, n): ids, publication times, digests."""
        self._set(np.empty((3, 0), dtype=np.int64) if table is None else table)

    @classmethod
    def load(cls, folder: Path) -> "Kept":
        """What `save` wrote. Raises `OSError` or `ValueError`, naming the file."""
        table = load_array(folder / _FILE, np.int64, 2)
        if len(table) != 3:
            raise ValueError(f"{folder / _FILE}: {len(table)} columns, where 3 were written")
        return cls(np.array(table))

    def save(self, folder: Path) -> None:
        """Write what is alive into an existing folder."""
        np.save(folder / _FILE, np.ascontiguousarray(self._table[:, self.alive]))

    def __len__(self) -> int:
        return int(np.count_nonzero(self.alive))

    @property
    def ids(self) -> Int64:
        """(n,) of all rows, dead ones too."""
        return np.asarray(self._table[0])

    @property
    def published(self) -> Int64:
        """(n,) in microseconds, of all rows."""
        return np.asarray(self._table[1])

    def rows(self) -> tuple[Int64, Int64, Int64]:
        """Ids, publication times and digests, (n,) each, of what is alive."""
        ids, published, digests = self._table[:, self.alive]
        return ids, published, digests

    def find(self, ids: Int64) -> Int64:
        """(n,) row of each id, -1 where it is not alive here."""
        rows = self._places.find(np.asarray(ids, dtype=np.int64))
        return np.where((rows >= 0) & self.alive[rows], rows, -1) if len(self.alive) else rows

    def holds(self, ids: Int64, digests: Int64) -> Bools:
        """(n,) which ids are alive here with the same digest."""
        rows = self.find(ids)
        if not len(self.alive):
            return np.zeros(len(ids), dtype=bool)
        return np.asarray((rows >= 0) & (self._table[2][rows] == digests))

    def add(self, ids: Int64, published: Int64, digests: Int64) -> None:
        """Add rows, in place of those of the same ids."""
        if len(ids):
            self.remove(ids)
            self._set(np.hstack([self._table[:, self.alive], np.stack([ids, published, digests])]))

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        rows = self.find(ids)
        self.alive[rows[rows >= 0]] = False

    def wanted(self, within: Within) -> Bools:
        """(n,) which rows may be answered."""
        return wanted_rows(self.alive & self.in_time(within), self.find, within)

    def in_time(self, within: Within) -> Bools:
        """(n,) which rows, alive or not, are of the times asked for."""
        if within.since == EARLIEST and within.until == LATEST:
            return np.ones(len(self.alive), dtype=bool)
        return np.asarray((self.published >= within.since) & (self.published < within.until))

    def _set(self, table: Int64) -> None:
        self._table = np.ascontiguousarray(table)
        self.alive = np.ones(self._table.shape[1], dtype=bool)
        self._places = Places(self._table[0])
