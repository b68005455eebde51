"""Who reads what lately: the figures behind popularity and exploration, following the reading log as it grows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from recnews.config import FeedSettings
from recnews.rank import Audience, corrected
from recnews.records import Bools, Int64
from recnews.store import Hours, Store, to_micros

_HOUR = 3_600_000_000
_MARGIN = 24
_KEPT = 240
"""Hours before what is asked: so many are counted, too, for questions as of a little earlier; so many are kept."""
_LATE = 4096
"""So many counts of an article and an hour are kept beside the others before they are sorted in."""
_WHOLE = 2.0**32
_NOTHING = Hours(*(np.empty(0, dtype=np.int64) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class Tally:
    """What articles `ids` (n,), ascending, had: readers weighed by age `left` (n,), in parts of `_WHOLE`, `readers`
    (n,) and `shown` (n,). All are whole numbers, so that sums are the same however they are put together."""

    ids: Int64
    left: Int64
    readers: Int64
    shown: Int64

    @classmethod
    def of(cls, hours: Hours, hour: int, half_life_hours: float) -> "Tally":
        """Hours added up, as of `hour`; what has no time counts as if it were new."""
        ages = np.where(hours.hours < 0, 0, np.maximum(hour - hours.hours, 0))
        left = hours.readers * np.rint(_WHOLE * 0.5 ** (ages / half_life_hours)).astype(np.int64)
        ids, starts = np.unique(hours.ids, return_index=True)
        columns = (left, hours.readers, hours.shown)
        return cls(ids, *(np.add.reduceat(column, starts) if len(starts) else column for column in columns))

    def plus(self, more: "Tally") -> "Tally":
        """Both together."""
        if not len(more.ids):
            return self
        ids = self.ids
        if not np.isin(more.ids, ids).all():
            ids = np.union1d(ids, more.ids)
        columns = []
        for name in ("left", "readers", "shown"):
            column = np.zeros(len(ids), dtype=np.int64)
            column[np.searchsorted(ids, self.ids)] = getattr(self, name)
            column[np.searchsorted(ids, more.ids)] += getattr(more, name)
            columns.append(column)
        return Tally(ids, *columns)


class Lately:
    """The audience of all articles at one time."""

    def __init__(self, tally: Tally) -> None:
        self.ids = tally.ids
        self._all = Audience((tally.left / _WHOLE).astype(np.float32), tally.readers, tally.shown)
        shown = int(self._all.shown.sum())
        self.rate = float(self._all.seen_by[self._all.shown > 0].sum()) / shown if shown else 0.0
        self._corrected = corrected(self._all, self.rate)
        self.most = float(self._corrected.max(initial=0.0))

    def of(self, ids: Int64) -> Audience:
        """The audience of some articles; their `readers` are corrected for exposure."""
        found, rows = np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=np.int64)
        if len(self.ids):
            rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
            found = self.ids[rows] == ids
        if not found.any():
            none = np.zeros(len(ids), dtype=np.int64)
            return Audience(none.astype(np.float32), none, none)
        return Audience(
            np.where(found, self._corrected[rows], np.float32(0)),
            np.where(found, self._all.seen_by[rows], 0),
            np.where(found, self._all.shown[rows], 0),
        )

    def leading(self, shown: Callable[[Int64], Bools], count: int) -> Int64:
        """The most read of the articles that `shown` says may be; at most `count`."""
        for most in (8 * count, len(self.ids)):  # mostly the first few hundred hold enough
            some = self._most_read(most)
            found = some[shown(some)]
            if len(found) >= count or most >= len(self.ids):
                break
        return found[:count]

    def _most_read(self, count: int) -> Int64:
        """The `count` most read articles or a few more, in order."""
        rows = np.arange(len(self.ids))
        if count < len(rows):
            least = np.partition(self._corrected, len(rows) - count)[len(rows) - count]
            rows = np.flatnonzero(self._corrected >= least)
        return self.ids[rows[np.lexsort((self.ids[rows], -self._corrected[rows]))]]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The log from hour `first` on, without an end, as of change number `seq`: most of it in `hours`, which stays as it
    is for a while, and what came last in `late`."""

    first: int
    seq: int
    bounce: float
    hours: Hours
    late: Hours

    def and_more(self, more: Hours, seq: int) -> "_Counted":
        """With what was counted up to a later change number."""
        late = self.late.with_more(more)
        if len(late.ids) <= _LATE:
            return replace(self, seq=seq, late=late)
        return replace(self, seq=seq, hours=self.hours.with_more(late), late=_NOTHING)


