"""Articles as weighted sums of Word2Vec word vectors (Mikolov et al. 2013), whitened, beside a lexical code.

Everything after the word vectors is linear up to the centring, so it is folded into one table at train time: a row per
word, already in the article space. Encoding is then one sparse product, without gensim.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recnews import arrays
from recnews.config import EmbeddingSettings
from recnews.embed.base import Progress, Texts, TokenFile, Vocabulary, Weighed, effective_min_count
from recnews.embed.continuing import Learned, Start
from recnews.embed.lexical import Lexical
from recnews.embed.space import Space, fit_space, fit_whitening, to_unit
from recnews.embed.unknown import Induction, contexts_of, fit_induction
from recnews.errors import TrainingError
from recnews.records import Encoded, Float32, Int64

_WORD_VECTORS = "word_vectors.npy"
_ARTICLE_TABLE = "article_table.npy"
_ALPHA = 0.025  # learning rate at the start of a training, as in word2vec.c


class Word2VecEmbedder:
    """Sums of word vectors by place and idf, in a whitened space, beside the sums of the words' codes."""

    name = "word2vec"
    induces = True

    def __init__(
        self,
        vocabulary: Vocabulary,
        words: Float32,
        table: Float32,
        *,
        space: Space,
        lexical: Lexical,
        induction: Induction,
        settings: EmbeddingSettings,
        learned: Learned | None = None,
    ) -> None:
        """`words` (v, d) unit rows; `table` (v, k) the words in the semantic part of the article space, float32.

        `learned` is there after a training only: what the next one may go on from is kept apart.
        """
        self.vocabulary, self.learned = vocabulary, learned
        self._trained, self._induction = words, induction
        self._new_words = np.empty((0, words.shape[1]), dtype=np.float32)
        self._new = np.empty((0, space.dim), dtype=np.float32)  # the table's rows of words met after training
        self._table, self._space, self._lexical, self._settings = table, space, lexical, settings

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self._space.dim + self._lexical.dim

    @property
    def words(self) -> Float32:
        """(vocabulary, d) unit vectors of words; a copy of all once new ones have come."""
        return np.concatenate([self._trained, self._new_words]) if len(self._new_words) else self._trained

    def words_at(self, rows: Sequence[int]) -> Float32:
        """(m, d) rows of `words`, of which no copy is made."""
        chosen, trained = np.asarray(rows, dtype=np.int64), len(self._trained)
        found = np.empty((len(chosen), self._trained.shape[1]), dtype=np.float32)
        new = chosen >= trained
        found[~new], found[new] = self._trained[chosen[~new]], self._new_words[chosen[new] - trained]
        return found

    def likeness(self, vector: Float32) -> Float32:
        """(vocabulary,) inner products of all words with one vector (d,)."""
        return np.concatenate([self._trained @ vector, self._new_words @ vector])

    def weigh(self, texts: Texts) -> Weighed:
        """The weights of the texts' words."""
        return self.vocabulary.weigh(texts, self._settings.position)

    def encode(self, texts: Texts, weighed: Weighed | None = None) -> Encoded:
        """Vectors of texts, (n, dim); a zero row for a text without a known word."""
        weighed = weighed or self.weigh(texts)
        projected = sums(weighed, self._table)
        if len(self._new):
            new = weighed.matrix[:, len(self._table) : len(self.vocabulary)]
            projected += np.asarray(new @ self._new, dtype=np.float32)
        return self._space.join(projected, self._lexical.block(weighed), self._settings.lexical_weight, weighed.known)

    def close(self) -> None:
        """Nothing: it is all memory."""

    def induce(self, words: Sequence[str], texts: Texts, holding: Sequence[Sequence[int]]) -> Float32:
        """(n, d) vectors of words unseen in training, zero where the texts say nothing. Each is made from those of the
        texts that `holding` names for it by their place, and that it stands in."""
        numbered = self.vocabulary.numbered(texts)
        contexts = contexts_of(words, numbered, holding, self.vocabulary, self._trained, self._settings.window)
        return self._induction.vectors(contexts)

    def extend(self, words: Sequence[str], vectors: Float32, articles: Int64) -> None:
        """Append words to the vocabulary, or give those appended before other vectors: (n, d), made by `induce`.

        `articles` (n,) is what a word's idf is taken from. No word stands twice in `words`.
        """
        self.vocabulary.extend(words, articles)
        rows = np.array([self.vocabulary.ids[word] for word in words])
        raw = vectors * np.sqrt(self.vocabulary.idf[rows]).astype(np.float32)[:, None]
        count = len(self.vocabulary) - len(self._table)
        self._new = _with_rows(self._new, count, rows - len(self._table), self._space.project(raw))
        self._new_words = _with_rows(self._new_words, count, rows - len(self._table), to_unit(vectors).vectors)
        self._lexical.extend()

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the tables and the space."""
        self.vocabulary.save(folder)
        np.save(folder / _WORD_VECTORS, self.words)
        np.save(folder / _ARTICLE_TABLE, self._table)
        self._space.save(folder)
        self._lexical.save(folder)
        self._induction.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: EmbeddingSettings) -> "Word2VecEmbedder":
        """Map, not read, what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        vocabulary = Vocabulary.load(folder)
        return cls(
            vocabulary,
            arrays.load(folder / _WORD_VECTORS, mapped=True),
            arrays.load(folder / _ARTICLE_TABLE, mapped=True),
            space=Space.load(folder),
            lexical=Lexical.load(folder, vocabulary, settings.lexical_dim, settings.lexical_idf),
            induction=Induction.load(folder),
            settings=settings,
        )


