"""Do store, generations and index agree? Every answer names what is wrong and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recnews.catalog import SEALED, Catalog
from recnews.errors import ArchiveError, RecnewsError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.index.archive import ArchiveSettings
from recnews.index.archived import ArchivedIndex
from recnews.index.sealed import SealedSegment
from recnews.index.segments import LIST_FILE, read_list
from recnews.records import Float32
from recnews.store import ArticleText, Store

_SAMPLE = 200
_PAGE = 5000
_PATIENCE = 60.0


Kind = Literal["truth", "generation", "strays", "stories", "pending", "vectors", "behaviours", "segments",
               "engine", "archive", "snapshot"]  # fmt: skip
"""What is not as it should be: the store itself, a file of a generation or the engine of the archive, which nothing
here can bring back. All else is a view that `recnews.repair` makes again: vectors of generations that are not there; by
what stories are found; articles that wait to be encoded, as they do for a moment after each ingest; vectors, behaviour
vectors, segments, rows of the archive or a snapshot of the live generation."""
REPAIR = "`recnews verify --repair`"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    kind: Kind
    what: str
    remedy: str


def verify(store: Store, generations: Generations, archive: ArchiveSettings | None = None) -> list[Problem]:
    """Everything that is wrong with a home; an empty list when all is well. Nothing is changed. `archive` is where its
    older vectors are, if not beside the generation."""
    try:
        return _problems(store, generations, archive)
    except RecnewsError as error:  # so bad that no more can be looked at; the message names the remedy
        return [Problem("truth", str(error), "do that first, then `recnews verify` again")]


def _problems(store: Store, generations: Generations, archive: ArchiveSettings | None) -> list[Problem]:
    problems = [
        Problem("truth", f"{store.place}: {line}", "restore a backup: `recnews restore DIR`") for line in store.check()
    ]
    for name in generations.held():
        try:
            generations.load(name).verify()
        except RecnewsError as error:
            problems.append(Problem("generation", str(error), "`recnews generations rollback`, or `recnews train`"))
    known = set(generations.names())
    for name, count in store.vectors.counts().items():
        if name not in known:
            problems.append(
                Problem(
                    "strays",
                    f"the store holds {count} vectors of {name}, which is not there",
                    REPAIR,
                )
            )
    if (stray := store.stories.differing()) > 0:
        problems.append(Problem("stories", f"{stray} articles cannot be found by their stories' bands", REPAIR))
    try:
        live, _ = generations.live(prepared=True)
    except RecnewsError as error:
        return [*problems, Problem("generation", str(error), "`recnews train`")]
    return problems if live is None else [*problems, *_live_problems(store, live, archive)]


def _live_problems(store: Store, live: Generation, archive: ArchiveSettings | None) -> list[Problem]:
    problems = []
    missing = store.vectors.missing(live.id)
    if missing:
        problems.append(
            Problem(
                "pending",
                f"{missing} articles are not searchable yet in {live.id}",
                f"`recnews ingest` any file, or {REPAIR}",
            )
        )
    live.refresh(store)
    sample = store.vectors.sample(live.id, _SAMPLE)
    while live.refresh(store):  # words were induced meanwhile
        sample = store.vectors.sample(live.id, _SAMPLE)
    if differing := differing_vectors(live, sample):
        what = f"{len(differing)} of {len(sample)} stored vectors are not what {live.id} gives"
        return [*problems, Problem("vectors", what, REPAIR)]  # what is made of vectors cannot be looked at then
    if lacking := store.behaviours.missing(live.id) if live.manifest.behaviour else 0:
        problems.append(Problem("behaviours", f"{lacking} articles have no behaviour vector in {live.id}", REPAIR))
    problems += _damaged_segments(live)
    patient = archive and replace(archive, seconds=max(archive.seconds, _PATIENCE))
    fresh, served = Catalog(live.id, live.layout), Catalog.open(live.folder, live.id, live.layout, patient)
    fresh.refresh(store)
    served.refresh(store)
    try:
        if bad := _archive_problems(served):
            return [*problems, *bad]
        if not same_catalog(fresh, served):
            problems.append(Problem("snapshot", f"{live.folder}: the index snapshot differs from the store", REPAIR))
    finally:
        served.close()
    return problems


def _archive_problems(served: Catalog) -> list[Problem]:
    """What is wrong with the rows that are searched in an archive, each of which is read. Rows of articles that are
    gone are none of it: nobody is shown them, and whoever seals next clears them away."""
    if not isinstance(served.index, ArchivedIndex):
        return []
    try:
        found = served.index.audit()
    except ArchiveError as error:
        return [Problem("engine", f"the archive cannot be read: {error}", "start it, then `recnews verify` again")]
    said = [
        f"{len(ids)} rows {what}"
        for ids, what in ((found.missing, "are missing"), (found.wrong, "are not what was written"))
        if len(ids)
    ]
    return [Problem("archive", f"the archive of {served.generation}: {', '.join(said)}", REPAIR)] if said else []


def differing_vectors(live: Generation, stored: Sequence[tuple[ArticleText, Float32]]) -> list[int]:
    """Ids of those articles whose stored vector is not what the generation gives for their text."""
    if not stored:
        return []
    again, _ = live.encode([text for text, _ in stored])
    return [
        text.article_id
        for (text, vector), right in zip(stored, again.vectors, strict=True)
        if not np.array_equal(vector, right)
    ]


def _damaged_segments(live: Generation) -> list[Problem]:
    folder = live.folder / SEALED
    try:
        for name in read_list(folder / LIST_FILE) if folder.exists() else ():
            SealedSegment(folder / name).verify()
    except (OSError, ValueError) as error:
        return [Problem("segments", str(error), REPAIR)]
    return []


def same_catalog(one: Catalog, other: Catalog) -> bool:
    """Whether two catalogs would serve the same."""
    ids = np.sort(one.index.ids())
    if not np.array_equal(ids, np.sort(other.index.ids())) or not one.columns_equal(other):
        return False
    pages = (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))
    return all(np.array_equal(one.index.vectors(page)[0], other.index.vectors(page)[0]) for page in pages)
