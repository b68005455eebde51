"""How long articles are read, learned from when they were: the window of a feed and the half-lives of freshness."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_READS = 1000
_LEAST_OF_CATEGORY = 300
_NEARLY_ALL = 0.99
_MARGIN = 2.0
_LEAST_DAYS = 2.0
_MOST_DAYS = 36_500.0
_HOURS = (1.0, 24.0 * 365)


def learn_ageing(hours: NDArray[np.float64], categories: Sequence[str]) -> Mapping[str, Any]:
    """From the age of articles at each read, (n,) in hours, and the articles' categories.

    `half_life_hours` is the median age, the half-life of an exponential decay; `by_category` those of categories with
    300 reads; `window_days` twice the age within which 99% of the reads fall. Empty with fewer than 1,000 reads.
    """
    if len(hours) < _LEAST_READS:
        return {}
    names, rows, counts = np.unique(
        np.asarray(categories, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    each = {
        str(name): _half_life(hours[rows == row])
        for row, (name, count) in enumerate(zip(names, counts, strict=True))
        if name and count >= _LEAST_OF_CATEGORY
    }
    window = float(np.clip(_MARGIN * np.quantile(hours, _NEARLY_ALL) / 24, _LEAST_DAYS, _MOST_DAYS))
    return {
        "reads": len(hours),
        "half_life_hours": _half_life(hours),
        "by_category": each,
        "window_days": round(window, 2),
    }


def _half_life(hours: NDArray[np.float64]) -> float:
    return round(float(np.clip(np.median(hours), *_HOURS)), 2)
