"""Going on from an earlier training: what is kept for it, carried over and aligned.

A skip-gram model that goes on from its weights keeps its neighbourhoods, but whitening is fitted anew and may turn or
mirror every axis. The new words are therefore rotated onto the old ones before anything else is built on them; then the
space of articles can stay as it was.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnews import arrays
from recnews.embed.base import TokenFile, Vocabulary
from recnews.embed.space import Space
from recnews.records import Float32, Int64

_VECTORS = "vectors.npy"
_HIDDEN = "hidden.npy"
_OCCURRENCES = 30  # of a new word, to start it from


@dataclass(frozen=True, slots=True)
class Learned:
    """The weights of a skip-gram model in the order of its vocabulary: `vectors` (v, d) of words as they go in, and
    `hidden` (v, d) as they are predicted, float32. Only a training that goes on from them needs them."""

    vectors: Float32
    hidden: Float32

    def save(self, folder: Path) -> None:
        """Write both."""
        np.save(folder / _VECTORS, self.vectors)
        np.save(folder / _HIDDEN, self.hidden)

    @classmethod
    def load(cls, folder: Path) -> "Learned":
        """Map what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        return cls(arrays.load(folder / _VECTORS, mapped=True), arrays.load(folder / _HIDDEN, mapped=True))


@dataclass(frozen=True, slots=True)
class Start:
    """An earlier training to go on from: its words, their unit vectors (v, d), its space and its weights."""

    vocabulary: Vocabulary
    words: Float32
    space: Space
    learned: Learned

    def shared(self, words: list[str]) -> tuple[Int64, Int64]:
        """Rows of `words` that were learned before, and the same words' rows here."""
        old = self.vocabulary.ids
        pairs = [(row, old[word]) for row, word in enumerate(words) if word in old]
        rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        rows = rows[rows[:, 1] < len(self.learned.vectors)]  # later ones were met after that training
        return rows[:, 0], rows[:, 1]

    def carry_over(self, model: Any, corpus: TokenFile, window: int) -> None:
        """Put the weights of shared words into a gensim model. A new word starts from the mean vector of the words
        around it, as a few slow passes would not bring it there from nowhere; one among new words only, from there.
        """
        new, old = self.shared(model.wv.index_to_key)
        model.wv.vectors[new] = self.learned.vectors[old]
        model.syn1neg[new] = self.learned.hidden[old]
        fresh = set(range(len(model.wv))) - set(new.tolist())
        for row, total, count in self._contexts(model.wv.key_to_index, fresh, corpus, window):
            model.wv.vectors[row] = total / count

    def _contexts(
        self, rows: dict[str, int], fresh: set[int], corpus: TokenFile, window: int
    ) -> list[tuple[int, Float32, int]]:
        """Of each fresh row that stands beside words learned before: the sum of their vectors, and how many."""
        sums: dict[int, Float32] = {}
        counts, seen = Counter[int](), Counter[int]()
        size = len(self.learned.vectors)
        for text in corpus if fresh else ():
            tokens = [*text.title, *text.body]
            for place, row in enumerate(rows.get(token, -1) for token in tokens):
                if row not in fresh or seen[row] >= _OCCURRENCES:
                    continue
                seen[row] += 1
                around = (
                    self.vocabulary.ids.get(token, size) for token in tokens[max(0, place - window) : place + window]
                )
                known = [column for column in around if column < size]
                if known:
                    total = self.learned.vectors[known].sum(axis=0)
                    sums[row] = sums[row] + total if row in sums else total
                    counts[row] += len(known)
        return [(row, total, counts[row]) for row, total in sums.items()]

    def align(self, vectors: Float32, vocabulary: Vocabulary) -> Float32:
        """Vectors (v, d) of `vocabulary`, rotated so that the words shared with this training come to lie where they
        lay. Frequent words count more, by the square root of how often they occur."""
        new, old = self.shared(vocabulary.words)
        weights = np.sqrt(vocabulary.counts[new].astype(np.float64))
        turned = vectors @ rotation(vectors[new], self.words[old], weights)
        return np.ascontiguousarray(turned, dtype=np.float32)


def rotation(rows: Float32, onto: Float32, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d, d) the orthogonal matrix R with the least sum of `weights * |rows @ R - onto| ** 2` (Schoenemann 1966)."""
    left, _, right = np.linalg.svd((rows * weights[:, None]).T @ onto.astype(np.float64))
    return np.asarray(left @ right)
