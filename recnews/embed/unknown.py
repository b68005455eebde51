"""Vectors for words that were unseen in training, from the words around them (a la carte: Khodak et al. 2018).

What stands around a word says where it belongs, but the plain mean of it leans towards what stands around everything.
A linear map, fitted at train time on words whose vectors are known, turns one into the other. Words around a word that
are themselves unseen in training add nothing, so it does not matter in which order words are met.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recnews import arrays
from recnews.embed.base import TokenFile, Vocabulary
from recnews.embed.space import Space, to_unit
from recnews.records import Float32, Int64, Numbered, Tokens

INDUCTION_FILE = "induction.npz"
_FIT_COUNT = 10
_FIT_WORDS = 20_000
_FIT_OCCURRENCES = 30
_FIT_ARTICLES = 20_000
_FEWEST = 30
_RIDGE = 0.01
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Induction:
    """`unit(context) -> word vector`: matrix (d, d) float32; `length`, what vectors of rare words measure."""

    matrix: Float32
    length: float

    def vectors(self, contexts: Float32) -> Float32:
        """Word vectors (n, d), before idf, of contexts (n, d); each row's bytes independent of the others."""
        space = Space(self.matrix, np.zeros(self.matrix.shape[1], dtype=np.float32))
        return to_unit(space.project(to_unit(contexts).vectors)).vectors * np.float32(self.length)

    def save(self, folder: Path) -> None:
        """Write `induction.npz`."""
        np.savez(folder / INDUCTION_FILE, matrix=self.matrix, length=np.float64(self.length))

    @classmethod
    def load(cls, folder: Path) -> "Induction":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        found = arrays.load_all(folder / INDUCTION_FILE)
        return cls(found["matrix"], float(found["length"]))


