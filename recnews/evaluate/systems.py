"""What is compared: the protocol of a method, and recnews itself behind it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import sparse

from recnews.config import Settings
from recnews.errors import RowError, TrainingError
from recnews.generation import Generation
from recnews.metrics import Float64
from recnews.newsroom import Newsroom
from recnews.records import Bools, Draft, Float32, HasText
from recnews.text import DictionaryWord

BLOCK = 512
"""Queries scored at a time: memory holds (512, candidates) float32, never all queries against all candidates."""

Rows = Float32 | sparse.csr_array
Tell = Callable[[str], None]
"""Called with a line about what is being done."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as embedders take it. One that is not a whole article is all body."""

    title: str
    summary: str
    body: str

    @classmethod
    def free(cls, text: str) -> "Text":
        """A text that is no article, such as a title alone."""
        return cls("", "", text)


class System(Protocol):
    """A method that says how alike two texts are, once it has learned from articles."""

    name: str

    def fit(self, articles: Sequence[Draft]) -> None:
        """Learn. Raises `TrainingError`, `MissingExtraError`."""
        ...

    def scores(self, queries: Sequence[HasText], candidates: Sequence[HasText]) -> Iterator[Float32]:
        """(b, candidates) float32 blocks of at most `BLOCK` queries each, in the order of `queries`."""
        ...

    def likeness(self, left: Sequence[HasText], right: Sequence[HasText]) -> Float64:
        """(n,) how alike each text of `left` is to the one at its place in `right`."""
        ...

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
        """(n, d) unit vectors of words and (n,) which are known; None for a method without vectors of words."""
        ...


class VectorSystem:
    """A method that turns each text into one row, dense or sparse; inner products are its scores."""

    name = ""

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """(n, d) rows of unit length, zero where nothing is known."""
        raise NotImplementedError

    def scores(self, queries: Sequence[HasText], candidates: Sequence[HasText]) -> Iterator[Float32]:
        """Inner products, block by block."""
        found = self.encode(candidates)
        asked = found if queries is candidates else self.encode(queries)
        for start in range(0, len(queries), BLOCK):
            block = asked[start : start + BLOCK] @ found.T
            yield np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float32)

    def likeness(self, left: Sequence[HasText], right: Sequence[HasText]) -> Float64:
        """Inner products, row by row."""
        a, b = self.encode(left), self.encode(right)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return np.asarray((a * b).sum(axis=1), dtype=np.float64)
        return np.asarray(sparse.csr_array(a).multiply(b).sum(axis=1), dtype=np.float64)

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:  # noqa: ARG002 - of the protocol
        """None: unless a method says otherwise, it has no vectors of words."""
        return None


class RecnewsSystem(VectorSystem):
    """recnews: a newsroom of its own in a folder, filled and trained by the calls its users make."""

    name = "recnews"

    def __init__(self, folder: Path, settings: Settings, dictionary: Sequence[DictionaryWord]) -> None:
        """`folder` must stay as long as this is used: a generation reads its files when it needs them."""
        self._folder, self._settings, self._dictionary = folder, settings, dictionary
        self.generation: Generation | None = None

    def fit(self, articles: Sequence[Draft]) -> None:
        """Ingest the articles and train."""
        with Newsroom.open(self._folder, self._settings) as newsroom:
            for word in self._dictionary:
                newsroom.dictionary.add(word)
            report = newsroom.ingest(articles)
            if report.rejected:
                first = report.rejects[0]
                raise RowError(first.where.file, first.where.line, first.field, first.reason, first.remedy)
            self.generation = newsroom.train()

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """Vectors of articles as they are stored, and of free texts as `Newsroom.embed` gives them."""
        return self._trained().encode(texts)[0].vectors

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
        """The vectors that neighbours of words are found by."""
        generation = self._trained()
        ids, vectors = generation.embedder.vocabulary.ids, generation.embedder.words
        tokens = [token_of(word, generation.tokenizer) for word in words]
        return look_up(tokens, ids, vectors)

    def _trained(self) -> Generation:
        if self.generation is None:
            raise TrainingError("recnews has not been trained yet")
        return self.generation


def token_of(word: str, tokenizer: Callable[[str], list[str]]) -> str:
    """What a single word is called in a vocabulary: in lower case and so on, unless the tokenizer cuts it up."""
    pieces = tokenizer(word)
    return pieces[0] if len(pieces) == 1 else word


def look_up(tokens: Sequence[str], ids: dict[str, int], vectors: Float32) -> tuple[Float32, Bools]:
    """(n, d) rows of `vectors` for tokens, zero where `ids` does not know one, and (n,) which it knows."""
    known = np.array([token in ids for token in tokens], dtype=bool)
    rows = np.zeros((len(tokens), vectors.shape[1]), dtype=np.float32)
    rows[known] = vectors[[ids[token] for token in tokens if token in ids]]
    return rows, known


def to_unit_rows(rows: Float32) -> Float32:
    """Rows of unit length; zero ones stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
