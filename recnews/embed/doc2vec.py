"""Articles by Doc2Vec, distributed bag of words with word training (Le and Mikolov 2014; Lau and Baldwin 2016).

gensim's own `infer_vector` starts from a vector drawn by Python's process-wide hash and goes on with a shared random
state: it answers differently in each process and on each call. Here every inference starts from the same state. The
model is kept as plain arrays; a pickle from a backup could run code.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, TokenFile, Vocabulary, Weighed, effective_min_count
from recnews.embed.lexical import Lexical
from recnews.embed.space import Space, fit_space, to_unit
from recnews.embed.word2vec import whiten_words
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Tokens

_HIDDEN = "hidden.npy"
_WORD_VECTORS = "word_vectors.npy"
_FIT_ARTICLES = 2000
_LONGEST = 10_000  # gensim looks at no more of a document


class Doc2VecEmbedder:
    """A vector inferred for each text, in a whitened space."""

    name = "doc2vec"

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
        self._hidden, self._space, self._lexical, self._settings = hidden, space, lexical, settings
        self._model: Any = None

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self._space.dim + self._lexical.dim

    def weigh(self, texts: Sequence[Tokens]) -> Weighed:
        """The weights of the texts' words."""
        return self.vocabulary.weigh(texts, self._settings.position)

    def encode(self, texts: Sequence[Tokens], weighed: Weighed | None = None) -> Encoded:
        """Vectors of texts, (n, dim); a zero row for a text without a known word. Slow: milliseconds a text."""
        weighed = weighed or self.weigh(texts)
        raw = np.zeros((len(texts), self._hidden.shape[1]), dtype=np.float32)
        self._model = self._model or _model_around(self.vocabulary, self._hidden, self._settings)
        for row in np.flatnonzero(weighed.known).tolist():
            raw[row] = _infer(self._model, texts[row], self._settings)
        lexical = self._lexical.block(weighed)
        return self._space.join(self._space.project(raw), lexical, self._settings.lexical_weight, weighed.known)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the weights and the space."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _HIDDEN, self._hidden)
        self._space.save(folder)
        self._lexical.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Doc2VecEmbedder":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        vocabulary = Vocabulary.load(folder)
        return cls(
            vocabulary,
            np.load(folder / _WORD_VECTORS, mmap_mode="r"),
            np.load(folder / _HIDDEN),
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
    model.random = np.random.RandomState(settings.seed)
    # Inferred as they will be served: trained document vectors lie elsewhere. Slow, so a few thousand must do.
    inferred = [
        _infer(model, text, settings)
        for texts in corpus.batches(min(settings.fit_articles, _FIT_ARTICLES))
        for text in texts
        if any(token in vocabulary.ids for token in chain(text.title, text.body))
    ]
    documents = np.array(inferred, dtype=np.float32).reshape(-1, settings.dim)
    space = fit_space(lambda: [documents], settings.dim, settings.semantic_dim, settings.article_whitening)
    progress("space", 1.0)
    lexical = Lexical.of(vocabulary, settings.lexical_dim, settings.lexical_idf)
    return Doc2VecEmbedder(vocabulary, words, np.array(model.syn1neg), space=space, lexical=lexical, settings=settings)


def _infer(model: Any, text: Tokens, settings: EmbeddingSettings) -> Float32:
    """The vector (d,) of one text: gensim's schedule from a fixed state, none of its shared randomness."""
    from gensim.models.doc2vec import train_document_dbow

    tokens = [token for token in chain(text.title, text.body) if token in model.wv.key_to_index][:_LONGEST]
    model.random = np.random.RandomState(settings.seed)
    start = np.random.default_rng(settings.seed).random(settings.dim, dtype=np.float32)
    vector = ((start - np.float32(0.5)) / np.float32(settings.dim)).reshape(1, -1)
    work, free = np.zeros(model.layer1_size, np.float32), np.ones(1, np.float32)
    for alpha in np.linspace(model.alpha, model.min_alpha, settings.infer_epochs):
        train_document_dbow(
            model, tokens, [0], float(alpha), work,
            learn_words=False, learn_hidden=False, doctag_vectors=vector, doctags_lockf=free,
        )  # fmt: skip
    return np.asarray(vector[0])


def _documents(corpus: TokenFile) -> Iterator[Any]:
    from gensim.models.doc2vec import TaggedDocument

    for row, text in enumerate(corpus):
        yield TaggedDocument(text.title + text.body, [row])


def _parameters(settings: EmbeddingSettings) -> dict[str, Any]:
    return {
        "vector_size": settings.dim,
        "window": settings.window,
        "negative": settings.negative,
        "dm": 0,
        "dbow_words": 1,
        "epochs": settings.epochs,
        "seed": settings.seed,
    }


def _model_around(vocabulary: Vocabulary, hidden: Float32, settings: EmbeddingSettings) -> Any:
    """A gensim model that can infer, put together from the saved arrays."""
    from gensim.models import Doc2Vec

    # Every word is learned and none is skipped at inference: a short text has none to spare.
    model = Doc2Vec(min_count=1, sample=0, **_parameters(settings))
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
        return Doc2Vec(
            Documents(),
            min_count=minimum,
            sample=settings.subsampling(corpus.tokens),
            workers=workers,
            callbacks=[Epochs()],
            **_parameters(settings),
        )
    except RuntimeError as error:
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {minimum} times; "
            "ingest more articles or lower --min-count"
        ) from error
