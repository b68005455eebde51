"""From ranks to figures: the measures of a feed, and their means with intervals over readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recnews import metrics
from recnews.metrics import Figure, Float64
from recnews.records import Int64
from recnews.splits import Question

BUCKETS = ((0, 2), (3, 4), (5, 9), (10, 19), (20, 49), (50, None))
"""Lengths of history that are told apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked: the columns that the reader had read, and how many candidates there were."""

    view: str
    question: Question
    history: Int64
    candidates: int


@dataclass(frozen=True)
class Summary:
    """Sums up values (questions, measures) view by view, with readers as units."""

    asked: Sequence[Asked]
    k: int
    whole: bool
    seed: int
    resamples: int

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the columns of `values`."""
        return measures(self.k, self.whole)

    @cached_property
    def views(self) -> tuple[str, ...]:
        """The views in the order they were asked."""
        return tuple(dict.fromkeys(one.view for one in self.asked))

    def values(self, ranks: Sequence[Sequence[int]]) -> Float64:
        """(questions, measures) of one method."""
        right = np.array([len(one.question.right) for one in self.asked])
        return measured(ranks, right, np.array([one.candidates for one in self.asked]), self.k, self.whole)

    def figures(self, view: str, values: Float64, names: Sequence[str]) -> dict[str, Figure]:
        """Means over one view."""
        return self._means([row for row, one in enumerate(self.asked) if one.view == view], values, names)

    def by_history(self, view: str, values: Float64) -> dict[str, Figure]:
        """The mean of the first measure for each length of history."""
        found = {}
        for low, high in BUCKETS:
            rows = [
                row
                for row, one in enumerate(self.asked)
                if one.view == view and low <= one.question.history and (high is None or one.question.history <= high)
            ]
            if rows:
                name = f"{low}+" if high is None else f"{low}-{high}"
                found[name] = self._means(rows, values[:, :1], ("first",))["first"]
        return found

    def _means(self, rows: list[int], values: Float64, names: Sequence[str]) -> dict[str, Figure]:
        _, units = np.unique([self.asked[row].question.user for row in rows], return_inverse=True)
        found = metrics.bootstrap_means(values[rows], units, self.resamples, self.seed)
        return dict(zip(names, found, strict=True))


def measures(k: int, whole: bool) -> tuple[str, ...]:
    """The names of the measures of accuracy: those of MIND where every candidate is ranked."""
    return ("AUC", "MRR", "nDCG@5", "nDCG@10") if whole else (f"hit@{k}", f"recall@{k}", f"MRR@{k}", f"nDCG@{k}")


def measured(ranks: Sequence[Sequence[int]], right: Int64, candidates: Int64, k: int, whole: bool) -> Float64:
    """(questions, measures) of the ranks of what was found."""
    padded = np.full((len(ranks), max((len(row) for row in ranks), default=0) or 1), np.inf)
    for number, row in enumerate(ranks):
        padded[number, : len(row)] = row
    if whole:
        found = (
            metrics.auc_of(padded, right, candidates), metrics.mean_reciprocal(padded, right),
            metrics.ndcg_of(padded, right, 5), metrics.ndcg_of(padded, right, 10),
        )  # fmt: skip
    else:
        found = (
            metrics.hit_of(padded, k), metrics.recall_of(padded, right, k), metrics.first_reciprocal(padded, k),
            metrics.ndcg_of(padded, right, k),
        )  # fmt: skip
    return np.stack(found, axis=1)
