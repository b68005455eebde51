"""Bringing what was learned up to date with what is stored."""

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from recnews.config import RetentionSettings, Settings
from recnews.errors import BusyError, RecnewsError
from recnews.generation import Generation
from recnews.index.archive import ArchiveSettings
from recnews.index.archived import ArchivedIndex
from recnews.index.engines import FAISS
from recnews.index.planning import SegmentSettings
from recnews.reports import Segment

if TYPE_CHECKING:
    from queue import SimpleQueue

    from recnews.embed.base import Progress
    from recnews.newsroom.home import Home
    from recnews.prune import Pruned
    from recnews.text import Parcel

_SNAPSHOT_AFTER = 1000
_REINDEXING = "REINDEXING"
_log = logging.getLogger("recnews")


def make_searchable(home: "Home", count: bool = True) -> int:
    """Encode what is stored and not searchable (nothing before the first training), and find its stories; how many
    articles were encoded. `count` also takes in what the reading log says by now."""
    indexed = 0
    home.generations.follow_store()  # what is taken in here is encoded with what all nodes answer from
    while (live := home.generations.current().live) is not None:
        indexed += catch_up(home, home.serving.generation(prepared=True), count)
        home.generations.follow_store()
        if home.generations.current().live == live:
            break  # else another process switched meanwhile, and may not have seen what was just stored
    group(home)
    return indexed


def encode_stored(
    home: "Home",
    tell: Callable[[int], None] | None = None,
    remembered: int | None = None,
    handed: "SimpleQueue[Parcel] | None" = None,
    finish: bool = False,
) -> int:
    """Encode what is stored and not encoded; how many articles that were. `tell` is called after each batch with how
    many have been encoded so far; `remembered` is how many tokens to keep for when they are needed again, `handed` what
    other processes have cut. What holds words learned since it was encoded is left as it is, but to `finish`. Raises
    `NoGenerationError`."""
    from recnews.indexing import encode_new, index_pending

    generation = home.serving.generation(prepared=True)
    if remembered is not None:
        generation.remember(remembered, handed)
    return (index_pending if finish else encode_new)(home.store, generation, progress=tell, cluster=home.cluster)


def is_searchable(home: "Home") -> bool:
    """Whether all that is stored is encoded, with all words that are known."""
    live, vectors = home.generations.current().live, home.store.vectors
    return live is not None and not vectors.lacks(live) and not vectors.outdated(live, 1).texts


def group(home: "Home") -> int:
    """Find the stories of what is searchable; how many articles were looked at."""
    from recnews.stories import group_pending

    return group_pending(home.store, home.generations.current().live, home.settings.stories)


def catch_up(home: "Home", generation: Generation, count: bool = True) -> int:
    """Encode what is stored and a generation, live or not, has not encoded; otherwise as `make_searchable`."""
    from recnews.indexing import index_pending

    indexed = index_pending(home.store, generation, cluster=home.cluster)
    if count:
        _count(home, generation)
    return indexed


def encode_all_again(home: "Home", progress: "Progress") -> int:
    """Encode all articles anew with the generation that serves; how many. A file in its folder says that this has
    begun: one that was stopped goes on where it was. Raises `NoGenerationError`."""
    from recnews.indexing import index_pending

    generation = home.serving.generation(prepared=True)
    begun, vectors, done = generation.folder / _REINDEXING, home.store.vectors, 0
    if not begun.exists():
        vectors.encode_again(generation.id)
        begun.touch()
    total = max(vectors.distance_of(generation.id), 1)

    def tell(count: int) -> None:
        nonlocal done
        done = count
        progress("articles", min(count / total, 1.0))

    index_pending(home.store, generation, progress=tell, cluster=home.cluster)
    begun.unlink()
    group(home)
    save_snapshot(home)
    return done


def count_log(home: "Home") -> None:
    """Take in what the reading log says by now, once it has grown enough. Nothing before the first training."""
    if home.generations.current().live is not None:
        _count(home, home.serving.generation(prepared=False))


def count_events(home: "Home") -> None:
    """As `count_log`, for events that are stored already, whatever state the generations are in; the next training
    counts them anyway."""
    try:
        count_log(home)
    except RecnewsError as error:
        _log.warning("%s; the reading log is not counted", error)


def save_snapshot(home: "Home") -> None:
    """Spare the next process from reading what this one has added. Raises `NoGenerationError`."""
    generation, catalog = home.serving.current()
    if catalog.changed_since_snapshot >= _SNAPSHOT_AFTER:
        catalog.save(generation.folder)


def seal(home: "Home", now: datetime) -> list[Segment]:
    """Seal the vectors of older articles as the settings ask for, or hand them over to the archive; the sealed segments
    there are then, oldest first. Nothing is done while another process of any machine does.

    Raises `NoGenerationError`, and `SealError` when no kind of segment that fits the memory finds as much as is asked
    for, `ArchiveError` when the archive cannot be written.
    """
    asked = home.settings.index
    settings = SegmentSettings(
        memory=asked.memory_bytes, hot_days=asked.hot, least=asked.least, most=asked.most, recall=asked.recall
    )
    with suppress(BusyError), home.store.alone("archive") if archive_settings(home.settings) else nullcontext():
        _, catalog = home.serving.current()  # as of now: what another machine has handed over is known
        catalog.recover(home.store)
        catalog.seal(now, settings)
        if isinstance(catalog.index, ArchivedIndex):
            catalog.index.drop_others({catalog.generation, *home.store.vectors.generations()})
    return home.serving.current()[1].segments()


def prune(home: "Home", retention: RetentionSettings, now: datetime, dry_run: bool) -> "Pruned":
    """Remove what has outlived its keeping, and bring what was learned after it; with `dry_run`, only count."""
    from recnews.prune import prune as prune_store
    from recnews.prune import to_prune

    keep = retention.generations
    if dry_run:
        old = home.generations.old(keep) if keep is not None else ()
        return replace(to_prune(home.store, retention, now), generations=tuple(sorted(old)))
    removed = prune_store(home.store, retention, now)
    if removed.events:
        count_events(home)
    if removed.articles:
        _compact(home, now)
    gone = home.generations.prune(keep) if keep is not None and home.generations.old(keep) else ()
    return replace(removed, generations=tuple(gone))


def _compact(home: "Home", now: datetime) -> None:
    """Write sealed segments anew of which much is gone; without a generation, or where that cannot be, whoever seals
    next does."""
    try:
        seal(home, now)
    except RecnewsError as error:
        _log.warning("%s; sealed segments are not compacted", error)


def _count(home: "Home", generation: Generation) -> None:
    if generation.manifest.behaviour:
        from recnews.readership import count_if_due

        count_if_due(home.store, generation, home.settings)


def archive_settings(settings: Settings) -> ArchiveSettings | None:
    """Where older vectors go; None where they stay beside the generation."""
    asked, address = settings.index, settings.index.archive.get_secret_value()
    if address == FAISS:
        return None
    return ArchiveSettings(address, asked.archive_prefix, asked.archive_seconds, asked.hot)
