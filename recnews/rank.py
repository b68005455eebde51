"""From candidates to the order of a feed. Pure arithmetic: no store, no index, no clock."""

import numpy as np

from recnews.records import Float32, Int64

_MICROS_AN_HOUR = 3_600_000_000.0


def freshness(published: Int64, now: int, half_life_hours: float) -> Float32:
    """(n,) from 1 for what is published this instant, halved every `half_life_hours`; times in microseconds."""
    hours = np.maximum(now - published, 0) / _MICROS_AN_HOUR
    return np.asarray(0.5 ** (hours / half_life_hours), dtype=np.float32)


def popularity(readers: Int64, most: int) -> Float32:
    """(n,) from 0 for no reader to 1 for `most` of them, by logarithm: a tenth reader says more than a hundredth."""
    if most <= 0:
        return np.zeros(len(readers), dtype=np.float32)
    return np.asarray(np.log1p(readers) / np.log1p(most), dtype=np.float32)


def diversify(scores: Float32, vectors: Float32, k: int, diversity: float, stories: Int64 | None = None) -> Int64:
    """(k',) rows of `scores` (n,) in the order to show them: maximal marginal relevance over `vectors` (n, dim).

    Each next row has the highest `score - diversity * likeness`, where likeness is the largest inner product with a
    row already chosen (Carbonell and Goldstein 1998), negative likeness counting as none. Ties go to the lower row. Of
    rows with the same value in `stories` (n,) only the first chosen is shown.
    """
    chosen: list[int] = []
    left = scores.astype(np.float32).copy()
    likeness = np.zeros(len(scores), dtype=np.float32)
    story = np.arange(len(scores)) if stories is None else stories
    for _ in range(min(k, len(np.unique(story)))):
        best = int(np.argmax(left - np.float32(diversity) * likeness))
        chosen.append(best)
        left[story == story[best]] = -np.inf
        if diversity:
            likeness = np.maximum(likeness, np.einsum("ij,j->i", vectors, vectors[best]))
    return np.array(chosen, dtype=np.int64)
