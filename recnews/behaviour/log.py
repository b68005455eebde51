"""A reading log as arithmetic takes it: who read what, once each, and how long ago."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recnews.records import Int64

Float64 = NDArray[np.float64]
_MICROS_A_DAY = 86_400_000_000.0
_NEARLY_ALL = 0.999


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Distinct reads by readers of articles, `ids` (n,) ascending: `reads` (readers, n) holds a 1 for each, `fresh` of
    the same shape how much of it is left, 0.5 to the power of its age in half-lives."""

    ids: Int64
    reads: sparse.csr_array
    fresh: sparse.csr_array

    @property
    def readers(self) -> int:
        """How many readers."""
        return int(self.reads.shape[0])

    def without(self, columns: NDArray[np.bool_]) -> "ReadLog":
        """The log without some of the articles' reads, of the same shape."""
        keep = sparse.diags_array((~columns).astype(np.float64))
        reads, fresh = (sparse.csr_array(matrix @ keep) for matrix in (self.reads, self.fresh))
        reads.eliminate_zeros()
        return ReadLog(self.ids, reads, fresh)


def read_log(
    users: Sequence[str], articles: Int64, times: NDArray[np.float64], *, longest: int, half_life_days: float
) -> ReadLog:
    """A log from pairs, each once, a reader's together, oldest first: `users` (p,), `articles` (p,) ids, `times` (p,)
    in microseconds, NaN where the log has none.

    A reader's latest `longest` reads count: a robot must not outweigh a town. Age is counted from the latest reads of
    the log, but one in a thousand: a wrong date in the far future must not make all others old. A read without a time
    does not age.
    """
    ids, columns = np.unique(articles, return_inverse=True)
    starts = np.flatnonzero([row == 0 or users[row] != users[row - 1] for row in range(len(users))])
    lengths = np.diff(np.append(starts, len(users)))
    rows = np.repeat(np.arange(len(starts)), lengths)
    left = np.concatenate([np.arange(length, 0, -1) for length in lengths]) if len(lengths) else np.zeros(0)
    kept = left <= longest
    known = times[np.isfinite(times)]
    latest = float(np.quantile(known, _NEARLY_ALL, method="lower")) if len(known) else 0.0
    ages = np.maximum(np.nan_to_num((latest - times) / _MICROS_A_DAY, nan=0.0), 0)
    shape = (len(starts), len(ids))
    where = (rows[kept], columns[kept])
    reads = sparse.csr_array((np.ones(int(kept.sum())), where), shape=shape)
    fresh = sparse.csr_array((0.5 ** (ages[kept] / half_life_days), where), shape=shape)
    return ReadLog(ids, reads, fresh)
