"""The one way into an index: what the store holds and a generation has not encoded yet."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from recnews.generation import Generation
from recnews.records import Encoded
from recnews.store import Met, Pending, Store

if TYPE_CHECKING:
    from recnews.cluster import Cluster

_BATCH = 1000
_TOGETHER = 4000  # articles that are counted before they are encoded, so that fewer hold words learned later
_Studied = tuple[Encoded, list[str], Met | None]


def index_pending(
    store: Store,
    generation: Generation,
    live: bool = True,
    progress: Callable[[int], None] | None = None,
    cluster: "Cluster | None" = None,
) -> int:
    """Encode all articles whose present text `generation` has not encoded, and those that lack a word which it has come
    to know since; returns how many there were of the first.

    Vectors and the generation's place are written in one transaction a batch: killed at any moment and run again, it
    goes on where it was. `live` tells followers of the generation; one in training has none. A `cluster` studies texts
    ahead of that, to the same outcome.
    """
    encoded = encode_new(store, generation, live, progress, cluster)
    while bring_up_to_date(store, generation, live):  # meanwhile another process may have stored and induced more
        encoded += encode_new(store, generation, live, cluster=cluster)
    return encoded


def encode_new(
    store: Store,
    generation: Generation,
    live: bool = True,
    progress: Callable[[int], None] | None = None,
    cluster: "Cluster | None" = None,
) -> int:
    """Encode all articles whose present text `generation` has not encoded; returns how many. `progress` is told after
    each batch, those included that are encoded once more.

    A batch is counted first, then words that have now been met often enough are given vectors, then the batch is
    encoded with them, after the next few where those are stored already; earlier articles that hold these words are
    left to `bring_up_to_date`, once for all batches.

    For a live generation each transaction is taken by itself, so that words are given vectors in the same order, and so
    the same vectors, whether this is asked after each transaction or after several.
    """
    encoded = done = 0
    generation.refresh(store)
    generation.induce(store)
    ahead = cluster.studies(store, generation) if cluster else None
    last = False
    while not last:
        held: list[tuple[Pending, _Studied | None]] = []
        while not last and sum(len(pending.texts) for pending, _ in held) < _TOGETHER:
            after = held[-1][0].token if held else None
            pending = store.vectors.pending(generation.id, _BATCH, by_change=live, after=after)
            studied = ahead.study(pending) if ahead and pending.texts else None
            _count(store, generation, pending, studied)
            held.append((pending, studied))
            last = pending.last
        for pending, studied in held:
            if pending.texts:
                while not _write(store, generation, pending, live, _now(generation, pending, studied)):
                    generation.refresh(store)  # another process has just induced words
                encoded += len(pending.texts) - pending.again
                done += len(pending.texts)
            elif pending.moved:
                store.vectors.write(generation.id, pending, [], [], live)
            if progress:
                progress(done)
        last = last and not any(pending.texts for pending, _ in held)  # writing them is a change, too
    return encoded


def _count(store: Store, generation: Generation, pending: Pending, studied: _Studied | None) -> None:
    """Count the new words of texts, and give vectors to those that have now been met often enough."""
    met = studied[2] if studied else generation.new_words(pending.texts) if pending.texts else None
    if met:
        ids = [text.article_id for text in pending.texts]
        store.words.count(generation.id, ids, pending.text_digests, met)
        generation.induce(store)


def bring_up_to_date(store: Store, generation: Generation, live: bool = True) -> bool:
    """Encode the articles once more that lack a word which `generation` has come to know since; whether there were
    any."""
    found = False
    while True:
        pending = store.vectors.outdated(generation.id, _BATCH)
        if not pending.texts:
            return found
        found = True
        if not _write(store, generation, pending, live, generation.encode(pending.texts)):
            generation.refresh(store)


def _now(generation: Generation, pending: Pending, studied: _Studied | None) -> tuple[Encoded, list[str]]:
    """What `encode` gives, as far as possible from what was studied before."""
    if studied is None:
        return generation.encode(pending.texts)
    encoded, keywords, met = studied
    since = generation.taken_since(met.induced) if met else set[str]()
    rows = [row for row, words in enumerate(met.words if met else ()) if not since.isdisjoint(words)]
    if rows:
        again, their_keywords = generation.encode([pending.texts[row] for row in rows])
        encoded, keywords = replace(encoded, vectors=encoded.vectors.copy()), list(keywords)
        encoded.vectors[rows] = again.vectors
        for row, words in zip(rows, their_keywords, strict=True):
            keywords[row] = words
    return encoded, keywords


def _write(store: Store, generation: Generation, pending: Pending, live: bool, made: tuple[Encoded, list[str]]) -> bool:
    """Write vectors and what is predicted from them; False, and nothing is written, when another process has induced
    words since."""
    encoded, keywords = made
    predicted = generation.predict([text.article_id for text in pending.texts], encoded.vectors)
    guesses = generation.guess(encoded.vectors)
    written = (encoded.vectors, keywords, live, generation.rank, predicted, guesses)
    return store.vectors.write(generation.id, pending, *written)