def fit(
    corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress, start: Start | None = None
) -> Word2VecEmbedder:
    """Learn words from the corpus, then the space from its articles.

    With `start`, go on from an earlier training: its weights, in fewer passes, and its space, which fits because the
    words are rotated onto its own. Raises `TrainingError` when no word occurs often enough to be learned.
    """
    model = _train(corpus, settings, workers, progress, start)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], dtype=np.int64)
    vocabulary = Vocabulary.of_corpus(corpus, model.wv.index_to_key, counts)
    whitened = whiten_words(np.asarray(model.wv.vectors, dtype=np.float32), settings.word_whitening)
    if start:
        whitened = start.align(whitened, vocabulary)
    # With the square root of idf in the weights, a word's share in its article is by idf in all.
    raw = whitened * np.sqrt(vocabulary.idf).astype(np.float32)[:, None]

    def sampled() -> Iterator[Float32]:
        for texts in corpus.batches(settings.fit_articles):
            yield sums(vocabulary.weigh(texts, settings.position), raw)

    space = (
        start.space if start else fit_space(sampled, settings.dim, settings.semantic_dim, settings.article_whitening)
    )
    lexical = Lexical.of(vocabulary, settings.lexical_dim, settings.lexical_idf)
    words, table = to_unit(whitened).vectors, space.project(raw)
    learned = Learned(np.asarray(model.wv.vectors), np.asarray(model.syn1neg))
    induction = fit_induction(corpus, vocabulary, whitened, settings.window)
    progress("space", 1.0)
    return Word2VecEmbedder(
        vocabulary,
        words,
        table,
        space=space,
        lexical=lexical,
        induction=induction,
        settings=settings,
        learned=learned,
    )


def whiten_words(vectors: Float32, power: float) -> Float32:
    """Word vectors (v, d) centred, whitened by `power`, scaled to a mean square length of 1."""
    whitened = fit_whitening([vectors], vectors.shape[1], power).apply(vectors)
    mean_square = float(np.einsum("ij,ij->", whitened, whitened, dtype=np.float64)) / max(len(whitened), 1)
    return whitened / np.float32(max(np.sqrt(mean_square), 1e-6))


def sums(weighed: Weighed, table: Float32) -> Float32:
    """(n, k) rows of `table` (v, k) summed by the weights of the texts; unseen words add nothing."""
    matrix = weighed.matrix
    known = matrix if matrix.shape[1] == len(table) else matrix[:, : len(table)]
    return np.asarray(known @ table, dtype=np.float32)


def _with_rows(matrix: Float32, count: int, rows: Int64, values: Float32) -> Float32:
    """A copy with so many rows, some of them set."""
    grown = np.zeros((count, matrix.shape[1]), dtype=np.float32)
    grown[: len(matrix)] = matrix
    grown[rows] = values
    return grown


def _train(
    corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress, start: Start | None
) -> Any:
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    epochs = settings.continue_epochs if start else settings.epochs

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, _model: object) -> None:
            self.done += 1
            progress("words", self.done / epochs)

    minimum, file = effective_min_count(settings.min_count, corpus.articles), str(corpus.path)
    model = Word2Vec(
        vector_size=settings.dim,
        window=settings.window,
        negative=settings.negative,
        sample=settings.subsampling(corpus.tokens),
        min_count=minimum,
        sg=1,
        epochs=epochs,
        workers=workers,
        seed=settings.seed,
        alpha=settings.continue_alpha if start else _ALPHA,
    )
    model.build_vocab(corpus_file=file)
    if start:
        start.carry_over(model, corpus, settings.window // 2)
    try:
        model.train(
            corpus_file=file,
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=epochs,
            callbacks=[Epochs()],
        )
    except RuntimeError as error:  # gensim: "you must first build vocabulary before training the model"
        raise TrainingError(
            f"none of the words of {corpus.articles} articles occurs {minimum} times; "
            "ingest more articles or lower --min-count"
        ) from error
    return model
