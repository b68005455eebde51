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

    def remove(self, ids: Int64) -> None:
        """Drop the rows of ids."""
        if len(ids):
            self._keep(~np.isin(self.ids, ids))

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


def among(values: Int64, few: Int64) -> Bools:
    """(n,) which values are among a few; all are ids, small numbers, so a table is quicker than to sort."""
    if not len(values) or not len(few):
        return np.zeros(len(values), dtype=bool)
    table = np.zeros(max(int(values.max()), int(few.max())) + 1, dtype=bool)
    table[few] = True
    return table[values]
