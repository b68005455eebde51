"""The implementations of an index, and the brute force that they are held against."""

import shutil
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from recnews.index.base import VectorIndex
from recnews.index.flat import FlatIndex
from recnews.index.rows import rounded
from recnews.index.sealed import SealedSegment
from recnews.index.sealing import SealSettings, seal
from recnews.index.segments import SegmentedIndex
from recnews.index.structures import KINDS
from recnews.index.structures import Kind as Sealed
from recnews.records import Float32, Hits, Int64

DIM = 8


class SavedIndex(VectorIndex, Protocol):
    """An index that can be written and mapped."""

    def save(self, folder: Path) -> None: ...


class Kind(Protocol):
    """An implementation."""

    name: str

    def __call__(self, dim: int) -> SavedIndex: ...
    def load(self, folder: Path) -> SavedIndex: ...


class Flat:
    """One exact part."""

    name = "flat"

    def __call__(self, dim: int) -> FlatIndex:
        return FlatIndex(dim)

    def load(self, folder: Path) -> FlatIndex:
        return FlatIndex.load(folder)


class Carrying(SegmentedIndex):
    """Segments that are saved with what names them."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        for segment in self._sealed:
            if not (folder / "sealed" / segment.name).exists():
                shutil.copytree(segment.folder, folder / "sealed" / segment.name)


class Newest:
    """Segments, none of them sealed."""

    name = "newest"

    def __call__(self, dim: int) -> Carrying:
        return Carrying(dim)

    def load(self, folder: Path) -> Carrying:
        return Carrying.load(folder, folder / "sealed")


class SealedWhenLoaded(Newest):
    """Segments; what was saved is sealed as one kind when it is loaded. So few rows are searched exactly."""

    def __init__(self, sealed: Sealed) -> None:
        self.sealed, self.name = sealed, f"sealed-{sealed}"

    def load(self, folder: Path) -> Carrying:
        index = super().load(folder)
        ids, times = index.rows_of((), 0, 2**62)
        if len(ids):
            index.adopt(sealed(folder / "sealed", ids, times, index, self.sealed))
            index.save(folder)
        return index


INDEXES: tuple[Kind, ...] = (Flat(), Newest(), *(SealedWhenLoaded(kind) for kind in KINDS))


def sealed(folder: Path, ids: Int64, published: Int64, index: VectorIndex, kind: Sealed) -> SealedSegment:
    """A segment of rows of an index, whatever its recall."""
    return seal(folder, ids, published, lambda ids: index.vectors(ids)[0], SealSettings(kind, recall=0))


def units(n: int, seed: int = 0, dim: int = DIM) -> Float32:
    """Directions in no order, rounded as a sealed segment would round them."""
    drawn = np.random.default_rng(seed).normal(size=(n, dim))
    return rounded(np.ascontiguousarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32))


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def brute(held: dict[int, Float32], query: Float32, k: int, allowed: set[int] | None = None) -> list[tuple[int, float]]:
    """Every score, sorted; ties to the lower id."""
    scored = [(i, float(v.astype(np.float64) @ query.astype(np.float64))) for i, v in held.items()]
    wanted = [(i, score) for i, score in scored if allowed is None or i in allowed]
    return sorted(wanted, key=lambda pair: (-pair[1], pair[0]))[: max(k, 0)]


def agree(hits: Hits, expected: list[tuple[int, float]], held: dict[int, Float32], query: Float32) -> None:
    """The same scores, and ids that have them: float32 may put two nearly equal ones the other way round."""
    assert hits.ids.dtype == np.int64
    assert hits.scores.dtype == np.float32
    assert hits.ids.shape == hits.scores.shape == (len(expected),)
    assert len(set(hits.ids.tolist())) == len(expected)
    np.testing.assert_allclose(hits.scores, [score for _, score in expected], atol=1e-6)
    assert (np.diff(hits.scores) <= 0).all()
    for article_id, score in zip(hits.ids.tolist(), hits.scores.tolist(), strict=True):
        assert float(held[article_id] @ query) == pytest.approx(score, abs=1e-6)