def fit_induction(corpus: TokenFile, vocabulary: Vocabulary, whitened: Float32, window: int) -> Induction:
    """Ridge regression from contexts to word vectors (v, d), words weighted by the logarithm of their count."""
    frequent = vocabulary.counts >= min(_FIT_COUNT, np.sort(vocabulary.counts)[-_FEWEST:][0])
    chosen = np.flatnonzero(frequent)[-_FIT_WORDS:]  # the rarer of them, most like new words
    contexts = _sampled_contexts(corpus, vocabulary, chosen, to_unit(whitened).vectors, window)
    unit = to_unit(contexts)
    rows = np.flatnonzero(unit.known)
    targets, counts = whitened[chosen[rows]], vocabulary.counts[chosen[rows]]
    matrix = _ridge(unit.vectors[rows], targets, np.log1p(counts))
    rare = chosen[-max(len(chosen) // 4, 1) :]
    length = float(np.median(np.linalg.norm(whitened[rare], axis=1)))
    return Induction(np.ascontiguousarray(matrix, dtype=np.float32), length)


def _ridge(rows: Float32, targets: Float32, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d, d) the matrix that takes rows to targets with the least weighted square error."""
    x, y = rows.astype(np.float64), targets.astype(np.float64)
    second = x.T @ (x * weights[:, None])
    ridge = max(_RIDGE * np.trace(second) / len(second), 1e-9)
    return np.asarray(np.linalg.solve(second + ridge * np.eye(len(second)), x.T @ (y * weights[:, None])))


def contexts_of(  # noqa: PLR0917
    words: Sequence[str],
    texts: Numbered,
    holding: Sequence[Sequence[int]],
    vocabulary: Vocabulary,
    trained: Float32,
    window: int,
) -> Float32:
    """(n, d) contexts of words unseen in training, each from the texts at the places that `holding` names for it: sums
    by idf of the unit vectors `trained` (v, d) of the words within the window. Nearer ones count more, as in training.
    """
    pairs = [(owner, place) for owner, held in enumerate(holding) for place in held]
    if not pairs:
        return np.zeros((len(words), trained.shape[1]), dtype=np.float32)
    size = len(trained)
    asked = {word: size + number for number, word in enumerate(words)}  # a word may be there twice
    ids, starts, ends = _tellers(asked, texts, vocabulary, size)
    owners, places = np.array(pairs, dtype=np.int64).T
    # One stretch of tokens for each pair of a word and a text: its own places and the learned words between them.
    lengths = (ends - starts)[places]
    pair = np.repeat(np.arange(len(pairs)), lengths)
    flat = ids[np.arange(len(pair)) + np.repeat(starts[places] - np.cumsum(lengths) + lengths, lengths)]
    own = flat == np.array([asked[word] for word in words])[owners[pair]]
    kept = own | (flat < size)
    pair, flat = pair[kept], np.where(own, size, flat)[kept]
    parted = np.full(len(flat) + len(pairs) * window, _NOBODY)
    parted[np.arange(len(flat)) + pair * window] = flat
    stands = np.flatnonzero(parted == size)
    return _summed(_around(parted, stands, owners[pair[flat == size]], window), len(words), vocabulary, trained)


def _tellers(
    asked: Mapping[str, int], texts: Numbered, vocabulary: Vocabulary, size: int
) -> tuple[Int64, Int64, Int64]:
    """The tokens of texts that tell anything, and where each text starts and ends among them: rows below `size` of what
    was learned in training, and the numbers of the words that are `asked` about."""
    ids = texts.ids.astype(np.int64)
    others = np.flatnonzero(ids >= size)
    found, places = np.unique(ids[others], return_inverse=True)
    names = [vocabulary.words[it] if it < texts.size else texts.words[it - texts.size] for it in found.tolist()]
    ids[others] = np.array([asked.get(name, _NOBODY) for name in names], dtype=np.int64)[places]
    telling = ids != _NOBODY
    bounds = np.concatenate([[0], np.cumsum(texts.lengths)])
    ends = np.concatenate([[0], np.cumsum(telling)])[bounds]
    return ids[telling], ends[:-1], ends[1:]


def _around(flat: Int64, places: Int64, owners: Int64, window: int) -> tuple[Int64, Int64, Float32]:
    """Rows (owners), columns and weights of what stands within the window of `places` in `flat`; -1 is nobody."""
    padded = np.concatenate([np.full(window, _NOBODY), flat, np.full(window, _NOBODY)])
    offsets = np.array([offset for offset in range(-window, window + 1) if offset])
    columns = padded[places[:, None] + window + offsets[None, :]]
    weights = np.broadcast_to(((window + 1 - abs(offsets)) / window).astype(np.float32), columns.shape)
    kept = (columns != _NOBODY) & (columns != flat[places][:, None])
    rows = np.broadcast_to(owners[:, None], columns.shape)
    return rows[kept], columns[kept], weights[kept]


def _summed(around: tuple[Int64, Int64, Float32], count: int, vocabulary: Vocabulary, trained: Float32) -> Float32:
    """(count, d): each row summed in the order of the vocabulary, whatever other rows there are."""
    rows, columns, weights = around
    used, places = np.unique(columns, return_inverse=True)
    matrix = sparse.csr_array((weights, (rows, places)), shape=(count, len(used)))
    matrix.sum_duplicates()
    return np.asarray(matrix @ (trained[used] * vocabulary.idf[used].astype(np.float32)[:, None]), dtype=np.float32)


def _sampled_contexts(
    corpus: TokenFile, vocabulary: Vocabulary, chosen: Int64, trained: Float32, window: int
) -> Float32:
    """(n, d) contexts of the chosen words, from their first occurrences in articles spread over the corpus."""
    owner = np.full(len(vocabulary), _NOBODY)
    owner[chosen] = np.arange(len(chosen))
    seen = np.zeros(len(chosen), dtype=np.int64)
    contexts = np.zeros((len(chosen), trained.shape[1]), dtype=np.float32)
    for texts in corpus.batches(_FIT_ARTICLES):
        flat = _flat(texts, vocabulary, window)
        places = np.flatnonzero((flat != _NOBODY) & (owner[flat] != _NOBODY))
        owners = owner[flat[places]]
        order = np.argsort(owners, kind="stable")
        places, owners = places[order], owners[order]
        found, first, count = np.unique(owners, return_index=True, return_counts=True)
        number = np.arange(len(owners)) - np.repeat(first, count) + seen[owners]
        taken = number < _FIT_OCCURRENCES
        contexts += _summed(_around(flat, places[taken], owners[taken], window), len(chosen), vocabulary, trained)
        seen[found] += count
    return contexts


def _flat(texts: Sequence[Tokens], vocabulary: Vocabulary, window: int) -> Int64:
    """Rows of the texts' known words one after the other, with a window of nobody between texts."""

    def ids() -> Iterator[int]:
        for text in texts:
            yield from (vocabulary.ids[token] for token in chain(text.title, text.body) if token in vocabulary.ids)
            yield from [_NOBODY] * window

    return np.fromiter(ids(), dtype=np.int64)
