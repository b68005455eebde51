"""Who reads what lately: the figures behind popularity and exploration, following the reading log as it grows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from recnews.config import FeedSettings
from recnews.rank import Audience, corrected
from recnews.records import Int64
from recnews.store import Hours, Store, to_micros

_HOUR = 3_600_000_000
_MARGIN = 24
_KEPT = 240
"""Hours before what is asked: so many are counted, too, for questions as of a little earlier; so many are kept."""


class Lately:
    """The audience of all articles at one time."""

    def __init__(self, hours: Hours, hour: int, half_life_hours: float) -> None:
        self.hour = hour
        self.ids, starts = np.unique(hours.ids, return_index=True)
        ages = np.where(hours.hours < 0, 0, np.maximum(hour - hours.hours, 0))
        left = hours.readers * 0.5 ** (ages / half_life_hours)
        readers, shown_each = hours.readers, hours.shown
        if len(starts):
            left, readers, shown_each = (np.add.reduceat(column, starts) for column in (left, readers, shown_each))
        self._all = Audience(left.astype(np.float32), readers, shown_each)
        shown = int(self._all.shown.sum())
        self.rate = float(self._all.seen_by[self._all.shown > 0].sum()) / shown if shown else 0.0
        self._corrected = corrected(self._all, self.rate)
        self.most = float(self._corrected.max(initial=0.0))
        self._order = np.lexsort((self.ids, -self._corrected))

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

    def leading(self, allowed: Int64, count: int) -> Int64:
        """The most read of some articles, given by ascending ids; at most `count`."""
        if not len(allowed):
            return allowed[:0]
        found, start, step = self.ids[:0], 0, 4 * count
        while len(found) < count and start < len(self._order):  # mostly the first few hundred hold enough
            some = self.ids[self._order[start : start + step]]
            place = np.minimum(np.searchsorted(allowed, some), len(allowed) - 1)
            found, start, step = np.concatenate([found, some[allowed[place] == some]]), start + step, 2 * step
        return found[:count]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The log from hour `first` on, without an end, as of change number `seq`."""

    first: int
    seq: int
    bounce: float
    hours: Hours


class Audiences:
    """Counts the reading log of a store once, then only what comes to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: _Counted | None = None
        self._kept: tuple[tuple[object, ...], int, Lately] | None = None

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
        lately = Lately(self._hours(now, hour, settings, seq, latest), hour, settings.popularity_half_life_hours)
        if kept is None or kept[0][0] != seq or kept[1] <= moment:
            self._kept = (asked, moment, lately)
        return lately

    def _hours(self, now: datetime, hour: int, settings: FeedSettings, seq: int, latest: int) -> Hours:
        """Readers by article and hour in the days before `now`."""
        readings, bounce, span = self._store.readings, settings.bounce_seconds, settings.popularity_days * 24
        first = hour - int(span)
        known = self._followed(first, bounce, seq) if span == int(span) else None
        if known is None:
            return readings.hours(_start_of(hour) - timedelta(days=settings.popularity_days), now, bounce)
        if latest < to_micros(now):
            return known.hours.between(first, hour)
        # Some were logged at later times: of the hour that is going on, only what came before `now` counts.
        ongoing = readings.hours(_start_of(hour), now, bounce, timeless=False)
        return known.hours.between(first, hour - 1).with_more(ongoing)

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
            known = _Counted(start, seq, bounce, self._store.readings.hours(_start_of(start), None, bounce))
        elif seq > known.seq:
            more = self._store.readings.hours(_start_of(known.first), None, bounce, after=known.seq)
            known = _Counted(known.first, seq, bounce, known.hours.with_more(more))
        self._counted = known
        return known


def _start_of(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
