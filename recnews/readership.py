"""From the reading log to behaviour vectors: learned with a generation, counted again as the log grows."""

from collections.abc import Iterator

import numpy as np

from recnews.behaviour.log import ReadLog, read_log
from recnews.behaviour.model import Behaviour
from recnews.config import Settings
from recnews.generation import Generation
from recnews.records import Float32, Int64
from recnews.store import BehaviourRows, Store

_PAGE = 2000
_LEAST_NEW = 50


def learn(store: Store, generation: Generation, settings: Settings) -> Behaviour | None:
    """What the log teaches of the articles that `generation` has encoded; None without enough of it."""
    if not settings.behaviour.enabled:
        return None
    from recnews.behaviour.fit import fit_behaviour

    log, content = _log(store, generation, settings)
    return fit_behaviour(log, content, settings.behaviour, settings.embedding.seed)


def write_all(store: Store, generation: Generation, settings: Settings) -> None:
    """Behaviour vectors of all articles that a generation in training has encoded, into the store."""
    for ids, content in _pages(store, generation):
        predicted = generation.predict(ids, content)
        if predicted is not None:
            store.behaviours.write(generation.id, predicted, live=False)
    count(store, generation, settings, live=False)


def mend(store: Store, generation: Generation, settings: Settings) -> None:
    """Behaviour vectors of those articles that have none, as text predicts them; then the log counted anew."""
    for ids, content in _pages(store, generation):
        lacking = np.flatnonzero(~np.isin(np.array(ids), store.behaviours.of(generation.id, ids).ids))
        predicted = generation.predict([ids[row] for row in lacking], content[lacking]) if len(lacking) else None
        if predicted is not None:
            store.behaviours.write(generation.id, predicted)
    count(store, generation, settings)


def count_if_due(store: Store, generation: Generation, settings: Settings) -> bool:
    """Count the log again once it has grown enough since a generation last did; whether it was counted."""
    if not generation.manifest.behaviour:
        return False
    through = store.behaviours.through(generation.id)
    if through is not None:
        seq, counted = through
        if store.readings.count(after=seq) < max(_LEAST_NEW, settings.behaviour.recount_share * counted):
            return False
    count(store, generation, settings)
    return True


def count(store: Store, generation: Generation, settings: Settings, live: bool = True) -> None:
    """Behaviour vectors of all articles in the log, written where they have moved.

    What is learned depends on the generation and the log alone. Killed at any moment, it is done again.
    """
    if generation.behaviour is None:
        return
    seq, events = store.events.through(), store.readings.count()
    log, content = _log(store, generation, settings)
    inner, outer = generation.behaviour.recount(log, content, settings.behaviour)
    readers = np.bincount(log.reads.indices, minlength=len(log.ids)).astype(np.int64)
    new = BehaviourRows(log.ids, np.maximum(readers, 1), inner, outer)
    for start in range(0, len(new.ids), _PAGE):
        rows = new.some(slice(start, start + _PAGE))
        moved = _moved(rows, store.behaviours.of(generation.id, rows.ids.tolist()), settings.behaviour.tolerance)
        store.behaviours.write(generation.id, rows.some(moved), live)
    gone = np.setdiff1d(np.array(store.behaviours.learned(generation.id), dtype=np.int64), log.ids).tolist()
    for start in range(0, len(gone), _PAGE):  # their last reader was forgotten
        found = store.vectors.of(generation.id, gone[start : start + _PAGE])
        store.behaviours.unlearn(generation.id, found)
        predicted = generation.predict(list(found), np.stack(list(found.values())))
        if predicted is not None:
            store.behaviours.write(generation.id, predicted, live)
    store.behaviours.counted(generation.id, seq, events)


def _moved(rows: BehaviourRows, before: BehaviourRows, tolerance: float) -> Int64:
    """Rows that are new, learned for the first time, or further than `tolerance` from before."""
    known, places = np.isin(rows.ids, before.ids), np.searchsorted(before.ids, rows.ids)
    places = np.minimum(places, max(len(before.ids) - 1, 0))
    moved = ~known
    if known.any():
        was = before.some(places)
        outer, inner = (np.linalg.norm(a - b, axis=1) for a, b in ((rows.outer, was.outer), (rows.inner, was.inner)))
        length = np.maximum(np.linalg.norm(was.inner, axis=1), 1e-12)
        moved |= (was.readers == 0) | (outer > tolerance) | (inner > tolerance * length)
    return np.flatnonzero(moved)


def _log(store: Store, generation: Generation, settings: Settings) -> tuple[ReadLog, Float32]:
    """The log of the articles that a generation has encoded, and their vectors in its order."""
    pairs = store.readings.pairs(settings.feed.bounce_seconds)
    vectors = dict[int, Float32]()
    wanted = np.unique(pairs.articles).tolist()
    for start in range(0, len(wanted), _PAGE):
        vectors |= store.vectors.of(generation.id, wanted[start : start + _PAGE])
    known = np.isin(pairs.articles, np.fromiter(vectors, dtype=np.int64, count=len(vectors)))
    log = read_log(
        [user for user, keep in zip(pairs.users, known.tolist(), strict=True) if keep],
        pairs.articles[known],
        pairs.times[known],
        longest=settings.behaviour.history,
        half_life_days=settings.behaviour.half_life_days,
    )
    content = np.zeros((len(log.ids), generation.dim), dtype=np.float32)
    for row, article_id in enumerate(log.ids.tolist()):
        content[row] = vectors[article_id]
    return log, content


def _pages(store: Store, generation: Generation) -> Iterator[tuple[list[int], Float32]]:
    """Ids and vectors of all articles that a generation has encoded, page by page."""
    last = -1
    while page := store.vectors.page(generation.id, last, _PAGE):
        yield [article_id for article_id, _ in page], np.stack([vector for _, vector in page])
        last = page[-1][0]
