"""Articles by Doc2Vec, distributed bag of words with word training (Le and Mikolov 2014; Lau and Baldwin 2016).

How a text's vector is inferred, always to the same bytes, is in `inference`. The model is kept as plain arrays; a
pickle from a backup could run code.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recnews import arrays
from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, Texts, TokenFile, Vocabulary, Weighed, effective_min_count
from recnews.embed.inference import Inference, parameters
from recnews.embed.lexical import Lexical
from recnews.embed.space import Space, fit_space, to_unit
from recnews.embed.word2vec import whiten_words
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Int64

_HIDDEN = "hidden.npy"
_WORD_VECTORS = "word_vectors.npy"
_FIT_ARTICLES = 2000


class Doc2VecEmbedder:
    """A vector inferred for each text, in a whitened space."""

    name = "doc2vec"
    induces = False  # a text is inferred against the output weights of its words, and a new word has none

    def __init__(
        self,
        vocabulary: Vocabulary,
        words: Float32,
        hidden: Float32,
        *,
        space: Space,
        lexical: Lexical,
        settings: EmbeddingSettings,
    ) -> None:
        """`words` (v, d) unit rows; `hidden` (v, d) the output weights that inference runs against."""
        self.vocabulary, self.words = vocabulary, words
        self._space, self._lexical, self._settings = space, lexical, settings
        self._inference = Inference(vocabulary, hidden, settings)

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self._space.dim + self._lexical.dim

    def words_at(self, rows: Sequence[int]) -> Float32:
        """(m, d) rows of `words`."""
        return np.asarray(self.words[np.asarray(rows, dtype=np.int64)])

    def likeness(self, vector: Float32) -> Float32:
        """(vocabulary,) inner products of all words with one vector (d,)."""
        return np.asarray(self.words @ vector)

    def weigh(self, texts: Texts) -> Weighed:
        """The weights of the texts' words."""
        return self.vocabulary.weigh(texts, self._settings.position)

    def encode(self, texts: Texts, weighed: Weighed | None = None) -> Encoded:
        """Vectors of texts, (n, dim); a zero row for a text without a known word. Slow: milliseconds a text, in as many
        processes as `workers` says once there are many."""
        weighed = weighed or self.weigh(texts)
        raw = np.zeros((len(texts), self._settings.dim), dtype=np.float32)
        if weighed.known.any():
            raw[weighed.known] = self._inference.vectors([row for row in self.vocabulary.known(texts) if row])
        lexical = self._lexical.block(weighed)
        return self._space.join(self._space.project(raw), lexical, self._settings.lexical_weight, weighed.known)

    def close(self) -> None:
        """End the processes that infer; they start again when they are needed."""
        self._inference.close()

    def induce(self, words: Sequence[str], texts: Texts, holding: Sequence[Sequence[int]]) -> Float32:
        """Not to be asked: see `induces`."""
        raise NotImplementedError

    def extend(self, words: Sequence[str], vectors: Float32, articles: Int64) -> None:
        """Not to be asked: see `induces`."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the weights and the space."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _HIDDEN, self._inference.hidden)
        self._space.save(folder)
        self._lexical.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Doc2VecEmbedder":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        vocabulary = Vocabulary.load(folder)
        return cls(
            vocabulary,
            arrays.load(folder / _WORD_VECTORS, mapped=True),
            arrays.load(folder / _HIDDEN),
            space=Space.load(folder),
            lexical=Lexical.load(folder, vocabulary, settings.lexical_dim, settings.lexical_idf),
            settings=settings,
        )


def fit(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Doc2VecEmbedder:
    """Learn words and documents from the corpus, then the space from its articles, inferred as they will be served.

    Raises `TrainingError` when no word occurs often enough to be learned.
    """
    model = _train(corpus, settings, workers, progress)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], dtype=np.int64)
    vocabulary = Vocabulary.of_corpus(corpus, model.wv.index_to_key, counts)
    words = to_unit(whiten_words(np.asarray(model.wv.vectors, dtype=np.float32), settings.word_whitening)).vectors
    # Inferred as they will be served: trained document vectors lie elsewhere. Slow, so a few thousand must do.
    inference = Inference(vocabulary, np.array(model.syn1neg), settings)
    batches = corpus.batches(min(settings.fit_articles, _FIT_ARTICLES))
    sample = [row for texts in batches for row in vocabulary.known(texts) if row]
    documents = inference.vectors(sample)
    inference.close()
    space = fit_space(lambda: [documents], settings.dim, settings.semantic_dim, settings.article_whitening)
    lexical = Lexical.of(vocabulary, settings.lexical_dim, settings.lexical_idf)
    progress("space", 1.0)
    return Doc2VecEmbedder(vocabulary, words, inference.hidden, space=space, lexical=lexical, settings=settings)


def _documents(corpus: TokenFile) -> Iterator[Any]:
    from gensim.models.doc2vec import TaggedDocument

    for row, text in enumerate(corpus):
        yield TaggedDocument(text.title + text.body, [row])


def _train(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Any:
    from gensim.models import Doc2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, _model: object) -> None:
            self.done += 1
            progress("words", self.done / settings.epochs)

    class Documents:
        def __iter__(self) -> Iterator[Any]:
            return _documents(corpus)

    minimum = effective_min_count(settings.min_count, corpus.articles)
    try:
        return Doc2Vec(
            Documents(),
            min_count=minimum,
            sample=settings.subsampling(corpus.tokens),
            workers=workers,
            callbacks=[Epochs()],
            **parameters(settings),
        )
    except RuntimeError as error:
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {minimum} times; "
            "ingest more articles or lower --min-count"
        ) from error
