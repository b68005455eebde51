"""Why an article is recommended: the read article nearest to it, and the words both share."""

from collections.abc import Sequence

import numpy as np

from recnews.records import Float32

_SHOWN_WORDS = 5


def nearest_read(item: Float32, history: Float32, weights: Float32) -> int | None:
    """Row of the read article that speaks most for `item` (dim,): largest inner product times weight over `history`
    (n, dim). None when no article with a positive weight points its way."""
    support = np.einsum("ij,j->i", history, item) * np.maximum(weights, 0)
    if not len(support) or support.max() <= 0:
        return None
    return int(np.argmax(support))


def shared_words(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Words that are telling for both articles, each given most telling first; at most five."""
    places = {word: place for place, word in enumerate(other)}
    shared = [(place + places[word], word) for place, word in enumerate(one) if word in places]
    return tuple(word for _, word in sorted(shared)[:_SHOWN_WORDS])
