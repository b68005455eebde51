"""A sealed segment: rows of a time that is over, on disk, never changed, mapped by every process that searches them.

Rows lie by publication time, then id. A segment is a folder; what may be searched of it (which rows are still alive)
belongs to the index that opened it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recnews.index.base import EARLIEST, LATEST, Within
from recnews.index.engine import threads_for
from recnews.index.exact import score_candidates, search_exactly
from recnews.index.files import digest, load_array
from recnews.index.places import Places, wanted_rows
from recnews.index.rows import PackedRows, pack
from recnews.index.structures import KINDS, Effort, Kind, Steps, Structure
from recnews.records import Bools, Float32, Hits, Int64

FORMAT = 3
MANIFEST_FILE = "manifest.json"
ROWS_FILE = "rows.npy"
SCALES_FILE = "scales.npy"
IDS_FILE = "ids.npy"
PUBLISHED_FILE = "published.npy"
STRUCTURE_FILE = "structure.faiss"
NUMBERS_FILE = "numbers.npy"

EXACT_ROWS = 1000
"""A search of a structure takes about as long as to read so many rows, and longer by as much as is filtered out: of n
rows, m that are wanted are searched exactly where m is at most so many times n / m."""


@dataclass(frozen=True, slots=True)
class SegmentManifest:
    """What a sealed segment is. Times in microseconds, `last` included; `recall` is the lowest recall@10, by kind of
    question, against exact search, of `queries` made of rows that were held out with what is nearly a copy of them;
    `recalls` has each kind's, and `efforts` what it takes (breadth, more; see `Effort`). 1 where every search is exact.
    The first `content` numbers of a row are of its text, `steps` the structure's, `seconds` is what sealing took."""

    name: str
    kind: Kind
    rows: int
    dim: int
    first: int
    last: int
    longest: float
    seed: int
    content: int
    steps: Steps
    efforts: Mapping[str, tuple[int, int]]
    recall: float
    recalls: Mapping[str, float]
    recall_asked: float
    queries: int
    seconds: float
    files: Mapping[str, tuple[int, str]]
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """On disk, without the manifest."""
        return sum(size for size, _ in self.files.values())

    def effort(self, queries: Float32) -> Effort:
        """How hard to search for queries (q, dim): those that say nothing of readers are found with less."""
        kinds = set(self.efforts)
        if self.content < self.dim and not queries[:, self.content :].any():
            kinds &= {"article"}
        return max((Effort(*self.efforts[kind]) for kind in kinds), default=Effort(1, 0))

    def write(self, folder: Path) -> None:
        """Write it."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "SegmentManifest":
        """Raises `OSError` or `ValueError`, naming the file, when it is not there or not what `write` wrote."""
        file = folder / MANIFEST_FILE
        try:
            document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}, this recnews knows {FORMAT}; seal the segment again")
            document["steps"] = tuple((int(width), float(step)) for width, step in document["steps"])
            document["efforts"] = {kind: (int(at), int(more)) for kind, (at, more) in document["efforts"].items()}
            document["files"] = {name: (int(size), str(sha)) for name, (size, sha) in document["files"].items()}
            manifest = cls(**document)
            if manifest.kind not in KINDS:
                raise ValueError(f"kind {manifest.kind!r} is none of {', '.join(KINDS)}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file}: {error}") from error
        return manifest


class SealedSegment:
    """An open segment with the rows that are alive in it."""

    def __init__(self, folder: Path) -> None:
        """Raises `OSError` or `ValueError`, naming the file, when a file is missing, cut short or altered.

        Checksums of all but the rows are compared; of those, which are most of the bytes and are only ever read as
        numbers, the size. `verify` compares all.
        """
        self.folder, self.manifest = folder, SegmentManifest.read(folder)
        for name in self.manifest.files:
            _check(folder / name, *self.manifest.files[name], whole=name != ROWS_FILE)
        rows, kind = self.manifest.rows, self.manifest.kind
        numbers = load_array(folder / ROWS_FILE, np.int16, 2, mapped=True)
        self.ids = load_array(folder / IDS_FILE, np.int64, 1, mapped=True)
        self.published = load_array(folder / PUBLISHED_FILE, np.int64, 1, mapped=True)
        scales = load_array(folder / SCALES_FILE, np.float32, 1, mapped=True)
        if numbers.shape != (rows, self.manifest.dim) or any(
            len(column) != rows for column in (self.ids, self.published, scales)
        ):
            raise ValueError(f"{folder}: not {rows} rows of {self.manifest.dim} numbers")
        self.rows = PackedRows(numbers, scales, self.manifest.longest)
        self.alive = np.ones(rows, dtype=bool)
        self.places = Places(self.ids)
        self.structure: Structure | None = None
        if kind != "flat":
            places = np.empty(0, dtype=np.int64)
            if kind == "hnsw":
                places = load_array(folder / NUMBERS_FILE, np.int64, 1, mapped=True)
            self.structure = Structure.map(kind, folder / STRUCTURE_FILE, rows, places, self.manifest.steps)

    @property
    def name(self) -> str:
        """The folder's name, which tells time range and content."""
        return self.manifest.name

    def verify(self) -> None:
        """Compare all checksums. Raises `OSError` or `ValueError` naming the file."""
        for name, (size, sha) in self.manifest.files.items():
            _check(self.folder / name, size, sha, whole=True)

    def find(self, ids: Int64) -> Int64:
        """(n,) row of each id, -1 where it is not alive here."""
        rows = self.places.find(ids)
        return np.where((rows >= 0) & self.alive[rows], rows, -1)

    def holds(self, ids: Int64, vectors: Float32, published: Int64) -> Bools:
        """(n,) which ids stand here, alive or not, with the same packed vector (n, dim) and publication time."""
        rows = self.places.find(ids)
        same = (rows >= 0) & (self.published[rows] == published)
        chosen = np.flatnonzero(same)
        numbers, scales = pack(vectors[chosen])
        same[chosen] = (self.rows.numbers[rows[chosen]] == numbers).all(axis=1) & (
            self.rows.scales[rows[chosen]] == scales
        )
        return np.asarray(same)

    def search(self, queries: Float32, k: int, within: Within, exact_rows: int = EXACT_ROWS) -> list[Hits]:
        """The best `k` for each query (q, dim); exactly where few rows are wanted, as `EXACT_ROWS` says."""
        start, stop = 0, len(self.ids)
        if within.since > EARLIEST or within.until < LATEST:
            start, stop = (int(np.searchsorted(self.published, t)) for t in (within.since, within.until))
        if start >= stop:
            return [Hits(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
        wanted = wanted_rows(self.alive, self.find, within)
        most = int(np.count_nonzero(wanted[start:stop]))
        with threads_for(len(queries)):
            if self.structure is None or most <= 20 * k or most * most <= exact_rows * len(self.ids):
                return search_exactly(self.rows, self.ids, queries, k, wanted[start:stop], start=start)
            if most < len(wanted) and (start, stop) != (0, len(wanted)):
                wanted = wanted.copy()
                wanted[:start] = wanted[stop:] = False
            return self.search_nearly(queries, k, self.manifest.effort(queries), wanted if most < len(wanted) else None)

    def search_nearly(self, queries: Float32, k: int, effort: Effort, wanted: Bools | None = None) -> list[Hits]:
        """The best `k` for each query among the candidates of the structure, of rows that are `wanted` (n,).

        The fewer are wanted, the broader the search; where it finds fewer than `k`, broader still.
        """
        assert self.structure is not None  # noqa: S101  # only kinds that have one come here
        most = len(self.ids) if wanted is None else int(np.count_nonzero(wanted))
        widest, count = self.structure.widest(), min(2 * k + effort.more, most)
        queries = np.ascontiguousarray(queries)
        breadth = min(int(np.ceil(effort.breadth * len(self.ids) / most)), widest)
        rows = self.structure.candidates(queries, count, breadth, wanted)
        while breadth < widest:
            short = np.flatnonzero((rows >= 0).sum(axis=1) < min(k, most))
            if not len(short):
                break
            breadth = min(4 * breadth, widest)
            rows[short] = self.structure.candidates(queries[short], count, breadth, wanted)
        return score_candidates(self.rows, self.ids, queries, k, rows)


def _check(file: Path, size: int, sha: str, *, whole: bool) -> None:
    found = file.stat().st_size
    if found != size:
        raise ValueError(f"{file}: {found} bytes, where {size} were written")
    if whole and digest(file) != sha:
        raise ValueError(f"{file}: altered since it was written")
