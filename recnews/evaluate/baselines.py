"""The plain methods recnews is set beside: what a user of gensim, of `bm25s` or of tf-idf would write.

All of them see the tokens that recnews sees, title and body as one text. Each foreign library is imported when its
method is asked for.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from typing import Any

import numpy as np
from scipy import sparse

from recnews.config import EmbeddingSettings
from recnews.embed.base import effective_min_count
from recnews.errors import MissingExtraError, TrainingError
from recnews.evaluate.systems import BLOCK, Rows, System, VectorSystem, look_up, to_unit_rows, token_of
from recnews.metrics import Float64
from recnews.records import Bools, Draft, Float32, HasText
from recnews.text import Tokenizer

TOPICS = 300


class Cutter:
    """Cuts each text once for all methods; memory holds the tokens of everything that was cut."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._cut: dict[str, list[str]] = {}

    def __call__(self, texts: Sequence[HasText]) -> list[list[str]]:
        """Tokens of texts, title first."""
        return [self._tokens(f"{text.title}\n{text.summary}\n{text.body}") for text in texts]

    def _tokens(self, text: str) -> list[str]:
        found = self._cut.get(text)
        if found is None:
            found = self._cut[text] = self.tokenizer(text)
        return found


class Word2VecMean(VectorSystem):
    """The plain mean of word vectors, trained with the parameters recnews trains its own with (Mikolov et al. 2013)."""

    name = "word2vec mean"

    def __init__(self, cutter: Cutter, settings: EmbeddingSettings) -> None:
        self._cutter, self._settings = cutter, settings
        self._model: Any = None

    def fit(self, articles: Sequence[Draft]) -> None:
        """Learn words, skip-gram with negative sampling."""
        from gensim.models import Word2Vec

        settings = self._settings
        self._model = Word2Vec(
            _not_empty(self._cutter(articles)),
            sg=1,
            window=settings.window,
            negative=settings.negative,
            **_training(settings, len(articles)),
        )

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """Means over all known tokens, each as often as it occurs."""
        vectors = self._model.wv
        rows = np.zeros((len(texts), self._settings.dim), dtype=np.float32)
        for row, tokens in enumerate(self._cutter(texts)):
            known = [vectors.key_to_index[token] for token in tokens if token in vectors.key_to_index]
            if known:
                rows[row] = vectors.vectors[known].mean(axis=0)
        return to_unit_rows(rows)

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
        """The vectors themselves."""
        tokens = [token_of(word, self._cutter.tokenizer) for word in words]
        rows, known = look_up(tokens, self._model.wv.key_to_index, self._model.wv.vectors)
        return to_unit_rows(rows), known


class PlainDoc2Vec(VectorSystem):
    """gensim's `Doc2Vec` as it comes, but for dimension, passes and seed; `infer_vector` as it comes.

    Its inference starts from Python's hash of the text: figures differ a little from process to process.
    """

    name = "doc2vec"

    def __init__(self, cutter: Cutter, settings: EmbeddingSettings) -> None:
        self._cutter, self._settings = cutter, settings
        self._model: Any = None

    def fit(self, articles: Sequence[Draft]) -> None:
        """Learn words and articles (Le and Mikolov 2014)."""
        from gensim.models.doc2vec import Doc2Vec, TaggedDocument

        documents = [TaggedDocument(tokens, [row]) for row, tokens in enumerate(_not_empty(self._cutter(articles)))]
        self._model = Doc2Vec(documents, **_training(self._settings, len(articles)))

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """One inference a text: milliseconds each."""
        rows = np.zeros((len(texts), self._settings.dim), dtype=np.float32)
        for row, tokens in enumerate(self._cutter(texts)):
            rows[row] = self._model.infer_vector(tokens)
        return to_unit_rows(rows)

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
        """The vectors of words learned beside those of articles."""
        tokens = [token_of(word, self._cutter.tokenizer) for word in words]
        rows, known = look_up(tokens, self._model.wv.key_to_index, self._model.wv.vectors)
        return to_unit_rows(rows), known


class TfIdf(VectorSystem):
    """Sparse rows of `(1 + log tf) * (log((1 + n) / (1 + df)) + 1)`, of unit length."""

    name = "tf-idf"

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self._ids: dict[str, int] = {}
        self._idf: Float32 = np.zeros(0, dtype=np.float32)

    def fit(self, articles: Sequence[Draft]) -> None:
        """Count in how many articles each token occurs."""
        texts = _not_empty(self._cutter(articles))
        self._ids = {token: row for row, token in enumerate(dict.fromkeys(chain.from_iterable(texts)))}
        occurs = np.bincount(self._counts(texts).indices, minlength=len(self._ids))
        self._idf = (np.log((1 + len(texts)) / (1 + occurs)) + 1).astype(np.float32)

    def weights(self, texts: Sequence[HasText]) -> sparse.csr_array:
        """(n, vocabulary) float32; tokens that were not in the training articles are left out."""
        rows = self._counts(self._cutter(texts))
        rows.data = (1 + np.log(rows.data)) * self._idf[rows.indices]
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)))
        scale = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0)
        rows.data = (rows.data * np.repeat(scale, np.diff(rows.indptr))).astype(np.float32)
        return rows

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """The weights."""
        return self.weights(texts)

    def _counts(self, texts: Sequence[list[str]]) -> sparse.csr_array:
        find = self._ids.get
        columns = [[row for token in tokens if (row := find(token)) is not None] for tokens in texts]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in columns], dtype=np.int64)])
        flat = np.fromiter(chain.from_iterable(columns), dtype=np.int64, count=int(indptr[-1]))
        shape = (len(texts), len(self._ids))
        matrix = sparse.csr_array((np.ones(len(flat), dtype=np.float32), flat, indptr), shape=shape)
        matrix.sum_duplicates()
        return matrix


