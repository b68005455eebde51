"""What may be shown to one who asks: a filter over the columns of a catalog, told as a search restriction, for ids at
hand, or newest first. What is asked about a few days looks at their articles only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from recnews.columns import Columns
from recnews.index.base import EARLIEST, Within
from recnews.records import Bools, Int64
from recnews.store import to_micros

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Filter:
    """What may be served: empty fields do not restrict. `since` is the earliest publication time; what is of
    `no_categories` or `no_sources` is not served."""

    categories: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    no_categories: tuple[str, ...] = ()
    no_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Servable:
    """Articles that may be shown at `moment` (microseconds): published, not expired, not hidden, passing the filter,
    and not of a story in `told` (m,), ascending; of those in `only` where it is given, and of no id above `newest`."""

    columns: Columns
    moment: int
    wanted: Filter = Filter()
    told: Int64 = field(default_factory=_NONE.copy)
    only: Int64 | None = None
    newest: int | None = None

    def beside(self, ids: Int64) -> "Servable":
        """What is not of the story of any of some articles; unknown ids are ignored."""
        known = ids[self.columns.holds(ids)]
        if not len(known):
            return self
        return replace(self, told=np.union1d(self.told, self.columns.story[self.columns.rows(known)]))

    def outside(self, categories: Sequence[str]) -> "Servable":
        """What is of no such category."""
        refused = (*self.wanted.no_categories, *categories)
        return replace(self, wanted=replace(self.wanted, no_categories=refused)) if categories else self

    def holds(self, ids: Int64) -> Bools:
        """(n,) which ids may be shown."""
        shown = self.columns.holds(ids)
        rows = self.columns.rows(ids[shown])
        times = self.columns.published[rows]
        shown[shown] = (times >= self._since) & (times <= self.moment) & self._passing(rows)
        if self.only is not None:
            shown &= np.isin(ids, self.only)
        return shown

    def ids(self) -> Int64:
        """All of them, ascending."""
        if self.only is not None:
            named = np.unique(self.only)
            return named[self.holds(named)]
        rows = self._in_time()
        return np.sort(self.columns.ids[rows[self._passing(rows)]])

    def newest_first(self, count: int) -> Iterator[Int64]:
        """Ids, the latest published first, about `count` at once, then four times as many, and so on; articles of one
        instant come together."""
        if self.only is not None:
            ids = self.ids()
            yield ids[np.argsort(-self.columns.published[self.columns.rows(ids)], kind="stable")]
            return
        times, order = self.columns.by_time
        first, stop = self._bounds()
        while stop > first:
            start = max(stop - count, first)
            start = max(int(np.searchsorted(times, times[start])), first)
            rows = order[start:stop][::-1]
            yield self.columns.ids[rows[self._passing(rows)]]
            stop, count = start, 4 * count

    def within(self) -> Within:
        """The same as a restriction of a search, with a list of ids that is as short as may be."""
        if self.only is not None:
            return Within(self.ids())
        rows = self._in_time()
        passing = self._passing(rows)
        refused = np.flatnonzero(~passing)
        if 2 * len(refused) > len(rows):
            return Within(self.columns.ids[rows[passing]], since=self._since, until=self.moment + 1)
        return Within(None, self.columns.ids[rows[refused]], self._since, self.moment + 1)

    @property
    def _since(self) -> int:
        return EARLIEST if self.wanted.since is None else to_micros(self.wanted.since)

    def _bounds(self) -> tuple[int, int]:
        times, _ = self.columns.by_time
        first = 0 if self.wanted.since is None else int(np.searchsorted(times, self._since))
        return first, max(int(np.searchsorted(times, self.moment, side="right")), first)

    def _in_time(self) -> Int64:
        """Rows that are published and not too old, by time."""
        first, stop = self._bounds()
        return self.columns.by_time[1][first:stop]

    def _passing(self, rows: Int64) -> Bools:
        """(n,) which rows pass all but the times of publication and the list of the only ones."""
        columns, wanted = self.columns, self.wanted
        all_rows = len(rows) > len(columns.ids) / 2  # columns are read in their order then: to gather takes longer
        some: slice | Int64 = slice(None) if all_rows else rows
        shown = ~columns.hidden[some]
        shown &= columns.expires[some] > self.moment
        for values, asked, refused in (
            (columns.category, wanted.categories, wanted.no_categories),
            (columns.lang, wanted.langs, ()),
            (columns.source, wanted.sources, wanted.no_sources),
        ):
            if asked:
                shown &= np.isin(values[some], [columns.code(name) for name in asked])
            if refused:
                shown &= ~np.isin(values[some], [columns.code(name) for name in refused])
        if self.newest is not None:
            shown &= columns.ids[some] <= self.newest
        if len(self.told):
            told = np.zeros(len(columns.ids), dtype=bool)
            told[columns.of_stories(self.told)] = True
            shown &= ~told[some]
        return shown[rows] if all_rows else shown
