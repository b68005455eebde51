"""The space of article vectors: centred, whitened, of unit length. One affine map, fitted at train time."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recnews.records import Bools, Encoded, Float32

SPACE_FILE = "space.npz"
# Products run over this many rows at a time, the last block padded: BLAS picks its kernel by shape, and a row must
# come out to the same bit whatever batch it came in.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Space:
    """`x -> unit((x - mean) @ matrix)`; mean (d,), matrix (d, dim), float32."""

    mean: Float32
    matrix: Float32

    @property
    def dim(self) -> int:
        """Length of what comes out."""
        return int(self.matrix.shape[1])

    def apply(self, raw: Float32, known: Bools) -> Encoded:
        """Put raw vectors (n, d) into the space; rows not `known` come out zero."""
        return to_unit(blockwise_product(raw - self.mean, self.matrix), known)

    def save(self, folder: Path) -> None:
        """Write `space.npz`."""
        np.savez(folder / SPACE_FILE, mean=self.mean, matrix=self.matrix)

    @classmethod
    def load(cls, folder: Path) -> "Space":
        """Read what `save` wrote."""
        with np.load(folder / SPACE_FILE) as arrays:
            return cls(arrays["mean"], arrays["matrix"])


def blockwise_product(rows: Float32, matrix: Float32) -> Float32:
    """`rows @ matrix`, each row's bytes independent of the others in the batch."""
    product = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    padded = np.zeros((_BLOCK, rows.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        padded[: len(block)] = block
        product[start : start + _BLOCK] = (padded @ matrix)[: len(block)]
    return product


def to_unit(vectors: Float32, known: Bools) -> Encoded:
    """Rows of unit length; rows not `known`, and rows without a direction, become zero and unknown."""
    # einsum, not BLAS: a sum over one row that no other row can influence.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    known = known & (lengths > 1e-6) & np.isfinite(lengths)
    scale = np.where(known, 1.0 / np.where(known, lengths, 1.0), 0.0).astype(np.float32)
    unit = np.ascontiguousarray(np.where(known[:, None], vectors, 0.0) * scale[:, None], dtype=np.float32)
    return Encoded(unit, known)


def fit_whitening(batches: Iterable[Float32], dim: int) -> Space:
    """Mean and whitening of rows that come in batches of (n, dim).

    The covariance is shrunk towards a sphere by `dim / (n + dim)`: whitening by directions that few articles bear out
    raises their noise to the level of meaning (see docs/design.md, whitening). Without any rows the space is the
    identity.
    """
    count, total, second = 0, np.zeros(dim), np.zeros((dim, dim))
    for batch in batches:
        rows = batch.astype(np.float64)
        count, total, second = count + len(rows), total + rows.sum(axis=0), second + rows.T @ rows
    if count == 0:
        return Space(np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32))
    mean = total / count
    covariance = second / count - np.outer(mean, mean)
    sphere = max(float(np.trace(covariance)) / dim, 1e-12)
    trust = count / (count + dim)
    values, directions = np.linalg.eigh(trust * covariance + (1 - trust) * sphere * np.eye(dim))
    scales = 1.0 / np.sqrt(np.maximum(values, 1e-3 * sphere))
    # Symmetric (ZCA) whitening keeps each direction where it was, so a space changes little when little was learned.
    matrix = (directions * scales) @ directions.T
    return Space(mean.astype(np.float32), matrix.astype(np.float32))
