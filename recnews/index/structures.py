"""Structures that find the likely nearest rows of a sealed segment without reading all of it.

| kind | bytes a row (d numbers) | what it is |
|---|---|---|
| `flat` | 2 d, those at rest | none: every search reads all rows |
| `rabitq` | d / 8 + 28 | cells, and a bit for each number (Gao and Long, RaBitQ, SIGMOD 2024) |
| `ivf-sq8` | d + 12 | cells, and 8 bits for each number |
| `hnsw` | d + 140 | a graph over rows of 8 bits for each number (Malkov and Yashunin, TPAMI 2020) |

All give candidates only, whose scores are taken from the rows at rest. The 8 bits are whole numbers of one step for all
rows and columns of a part (text, readers): FAISS multiplies those five times as fast as float32, and twice as fast as 8
bits with a range for each column. The parts have steps of their own, by which a query is multiplied: where the numbers
of readers are ten times as large, one step for both would leave the text next to nothing, and a graph linked by sums in
which readers outweigh the text misses what is nearest by text alone (docs/performance.md).
Cells are asked one query at a time: FAISS goes other ways for many at once, with other candidates where two estimates
are alike. In a graph each query goes its own way, so that many are asked together, on as many threads as there are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from recnews.index.engine import faiss
from recnews.records import Bools, Float32, Int64

Kind = Literal["flat", "rabitq", "ivf-sq8", "hnsw"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Steps = tuple[tuple[int, float], ...]
"""How many columns, and what their numbers are counted in."""

_LINKS = 16
_EF_CONSTRUCTION = 100
_ROWS_A_CENTRE = 400  # in estimates of memory
_TRAINING_ROWS_A_CELL = 64
_TRAINING_ROUNDS = 10
_QUERY_BITS = 4
_MOST_BEAM = 4096
_LARGEST_CODE = 127
_BEAMS = (32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048)


@dataclass(frozen=True, slots=True, order=True)
class Effort:
    """How hard to search: `breadth` is the number of cells visited or the length of the graph's candidate list, `more`
    how many candidates are scored beyond those asked for."""

    breadth: int
    more: int


def bytes_a_row(kind: Kind, dim: int) -> int:
    """What searching reads of a row, about: the structure with the row's share of the cells' centres, or the row."""
    centre = math.ceil(4 * dim / _ROWS_A_CENTRE)
    return {
        "flat": 2 * dim,
        "rabitq": math.ceil(dim / 8) + 20 + centre,
        "ivf-sq8": _columns(kind, dim) + 8 + centre,
        "hnsw": _columns(kind, dim) + 8 * _LINKS + 12,
    }[kind]


class Structure:
    """A FAISS index over rows of a segment.

    A graph numbers its rows as they come: there `numbers` (n,) tells which row stands at which of its places. Cells
    keep the numbers themselves, and `numbers` is empty. `steps` are what the numbers of a row are counted in, as many
    columns with each as it says.
    """

    def __init__(self, kind: Kind, index: Any, numbers: Int64, steps: Steps) -> None:
        self.kind, self.index, self.numbers, self.steps = kind, index, numbers, steps
        widths, sizes = zip(*steps, strict=True)
        self._steps = np.repeat(np.asarray(sizes, dtype=np.float32), widths)

    @classmethod
    def train(cls, kind: Kind, content: int, rows: int, sample: Float32, seed: int) -> "Structure":
        """An empty structure for about `rows` rows, trained on `sample` (m, dim); the first `content` numbers of a row
        are of its text."""
        index: Any
        dim, eight = _columns(kind, sample.shape[1]), faiss.ScalarQuantizer.QT_8bit_direct_signed
        if kind == "hnsw":
            index = faiss.IndexHNSWSQ(dim, eight, _LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = _EF_CONSTRUCTION
            index.hnsw.rng = faiss.RandomGenerator(seed)  # draws the levels of rows
        else:
            cells = min(_cells(rows), max(len(sample) // 4, 1))
            centres = faiss.IndexFlatIP(dim)
            if kind == "rabitq":
                index = faiss.IndexIVFRaBitQ(centres, dim, cells, faiss.METRIC_INNER_PRODUCT)
            else:
                index = faiss.IndexIVFScalarQuantizer(centres, dim, cells, eight, faiss.METRIC_INNER_PRODUCT, False)
            index.own_fields = True
            centres.this.disown()
            index.cp.seed, index.cp.niter = seed, _TRAINING_ROUNDS
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _TRAINING_ROWS_A_CELL
        steps: Steps = ((sample.shape[1], 1.0),)  # bits keep no size: these gain nothing by steps
        if kind != "rabitq":
            parts = [part for part in np.split(sample, [content], axis=1) if part.shape[1]]
            steps = tuple((part.shape[1], float(np.abs(part).max(initial=0)) / _LARGEST_CODE or 1.0) for part in parts)
        empty = cls(kind, index, np.empty(0, dtype=np.int64), steps)
        index.train(empty.coded(sample))
        return empty

    @staticmethod
    def sample_size(kind: Kind, rows: int) -> int:
        """How many rows to train on."""
        return min(rows, 20_000 if kind == "hnsw" else max(_cells(rows) * _TRAINING_ROWS_A_CELL, 20_000))

    def add(self, numbers: Int64, vectors: Float32) -> None:
        """Take in rows (m, dim) under their numbers."""
        if self.kind == "hnsw":
            self.index.add(self.coded(vectors))
            self.numbers = np.concatenate([self.numbers, numbers])
        else:
            self.index.add_with_ids(self.coded(vectors), numbers)

    def coded(self, vectors: Float32) -> Float32:
        """(m, columns) rows (m, dim) as the structure keeps them."""
        counted = vectors / self._steps
        if self.kind != "rabitq":  # FAISS cuts off what is behind the point
            counted = np.clip(np.rint(counted), -_LARGEST_CODE, _LARGEST_CODE)
        return self._padded(counted)

    def _asked(self, queries: Float32) -> Float32:
        """(q, columns) queries (q, dim) whose products with rows are in the order of the products of what they are made
        of."""
        asked = queries * self._steps
        if self.kind != "rabitq":  # FAISS takes them in 8 bits, too; each may have a step of its own
            asked = np.rint(asked * (_LARGEST_CODE / np.abs(asked).max(axis=1, keepdims=True, initial=1e-30)))
        return self._padded(asked)

    def _padded(self, rows: Float32) -> Float32:
        more = self.index.d - rows.shape[1]
        return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, more))) if more else rows, dtype=np.float32)

    def efforts(self) -> Iterator[Effort]:
        """What to try, from the least on, until the recall is what was asked for."""
        if self.kind == "hnsw":
            yield from (Effort(breadth, 0) for breadth in _BEAMS)
            return
        cells = self.index.nlist
        for part in (128, 96, 64, 48, 32, 24, 16, 8, 4, 2, 1):
            more = (100, 200, 400, 800, 1600) if self.kind == "rabitq" else (0,)
            yield from (Effort(max(math.ceil(cells / part), 1), some) for some in more)

    def candidates(self, queries: Float32, count: int, breadth: int, wanted: Bools | None = None) -> Int64:
        """(q, count) rows that are likely the nearest to each of `queries` (q, dim), of those that are `wanted` (n,);
        -1 where there are fewer."""
        parameters, bits = self._parameters(count, breadth), None
        if wanted is not None:
            bits = np.packbits(wanted[self.numbers] if len(self.numbers) else wanted, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(wanted), faiss.swig_ptr(bits))
            parameters.sel = selector
        queries = self._asked(queries)
        if self.kind == "hnsw":
            found = self.index.search(queries, count, params=parameters)[1]
            return np.where(found >= 0, self.numbers[found], -1)
        return np.concatenate([self.index.search(query[None], count, params=parameters)[1] for query in queries])

    def widest(self) -> int:
        """The breadth beyond which nothing more can be found."""
        return _MOST_BEAM if self.kind == "hnsw" else int(self.index.nlist)

    def _parameters(self, count: int, breadth: int) -> Any:
        if self.kind == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=max(breadth, count))
        if self.kind == "rabitq":
            return faiss.IVFRaBitQSearchParameters(nprobe=breadth, qb=_QUERY_BITS)
        return faiss.SearchParametersIVF(nprobe=breadth)

    def write(self, file: Path) -> None:
        """Write it."""
        faiss.write_index(self.index, str(file))

    @classmethod
    def map(cls, kind: Kind, file: Path, rows: int, numbers: Int64, steps: Steps) -> "Structure":
        """Map what `write` wrote; its checksum must have been compared. Raises `ValueError` naming the file."""
        try:
            index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ValueError(f"{file}: {error}") from error
        if index.ntotal != rows:
            raise ValueError(f"{file}: {index.ntotal} rows, where {rows} are expected")
        return cls(kind, index, numbers, steps)


def _columns(kind: Kind, dim: int) -> int:
    """FAISS multiplies 8 bits with 8 bits where a row has a multiple of 64 numbers."""
    return dim if kind == "rabitq" else math.ceil(dim / 64) * 64


def _cells(rows: int) -> int:
    """A cell costs as much to prepare a query for as about 700 of its rows to look at: at a million rows, 1,000 cells
    took half the time of 2,500 at equal recall."""
    return max(math.isqrt(rows), 1)
