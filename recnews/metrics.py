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


def hit_of(ranks: ArrayLike, k: int) -> Float64:
    """(q,) 1 where any right one is among the first `k`, else 0. `ranks` (q, r): from 1, `inf` for what was not found
    or is not there (readers may have different numbers of right ones)."""
    return np.asarray((np.asarray(ranks, dtype=np.float64) <= k).any(axis=1), dtype=np.float64)


def recall_of(ranks: ArrayLike, right: ArrayLike, k: int) -> Float64:
    """(q,) share of the `right` (q,) ones that is among the first `k`; `ranks` as for `hit_of`."""
    found = (np.asarray(ranks, dtype=np.float64) <= k).sum(axis=1)
    return np.asarray(found / np.asarray(right), dtype=np.float64)


def first_reciprocal(ranks: ArrayLike, k: int) -> Float64:
    """(q,) one over the rank of the first right one, 0 beyond `k`: its mean is MRR@k. `ranks` as for `hit_of`."""
    first = np.asarray(ranks, dtype=np.float64).min(axis=1)
    return np.where(first <= k, 1.0 / first, 0.0)


def mean_reciprocal(ranks: ArrayLike, right: ArrayLike) -> Float64:
    """(q,) mean over the right ones of one over the rank: MRR as MIND defines it (Wu et al. 2020), where an impression
    has several clicks. `ranks` as for `hit_of`."""
    return np.asarray((1.0 / np.asarray(ranks, dtype=np.float64)).sum(axis=1) / np.asarray(right), dtype=np.float64)


def ndcg_of(ranks: ArrayLike, right: ArrayLike, k: int) -> Float64:
    """(q,) nDCG@k where all right ones are equally right; `ranks` as for `hit_of`."""
    given = np.asarray(ranks, dtype=np.float64)
    gained = np.where(given <= k, 1.0 / np.log2(1.0 + given), 0.0).sum(axis=1)
    best = np.cumsum(1.0 / np.log2(2.0 + np.arange(k)))
    return np.asarray(gained / best[np.minimum(np.asarray(right, dtype=np.int64), k) - 1], dtype=np.float64)


def auc_of(ranks: ArrayLike, right: ArrayLike, candidates: ArrayLike) -> Float64:
    """(q,) area under the ROC curve: the share of pairs of a right and a wrong candidate in which the right one stands
    first (Fawcett 2006). `ranks` as for `hit_of`, all of them found; NaN where nothing is wrong."""
    given, positives = np.asarray(ranks, dtype=np.float64), np.asarray(right, dtype=np.float64)
    total = np.where(np.isfinite(given), given, 0.0).sum(axis=1)
    before = total - positives * (positives + 1) / 2  # wrong ones that stand before a right one
    pairs = positives * (np.asarray(candidates) - positives)
    return np.asarray(np.where(pairs > 0, 1.0 - before / np.where(pairs > 0, pairs, 1.0), np.nan), dtype=np.float64)


def intra_list_diversity(likeness: ArrayLike) -> float:
    """Mean of 1 - likeness over all pairs of a list (Ziegler et al. 2005); `likeness` (k, k) cosines. NaN below two."""
    matrix = np.asarray(likeness, dtype=np.float64)
    size = len(matrix)
    if size < 2:
        return math.nan
    return 1.0 - float(matrix.sum() - np.trace(matrix)) / (size * (size - 1))


def novelty(readers: ArrayLike, of: int) -> float:
    """Mean self-information of a list in bits (Zhou et al. 2010): `readers` (k,) of each article, among `of` readers.
    One reader is added to both, so that an unread article has a finite value. NaN of an empty list."""
    given = np.asarray(readers, dtype=np.float64)
    return float(-np.log2((given + 1) / (of + 1)).mean()) if len(given) else math.nan


def calibration(history: ArrayLike, shown: ArrayLike, alpha: float = 0.01) -> float:
    """Kullback-Leibler divergence, in nats, of a list's categories from those of the reader's history (Steck 2018).

    Both (c,) counts of each category. 0 is in proportion; `alpha` of the history is mixed into the list, so that it
    stays finite. NaN where either is empty.
    """
    p, q = np.asarray(history, dtype=np.float64), np.asarray(shown, dtype=np.float64)
    if p.sum() == 0 or q.sum() == 0:
        return math.nan
    p, q = p / p.sum(), q / q.sum()
    mixed, some = (1 - alpha) * q + alpha * p, p > 0
    return float((p[some] * np.log(p[some] / mixed[some])).sum())


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

    `before` (n, d) and `after` (n, e) are rows of the same n things, n > k; near is what has a small distance, which
    among unit vectors is a large cosine. All products are exact.
    """
    nearest = []
    for rows in (before, after):
        found, halves = np.empty((asked, k), dtype=np.int64), (rows**2).sum(axis=1) / 2
        for start in range(0, asked, _BLOCK):
            scores = rows[start : min(start + _BLOCK, asked)] @ rows.T - halves
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


def bootstrap_means(values: ArrayLike, units: ArrayLike, n: int = RESAMPLES, seed: int = 1) -> list[Figure]:
    """The mean of each column of `values` (q, m), with its interval when `units` are drawn, not rows.

    `units` (q,) says from 0 which reader each row belongs to: rows of one reader are drawn together. NaN rows are left
    out of a column. Where every unit has one row the figures are those of `bootstrap`, whose draws these are.
    """
    given, owners = np.asarray(values, dtype=np.float64), np.asarray(units, dtype=np.int64)
    present = ~np.isnan(given)
    size = int(owners.max(initial=-1)) + 1
    sums, counts = np.zeros((size, given.shape[1])), np.zeros((size, given.shape[1]))
    np.add.at(sums, owners, np.where(present, given, 0.0))
    np.add.at(counts, owners, present)
    draw = np.random.default_rng(seed)
    drawn = np.array([np.bincount(draw.integers(0, size, size), minlength=size) for _ in range(n if size else 0)])
    figures = []
    for total, count in zip(sums.T, counts.T, strict=True):
        if count.sum() == 0:
            figures.append(Figure(math.nan, math.nan, math.nan, 0))
            continue
        weighed = drawn @ count
        found = (drawn @ total)[weighed > 0] / weighed[weighed > 0]
        low, high = np.quantile(found, [0.025, 0.975]) if len(found) else (math.nan, math.nan)
        figures.append(Figure(float(total.sum() / count.sum()), float(low), float(high), int((count > 0).sum())))
    return figures


def _dcg(gains: Float64) -> float:
    return float((gains / np.log2(2.0 + np.arange(len(gains)))).sum())


def _columns(pairs: ArrayLike) -> tuple[Float64, Float64]:
    """The two columns; constant ones where there are too few rows to correlate."""
    given = np.asarray(pairs, dtype=np.float64)
    if len(given) < 2:
        return np.zeros(2), np.zeros(2)
    return given[:, 0], given[:, 1]
