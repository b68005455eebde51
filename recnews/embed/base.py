"""What every embedder offers, and what they share: the token file they learn from and the vocabulary."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recnews import arrays
from recnews.records import Bools, Encoded, Float32, Int32, Int64, Numbered, Tokens

Texts: TypeAlias = Sequence[Tokens] | Numbered
"""Texts that are cut. Who reads them more than once numbers them first, by `recnews.text.Cuts`."""

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of it that is done, 0 to 1."""

WORDS_FILE = "words.txt"
COUNTS_FILE = "counts.npy"
_FIT_BATCH = 500


class Embedder(Protocol):
    """Turns tokens into vectors of one space. Encoding a text twice, in any batch, gives the same bytes."""

    name: str
    induces: bool
    vocabulary: "Vocabulary"

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        ...

    @property
    def words(self) -> Float32:
        """(vocabulary, d) unit vectors of words: neighbours in meaning, not necessarily in the article space."""
        ...

    def words_at(self, rows: Sequence[int]) -> Float32:
        """(m, d) rows of `words`."""
        ...

    def likeness(self, vector: Float32) -> Float32:
        """(vocabulary,) inner products of all words with one vector (d,)."""
        ...

    def weigh(self, texts: Texts) -> "Weighed":
        """The weights of the texts' words."""
        ...

    def encode(self, texts: Texts, weighed: "Weighed | None" = None) -> Encoded:
        """Vectors of texts, (n, dim). A text without a known word gets a zero row, never noise.

        `weighed` is what `weigh` gives for the texts, for a caller that has it already.
        """
        ...

    def induce(self, words: Sequence[str], texts: Texts, holding: Sequence[Sequence[int]]) -> Float32:
        """(n, d) vectors of words unseen in training, zero where the texts say nothing. Each is made from those of the
        texts that `holding` names for it by their place, and that it stands in.

        Not to be asked of an embedder that does not `induces`: it cannot take such words over.
        """
        ...

    def extend(self, words: Sequence[str], vectors: Float32, articles: Int64) -> None:
        """Append words to the vocabulary, or give those appended before other vectors: (n, d), made by `induce`.

        `articles` (n,) is what a word's idf is taken from. No word stands twice in `words`.
        """
        ...

    def close(self) -> None:
        """Give back what it holds beside memory, such as processes."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything `load` needs into an existing empty folder."""
        ...


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The corpus, cut once: an article a line, `title tokens TAB body tokens`. gensim reads it as it is."""

    path: Path
    articles: int
    tokens: int

    def __iter__(self) -> Iterator[Tokens]:
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                title, _, body = line.rstrip("\n").partition("\t")
                yield Tokens(title.split(), body.split())

    def batches(self, sample: int) -> Iterator[list[Tokens]]:
        """At most `sample` articles, spread evenly over the corpus, in batches."""
        step = max(1, -(-self.articles // sample))
        chosen = islice(self, 0, None, step)
        while batch := list(islice(chosen, _FIT_BATCH)):
            yield batch

    @classmethod
    def write(cls, path: Path, corpus: Iterator[Tokens]) -> "TokenFile":
        """Write a corpus, one article at a time."""
        articles = tokens = 0
        with path.open("w", encoding="utf-8") as file:
            for text in corpus:
                file.write(f"{' '.join(text.title)}\t{' '.join(text.body)}\n")
                articles += 1
                tokens += len(text.title) + len(text.body)
        return cls(path, articles, tokens)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Texts as rows of word weights, each of unit length or empty.

    `matrix` is (n, vocabulary + unseen) float32; its last columns belong to `unseen`, words that are not in the
    vocabulary, in alphabetical order. `known` (n,) bool is False for a text without a word of the vocabulary.
    """

    matrix: sparse.csr_array
    unseen: tuple[str, ...]
    known: Bools