class Audiences:
    """Counts the reading log of a store once, then only what comes to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: _Counted | None = None
        self._kept: tuple[tuple[object, ...], int, Lately] | None = None
        self._added: tuple[Hours, tuple[object, ...], Tally] | None = None

    def at(self, now: datetime, settings: FeedSettings) -> Lately:
        """The audience at `now`: of whole hours before it, and of the hour that is going on so far."""
        seq, latest = self._store.readings.latest()
        moment = to_micros(now)
        hour = moment // _HOUR
        asked = (seq, hour, settings.popularity_days, settings.popularity_half_life_hours, settings.bounce_seconds)
        kept = self._kept
        if kept is not None and kept[0] == asked and kept[1] <= moment:
            # As long as nothing was read between the two moments, both have the same answer.
            same = latest < kept[1] or not self._store.readings.any_between(kept[1], moment)
            if same:
                return kept[2]
        lately = Lately(self._tally(now, hour, settings, seq, latest))
        if kept is None or kept[0][0] != seq or kept[1] <= moment:
            self._kept = (asked, moment, lately)
        return lately

    def _tally(self, now: datetime, hour: int, settings: FeedSettings, seq: int, latest: int) -> Tally:
        """Readers by article in the days before `now`."""
        readings, bounce, span = self._store.readings, settings.bounce_seconds, settings.popularity_days * 24
        first, half_life = hour - int(span), settings.popularity_half_life_hours
        known = self._followed(first, bounce, seq) if span == int(span) else None
        if known is None:
            hours = readings.hours(_start_of(hour) - timedelta(days=settings.popularity_days), now, bounce)
            return Tally.of(hours, hour, half_life)
        last = hour if latest < to_micros(now) else hour - 1
        found = self._most_of(known.hours, first, last, hour, half_life)
        found = found.plus(Tally.of(known.late.between(first, last), hour, half_life))
        if last < hour:
            # Some were logged at later times: of the hour that is going on, only what came before `now` counts.
            ongoing = readings.hours(_start_of(hour), now, bounce, timeless=False)
            found = found.plus(Tally.of(ongoing, hour, half_life))
        return found

    def _most_of(self, hours: Hours, first: int, last: int, hour: int, half_life: float) -> Tally:
        """What is followed, added up once and kept while nothing but the latest events changes."""
        asked = (first, last, hour, half_life)
        if self._added is None or self._added[0] is not hours or self._added[1] != asked:
            self._added = (hours, asked, Tally.of(hours.between(first, last), hour, half_life))
        return self._added[2]

    def _followed(self, first: int, bounce: float, seq: int) -> _Counted | None:
        """The log from hour `first` on or earlier; None for a time before what is followed."""
        known = self._counted
        if known is not None and (known.bounce != bounce or seq < known.seq or known.first < first - _KEPT):
            known = None
        if known is not None and self._store.readings.forgot_since(known.seq):
            known = None
        if known is not None and known.first > first:
            return None
        if known is None:
            start = first - _MARGIN
            hours = self._store.readings.hours(_start_of(start), None, bounce)
            known = _Counted(start, seq, bounce, hours, _NOTHING)
        elif seq > known.seq:
            more = self._store.readings.hours(_start_of(known.first), None, bounce, after=known.seq)
            known = known.and_more(more, seq)
        self._counted = known
        return known


def _start_of(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
