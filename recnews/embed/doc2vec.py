"""Articles by Doc2Vec, distributed bag of words with word training (Le and Mikolov 2014; Lau and Baldwin 2016).

gensim's own `infer_vector` starts from a vector drawn by Python's process-wide hash and goes on with a shared random
state: it answers differently in each process and on each call. Here every inference starts from the same state. The
model is kept as plain arrays; a pickle from a backup could run code.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, TokenFile, Vocabulary, effective_min_count
from recnews.embed.space import Space, fit_whitening
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Tokens

_HIDDEN = "hidden.npy"
_WORD_VECTORS = "word_vectors.npy"
_LONGEST = 10_000  # gensim looks at no more of a document


class Doc2VecEmbedder:
    """A vector inferred for each text, in a whitened space."""

    name = "doc2vec"

    def __init__(
        self,
        vocabulary: Vocabulary,
        words: Float32,
        hidden: Float32,
        space: Space,
        settings: EmbeddingSettings,
    ) -> None:
        """`words` (v, d) unit rows; `hidden` (v, d) the output weights that inference runs against."""
        self.vocabulary, self.words = vocabulary, words
        self._hidden, self._space, self._settings = hidden, space, settings
        self._model: Any = None
        start = np.random.default_rng(settings.seed).random(hidden.shape[1], dtype=np.float32)
        self._start = (start - np.float32(0.5)) / np.float32(hidden.shape[1])

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self._space.dim

    def encode(self, texts: Sequence[Tokens], weights: sparse.csr_array | None = None) -> Encoded:  # noqa: ARG002
        """Vectors of texts, (n, dim); a zero row for a text without a known word. Slow: milliseconds a text."""
        raw = np.zeros((len(texts), self._hidden.shape[1]), dtype=np.float32)
        known = np.zeros(len(texts), dtype=bool)
        for row, text in enumerate(texts):
            tokens = [t for t in text.title * self._settings.title_weight + text.body if t in self.vocabulary.ids][
                :_LONGEST
            ]
            if tokens:
                raw[row], known[row] = self._infer(tokens), True
        return self._space.apply(raw, known)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the weights and the space."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _HIDDEN, self._hidden)
        self._space.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Doc2VecEmbedder":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        return cls(
            Vocabulary.load(folder),
            np.load(folder / _WORD_VECTORS, mmap_mode="r"),
            np.load(folder / _HIDDEN),
            Space.load(folder),
            settings,
        )

    def _infer(self, tokens: list[str]) -> Float32:
        """One inference from a fixed state: gensim's schedule, none of its shared randomness."""
        from gensim.models.doc2vec import train_document_dbow

        model = self._model = self._model or _model_around(self.vocabulary, self._hidden, self._settings)
        model.random = np.random.RandomState(self._settings.seed)
        vector, epochs = self._start.copy().reshape(1, -1), self._settings.infer_epochs
        work, free = np.zeros(model.layer1_size, np.float32), np.ones(1, np.float32)
        alphas = np.linspace(model.alpha, model.min_alpha, epochs)
        for alpha in alphas:
            train_document_dbow(
                model, tokens, [0], float(alpha), work,
                learn_words=False, learn_hidden=False, doctag_vectors=vector, doctags_lockf=free,
            )  # fmt: skip
        inferred: Float32 = vector[0]
        return inferred


def fit(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Doc2VecEmbedder:
    """Learn words and documents from the corpus, then the space from its articles, inferred as they will be served.

    Raises `TrainingError` when no word occurs often enough to be learned.
    """
    model = _train(corpus, settings, workers, progress)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], dtype=np.int64)
    vocabulary = Vocabulary.of_corpus(corpus, model.wv.index_to_key, counts)
    raw = np.ascontiguousarray(model.wv.vectors, dtype=np.float32)
    words = fit_whitening([raw], raw.shape[1]).apply(raw, np.ones(len(raw), dtype=bool)).vectors
    # Trained document vectors lie where inferred ones would: the space is fitted on them, for inference is slow.
    space = fit_whitening([np.asarray(model.dv.vectors, dtype=np.float32)], settings.dim)
    progress("space", 1.0)
    return Doc2VecEmbedder(vocabulary, words, np.array(model.syn1neg), space, settings)


def _documents(corpus: TokenFile) -> Iterator[Any]:
    from gensim.models.doc2vec import TaggedDocument

    for row, text in enumerate(corpus):
        yield TaggedDocument(text.title + text.body, [row])


def _parameters(settings: EmbeddingSettings) -> dict[str, Any]:
    return {
        "vector_size": settings.dim,
        "window": settings.window,
        "negative": settings.negative,
        "sample": settings.subsample,
        "dm": 0,
        "dbow_words": 1,
        "epochs": settings.epochs,
        "seed": settings.seed,
    }


def _model_around(vocabulary: Vocabulary, hidden: Float32, settings: EmbeddingSettings) -> Any:
    """A gensim model that can infer, put together from the saved arrays."""
    from gensim.models import Doc2Vec

    model = Doc2Vec(min_count=1, **_parameters(settings))
    frequencies = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    model.build_vocab_from_freq(frequencies, corpus_count=vocabulary.total_articles)
    model.syn1neg = np.array(hidden)
    return model


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
        return Doc2Vec(Documents(), min_count=minimum, workers=workers, callbacks=[Epochs()], **_parameters(settings))
    except RuntimeError as error:
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {minimum} times; "
            "ingest more articles or lower --min-count"
        ) from error
