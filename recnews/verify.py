"""Do store, generations and index agree? Every answer names what is wrong and what to do about it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recnews.catalog import SEALED, Catalog
from recnews.errors import RecnewsError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.index.sealed import SealedSegment
from recnews.index.segments import LIST_FILE, read_list
from recnews.store import Store

_SAMPLE = 200


Kind = Literal["truth", "generation", "strays", "pending", "vectors", "segments", "snapshot"]
"""What is not as it should be: the store itself or a file of a generation; vectors of generations that are not there;
articles that wait to be encoded, as they do for a moment after each ingest; vectors, segments or a snapshot of the live
generation."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    kind: Kind
    what: str
    remedy: str


def verify(store: Store, generations: Generations) -> list[Problem]:
    """Everything that is wrong with a home; an empty list when all is well. Nothing is changed."""
    try:
        return _problems(store, generations)
    except RecnewsError as error:  # so bad that no more can be looked at; the message names the remedy
        return [Problem("truth", str(error), "do that first, then `recnews verify` again")]


def _problems(store: Store, generations: Generations) -> list[Problem]:
    problems = [
        Problem("truth", f"{store.place}: {line}", "restore a backup: `recnews restore DIR`") for line in store.check()
    ]
    for name in generations.names():
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
                    "`recnews train` clears them",
                )
            )
    try:
        live, _ = generations.live(prepared=True)
    except RecnewsError as error:
        return [*problems, Problem("generation", str(error), "`recnews train`")]
    return problems if live is None else [*problems, *_live_problems(store, live)]


def _live_problems(store: Store, live: Generation) -> list[Problem]:
    problems = []
    missing = store.vectors.missing(live.id)
    if missing:
        problems.append(
            Problem("pending", f"{missing} articles are not searchable yet in {live.id}", "`recnews ingest` any file")
        )
    live.refresh(store)
    sample = store.vectors.sample(live.id, _SAMPLE)
    while live.refresh(store):  # words were induced meanwhile
        sample = store.vectors.sample(live.id, _SAMPLE)
    if sample:
        again, _ = live.encode([text for text, _ in sample])
        differing = int((again.vectors != np.stack([vector for _, vector in sample])).any(axis=1).sum())
        if differing:
            problems.append(
                Problem(
                    "vectors",
                    f"{differing} of {len(sample)} stored vectors are not what {live.id} gives",
                    "`recnews train`",
                )
            )
    problems += _damaged_segments(live)
    fresh, served = Catalog(live.id, live.layout), Catalog.open(live.folder, live.id, live.layout)
    fresh.refresh(store)
    served.refresh(store)
    if not same_catalog(fresh, served):
        problems.append(
            Problem(
                "snapshot",
                f"{live.folder}: the index snapshot differs from the store",
                f"delete {live.folder}/catalog-*",
            )
        )
    return problems


def _damaged_segments(live: Generation) -> list[Problem]:
    folder = live.folder / SEALED
    try:
        for name in read_list(folder / LIST_FILE) if folder.exists() else ():
            SealedSegment(folder / name).verify()
    except (OSError, ValueError) as error:
        return [Problem("segments", str(error), f"delete {folder}: `recnews seal` makes segments again")]
    return []


def same_catalog(one: Catalog, other: Catalog) -> bool:
    """Whether two catalogs would serve the same."""
    ids = np.sort(one.index.ids())
    if not np.array_equal(ids, np.sort(other.index.ids())):
        return False
    return np.array_equal(one.index.vectors(ids)[0], other.index.vectors(ids)[0]) and one.columns_equal(other)