class Vocabulary:
    """The words an embedder has learned, most frequent first, with how often and in how many articles they occur."""

    def __init__(self, words: Sequence[str], counts: Int64, articles: Int64, total_articles: int) -> None:
        """`counts` and `articles` are (n,) int64 in the order of `words`."""
        self.words = list(words)
        self.counts, self.articles, self.total_articles = counts, articles, total_articles
        self.ids = {word: row for row, word in enumerate(self.words)}
        self.idf = np.log((1.0 + total_articles) / np.maximum(articles, 1))

    def extend(self, words: Sequence[str], articles: Int64) -> None:
        """Append words that were met after training, each in some articles; those that were appended before keep their
        place. The store keeps them, not `save`."""
        new = [word for word in words if word not in self.ids]
        self.ids |= {word: row for row, word in enumerate(new, start=len(self))}
        self.words.extend(new)
        rows = [self.ids[word] for word in words]
        self.counts, self.articles = (
            np.concatenate([column, np.zeros(len(new), dtype=np.int64)]) for column in (self.counts, self.articles)
        )
        self.counts[rows], self.articles[rows] = articles, articles
        self.idf = np.concatenate([self.idf, np.zeros(len(new))])
        self.idf[rows] = np.log((1.0 + self.total_articles) / np.maximum(articles, 1))

    def __len__(self) -> int:
        return len(self.words)

    def idf_of(self, columns: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """(n,) idf (Sparck Jones 1972) of columns of `Weighed.matrix`; an unseen word counts as if in one article."""
        idf = np.full(len(columns), np.log(1.0 + self.total_articles))
        seen = columns < len(self)
        idf[seen] = self.idf[columns[seen]]
        return idf

    def numbered(self, texts: Texts) -> Numbered:
        """Texts as numbers, by all words that are known now unless they are numbered already."""
        if isinstance(texts, Numbered):
            return texts
        flat = list(chain.from_iterable(part for text in texts for part in (text.title, text.body)))
        lengths = np.fromiter((len(text.title) + len(text.body) for text in texts), dtype=np.int64, count=len(texts))
        ids = np.fromiter(map(self.ids.get, flat, repeat(-1)), dtype=np.int32, count=len(flat))
        missing = np.flatnonzero(ids < 0)
        words = list(dict.fromkeys(flat[place] for place in missing.tolist()))
        numbers = {word: number for number, word in enumerate(words, start=len(self))}
        ids[missing] = [numbers[flat[place]] for place in missing.tolist()]
        return Numbered(ids, lengths, len(self), words)

    def known(self, texts: Texts) -> list[list[str]]:
        """Of each text its tokens that were learned, in their order."""
        numbered = self.numbered(texts)
        ids, ends = numbered.ids.tolist(), np.cumsum(numbered.lengths).tolist()
        parts = (ids[end - length : end] for end, length in zip(ends, numbered.lengths.tolist(), strict=True))
        return [[self.words[number] for number in part if number < numbered.size] for part in parts]

    def _columns(self, numbered: Numbered) -> tuple[Int32, tuple[str, ...]]:
        """The column of each token, and the words that have one beyond the vocabulary."""
        columns, size = numbered.ids.copy(), numbered.size
        others = np.flatnonzero(columns >= size)
        found, places = np.unique(columns[others], return_inverse=True)
        words = [numbered.words[number - size] for number in found.tolist()]
        unseen = sorted(word for word in words if word not in self.ids)
        extra = {word: column for column, word in enumerate(unseen, start=len(self))}
        known = [extra[word] if word in extra else self.ids[word] for word in words]
        columns[others] = np.array(known, dtype=np.int32)[places]
        return columns, tuple(unseen)

    def weigh(self, texts: Texts, position: float) -> Weighed:
        """Weights `sqrt(c * idf)`, where a token at place p adds `position / (position + p)` to its word's count c.

        News says first what matters most; the title is where a text starts. Columns ascend within a row, and words that
        are unseen keep their order whatever batch they come in: sums over a row always run the same way.
        """
        numbered = self.numbered(texts)
        columns, unseen = self._columns(numbered)
        starts = np.concatenate([[0], np.cumsum(numbered.lengths)])
        places = np.arange(len(columns)) - np.repeat(starts[:-1], numbered.lengths)
        shape = (len(texts), len(self) + len(unseen))
        matrix = sparse.csr_array((position / (position + places), columns, starts), shape=shape)
        matrix.sum_duplicates()
        rows = np.repeat(np.arange(len(texts)), np.diff(matrix.indptr))
        weights = np.sqrt(matrix.data * self.idf_of(matrix.indices))
        squares = np.bincount(rows, weights=weights * weights, minlength=len(texts))
        matrix.data = (weights / np.sqrt(squares)[rows]).astype(np.float32)
        known = np.bincount(rows[matrix.indices < len(self)], minlength=len(texts)) > 0
        return Weighed(matrix, unseen, known)

    def keywords(self, weighed: Weighed, limit: int) -> list[tuple[str, ...]]:
        """The `limit` heaviest words of each text, the heaviest first, ties by column."""
        matrix, size, words, unseen = weighed.matrix, len(self), self.words, weighed.unseen
        found = []
        for start, end in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
            columns, values = matrix.indices[start:end], matrix.data[start:end]
            order = np.argsort(-values, kind="stable")[:limit]
            chosen = [words[column] if column < size else unseen[column - size] for column in columns[order].tolist()]
            found.append(tuple(chosen))
        return found

    def save(self, folder: Path) -> None:
        """Write `words.txt` and `counts.npy`."""
        (folder / WORDS_FILE).write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")
        np.save(folder / COUNTS_FILE, np.stack([self.counts, self.articles, np.full(len(self), self.total_articles)]))

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        words = (folder / WORDS_FILE).read_text(encoding="utf-8").split("\n")[:-1]
        counts, articles, total = arrays.load(folder / COUNTS_FILE)
        return cls(words, counts, articles, int(total[0]) if len(total) else 0)

    @classmethod
    def of_corpus(cls, corpus: TokenFile, words: Sequence[str], counts: Int64) -> "Vocabulary":
        """Count in how many articles each word occurs."""
        ids = {word: row for row, word in enumerate(words)}
        articles = np.zeros(len(words), dtype=np.int64)
        for text in corpus:
            rows = {ids[token] for token in chain(text.title, text.body) if token in ids}
            articles[list(rows)] += 1
        return cls(words, counts, articles, corpus.articles)


def effective_min_count(asked: int, articles: int) -> int:
    """A small corpus cannot afford to drop its rare words."""
    return min(asked, 1 if articles < 200 else asked)
