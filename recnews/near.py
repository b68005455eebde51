"""Near-duplicate texts: MinHash over character 5-grams (Broder 1997), candidates by banding, decided by exact likeness.

Characters, not tokens: the answer must not change with the generation. Letters and digits only, so that punctuation,
spacing and width do not matter.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recnews.records import Int64
from recnews.text.normalize import normalize

Grams: TypeAlias = NDArray[np.uint64]

BANDS = 12
# Texts of likeness s share a band of 3 values with probability 1 - (1 - s^3)^12: .80 at .5, .95 at .6, .99 at .7.
_ROWS = 3
_SEED = 1
_LENGTH = 5
_NOT_WORD = re.compile(r"[\W_]+")
_MIX = np.uint64(0x9E3779B97F4A7C15)


def grams(texts: Sequence[str]) -> list[Grams]:
    """Of each text its 5-grams in order, as uint64 hashes; none for a text without a letter or digit."""
    letters = [_NOT_WORD.sub("", normalize(text)) for text in texts]
    lengths = np.array([max(len(text), _LENGTH) if text else 0 for text in letters], dtype=np.int64)
    # All texts at once, a short one padded, so that the arithmetic is a few passes over one long array.
    joined = "".join(text.ljust(_LENGTH, "\0") if text else "" for text in letters) + "\0" * _LENGTH
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - _LENGTH + 1
    hashed = np.zeros(count, dtype=np.uint64)
    for place in range(_LENGTH):
        hashed = (hashed ^ codes[place : place + count]) * _MIX  # wraps around, as a hash may
        hashed ^= hashed >> np.uint64(29)
    ends = np.cumsum(lengths)
    return [
        hashed[end - length : end - _LENGTH + 1] if length else hashed[:0]
        for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]


def bands(texts: Sequence[Grams]) -> Int64:
    """(n, 12) int64: two texts that share a value in any column may be alike."""
    from rensa import RMinHash

    digests = RMinHash.digest_matrix_from_token_hash_sets(list(texts), BANDS * _ROWS, _SEED).to_rows()
    rows = np.array(digests, dtype=np.uint64).reshape(len(texts), BANDS, _ROWS)
    mixed = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), (len(texts), BANDS)).copy()
    for place in range(_ROWS):
        mixed = (mixed ^ rows[:, :, place]) * _MIX
        mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)


def likeness(one: Grams, other: Grams) -> float:
    """Share of the 5-grams of two texts that both have (Jaccard), exactly; 0 where one has none."""
    if not len(one) or not len(other):
        return 0.0
    one, other = np.unique(one), np.unique(other)
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
