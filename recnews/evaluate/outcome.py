"""What an evaluation of feeds found: figures with intervals, by method, view and length of history."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import sparse

from recnews import __version__, metrics
from recnews.config import Settings
from recnews.evaluate.figures import plain, shown
from recnews.evaluate.log import Catalogue
from recnews.evaluate.summary import Asked, Summary, measures
from recnews.metrics import Figure, Float64
from recnews.records import Int64
from recnews.splits import Question, Split

BEYOND = ("diversity", "novelty", "cold share", "miscalibration")

# How the data came in and where it lies decides nothing, and may be secret.
_NOT_TOLD: Mapping[str, bool | set[str]] = {"ingest": True, "store": True, "replica": True, "index": {"archive"}}


@dataclass(frozen=True, slots=True)
class Answers:
    """What one method answered: a page of keys for each question; `fit` and `ask` in seconds."""

    method: str
    pages: Sequence[Sequence[str]]
    fit: float
    ask: float


@dataclass(frozen=True, slots=True)
class Pages:
    """What is needed to judge a page beyond whether it is right: texts (tf-idf rows), and how many of the readers `of`
    the training log read each article."""

    catalogue: Catalogue
    texts: sparse.csr_array
    readers: Int64
    of: int

    def measure(self, page: Sequence[str], asked: Asked) -> tuple[float, ...]:
        """The measures of `BEYOND`: 1 - cosine in words, bits, share of articles training saw no read of, and how far
        the page's categories are from the history's (NaN where articles carry none)."""
        columns = np.array([self.catalogue.columns[key] for key in page], dtype=np.int64)
        rows = self.texts[columns]
        read = self.readers[columns]
        cold = float((read == 0).mean()) if len(columns) else np.nan
        return (
            metrics.intra_list_diversity((rows @ rows.T).toarray()),
            metrics.novelty(read, self.of),
            cold,
            self._miscalibration(columns, asked.history),
        )

    def _miscalibration(self, columns: Int64, history: Int64) -> float:
        articles = self.catalogue.articles
        read = Counter(articles[column].category for column in history.tolist() if articles[column].category)
        page = Counter(articles[column].category for column in columns.tolist() if articles[column].category)
        names = sorted(read | page)
        return metrics.calibration([read[name] for name in names], [page[name] for name in names])


@dataclass(frozen=True, slots=True)
class FeedsOutcome:
    """What was found. `ranks` by method: for each question the ranks, from 1, of what was right and found."""

    protocol: str
    about: str
    k: int
    whole: bool
    views: tuple[str, ...]
    asked: Sequence[Asked]
    ranks: Mapping[str, Sequence[Sequence[int]]]
    figures: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    behind: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    by_history: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    seconds: Mapping[str, Mapping[str, float]]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    resamples: int

    @classmethod
    def of(
        cls, split: Split, asked: Sequence[Asked], answers: Sequence[Answers], pages: Pages, *, settings: Settings,
        k: int, resamples: int, corpus: Mapping[str, Any],
    ) -> "FeedsOutcome":  # fmt: skip
        """Sum up the answers. The first method is what the others are set against."""
        summary = Summary(asked, k, split.whole, settings.embedding.seed, resamples)
        ranks = {
            it.method: [ranks_in(page, one.question) for page, one in zip(it.pages, asked, strict=True)]
            for it in answers
        }
        values = {method: summary.values(found) for method, found in ranks.items()}
        beyond = {it.method: _beyond(it, asked, pages, k) for it in answers}
        figures: dict[str, dict[str, dict[str, Figure]]] = {}
        behind: dict[str, dict[str, dict[str, Figure]]] = {}
        history: dict[str, dict[str, dict[str, Figure]]] = {}
        first = values[answers[0].method]
        for view in summary.views:
            behind[view] = {
                it.method: summary.figures(view, first - values[it.method], summary.measures) for it in answers[1:]
            }
            history[view] = {it.method: summary.by_history(view, values[it.method]) for it in answers}
            figures[view] = {}
            for it in answers:
                both = np.concatenate([values[it.method], beyond[it.method]], axis=1)
                found = summary.figures(view, both, (*summary.measures, *BEYOND))
                found["coverage"] = _coverage(it, asked, view, pages, k)
                figures[view][it.method] = found
        return cls(
            split.protocol, split.about, k, split.whole, summary.views, asked, ranks, figures, behind, history,
            {it.method: {"fit": it.fit, "ask": it.ask} for it in answers}, corpus,
            settings.model_dump(exclude=_NOT_TOLD), settings.embedding.seed, resamples,
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """All of it as JSON values. Readers appear as hashes of their ids."""
        return {
            "evaluation": "feeds",
            "recnews": __version__,
            "protocol": self.protocol,
            "about": self.about,
            "k": self.k,
            "whole": self.whole,
            "corpus": dict(self.corpus),
            "settings": dict(self.settings),
            "seed": self.seed,
            "resamples": self.resamples,
            "interval": f"95%, percentiles of {self.resamples} bootstrap samples of readers",
            "ties": "in an order drawn from the seed for each question",
            "views": [
                {
                    "name": view,
                    "methods": [
                        {
                            "method": method,
                            "figures": plain(found),
                            "recnews_minus": plain(self.behind[view].get(method, {})),
                            "by_history": plain(self.by_history[view][method]),
                        }
                        for method, found in self.figures[view].items()
                    ],
                }
                for view in self.views
            ],
            "seconds": {method: dict(taken) for method, taken in self.seconds.items()},
            "questions": {
                "view": [self.views.index(one.view) for one in self.asked],
                "reader": [reader_hash(one.question.user) for one in self.asked],
                "at": [one.question.at.isoformat() if one.question.at else None for one in self.asked],
                "history": [one.question.history for one in self.asked],
                "right": [len(one.question.right) for one in self.asked],
                "candidates": [one.candidates for one in self.asked],
                "ranks": {method: [list(row) for row in found] for method, found in self.ranks.items()},
            },
        }  # fmt: skip

    def table(self, view: str) -> list[list[str]]:
        """A row for each method, under a header: accuracy as `value low-high`."""
        names = measures(self.k, self.whole)
        rows = [[method, *(shown(found[name]) for name in names)] for method, found in self.figures[view].items()]
        return [["method", *names], *rows]

    def table_beyond(self, view: str) -> list[list[str]]:
        """The same beyond accuracy, values only; a measure that nothing has is left out."""
        methods = self.figures[view]
        names = [name for name in (*BEYOND, "coverage") if not all(np.isnan(it[name].value) for it in methods.values())]
        rows = [[method, *(_plainly(found[name].value) for name in names)] for method, found in methods.items()]
        return [["method", *names], *rows]

    def table_behind(self, view: str) -> list[list[str]]:
        """What recnews has more than each baseline, reader by reader."""
        names = measures(self.k, self.whole)
        first = next(iter(self.figures[view]))
        rows = [
            [method, *(shown(found[name], " to ") for name in names)] for method, found in self.behind[view].items()
        ]
        return [[f"{first} minus", *names], *rows]

    def table_by_history(self, view: str) -> list[list[str]]:
        """The first measure by length of history; a bucket that nobody is in is left out."""
        found = self.by_history[view]
        buckets = list(next(iter(found.values())))
        sizes = next(iter(found.values()))
        head = [f"{bucket} ({sizes[bucket].n:,})" for bucket in buckets]
        return [["method", *head], *([method, *(shown(it[name]) for name in buckets)] for method, it in found.items())]


def ranks_in(page: Sequence[str], question: Question) -> list[int]:
    """The ranks, from 1, of what is right on a page."""
    right = set(question.right)
    return [place for place, key in enumerate(page, start=1) if key in right]


def reader_hash(user: str) -> str:
    """What a reader is called in a file of figures."""
    return blake2b(user.encode(), digest_size=6).hexdigest()


def _beyond(answers: Answers, asked: Sequence[Asked], pages: Pages, k: int) -> Float64:
    rows = [pages.measure(page[:k], one) for page, one in zip(answers.pages, asked, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(BEYOND))


def _coverage(answers: Answers, asked: Sequence[Asked], view: str, pages: Pages, k: int) -> Figure:
    """The share of the articles that may be shown which is shown to anybody; of one run, so without an interval."""
    shown_keys: set[str] = set()
    among: set[str] | None = set()
    for page, one in zip(answers.pages, asked, strict=True):
        if one.view == view:
            shown_keys |= set(page[:k])
            among = None if among is None or one.question.among is None else among | one.question.among
    size = len(pages.catalogue) if among is None else len(among)
    return Figure(len(shown_keys) / max(size, 1), np.nan, np.nan, size)


def _plainly(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
