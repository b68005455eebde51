"""Exact search in two passes: quick products find all rows that can be among the best, which are then scored one by
one in a fixed order. What comes out is what scoring every row would give, to the bit."""

import numpy as np

from recnews.index.base import best
from recnews.index.rows import Rows, slack
from recnews.records import Bools, Float32, Hits, Int64

# Rows that lie together are read about three times as quickly as rows that have to be gathered.
_GATHERED_BELOW = 1 / 3
_QUERIES_AT_ONCE = 16  # bounds the products held: 64 MB for a million rows


def search_exactly(
    rows: Rows, ids: Int64, queries: Float32, k: int, wanted: Bools | None = None, *, start: int = 0
) -> list[Hits]:
    """The best `k` for each query (q, dim) among `ids[start:start + len(wanted)][wanted]`, or all that follow `start`.

    `ids` (n,) are those of the rows; equal scores go to the lower id.
    """
    stop = len(rows) if wanted is None else start + len(wanted)
    most = stop - start if wanted is None else int(np.count_nonzero(wanted))
    if k <= 0 or not most:
        return [best([], k) for _ in queries]
    queries = np.ascontiguousarray(queries)
    if wanted is not None and most < _GATHERED_BELOW * (stop - start):
        chosen: slice | Int64 = start + np.flatnonzero(wanted)
        wanted = None
    else:
        chosen = slice(start, stop)
    found: list[Hits] = []
    for first in range(0, len(queries), _QUERIES_AT_ONCE):
        group = queries[first : first + _QUERIES_AT_ONCE]
        products = rows.products(group, chosen)
        if wanted is not None and most < products.shape[1]:
            products[:, ~wanted] = -np.inf
        for query, line in zip(group, products, strict=True):
            places = _contenders(line, min(k, most), slack(query, rows), wanted)
            found.append(
                score_rows(rows, ids, query, k, chosen[places] if isinstance(chosen, np.ndarray) else start + places)
            )
    return found


def score_rows(rows: Rows, ids: Int64, query: Float32, k: int, chosen: Int64) -> Hits:
    """The best `k` of `chosen` rows (m,) for one query (dim,)."""
    return best([Hits(ids[chosen], rows.score(query, chosen))], k)


def score_candidates(rows: Rows, ids: Int64, queries: Float32, k: int, chosen: Int64) -> list[Hits]:
    """The best `k` for each query (q, dim) of rows of its own, `chosen` (q, m), -1 for none."""
    scores = rows.score_each(queries, np.maximum(chosen, 0))
    scores[chosen < 0] = -np.inf
    names = ids[chosen]
    order = np.lexsort((names, -scores))[:, :k]
    names, scores = np.take_along_axis(names, order, axis=1), np.take_along_axis(scores, order, axis=1)
    counts = np.minimum((chosen >= 0).sum(axis=1), k).tolist()
    return [Hits(names[row, :count], scores[row, :count]) for row, count in enumerate(counts)]


def _contenders(products: Float32, k: int, slack: float, wanted: Bools | None) -> Int64:
    """(m,) places that can be among the best `k`, of those that are wanted."""
    # The k-th best product is at most `slack` above the score of its row, and that of a row which belongs to the best
    # k is at most `slack` below its own score.
    with np.errstate(over="ignore", invalid="ignore"):
        bar = np.partition(products, len(products) - k)[len(products) - k] - np.float32(2 * slack)
    if not np.isfinite(bar):  # numbers so large that products overflow
        return np.arange(len(products)) if wanted is None else np.flatnonzero(wanted)
    return np.flatnonzero(products >= np.nextafter(bar, np.float32(-np.inf)))
