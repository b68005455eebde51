"""The semantic part of an article vector: raw vectors whitened and centred, and how it joins the lexical part.

Whitening divides each principal direction by its spread to a power below 1, on a covariance drawn towards a sphere by
`d / (n + d)`: a direction that few articles bear out is not blown up to the size of one that all bear out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnews import arrays
from recnews.records import Bools, Encoded, Float32

SPACE_FILE = "space.npz"
# Products run over this many rows at a time, the last block padded: BLAS picks its kernel by shape, and a row must
# come out to the same bit whatever batch it came in.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Space:
    """`raw -> unit(unit(raw @ matrix) - center)`; matrix (d, k) and center (k,), float32."""

    matrix: Float32
    center: Float32

    @property
    def dim(self) -> int:
        """Length of the semantic part."""
        return int(self.matrix.shape[1])

    def project(self, raw: Float32) -> Float32:
        """(n, k): `raw @ matrix`, each row's bytes independent of the others in the batch."""
        product = np.empty((len(raw), self.dim), dtype=np.float32)
        padded = np.zeros((_BLOCK, raw.shape[1]), dtype=np.float32)
        for start in range(0, len(raw), _BLOCK):
            block = raw[start : start + _BLOCK]
            padded[: len(block)] = block
            product[start : start + _BLOCK] = (padded @ self.matrix)[: len(block)]
        return product

    def join(self, projected: Float32, lexical: Float32, lexical_weight: float, known: Bools) -> Encoded:
        """Article vectors (n, k + lexical dim): both parts of unit length, the lexical one weighted, then the whole."""
        inner = to_unit(projected, known)
        semantic = to_unit(inner.vectors - self.center, inner.known).vectors
        return to_unit(np.hstack([semantic, np.float32(lexical_weight) * lexical]), known)

    def save(self, folder: Path) -> None:
        """Write `space.npz`."""
        np.savez(folder / SPACE_FILE, matrix=self.matrix, center=self.center)

    @classmethod
    def load(cls, folder: Path) -> "Space":
        """Read what `save` wrote. Raises `OSError` or `ValueError` when it cannot."""
        found = arrays.load_all(folder / SPACE_FILE)
        return cls(found["matrix"], found["center"])


def fit_space(batches: Callable[[], Iterable[Float32]], d: int, dim: int, power: float) -> Space:
    """The space of raw article vectors, which `batches()` gives twice, (n, d) each: the `dim` strongest directions."""
    unit_batches = (to_unit(batch).vectors for batch in batches())
    matrix = fit_whitening(unit_batches, d, power).directions[:, :dim]
    space = Space(np.ascontiguousarray(matrix, dtype=np.float32), np.zeros(min(dim, d), dtype=np.float32))
    total, count = np.zeros(space.dim), 0
    for batch in batches():
        rows = to_unit(space.project(batch))
        total, count = total + rows.vectors.sum(axis=0, dtype=np.float64), count + int(rows.known.sum())
    return Space(space.matrix, (total / max(count, 1)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Whitening:
    """`x -> (x - mean) @ directions`; mean (d,), directions (d, d) float64, the strongest first."""

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]

    def apply(self, rows: Float32) -> Float32:
        """Rows (n, d), whitened."""
        return np.asarray((rows - self.mean) @ self.directions, dtype=np.float32)


def fit_whitening(batches: Iterable[Float32], d: int, power: float) -> Whitening:
    """Whiten rows that come in batches of (n, d): each principal direction divided by its deviation to `power`.

    Finite for any input, none included; equal rows come out as zero.
    """
    count, total, second = 0, np.zeros(d), np.zeros((d, d))
    for batch in batches:
        rows = np.asarray(batch, dtype=np.float64)
        count, total, second = count + len(rows), total + rows.sum(axis=0), second + rows.T @ rows
    mean = total / max(count, 1)
    values, axes = np.linalg.eigh(second / max(count, 1) - np.outer(mean, mean))
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    trust = count / (count + d)
    spread = trust * values + (1 - trust) * values.mean()
    floor = max(float(spread.max(initial=0.0)) * 1e-6, 1e-12)
    return Whitening(mean, axes * np.maximum(spread, floor) ** (-power / 2))


def to_unit(vectors: Float32, known: Bools | None = None) -> Encoded:
    """Rows of unit length; rows not `known`, and rows without a direction, become zero and unknown."""
    # einsum, not BLAS: a sum over one row that no other row can influence.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    usable = (lengths > 1e-6) & np.isfinite(lengths)
    if known is not None:
        usable &= known
    scale = np.where(usable, 1.0 / np.where(usable, lengths, 1.0), 0.0).astype(np.float32)
    unit = np.ascontiguousarray(np.where(usable[:, None], vectors, 0.0) * scale[:, None], dtype=np.float32)
    return Encoded(unit, usable)
