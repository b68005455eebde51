"""The plain methods a feed is set beside: what a user of tf-idf, of a co-read matrix or of `implicit` would write.

Each gives every article a score for one reader. None shows what a reader has seen, and equal scores are put in an order
drawn from the seed, anew for each question: a method that knows nothing does as well as chance, no better and no worse.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from recnews.config import Settings
from recnews.errors import MissingExtraError
from recnews.evaluate.log import Catalogue, Log
from recnews.metrics import Float64
from recnews.records import Int64
from recnews.splits import Question

IMPLICIT = ("als", "bm25")


class Reader(Protocol):
    """A method that ranks articles for a reader, once it has learned from a log and from articles."""

    name: str

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:
        """Learn from what training sees; `texts` (articles, vocabulary) are tf-idf rows of unit length."""
        ...

    def scores(self, question: Question, log: Log) -> Float64:
        """(articles,) higher is better; `log` holds what is known when the question is asked."""
        ...


class Random:
    """No preference at all."""

    name = "random"

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:  # noqa: ARG002 - of the protocol
        """Nothing to learn."""
        self._size = len(catalogue)

    def scores(self, question: Question, log: Log) -> Float64:  # noqa: ARG002 - of the protocol
        """All the same: the order is drawn."""
        return np.zeros(self._size)


class Popular:
    """The most read first, for everybody."""

    name = "popularity"

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:
        """Nothing to learn: the log counts."""

    def scores(self, question: Question, log: Log) -> Float64:  # noqa: ARG002 - of the protocol
        """How many have read each."""
        return log.readers.astype(np.float64)


class RecentlyPopular:
    """The most read of the last days first; where the log has no times, there is no such thing."""

    name = "recent popularity"

    def __init__(self, days: float) -> None:
        self._days = days

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:
        """Nothing to learn."""

    def scores(self, question: Question, log: Log) -> Float64:
        """How many have read each lately."""
        if question.at is None:
            return np.zeros(len(log.catalogue))
        return log.read_since(question.at, self._days).astype(np.float64)


class TfIdfProfile:
    """Cosine with the sum of what was read, in words (Pazzani and Billsus 2007)."""

    name = "tf-idf profile"

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:  # noqa: ARG002 - of the protocol
        """Keep the rows."""
        self._texts = texts

    def scores(self, question: Question, log: Log) -> Float64:
        """Inner products; lengths of the profile do not matter to the order."""
        history = log.history(question)
        if len(history) == 0:
            return np.zeros(self._texts.shape[0])
        profile = np.asarray(self._texts[history].sum(axis=0)).ravel()
        return np.asarray(self._texts @ profile, dtype=np.float64)


class ItemToItem:
    """Articles read by the same readers: cosine of columns of the log (Sarwar et al. 2001), summed up."""

    name = "item-to-item"

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:  # noqa: ARG002 - of the protocol
        """All pairs that share a reader."""
        reads = log.matrix().astype(np.float64)
        lengths = np.sqrt(np.asarray(reads.sum(axis=0)).ravel())
        scaled = reads @ sparse.diags_array(1 / np.maximum(lengths, 1))
        self._alike = sparse.csr_array(scaled.T @ scaled)

    def scores(self, question: Question, log: Log) -> Float64:
        """The sum of the rows of what was read."""
        return np.asarray(self._alike[log.history(question)].sum(axis=0), dtype=np.float64).ravel()


class Implicit:
    """A model of the package `implicit`, with its own defaults but for the seed and one thread."""

    def __init__(self, kind: str, seed: int) -> None:
        if find_spec("implicit") is None:
            raise MissingExtraError("implicit", "evaluate", f"the baseline {kind}")
        self.name = {"als": "implicit ALS", "bm25": "implicit BM25"}[kind]
        self._kind, self._seed = kind, seed
        self._model: Any = None

    def fit(self, catalogue: Catalogue, log: Log, texts: sparse.csr_array) -> None:  # noqa: ARG002 - of the protocol
        """Factors of the log (Hu, Koren and Volinsky 2008), or the nearest articles of each, weighed as BM25 does."""
        with _quietly():
            if self._kind == "als":
                from implicit.cpu.als import AlternatingLeastSquares

                self._model = AlternatingLeastSquares(random_state=self._seed, num_threads=1)
            else:
                from implicit.nearest_neighbours import BM25Recommender

                self._model = BM25Recommender(num_threads=1)
            self._model.fit(sparse.csr_matrix(log.matrix()), show_progress=False)

    def scores(self, question: Question, log: Log) -> Float64:
        """A reader is folded in from what they have read; nobody is learned by name."""
        history = log.history(question)
        size = len(log.catalogue)
        if len(history) == 0:
            return np.zeros(size)
        if self._kind == "bm25":
            return np.asarray(self._model.similarity[history].sum(axis=0), dtype=np.float64).ravel()
        row = sparse.csr_matrix((np.ones(len(history), np.float32), (np.zeros_like(history), history)), shape=(1, size))
        with _quietly():
            factors = self._model.recalculate_user(np.array([0]), row)
        return np.asarray(self._model.item_factors @ np.ravel(factors), dtype=np.float64)


READERS: dict[str, Callable[[Settings], Reader]] = {
    "random": lambda _: Random(),
    "popularity": lambda _: Popular(),
    "recent": lambda settings: RecentlyPopular(settings.feed.popularity_days),
    "tfidf": lambda _: TfIdfProfile(),
    "items": lambda _: ItemToItem(),
    "als": lambda settings: Implicit("als", settings.embedding.seed),
    "bm25": lambda settings: Implicit("bm25", settings.embedding.seed),
}
"""The baselines by the name they are asked for."""


def installed() -> tuple[str, ...]:
    """The baselines whose packages are here."""
    return tuple(name for name in READERS if name not in IMPLICIT or find_spec("implicit") is not None)


def ordered(scores: Float64, candidates: Int64, draw: np.random.Generator, k: int) -> list[int]:
    """The `k` candidates with the highest scores, best first; equal ones in an order that `draw` decides."""
    shuffled = draw.permutation(candidates)
    best = np.argsort(-scores[shuffled], kind="stable")[:k]
    return [int(column) for column in shuffled[best]]


@contextmanager
def _quietly() -> Iterator[None]:
    """`implicit` warns, with reason, of a BLAS that runs threads beside its own; and, without, of what it passes to
    itself."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Method expects CSR input")
        yield
