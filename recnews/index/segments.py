"""One index over time segments: sealed ones, searched exactly or nearly so, and the newest part, exact and in memory.

Every vector is rounded to what a sealed segment holds when it comes in: where a row lies changes none of its scores.
Segments are exchanged by content, not by order of events: a segment that appears takes over those rows that are the
same here and now, one that goes gives back what no other has.
"""

import json
from pathlib import Path
from typing import Self

import numpy as np

from recnews.index.base import ANYWHERE, Within, check_upsert, check_vectors, merged, narrowed
from recnews.index.files import load_array
from recnews.index.flat import FlatIndex
from recnews.index.planning import Part
from recnews.index.rows import rounded
from recnews.index.sealed import EXACT_ROWS, SealedSegment
from recnews.records import Bools, Float32, Hits, Int64

LIST_FILE = "sealed.json"
_FORMAT = 1
_BLOCK = 20_000


class SegmentedIndex:
    """Inner-product search over sealed segments and what is newer, with upserts and deletions.

    `exact_rows`: a search that wants at most as many rows of a segment is exact there.
    """

    def __init__(self, dim: int, exact_rows: int = EXACT_ROWS) -> None:
        self.dim, self.exact_rows = dim, exact_rows
        self._newest, self._sealed = FlatIndex(dim), list[SealedSegment]()

    @classmethod
    def load(cls, folder: Path, sealed: Path, exact_rows: int = EXACT_ROWS) -> Self:
        """Map a saved index, and the segments in the folder `sealed` that it names.

        Raises `OSError` or `ValueError`, naming the file, when a file is missing, cut short or altered.
        """
        newest = FlatIndex.load(folder)
        index = cls(newest.dim, exact_rows)
        index._newest = newest
        for name in read_list(folder / LIST_FILE):
            segment = SealedSegment(sealed / name)
            bits = load_array(_alive_file(folder, name), np.uint8, 1)
            if len(bits) != (len(segment.ids) + 7) // 8 or segment.manifest.dim != index.dim:
                raise ValueError(f"{_alive_file(folder, name)}: not of this segment")
            segment.alive = np.unpackbits(bits, count=len(segment.ids), bitorder="little").astype(bool)
            index._sealed.append(segment)
        return index

    def save(self, folder: Path) -> None:
        """Write the newest part, and which rows are alive in which sealed segments, into an existing folder."""
        self._newest.save(folder)
        for segment in self._sealed:
            np.save(_alive_file(folder, segment.name), np.packbits(segment.alive, bitorder="little"))
        write_list(folder / LIST_FILE, self.segment_names())

    def __len__(self) -> int:
        return len(self._newest) + sum(int(segment.alive.sum()) for segment in self._sealed)

    def ids(self) -> Int64:
        """All ids, (n,) int64, in no particular order."""
        return np.concatenate([self._newest.ids(), *(segment.ids[segment.alive] for segment in self._sealed)])

    @property
    def sealed(self) -> tuple[SealedSegment, ...]:
        """The sealed segments in use, by time."""
        return tuple(self._sealed)

    def segment_names(self) -> list[str]:
        """Of the sealed segments in use."""
        return [segment.name for segment in self._sealed]

    def parts(self) -> list[Part]:
        """The sealed segments as planning sees them."""
        return [
            Part(s.name, s.manifest.first, s.manifest.rows, int(s.alive.sum()), s.manifest.kind) for s in self._sealed
        ]

    def newest_times(self) -> Int64:
        """(n,) publication times of rows that are not sealed."""
        return self._newest.published(self._newest.ids())

    def rows_of(self, names: tuple[str, ...], since: int, until: int) -> tuple[Int64, Int64]:
        """(n,) ids and publication times of what is alive in segments, and of newest rows of a time range."""
        ids = self._newest.ids()
        times = self._newest.published(ids)
        chosen = (times >= since) & (times < until)
        found = [(ids[chosen], times[chosen])]
        found += [(s.ids[s.alive], s.published[s.alive]) for s in self._sealed if s.name in names]
        return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """Add or replace vectors (n, dim) float32, rounded. Raises `ValueError` as the protocol says.

        What a sealed segment holds just so stays there: a state that changed does not move a vector.
        """
        ids = np.asarray(ids, dtype=np.int64)
        times = check_upsert(ids, vectors, published, self.dim)
        vectors = rounded(vectors)
        fresh = np.ones(len(ids), dtype=bool)
        rows_held = []
        for segment in self._sealed:
            held = segment.holds(ids, vectors, times) & fresh
            rows_held.append(segment.places.find(ids[held]))
            fresh &= ~held
        self.remove(ids)
        for segment, rows in zip(self._sealed, rows_held, strict=True):
            segment.alive[rows] = True
        self._newest.upsert(ids[fresh], vectors[fresh], times[fresh])

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        ids = np.asarray(ids, dtype=np.int64)
        self._newest.remove(ids)
        for segment in self._sealed:
            rows = segment.find(ids)
            segment.alive[rows[rows >= 0]] = False

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim); segments outside the times asked for are not touched."""
        check_vectors(queries, len(queries), self.dim)
        within = narrowed(within, allowed)
        parts = [
            segment.search(queries, k, within, self.exact_rows)
            for segment in self._sealed
            if segment.manifest.first < within.until and segment.manifest.last >= within.since
        ]
        parts.append(self._newest.search(queries, k, within=within))
        return merged(parts, len(queries), k)

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids, as rounded, and (n,) which of them are indexed; rows of the others are zero."""
        ids = np.asarray(ids, dtype=np.int64)
        found, known = self._newest.vectors(ids)
        for segment in self._sealed:
            rows = segment.find(ids)
            here = rows >= 0
            if here.any():
                found[here] = segment.rows.take(rows[here])
                known |= here
        return found, known

    def taken(self, ids: Int64) -> Float32:
        """(n, dim) vectors of ids that are all indexed."""
        return self.vectors(ids)[0]

    def published(self, ids: Int64) -> Int64:
        """(n,) publication times of ids in microseconds; 0 of those that are not indexed."""
        ids = np.asarray(ids, dtype=np.int64)
        times = self._newest.published(ids)
        for segment in self._sealed:
            rows = segment.find(ids)
            here = rows >= 0
            times[here] = segment.published[rows[here]]
        return times

    def follow(self, sealed: Path) -> bool:
        """Use the segments that are current in a folder, in place of those in use; whether anything changed.

        Answers stay the same but for what is found only nearly. Raises `OSError` or `ValueError`, naming the file, for
        a damaged segment; the index is then as it was.
        """
        if not (sealed / LIST_FILE).exists():
            return False
        names, used = read_list(sealed / LIST_FILE), self.segment_names()
        opened = [SealedSegment(sealed / name) for name in names if name not in used]
        for segment in opened:
            self.adopt(segment)
        gone = [name for name in used if name not in names]
        for name in gone:
            self.release(name)
        return bool(opened or gone)

    def adopt(self, segment: SealedSegment) -> None:
        """Search these rows of a segment where they are what is indexed under their ids now."""
        if segment.manifest.dim != self.dim:
            raise ValueError(f"{segment.folder}: {segment.manifest.dim} numbers a row, where the index has {self.dim}")
        for start in range(0, len(segment.ids), _BLOCK):
            ids = segment.ids[start : start + _BLOCK]
            vectors, known = self.vectors(ids)
            segment.alive[start : start + len(ids)] = known & segment.holds(ids, vectors, self.published(ids))
        self.remove(segment.ids[segment.alive])
        self._newest.compact()
        self._sealed = sorted([*self._sealed, segment], key=lambda one: (one.manifest.first, one.name))

    def release(self, name: str) -> None:
        """Use a sealed segment no more; what is alive in it becomes part of the newest."""
        [segment] = [segment for segment in self._sealed if segment.name == name]
        self._sealed.remove(segment)
        rows = np.flatnonzero(segment.alive)
        self._newest.upsert(segment.ids[rows], segment.rows.take(rows), segment.published[rows])


def read_list(file: Path) -> list[str]:
    """Names of segments in a list that `write_list` wrote. Raises `OSError` or `ValueError` naming the file."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, this recnews knows {_FORMAT}")
        return [str(Path(name).name) for name in document["segments"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from error


def write_list(file: Path, names: list[str]) -> None:
    """Replace a list of segments by one rename."""
    beside = file.with_name(f".{file.name}")
    beside.write_text(json.dumps({"format": _FORMAT, "segments": names}, indent=2) + "\n", encoding="utf-8")
    beside.replace(file)


def _alive_file(folder: Path, name: str) -> Path:
    return folder / f"alive-{name}.npy"
