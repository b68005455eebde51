"""The one way into an index: what the store holds and a generation has not encoded yet."""

from collections.abc import Callable

from recnews.generation import Generation
from recnews.store import Store

_BATCH = 500


def index_pending(
    store: Store, generation: Generation, live: bool = True, progress: Callable[[int], None] | None = None
) -> int:
    """Encode all articles whose present text `generation` has not encoded; returns how many.

    Vectors and the generation's place are written in one transaction a batch: killed at any moment and run again, it
    goes on where it was. `live` tells followers of the generation; one in training has none.
    """
    encoded = 0
    while True:
        pending = store.vectors.pending(generation.id, _BATCH)
        if pending.texts:
            vectors, keywords = generation.encode(pending.texts)
            store.vectors.write(generation.id, pending, vectors.vectors, keywords, live)
            encoded += len(pending.texts)
        elif pending.moved:
            store.vectors.write(generation.id, pending, [], [], live)
        if progress:
            progress(encoded)
        if pending.last:
            return encoded
