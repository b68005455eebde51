"""The map of an open home: opened at the first question, then kept and brought up to date."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from recnews.errors import NoMapError
from recnews.newsroom.given import aware
from recnews.newsroom.home import Home

if TYPE_CHECKING:
    from recnews.atlas import Atlas
    from recnews.mapping import Mapped, Trends
    from recnews.records import Int64

_TRENDS_KEPT = 4
_SAVED_AFTER, _KEPT_AFTER = 1000, 100
"""Changes after which the snapshot is written: by who looks at the map, and by who keeps house, so that who looks at it
first need not place thousands of articles."""


class Maps:
    """What the analyst's map asks of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._atlas: Atlas | None = None
        self._reads: tuple[Int64, Int64] | None = None
        self._read_through = 0
        self._trends: dict[tuple[str, str, str], Trends] = {}

    def keep(self) -> None:
        """Bring the map's snapshot up to date. Nothing without a map. Raises `NoGenerationError`,
        `DamagedGenerationError`."""
        with suppress(NoMapError):
            self._current(_KEPT_AFTER)

    def current(self) -> "Mapped":
        """The map of what is stored by now. Raises `NoGenerationError`, `NoMapError`, `DamagedGenerationError`."""
        return self._current(_SAVED_AFTER)

    def _current(self, saved_after: int) -> "Mapped":
        from recnews.atlas import Atlas
        from recnews.mapping import Mapped

        generation = self._home.serving.generation(prepared=False)
        if self._atlas is None or self._atlas.generation != generation.id:
            self._atlas = Atlas.open(generation)
        if self._atlas is None:
            raise NoMapError(generation.id, str(generation.manifest.map.get("missing", "old")))
        self._atlas.refresh(self._home.store)
        self._atlas.save_if_due(generation.folder, saved_after)
        return Mapped(self._home.store, self._atlas, self._home.settings.map)

    def trends(self, *, at: datetime | None = None) -> "Trends":
        """What rises in the seven days before `at`; counted once for an hour and a state of the store. Raises as
        `current`."""
        mapped, now = self.current(), aware(at)
        hour = now.replace(minute=0, second=0, microsecond=0)
        asked = (mapped.atlas.generation, mapped.atlas.token, (now if at else hour).isoformat())
        if asked not in self._trends:
            while len(self._trends) >= _TRENDS_KEPT:
                del self._trends[next(iter(self._trends))]
            self._trends[asked] = mapped.trends(now, mapped.atlas.generation)
        return self._trends[asked]

    def reads(self, ids: "Int64") -> "Int64":
        """(n,) how often articles were read, bounces left out. The log is counted once, then only what comes."""
        store, bounce = self._home.store, self._home.settings.feed.bounce_seconds
        latest, _ = store.readings.latest()
        if self._reads is None or store.readings.forgot_since(self._read_through) or latest < self._read_through:
            self._reads = store.readings.times_read(bounce)
        elif latest > self._read_through:
            self._reads = _added(self._reads, store.readings.times_read(bounce, after=self._read_through))
        self._read_through = latest
        known, counts = self._reads
        if not len(known):
            return np.zeros(len(ids), dtype=np.int64)
        rows = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[rows] == ids, counts[rows], 0)


def _added(one: "tuple[Int64, Int64]", other: "tuple[Int64, Int64]") -> "tuple[Int64, Int64]":
    ids, places = np.unique(np.concatenate([one[0], other[0]]), return_inverse=True)
    return ids, np.bincount(places, np.concatenate([one[1], other[1]]), len(ids)).astype(np.int64)
