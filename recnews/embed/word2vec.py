"""Articles as weighted sums of Word2Vec word vectors (Mikolov et al. 2013), whitened, beside a lexical code.

Everything after the word vectors is linear up to the centring, so it is folded into one table at train time: a row per
word, already in the article space. Encoding is then one sparse product, without gensim.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, TokenFile, Vocabulary, Weighed, effective_min_count
from recnews.embed.lexical import Lexical
from recnews.embed.space import Space, fit_space, fit_whitening, to_unit
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Tokens

_WORD_VECTORS = "word_vectors.npy"
_ARTICLE_TABLE = "article_table.npy"


class Word2VecEmbedder:
    """Sums of word vectors by place and idf, in a whitened space, beside the sums of the words' codes."""

    name = "word2vec"

    def __init__(
        self,
        vocabulary: Vocabulary,
        words: Float32,
        table: Float32,
        *,
        space: Space,
        lexical: Lexical,
        settings: EmbeddingSettings,
    ) -> None:
        """`words` (v, d) unit rows; `table` (v, k) the words in the semantic part of the article space, float32."""
        self.vocabulary, self.words = vocabulary, words
        self._table, self._space, self._lexical, self._settings = table, space, lexical, settings

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self._space.dim + self._lexical.dim

    def weigh(self, texts: Sequence[Tokens]) -> Weighed:
        """The weights of the texts' words."""
        return self.vocabulary.weigh(texts, self._settings.position)

    def encode(self, texts: Sequence[Tokens], weighed: Weighed | None = None) -> Encoded:
        """Vectors of texts, (n, dim); a zero row for a text without a known word."""
        weighed = weighed or self.weigh(texts)
        projected = sums(weighed, self._table)
        return self._space.join(projected, self._lexical.block(weighed), self._settings.lexical_weight, weighed.known)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the tables and the space."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _ARTICLE_TABLE, self._table)
        self._space.save(folder)
        self._lexical.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Word2VecEmbedder":
        """Map, not read, what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        vocabulary = Vocabulary.load(folder)
        return cls(
            vocabulary,
            np.load(folder / _WORD_VECTORS, mmap_mode="r"),
            np.load(folder / _ARTICLE_TABLE, mmap_mode="r"),
            space=Space.load(folder),
            lexical=Lexical.load(folder, vocabulary, settings.lexical_dim, settings.lexical_idf),
            settings=settings,
        )


def fit(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Word2VecEmbedder:
    """Learn words from the corpus, then the space from its articles.

    Raises `TrainingError` when no word occurs often enough to be learned.
    """
    model = _train(corpus, settings, workers, progress)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], dtype=np.int64)
    vocabulary = Vocabulary.of_corpus(corpus, model.wv.index_to_key, counts)
    whitened = whiten_words(np.asarray(model.wv.vectors, dtype=np.float32), settings.word_whitening)
    # With the square root of idf in the weights, a word's share in its article is by idf in all.
    raw = whitened * np.sqrt(vocabulary.idf).astype(np.float32)[:, None]

    def sampled() -> Iterator[Float32]:
        for texts in corpus.batches(settings.fit_articles):
            yield sums(vocabulary.weigh(texts, settings.position), raw)

    space = fit_space(sampled, settings.dim, settings.semantic_dim, settings.article_whitening)
    progress("space", 1.0)
    lexical = Lexical.of(vocabulary, settings.lexical_dim, settings.lexical_idf)
    return Word2VecEmbedder(
        vocabulary, to_unit(whitened).vectors, space.project(raw), space=space, lexical=lexical, settings=settings
    )


def whiten_words(vectors: Float32, power: float) -> Float32:
    """Word vectors (v, d) centred, whitened by `power`, scaled to a mean square length of 1."""
    whitened = fit_whitening([vectors], vectors.shape[1], power).apply(vectors)
    mean_square = float(np.einsum("ij,ij->", whitened, whitened, dtype=np.float64)) / max(len(whitened), 1)
    return whitened / np.float32(max(np.sqrt(mean_square), 1e-6))


def sums(weighed: Weighed, table: Float32) -> Float32:
    """(n, k) rows of `table` (v, k) summed by the weights of the texts; unseen words add nothing."""
    matrix = weighed.matrix
    return np.asarray((matrix[:, : len(table)] if weighed.unseen else matrix) @ table, dtype=np.float32)


def _train(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Any:
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, _model: object) -> None:
            self.done += 1
            progress("words", self.done / settings.epochs)

    minimum = effective_min_count(settings.min_count, corpus.articles)
    try:
        return Word2Vec(
            corpus_file=str(corpus.path),
            vector_size=settings.dim,
            window=settings.window,
            negative=settings.negative,
            sample=settings.subsampling(corpus.tokens),
            min_count=minimum,
            sg=1,
            epochs=settings.epochs,
            workers=workers,
            seed=settings.seed,
            callbacks=[Epochs()],
        )
    except RuntimeError as error:  # gensim: "you must first build vocabulary before training the model"
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {minimum} times; "
            "ingest more articles or lower --min-count"
        ) from error
