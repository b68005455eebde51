"""Measures of a ranking, of a likeness, and how sure of them one can be. Pure numpy; nothing is read or written.

Throughout, a higher score is better and the unit of measurement (a query, a judged pair, a reader) is a row.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from recnews.records import Float32, Int64

Float64 = NDArray[np.float64]
Statistic = Callable[[Any], float]

RESAMPLES = 1000
_BLOCK = 128  # rows scored at a time


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with the 95% interval `low` to `high`, over `n` units. NaN where it is not defined."""

    value: float
    low: float
    high: float
    n: int


def ranks_of(scores: ArrayLike, right: ArrayLike) -> Int64:
    """(q,) rank, from 1, of the one right candidate of each query; `scores` (q, c), `right` (q,) its column.

    Ties count against: a candidate with the score of the right one stands before it, so a method that gives everything
    the same score finds nothing. A right candidate with a score that is no number stands last.
    """
    matrix, columns = np.asarray(scores), np.asarray(right, dtype=np.int64)
    mine = matrix[np.arange(len(matrix)), columns][:, None]
    before = (matrix >= mine).sum(axis=1, dtype=np.int64)
    return np.asarray(np.where(np.isnan(mine[:, 0]), matrix.shape[1], before), dtype=np.int64)


def recall_at(ranks: ArrayLike, k: int) -> Float64:
    """(q,) 1 where the one right candidate is among the first `k`, else 0. Its mean is R@k, also called hit@k."""
    return (np.asarray(ranks) <= k).astype(np.float64)


def reciprocal_rank(ranks: ArrayLike) -> Float64:
    """(q,) one over the rank. Its mean is the mean reciprocal rank, MRR (Voorhees 1999)."""
    return 1.0 / np.asarray(ranks, dtype=np.float64)


def ndcg_of_ranks(ranks: ArrayLike, k: int) -> Float64:
    """(q,) nDCG@k where one candidate is right: `1 / log2(1 + rank)` within the first `k`, else 0."""
    given = np.asarray(ranks, dtype=np.float64)
    return np.where(given <= k, 1.0 / np.log2(1.0 + given), 0.0)


def ndcg(gains: ArrayLike, k: int) -> float:
    """nDCG@k of one ranking (Järvelin and Kekäläinen 2002): `gains` (c,) of all candidates in the order shown.

    A gain is 0 or more. Divided by the best order of the same gains; NaN where no candidate has a gain.
    """
    given = np.asarray(gains, dtype=np.float64)
    best = _dcg(np.sort(given)[::-1][:k])
    return _dcg(given[:k]) / best if best > 0 else math.nan


def precision_at(scores: ArrayLike, relevant: ArrayLike, k: int) -> Float64:
    """(q,) share of relevant ones among the `k` best candidates; `scores` (q, c), `relevant` (q, c) true or false.

    A candidate scored `-inf` is not there at all. Where ties straddle the k-th place, the expected share under a random
    order of the tied. Divided by `k` even where fewer candidates are relevant.
    """
    matrix, good = np.asarray(scores), np.asarray(relevant, dtype=bool)
    if matrix.shape[1] > k:
        kth = np.partition(matrix, matrix.shape[1] - k, axis=1)[:, matrix.shape[1] - k, None]
    else:
        kth = np.full((len(matrix), 1), -np.inf)
    above, tied = matrix > kth, (matrix == kth) & (matrix > -np.inf)
    left = k - above.sum(axis=1)
    share = (tied & good).sum(axis=1) / np.maximum(tied.sum(axis=1), 1)
    return np.asarray(((above & good).sum(axis=1) + left * share) / k, dtype=np.float64)


def pearson(pairs: ArrayLike) -> float:
    """Correlation of the two columns of (n, 2); NaN where it is not defined: under 2 rows, or a constant column."""
    x, y = _columns(pairs)
    if np.ptp(x) == 0 or np.ptp(y) == 0:  # asked of the values: a mean is rounded, and deviations from it may not be 0
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    lengths = float(np.linalg.norm(x)) * float(np.linalg.norm(y))
    return max(-1.0, min(1.0, float(x @ y) / lengths)) if lengths > 0 else math.nan


def spearman(pairs: ArrayLike) -> float:
    """Rank correlation of the two columns of (n, 2), ties at their mean rank; NaN as for `pearson`."""
    return pearson(np.stack([stats.rankdata(column) for column in _columns(pairs)], axis=1))


def neighbour_overlap(before: Float32, after: Float32, asked: int, k: int) -> Float64:
    """(asked,) of each of the first rows, the share of its `k` nearest other rows that is common to two spaces.

    `before` (n, d) and `after` (n, e) are unit vectors of the same n things, n > k; all products are exact.
    """
    nearest = []
    for rows in (before, after):
        found = np.empty((asked, k), dtype=np.int64)
        for start in range(0, asked, _BLOCK):
            scores = rows[start : min(start + _BLOCK, asked)] @ rows.T
            scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf  # nothing is its own neighbour
            found[start : start + len(scores)] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        nearest.append(found)
    common = (nearest[0][:, :, None] == nearest[1][:, None, :]).any(axis=2)
    return np.asarray(common.mean(axis=1), dtype=np.float64)


def mean(values: ArrayLike) -> float:
    """The mean of (n,); NaN of nothing."""
    given = np.asarray(values, dtype=np.float64)
    return float(given.mean()) if len(given) else math.nan


def bootstrap(values: ArrayLike, statistic: Statistic = mean, n: int = RESAMPLES, seed: int = 1) -> Figure:
    """`statistic` of the rows of `values`, with its 95% percentile interval (Efron 1979): the middle 95% of the values
    it takes on `n` samples of as many rows, drawn with replacement.

    The same seed draws the same rows: two methods measured on the same units are resampled alike. Samples on which the
    statistic is not defined are left out.
    """
    given = np.asarray(values)
    value = statistic(given) if len(given) else math.nan
    if math.isnan(value):
        return Figure(math.nan, math.nan, math.nan, len(given))
    draw = np.random.default_rng(seed)
    found = np.array([statistic(given[draw.integers(0, len(given), len(given))]) for _ in range(n)])
    defined = found[~np.isnan(found)]
    if len(defined) == 0:
        return Figure(value, math.nan, math.nan, len(given))
    low, high = np.quantile(defined, [0.025, 0.975])
    return Figure(value, float(low), float(high), len(given))


def _dcg(gains: Float64) -> float:
    return float((gains / np.log2(2.0 + np.arange(len(gains)))).sum())


def _columns(pairs: ArrayLike) -> tuple[Float64, Float64]:
    """The two columns; constant ones where there are too few rows to correlate."""
    given = np.asarray(pairs, dtype=np.float64)
    if len(given) < 2:
        return np.zeros(2), np.zeros(2)
    return given[:, 0], given[:, 1]
