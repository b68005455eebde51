"""The lexical part of an article vector: a random code for each word, seen in training or not (random projection of a
bag of words; Achlioptas 2003). It finds what only the very words can find: names, numbers of aircraft, new words."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recnews import arrays
from recnews.embed.base import Vocabulary, Weighed
from recnews.embed.space import to_unit
from recnews.records import Float32, Int64

_CODES_FILE = "codes.npy"
_DIGEST_BITS = 512
# The eight signs of each byte.
_SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) * 2 - 1


class Lexical:
    """Sums of word codes of `dim` signs, weighted by idf to the power of `idf_power` in all."""

    def __init__(self, vocabulary: Vocabulary, codes: NDArray[np.uint8], dim: int, idf_power: float) -> None:
        """`codes` is (vocabulary, ceil(dim / 8)): the bits of the words' codes."""
        self._vocabulary, self._codes, self.dim, self._idf_power = vocabulary, codes, dim, idf_power

    @classmethod
    def of(cls, vocabulary: Vocabulary, dim: int, idf_power: float) -> "Lexical":
        """Codes for a vocabulary."""
        return cls(vocabulary, word_codes(vocabulary.words, dim), dim, idf_power)

    def block(self, weighed: Weighed) -> Float32:
        """(n, dim) float32 rows of unit length, zero for a text without words."""
        matrix = weighed.matrix
        used, size = np.zeros(matrix.shape[1], dtype=np.bool_), len(self._vocabulary)
        used[matrix.indices] = True
        columns = np.flatnonzero(used)
        places = (np.cumsum(used, dtype=np.int32) - np.int32(1))[matrix.indices]
        bits = np.concatenate(
            [self._codes[columns[columns < size]], word_codes(self._unseen(weighed, columns), self.dim)]
        )
        signs = _SIGNS[bits].reshape(len(bits), 8 * bits.shape[1])[:, : self.dim]
        # The weights carry idf to the power of a half already.
        scale = (self._vocabulary.idf_of(columns) ** (self._idf_power - 0.5)).astype(np.float32)
        data = matrix.data * scale[places]
        weights = sparse.csr_array((data, places, matrix.indptr), shape=(matrix.shape[0], len(columns)))
        return to_unit(np.asarray(weights @ signs, dtype=np.float32)).vectors

    def extend(self) -> None:
        """Add the codes of words that were appended to the vocabulary."""
        new = self._vocabulary.words[len(self._codes) :]
        self._codes = np.concatenate([self._codes, word_codes(new, self.dim)])

    def save(self, folder: Path) -> None:
        """Write the codes."""
        np.save(folder / _CODES_FILE, self._codes)

    @classmethod
    def load(cls, folder: Path, vocabulary: Vocabulary, dim: int, idf_power: float) -> "Lexical":
        """Map what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        return cls(vocabulary, arrays.load(folder / _CODES_FILE, mapped=True), dim, idf_power)

    def _unseen(self, weighed: Weighed, columns: Int64) -> list[str]:
        size = len(self._vocabulary)
        return [weighed.unseen[column - size] for column in columns[columns >= size].tolist()]


def word_codes(words: Sequence[str], dim: int) -> NDArray[np.uint8]:
    """(n, ceil(dim / 8)) bits of BLAKE2b of each word: the same on every machine, without a table."""
    blocks = -(-dim // _DIGEST_BITS)
    digests = b"".join(
        hashlib.blake2b(word.encode(), digest_size=64, salt=bytes([block])).digest()
        for word in words
        for block in range(blocks)
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(len(words), -1)[:, : -(-dim // 8)] if words else _none(dim)


def _none(dim: int) -> NDArray[np.uint8]:
    return np.empty((0, -(-dim // 8)), dtype=np.uint8)
