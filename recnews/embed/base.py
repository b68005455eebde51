"""What every embedder offers, and what they share: the token file they learn from and the vocabulary."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import sparse

from recnews.records import Encoded, Float32, Int64, Tokens

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of it that is done, 0 to 1."""

WORDS_FILE = "words.txt"
COUNTS_FILE = "counts.npy"


class Embedder(Protocol):
    """Turns tokens into vectors of one space. Encoding a text twice, in any batch, gives the same bytes."""

    name: str
    vocabulary: "Vocabulary"

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        ...

    @property
    def words(self) -> Float32:
        """(vocabulary, d) unit vectors of words: neighbours in meaning, not necessarily in the article space."""
        ...

    def encode(self, texts: Sequence[Tokens], weights: sparse.csr_array | None = None) -> Encoded:
        """Vectors of texts, (n, dim). A text without a known word gets a zero row, never noise.

        `weights` are the texts' `vocabulary.weights`, for a caller that has them already.
        """
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


class Vocabulary:
    """The words an embedder has learned, most frequent first, with how often and in how many articles they occur."""

    def __init__(self, words: Sequence[str], counts: Int64, articles: Int64, total_articles: int) -> None:
        """`counts` and `articles` are (n,) int64 in the order of `words`."""
        self.words = list(words)
        self.counts, self.articles, self.total_articles = counts, articles, total_articles
        self.ids = {word: row for row, word in enumerate(self.words)}
        self.idf = (np.log((1.0 + total_articles) / (1.0 + articles)) + 1.0).astype(np.float32)

    def __len__(self) -> int:
        return len(self.words)

    def weights(self, texts: Sequence[Tokens], title_weight: int) -> sparse.csr_array:
        """(n, vocabulary) float32 weights `(1 + log tf) * idf`, a title token counting `title_weight` times.

        Sparck Jones 1972 for idf; Manning et al., Introduction to Information Retrieval, 6.4.1, for the log.
        Columns ascend within a row, so that sums over a row always run in the same order.
        """
        titles, bodies = self._rows([text.title for text in texts]), self._rows([text.body for text in texts])
        lengths = [len(title) + len(body) for title, body in zip(titles, bodies, strict=True)]
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        parts = [part for pair in zip(titles, bodies, strict=True) for part in pair]
        columns = np.fromiter(chain.from_iterable(parts), dtype=np.int32, count=int(indptr[-1]))
        share = np.repeat(
            np.tile(np.array([title_weight, 1], dtype=np.float32), len(texts)), [len(part) for part in parts]
        )
        matrix = sparse.csr_array((share, columns, indptr), shape=(len(texts), len(self)))
        matrix.sum_duplicates()
        matrix.data = (1.0 + np.log(matrix.data)) * self.idf[matrix.indices]
        return matrix

    def keywords(self, weights: sparse.csr_array, limit: int) -> list[tuple[str, ...]]:
        """The `limit` heaviest words of each row of `weights`, the heaviest first, ties by vocabulary order."""
        found = []
        for start, end in zip(weights.indptr[:-1], weights.indptr[1:], strict=True):
            columns, values = weights.indices[start:end], weights.data[start:end]
            order = np.lexsort((columns, -values))[:limit]
            found.append(tuple(self.words[column] for column in columns[order]))
        return found

    def _rows(self, token_lists: Sequence[list[str]]) -> list[list[int]]:
        """The vocabulary rows of the known tokens of each list."""
        find = self.ids.get
        return [[row for token in tokens if (row := find(token)) is not None] for tokens in token_lists]

    def save(self, folder: Path) -> None:
        """Write `words.txt` and `counts.npy`."""
        (folder / WORDS_FILE).write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")
        np.save(folder / COUNTS_FILE, np.stack([self.counts, self.articles, np.full(len(self), self.total_articles)]))

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        words = (folder / WORDS_FILE).read_text(encoding="utf-8").split("\n")[:-1]
        counts, articles, total = np.load(folder / COUNTS_FILE)
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
    return min(asked, 1 if articles < 200 else 2 if articles < 1000 else asked)
