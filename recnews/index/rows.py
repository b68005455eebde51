"""Vectors as they lie in memory or on disk, and inner products with them.

There are two products. `products` is quick: BLAS over blocks of rows, whose last bits depend on the shape of the block
and on the number of threads. `score` is the one that is answered: row by row in one fixed order.

Packed vectors are 16-bit integers times a power of two, one for each row. They are half the size of float32, are cut
off at 2^-16 to 2^-15 of the row's largest number (float16: 2^-12 of each number, seven times the mean error of a
score), and since a power of two changes no digit, a packed row gives the same score to the bit as the float32 row that
it unpacks to.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recnews.index.engine import faiss
from recnews.records import Float32, Int64

Int16 = NDArray[np.int16]

# OpenBLAS shares a product out to threads from about a million multiplications on. Of products as small as a row block
# of ours that costs more than it brings (6 x 592 x 20,000: 2.2 ms in small blocks on one thread, 8 in one on two).
_UNTHREADED = 450_000
_HALF_ULP = 2.0**-24
_OVERFLOW = 1e38
_UNPACKED = 1000  # rows at once: what fits into a core's own cache
_LARGEST_INT = 32767
_SMALLEST_EXPONENT = -100


class Rows(Protocol):
    """(n, dim) vectors. `longest` is at least the length of each."""

    dim: int
    longest: float

    def __len__(self) -> int: ...

    def products(self, queries: Float32, rows: slice | Int64) -> Float32:
        """(q, m) inner products of queries (q, dim) with some rows, quick, within `slack` of `score`."""
        ...

    def score(self, query: Float32, rows: Int64) -> Float32:
        """(m,) inner products of one query (dim,) with rows, the same bits however they are asked for."""
        ...

    def score_each(self, queries: Float32, rows: Int64) -> Float32:
        """(q, m) inner products of each query (q, dim) with rows of its own (q, m), the bits of `score`."""
        ...

    def take(self, rows: Int64) -> Float32:
        """(m, dim) float32, the rows themselves."""
        ...


class FloatRows:
    """float32 rows."""

    def __init__(self, array: Float32, longest: float) -> None:
        self.array, self.dim, self.longest = array, array.shape[1], longest

    def __len__(self) -> int:
        return len(self.array)

    def products(self, queries: Float32, rows: slice | Int64) -> Float32:
        """See `Rows`."""
        first, many = (rows.start, rows.stop - rows.start) if isinstance(rows, slice) else (0, len(rows))
        found = np.empty((len(queries), many), dtype=np.float32)
        for start, stop in _blocks(queries, many):
            chosen = slice(first + start, first + stop) if isinstance(rows, slice) else rows[start:stop]
            np.matmul(queries, self.array[chosen].T, out=found[:, start:stop])
        return found

    def score(self, query: Float32, rows: Int64) -> Float32:
        """See `Rows`."""
        return np.asarray(_row_by_row(query[None], self.array, rows[None])[0])

    def score_each(self, queries: Float32, rows: Int64) -> Float32:
        """See `Rows`."""
        return _row_by_row(queries, self.array, rows)

    def take(self, rows: Int64) -> Float32:
        """See `Rows`."""
        return np.ascontiguousarray(self.array[rows])


class PackedRows:
    """16-bit rows with a scale each, as `pack` makes them."""

    def __init__(self, numbers: Int16, scales: Float32, longest: float) -> None:
        self.numbers, self.scales, self.dim, self.longest = numbers, scales, numbers.shape[1], longest

    def __len__(self) -> int:
        return len(self.numbers)

    def products(self, queries: Float32, rows: slice | Int64) -> Float32:
        """See `Rows`."""
        first, many = (rows.start, rows.stop - rows.start) if isinstance(rows, slice) else (0, len(rows))
        found = np.empty((len(queries), many), dtype=np.float32)
        blocks = _blocks(queries, many)
        unpacked = np.empty((blocks[0][1] if blocks else 0, self.dim), dtype=np.float32)
        for start, stop in blocks:
            chosen = slice(first + start, first + stop) if isinstance(rows, slice) else rows[start:stop]
            block = unpacked[: stop - start]
            np.copyto(block, self.numbers[chosen])
            np.matmul(queries, block.T, out=found[:, start:stop])
            found[:, start:stop] *= self.scales[chosen]
        return found

    def score(self, query: Float32, rows: Int64) -> Float32:
        """See `Rows`."""
        return np.asarray(self.score_each(query[None], rows[None])[0])

    def score_each(self, queries: Float32, rows: Int64) -> Float32:
        """See `Rows`."""
        scores, together = np.empty(rows.shape, dtype=np.float32), max(_UNPACKED // max(rows.shape[1], 1), 1)
        for start in range(0, len(rows), together):
            some = rows[start : start + together]
            block = self.numbers[some.ravel()].astype(np.float32)
            places = np.arange(some.size, dtype=np.int64).reshape(some.shape)
            scores[start : start + together] = _row_by_row(queries[start : start + together], block, places)
        return np.asarray(scores * self.scales[rows])

    def take(self, rows: Int64) -> Float32:
        """See `Rows`."""
        return unpack(self.numbers[rows], self.scales[rows])


def pack(vectors: Float32) -> tuple[Int16, Float32]:
    """(n, dim) 16-bit numbers and (n,) scales, powers of two. Packing what was unpacked gives the same again."""
    largest = np.abs(vectors).max(axis=1, initial=0)
    _, exponents = np.frexp(largest)
    scales = np.ldexp(np.float32(1), np.maximum(exponents, _SMALLEST_EXPONENT) - 15).astype(np.float32)
    scales = np.where(np.rint(largest / scales) > _LARGEST_INT, 2 * scales, scales)
    return np.rint(vectors / scales[:, None]).astype(np.int16), scales


def unpack(numbers: Int16, scales: Float32) -> Float32:
    """(n, dim) float32, without a rounding."""
    return np.asarray(numbers.astype(np.float32) * scales[:, None], dtype=np.float32)


def rounded(vectors: Float32) -> Float32:
    """(n, dim) float32 as they would come back after `pack`."""
    return unpack(*pack(vectors))


def longest(vectors: Float32) -> float:
    """At least the length of each row, 0 without rows."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return float(np.sqrt(squares.max(initial=0))) * (1 + 1e-6)


def slack(query: Float32, rows: Rows) -> float:
    """By how much `products` and `score` of one row can differ at most.

    Summed in any order, with or without fused additions, a float32 inner product of length d is off by at most
    d u / (1 - d u) times the product of the lengths, u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd ed. 2002, section 3.1). Without bound where sums can overflow.
    """
    unit, lengths = rows.dim * _HALF_ULP, longest(query[None]) * rows.longest
    if lengths > _OVERFLOW:
        return np.inf
    return 2 * unit / (1 - unit) * lengths + rows.dim * 2.0**-120


def _blocks(queries: Float32, rows: int) -> list[tuple[int, int]]:
    size = min(max(_UNTHREADED // max(queries.size, 1), 64), 4096)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _row_by_row(queries: Float32, array: Float32, rows: Int64) -> Float32:
    scores = np.empty(rows.shape, dtype=np.float32)
    if rows.size:
        queries, rows = np.ascontiguousarray(queries), np.ascontiguousarray(rows)
        pointers = [faiss.swig_ptr(part) for part in (scores, queries, array, rows)]
        faiss.fvec_inner_products_by_idx(*pointers, array.shape[1], *rows.shape)
    return scores
