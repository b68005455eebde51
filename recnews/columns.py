"""What a feed filters on: publication, expiry, state, category, language, source and story of each article."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnews import arrays
from recnews.records import Bools, Int64
from recnews.store import Change

_FOREVER = np.iinfo(np.int64).max


class Columns:
    """One row an article, ascending by id. Category, language and source are small integers into `names`."""

    def __init__(self) -> None:
        self.ids = np.empty(0, dtype=np.int64)
        self.published = np.empty(0, dtype=np.int64)
        self.expires = np.empty(0, dtype=np.int64)
        self.hidden = np.empty(0, dtype=bool)
        self.category = np.empty(0, dtype=np.int32)
        self.lang = np.empty(0, dtype=np.int32)
        self.source = np.empty(0, dtype=np.int32)
        self.story = np.empty(0, dtype=np.int64)
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._by_time: tuple[Int64, Int64] | None = None
        self._followers: tuple[Int64, Int64] | None = None

    _NAMES = ("published", "expires", "hidden", "category", "lang", "source", "story")

    def code(self, name: str) -> int:
        """The integer of a name, -1 for one that no article has."""
        return self._codes.get(name, -1)

    def rows(self, ids: Int64) -> Int64:
        """(n,) rows of ids that are all present."""
        return np.searchsorted(self.ids, ids)

    def holds(self, ids: Int64) -> Bools:
        """(n,) which ids have a row."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=bool)
        return np.asarray(self.ids[np.minimum(self.rows(ids), len(self.ids) - 1)] == ids)

    def labels(self, column: str, ids: Int64) -> Int64:
        """(n,) codes of ids in a column of names, -1 for the empty name; every id must be present."""
        codes: Int64 = getattr(self, column)[self.rows(ids)].astype(np.int64)
        return np.where(codes == self.code(""), -1, codes)

    @property
    def by_time(self) -> tuple[Int64, Int64]:
        """(n,) publication times, ascending, and (n,) the row of each; rows of one instant in their order."""
        if self._by_time is None:
            rows = np.argsort(self.published, kind="stable")
            self._by_time = self.published[rows], rows
        return self._by_time

    def of_stories(self, stories: Int64) -> Int64:
        """Rows of the articles of some stories, each given once."""
        if self._followers is None:
            rows = np.flatnonzero(self.story != self.ids)  # a story has the id of one of its articles
            rows = rows[np.argsort(self.story[rows], kind="stable")]
            self._followers = self.story[rows], rows
        told, rows = self._followers
        own = self.rows(stories[self.holds(stories)])
        own = own[self.story[own] == self.ids[own]]
        first, stop = (np.searchsorted(told, stories, side).tolist() for side in ("left", "right"))
        others = [rows[start:end] for start, end in zip(first, stop, strict=True) if start < end]
        return np.concatenate([own, *others])

    def remove(self, ids: Int64) -> None:
        """Drop the rows of ids."""
        if len(ids):
            self._keep(~np.isin(self.ids, ids))
            self._by_time = self._followers = None

    def upsert(self, ids: Int64, changes: list[Change]) -> None:
        """Replace or insert the rows of ids (unique)."""
        given = {
            "published": [change.published_at for change in changes],
            "expires": [_FOREVER if change.expires_at is None else change.expires_at for change in changes],
            "hidden": [change.hidden for change in changes],
            "category": [self._new_code(change.category) for change in changes],
            "lang": [self._new_code(change.lang) for change in changes],
            "source": [self._new_code(change.source) for change in changes],
            "story": [change.story_id for change in changes],
        }
        order = np.argsort(ids)
        known = self.holds(ids[order])
        there, new = order[known], order[~known]
        rows, places = self.rows(ids[there]), self.rows(ids[new])
        self._followers = None
        published = np.array(given["published"], dtype=np.int64)
        if (places < len(self.ids)).any() or (self.published[rows] != published[there]).any():
            self._by_time = None
        elif self._by_time is not None and len(new):
            # Articles come one by one to a catalog of many: their order in time is not made anew for each.
            self._by_time = _with_last(*self._by_time, published[new])
        for name in self._NAMES:
            column = getattr(self, name)
            values = np.array(given[name], dtype=column.dtype)
            column[rows] = values[there]
            if len(new):
                setattr(self, name, _inserted(column, places, values[new]))
        if len(new):
            self.ids = _inserted(self.ids, places, ids[new])

    def rows_as_read(self) -> list[tuple[object, ...]]:
        """The rows with names in place of codes."""
        named = [[self.names[code] for code in getattr(self, column)] for column in ("category", "lang", "source")]
        plain = [getattr(self, column).tolist() for column in ("ids", "published", "expires", "hidden", "story")]
        return list(zip(*plain, *named, strict=True))

    def save(self, file: Path) -> None:
        """Write the columns."""
        np.savez(file, ids=self.ids, **{name: getattr(self, name) for name in self._NAMES})

    @classmethod
    def load(cls, file: Path, names: list[str]) -> "Columns":
        """Read what `save` wrote."""
        columns = cls()
        found = arrays.load_all(file)
        for name in ("ids", *cls._NAMES):
            setattr(columns, name, found[name])
        for name in names:
            columns._new_code(name)
        return columns

    def _keep(self, which: Bools | Int64) -> None:
        for name in ("ids", *self._NAMES):
            setattr(self, name, getattr(self, name)[which])

    def _new_code(self, name: str) -> int:
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]


def _inserted(column: NDArray[Any], places: Int64, values: NDArray[Any]) -> NDArray[Any]:
    """`column` with values before the rows `places`; mostly they come last, which is quicker."""
    if (places == len(column)).all():
        return np.concatenate([column, values])
    return np.insert(column, places, values)


def _with_last(times: Int64, rows: Int64, new: Int64) -> tuple[Int64, Int64]:
    """Times in order and their rows, with those of new last rows."""
    order = np.argsort(new, kind="stable")
    places = np.searchsorted(times, new[order], side="right")
    return np.insert(times, places, new[order]), np.insert(rows, places, len(rows) + order)
