"""Carrying out a plan: seal, publish the new list of segments, clear away what nobody lists.

One process does this at a time, beside those that search: it opens an index of its own. Searching processes call
`SegmentedIndex.follow` when they look for news, and keep what they have mapped until then.
"""

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from recnews.errors import SealError
from recnews.index.planning import Plan, Rewrite, SegmentSettings, plan
from recnews.index.sealed import SealedSegment
from recnews.index.sealing import SealSettings, seal
from recnews.index.segments import LIST_FILE, SegmentedIndex, read_list, write_list

Told = Callable[[Rewrite, SealedSegment], None]


def upkeep_plan(index: SegmentedIndex, now: int, settings: SegmentSettings) -> Plan:
    """What there is to do at `now` (microseconds); false when nothing is."""
    return plan(index.newest_times(), index.parts(), index.dim, now, settings)


def maintain(
    index: SegmentedIndex, sealed: Path, now: int, settings: SegmentSettings, told: Told | None = None
) -> Plan:
    """Seal, merge, compact and drop as planned, into the folder `sealed`; returns the plan that it began with.

    Each step is published by one rename when it is whole: a crash between two leaves a smaller plan for the next time.
    Raises `SealError` where no kind that fits the memory reaches the recall asked for; nothing has changed by that step
    then.
    """
    todo = begun = upkeep_plan(index, now, settings)
    if todo.drops:
        _publish(index, sealed, [name for name in index.segment_names() if name not in todo.drops])
    while todo.rewrites:
        rewrite = todo.rewrites[0]
        segment = _sealed(index, sealed, rewrite, settings)
        kept = [name for name in index.segment_names() if name not in rewrite.replaces]
        _publish(index, sealed, [*kept, segment.name])
        if told is not None:
            told(rewrite, segment)
        todo = upkeep_plan(index, now, settings)
    return begun


def _sealed(index: SegmentedIndex, folder: Path, rewrite: Rewrite, settings: SegmentSettings) -> SealedSegment:
    ids, published = index.rows_of(rewrite.replaces, rewrite.since, rewrite.until)
    *others, last = (SealSettings(it, settings.recall, settings.seed, settings.content) for it in rewrite.kinds)
    for asked in others:
        with suppress(SealError):
            return seal(folder, ids, published, index.taken, asked)
    return seal(folder, ids, published, index.taken, last)


def _publish(index: SegmentedIndex, sealed: Path, names: list[str]) -> None:
    sealed.mkdir(exist_ok=True)
    write_list(sealed / LIST_FILE, names)
    index.follow(sealed)


def prune(sealed: Path, in_use: Iterable[str] = ()) -> list[str]:
    """Delete segments that are neither current nor `in_use` (named by a snapshot); returns their names.

    A process that has one mapped goes on reading it: the file system keeps what is open.
    """
    kept = {*read_list(sealed / LIST_FILE), *in_use} if (sealed / LIST_FILE).exists() else set(in_use)
    gone = [folder for folder in sorted(sealed.iterdir()) if folder.is_dir() and folder.name not in kept]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in gone]