class Lsi(TfIdf):
    """tf-idf on its `TOPICS` strongest directions (Deerwester et al. 1990)."""

    name = "lsi"

    def __init__(self, cutter: Cutter, seed: int) -> None:
        super().__init__(cutter)
        self._seed = seed
        self._directions: Float32 = np.zeros((0, 0), dtype=np.float32)

    def fit(self, articles: Sequence[Draft]) -> None:
        """Truncated singular value decomposition of the weights, randomized: exact ones take minutes."""
        super().fit(articles)
        weights = self.weights(articles)
        topics = min(TOPICS, min(weights.shape) - 1)
        if topics < 1:
            raise TrainingError("LSI needs at least two articles and two words")
        self._directions = _strongest_directions(weights, topics, self._seed)

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """Weights seen along the directions."""
        return to_unit_rows(np.asarray(self.weights(texts) @ self._directions, dtype=np.float32))


class Bm25:
    """BM25 by `bm25s` with its own defaults (Lucene's variant, k1 1.5, b .75).

    Where candidates are searched, they are what is indexed. Where pairs are judged, word statistics come from the
    training articles and the judged texts, and a score is divided by the query's score with itself, averaged over both
    directions: raw scores grow with the length of the query.
    """

    name = "bm25"

    def __init__(self, cutter: Cutter) -> None:
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtraError("bm25s", "evaluate", "the BM25 baseline") from error
        self._new: Callable[[], Any] = bm25s.BM25
        self._cutter = cutter
        self._articles: list[list[str]] = []

    def fit(self, articles: Sequence[Draft]) -> None:
        """Keep the articles' tokens."""
        self._articles = _not_empty(self._cutter(articles))

    def scores(self, queries: Sequence[HasText], candidates: Sequence[HasText]) -> Iterator[Float32]:
        """What an index of the candidates answers."""
        score, asked = self._indexed(self._cutter(candidates)), self._cutter(queries)
        for start in range(0, len(asked), BLOCK):
            yield np.stack([score(tokens) for tokens in asked[start : start + BLOCK]])

    def likeness(self, left: Sequence[HasText], right: Sequence[HasText]) -> Float64:
        """Scores of each text with the other, as shares of its score with itself; the mean of both directions."""
        a, b = self._cutter(left), self._cutter(right)
        score, base, n = self._indexed([*a, *b, *self._articles]), np.arange(len(a)), len(a)
        shares = np.zeros((2, n))
        for direction, (asked, own, other) in enumerate(((a, base, base + n), (b, base + n, base))):
            for row, tokens in enumerate(asked):
                found = score(tokens)
                itself = float(found[own[row]])
                shares[direction, row] = float(found[other[row]]) / itself if itself > 0 else 0.0
        return np.asarray(shares.mean(axis=0), dtype=np.float64)

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:  # noqa: ARG002 - of the protocol
        """None: it has no vectors of words."""
        return None

    def _indexed(self, texts: list[list[str]]) -> Callable[[list[str]], Float32]:
        """A function from query tokens to the (len(texts),) scores of texts."""
        model = self._new()
        model.index(texts, show_progress=False)

        def score(tokens: list[str]) -> Float32:
            ids = model.get_tokens_ids(tokens)
            found = model.get_scores_from_ids(ids) if len(ids) else np.zeros(len(texts))
            return np.asarray(found, dtype=np.float32)

        return score


BASELINES: dict[str, Callable[[Cutter, EmbeddingSettings], System]] = {
    "word2vec": Word2VecMean,
    "doc2vec": PlainDoc2Vec,
    "tfidf": lambda cutter, _: TfIdf(cutter),
    "bm25": lambda cutter, _: Bm25(cutter),
    "lsi": lambda cutter, settings: Lsi(cutter, settings.seed),
}
"""The baselines by the name they are asked for."""


def installed() -> tuple[str, ...]:
    """The baselines whose packages are here."""
    return tuple(name for name in BASELINES if name != "bm25" or find_spec("bm25s") is not None)


def _strongest_directions(rows: sparse.csr_array, count: int, seed: int) -> Float32:
    """(columns, count) leading right singular vectors, by subspace iteration from random ones (Halko et al. 2011)."""
    width = min(count + 20, *rows.shape)
    left = np.random.default_rng(seed).standard_normal((rows.shape[0], width), dtype=np.float32)
    for _ in range(4):
        left, _ = np.linalg.qr(rows @ (rows.T @ left))
    projected = np.asarray(rows.T @ left, dtype=np.float32)
    values, rotation = np.linalg.eigh(projected.T.astype(np.float64) @ projected)
    order = np.argsort(-values)[:count]
    lengths = np.sqrt(np.maximum(values[order], 1e-12))
    return np.ascontiguousarray(projected @ (rotation[:, order] / lengths), dtype=np.float32)


def _training(settings: EmbeddingSettings, articles: int) -> dict[str, Any]:
    """What both gensim models are given as recnews is."""
    return {
        "vector_size": settings.dim,
        "epochs": settings.epochs,
        "min_count": effective_min_count(settings.min_count, articles),
        "workers": settings.workers or os.cpu_count() or 1,
        "seed": settings.seed,
    }


def _not_empty(texts: list[list[str]]) -> list[list[str]]:
    if not any(texts):
        raise TrainingError(f"the {len(texts)} articles to learn from hold no words")
    return texts
