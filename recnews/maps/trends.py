"""What rises: what was written about more this week than its share in the weeks before lets expect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnews.records import Int64

_LEAST = 3
_FALSE = 0.05


@dataclass(frozen=True, slots=True)
class Rise:
    """Something that rises: `row` is its row in what was counted, `factor` its share this week by that of the weeks
    before, `z` how sure that is, in standard deviations."""

    row: int
    factor: float
    z: float


def rising(counts: Int64, totals: Int64) -> list[Rise]:
    """What rises in the last of some weeks, the surest first.

    `counts` (n, weeks) is how many articles of each week hold each thing, `totals` (weeks,) how many there were. The
    log odds of this week against those of the weeks before, with a Dirichlet prior that takes what all weeks have
    together for likely, a pseudo-count for a thing (Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 16
    and 22). Of all things, those are told of which at most 5% are expected to be chance (Benjamini and Hochberg 1995)
    and that at least three articles of the week hold.
    """
    from scipy.stats import false_discovery_control, norm

    if not len(counts) or counts.shape[1] < 2 or not totals[-1] or not totals[:-1].sum():
        return []
    lately, before = counts[:, -1].astype(float), counts[:, :-1].sum(axis=1).astype(float)
    now, past = float(totals[-1]), float(totals[:-1].sum())
    share = (lately + before) / (now + past)
    prior = share * len(counts) / max(float(share.sum()), 1e-12)
    size = float(len(counts))
    odds = _log_odds(lately + prior, now + size) - _log_odds(before + prior, past + size)
    z = odds / np.sqrt(1 / (lately + prior) + 1 / (before + prior))
    sure = false_discovery_control(norm.sf(z)) <= _FALSE
    told = np.flatnonzero(sure & (lately >= _LEAST))
    factor = ((lately + prior) / (now + size)) / ((before + prior) / (past + size))
    order = told[np.argsort(-z[told], kind="stable")]
    return [Rise(int(row), round(float(factor[row]), 2), round(float(z[row]), 2)) for row in order]


def _log_odds(times: NDArray[np.float64], of: float) -> NDArray[np.float64]:
    return np.asarray(np.log(times / np.maximum(of - times, 1.0)))
