"""Removing what has outlived its keeping, while everything goes on: expired articles, and events past retention."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recnews.config import RetentionSettings
from recnews.records import EventKind
from recnews.store import Store

_BATCH = 500
_IMPRESSIONS: tuple[EventKind, ...] = ("impression",)
_ACTS: tuple[EventKind, ...] = ("read", "like", "share", "dislike")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be: articles that have expired, acts and impressions past their keeping, and
    generations."""

    articles: int = 0
    events: int = 0
    impressions: int = 0
    generations: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.articles or self.events or self.impressions or self.generations)


def to_prune(store: Store, retention: RetentionSettings, now: datetime) -> Pruned:
    """What `prune` would remove of a store."""
    articles = _before(retention.expired_days, now)
    found = Pruned() if articles is None else Pruned(store.pruning.expired(articles))
    for name, kinds, until in _logs(retention, now):
        found = replace(found, **{name: store.pruning.events(until, kinds)})  # type: ignore[arg-type]
    return found


def prune(store: Store, retention: RetentionSettings, now: datetime) -> Pruned:
    """Remove it, some hundred rows a transaction, and leave others as much time between two of them as one took.

    Killed at any moment and run again, it goes on. Catalogs follow; what is sealed is compacted by the next seal, and
    what readers taught is counted again.
    """
    articles = _before(retention.expired_days, now)
    done = Pruned() if articles is None else Pruned(_all(lambda: store.pruning.remove_expired(articles, _BATCH)))
    for name, kinds, until in _logs(retention, now):
        done = replace(done, **{name: _removed_events(store, until, kinds)})  # type: ignore[arg-type]
    return done


def _removed_events(store: Store, until: datetime, kinds: tuple[EventKind, ...]) -> int:
    return _all(lambda: store.pruning.remove_events(until, kinds, _BATCH))


def _all(remove: Callable[[], int]) -> int:
    removed = 0
    while True:
        started = time.monotonic()
        found = remove()
        removed += found
        if found < _BATCH:
            return removed
        time.sleep(time.monotonic() - started)  # a writer that waits for its turn is not woken, it looks now and then


def _logs(retention: RetentionSettings, now: datetime) -> Iterator[tuple[str, tuple[EventKind, ...], datetime]]:
    for name, kinds, days in (
        ("events", _ACTS, retention.events_days),
        ("impressions", _IMPRESSIONS, retention.impressions_days),
    ):
        if (until := _before(days, now)) is not None:
            yield name, kinds, until


def _before(days: float | None, now: datetime) -> datetime | None:
    return None if days is None else now - timedelta(days=days)
