"""The one way into an index: what the store holds and a generation has not encoded yet."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from recnews.generation import Generation
from recnews.store import Store

if TYPE_CHECKING:
    from recnews.cluster import Cluster

_BATCH = 1000


def index_pending(
    store: Store,
    generation: Generation,
    live: bool = True,
    progress: Callable[[int], None] | None = None,
    cluster: "Cluster | None" = None,
) -> int:
    """Encode all articles whose present text `generation` has not encoded; returns how many.

    Vectors and the generation's place are written in one transaction a batch: killed at any moment and run again, it
    goes on where it was. Words that have been met often enough are given vectors, and the articles that hold them are
    encoded once more; they are not counted twice. `live` tells followers of the generation; one in training has none.

    For a live generation each transaction is taken by itself, so that words are given vectors in the same order, and so
    the same vectors, whether this is asked after each transaction or after several. A `cluster` studies texts ahead of
    that, to the same outcome.
    """
    encoded = done = 0
    generation.refresh(store)
    generation.induce(store)
    ahead = cluster.studies(store, generation) if cluster else None
    while True:
        pending = store.vectors.pending(generation.id, _BATCH, by_change=live)
        if pending.texts:
            vectors, keywords, met = ahead.study(pending) if ahead else generation.study(pending.texts)
            predicted = generation.predict([text.article_id for text in pending.texts], vectors.vectors)
            guesses = generation.guess(vectors.vectors)
            made = (vectors.vectors, keywords, live, met, predicted, guesses)
            if not store.vectors.write(generation.id, pending, *made):
                generation.refresh(store)  # another process has just induced words
                continue
            encoded += len(pending.texts) - pending.again
            done += len(pending.texts)
        elif pending.moved:
            store.vectors.write(generation.id, pending, [], [], live)
        if progress:
            progress(done)
        if not generation.induce(store) and pending.last:
            return encoded
