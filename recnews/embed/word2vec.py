"""Articles as weighted means of Word2Vec word vectors (Mikolov et al. 2013), words and articles whitened.

Everything after the word vectors is affine, so it is folded into one table at train time: a row per word, already in
the article space. Encoding is then one sparse product, at query time without gensim.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, TokenFile, Vocabulary, effective_min_count
from recnews.embed.space import Space, fit_whitening, to_unit
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Tokens

_WORD_VECTORS = "word_vectors.npy"
_ARTICLE_TABLE = "article_table.npy"
_ARTICLE_MEAN = "article_mean.npy"
_FIT_BATCH = 1000


class Word2VecEmbedder:
    """Mean of word vectors by idf and log term frequency, in a whitened space."""

    name = "word2vec"

    def __init__(
        self, vocabulary: Vocabulary, words: Float32, table: Float32, mean: Float32, settings: EmbeddingSettings
    ) -> None:
        """`words` (v, d) unit rows, `table` (v, dim) and `mean` (dim,) of the article space, all float32."""
        self.vocabulary, self.words = vocabulary, words
        self._table, self._mean, self._settings = table, mean, settings

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return int(self._table.shape[1])

    def encode(self, texts: Sequence[Tokens], weights: sparse.csr_array | None = None) -> Encoded:
        """Vectors of texts, (n, dim); a zero row for a text without a known word."""
        if weights is None:
            weights = self.vocabulary.weights(texts, self._settings.title_weight)
        means, known = weighted_means(weights, self._table)
        return to_unit(means - self._mean, known)

    def save(self, folder: Path) -> None:
        """Write the vocabulary and the tables."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _ARTICLE_TABLE, self._table)
        np.save(folder / _ARTICLE_MEAN, self._mean)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Word2VecEmbedder":
        """Map, not read, what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        return cls(
            Vocabulary.load(folder),
            np.load(folder / _WORD_VECTORS, mmap_mode="r"),
            np.load(folder / _ARTICLE_TABLE, mmap_mode="r"),
            np.load(folder / _ARTICLE_MEAN),
            settings,
        )


def fit(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Word2VecEmbedder:
    """Learn words from the corpus, then the space from its articles.

    Raises `TrainingError` when no word occurs often enough to be learned.
    """
    model = _train(corpus, settings, workers, progress)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], dtype=np.int64)
    vocabulary = Vocabulary.of_corpus(corpus, model.wv.index_to_key, counts)
    raw = np.ascontiguousarray(model.wv.vectors, dtype=np.float32)
    words = fit_whitening([raw], raw.shape[1]).apply(raw, np.ones(len(raw), dtype=bool)).vectors
    space = _fit_articles(corpus, vocabulary, words, settings.title_weight)
    progress("space", 1.0)
    return Word2VecEmbedder(vocabulary, words, words @ space.matrix, space.mean @ space.matrix, settings)


def weighted_means(weights: sparse.csr_array, table: Float32) -> tuple[Float32, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Rows of `table` averaged by each row of `weights`, and which rows had any weight at all."""
    totals = np.asarray(weights.sum(axis=1), dtype=np.float32)
    known = totals > 0
    sums = np.asarray(weights @ table, dtype=np.float32)
    return sums / np.where(known, totals, 1.0).astype(np.float32)[:, None], known


def _fit_articles(corpus: TokenFile, vocabulary: Vocabulary, words: Float32, title_weight: int) -> Space:
    def means() -> Iterator[Float32]:
        for texts in _batches(corpus):
            rows, known = weighted_means(vocabulary.weights(texts, title_weight), words)
            yield rows[known]

    return fit_whitening(means(), words.shape[1])


def _batches(corpus: TokenFile) -> Iterator[list[Tokens]]:
    batch: list[Tokens] = []
    for text in corpus:
        batch.append(text)
        if len(batch) == _FIT_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _train(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Any:
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, _model: object) -> None:
            self.done += 1
            progress("words", self.done / settings.epochs)

    try:
        return Word2Vec(
            corpus_file=str(corpus.path),
            vector_size=settings.dim,
            window=settings.window,
            negative=settings.negative,
            sample=settings.subsample,
            min_count=effective_min_count(settings.min_count, corpus.articles),
            sg=1,
            epochs=settings.epochs,
            workers=workers,
            seed=settings.seed,
            callbacks=[Epochs()],
        )
    except RuntimeError as error:  # gensim: "you must first build vocabulary before training the model"
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {settings.min_count} times; "
            "ingest more articles or lower --min-count"
        ) from error
