"""Sealing: rows in order of time become a folder that is measured before it counts.

The folder is written beside its place and renamed. Rows pass in blocks: memory is needed for the structure, the ids
and a sample to train on, not for all vectors. All on one thread, so that the same rows give the same bytes everywhere
(FAISS adds to a graph in the order in which threads come by).
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from recnews.errors import SealError
from recnews.index.engine import one_thread
from recnews.index.files import digest
from recnews.index.rows import PackedRows, longest, pack
from recnews.index.sealed import (
    IDS_FILE,
    NUMBERS_FILE,
    PUBLISHED_FILE,
    ROWS_FILE,
    SCALES_FILE,
    STRUCTURE_FILE,
    SealedSegment,
    SegmentManifest,
)
from recnews.index.structures import Effort, Kind, Steps, Structure
from recnews.index.trial import Trial
from recnews.records import Float32, Int64

Fetch = Callable[[Int64], Float32]
"""Gives the vectors (m, dim) of ids (m,)."""

_BLOCK = 20_000
_BUILDING = ".building-"


@dataclass(frozen=True, slots=True)
class SealSettings:
    """`recall`: the recall@10, less its standard error, below which a seal is refused, as `Trial` measures it on rows
    whose first `content` numbers are of the text, 0 for all."""

    kind: Kind = "rabitq"
    recall: float = 0.95
    seed: int = 0
    content: int = 0


def seal(folder: Path, ids: Int64, published: Int64, fetch: Fetch, settings: SealSettings) -> SealedSegment:
    """Write a segment of rows into `folder/<name>` and open it; the same rows and settings give the same name and
    bytes, and one that is there already is taken.

    `ids` and `published` (n,) in any order. Raises `SealError` when no search of the structure reaches the recall asked
    for, or there are no rows; nothing is left behind then.
    """
    order = np.lexsort((ids, published))
    ids, published = np.asarray(ids, np.int64)[order], np.asarray(published, np.int64)[order]
    if not len(ids):
        raise SealError("of no rows", "there is nothing to seal", "give it rows")
    folder.mkdir(exist_ok=True)
    building = folder / f"{_BUILDING}{published[0]}-{published[-1]}"
    shutil.rmtree(building, ignore_errors=True)  # what a killed process left
    building.mkdir()
    try:
        with one_thread():
            manifest = _Sealing(building, ids, published, fetch, settings).run()
        target = folder / manifest.name
        if not target.exists():
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return SealedSegment(target)


class _Sealing:
    def __init__(self, folder: Path, ids: Int64, published: Int64, fetch: Fetch, settings: SealSettings) -> None:
        self.folder, self.ids, self.published, self.settings = folder, ids, published, settings
        self.started = time.monotonic()
        self.random = np.random.default_rng(settings.seed)
        self.rows = self._write_rows(fetch)
        self.content = settings.content or self.rows.dim

    def run(self) -> SegmentManifest:
        efforts, recalls, asked, steps = dict[str, Effort](), dict[str, float](), 0, Steps()
        if self.settings.kind != "flat":
            trial = Trial.of(self.rows, self.content, self.random)
            structure = self._structure(trial)
            asked = sum(len(queries) for queries in trial.questions.values())
            efforts, recalls = self._measured(structure, trial)
            self._add(structure, trial.held)
            steps = structure.steps
            structure.write(self.folder / STRUCTURE_FILE)
            if len(structure.numbers):
                np.save(self.folder / NUMBERS_FILE, structure.numbers)
        files = {file.name: (file.stat().st_size, digest(file)) for file in sorted(self.folder.iterdir())}
        manifest = SegmentManifest(
            name=self._name(files),
            kind=self.settings.kind,
            rows=len(self.ids),
            dim=self.rows.dim,
            first=int(self.published[0]),
            last=int(self.published[-1]),
            longest=self.rows.longest,
            seed=self.settings.seed,
            content=self.content,
            steps=steps,
            efforts={kind: (effort.breadth, effort.more) for kind, effort in efforts.items()},
            recall=min(recalls.values(), default=1.0),
            recalls=recalls,
            recall_asked=self.settings.recall,
            queries=asked,
            seconds=round(time.monotonic() - self.started, 3),
            files=files,
        )
        manifest.write(self.folder)
        return manifest

    def _write_rows(self, fetch: Fetch) -> PackedRows:
        """Everything at rest but the structure."""
        np.save(self.folder / IDS_FILE, self.ids)
        np.save(self.folder / PUBLISHED_FILE, self.published)
        scales, length, numbers = np.empty(len(self.ids), dtype=np.float32), 0.0, None
        for start in range(0, len(self.ids), _BLOCK):
            block = fetch(self.ids[start : start + _BLOCK])
            if numbers is None:
                shape = (len(self.ids), block.shape[1])
                numbers = np.lib.format.open_memmap(self.folder / ROWS_FILE, "w+", dtype=np.int16, shape=shape)
            numbers[start : start + len(block)], scales[start : start + len(block)] = pack(block)
            length = max(length, longest(block) * (1 + 2.0**-14))  # packing can lengthen a row
        assert numbers is not None  # noqa: S101  # there are rows
        numbers.flush()
        np.save(self.folder / SCALES_FILE, scales)
        return PackedRows(np.asarray(numbers), scales, length)

    def _structure(self, trial: Trial) -> Structure:
        """The structure without the rows that are held out."""
        rows, kind = len(self.ids), self.settings.kind
        sample = np.sort(self.random.choice(rows, Structure.sample_size(kind, rows), replace=False))
        structure = Structure.train(kind, self.content, rows, self.rows.take(sample), self.settings.seed)
        self._add(structure, np.setdiff1d(np.arange(rows), trial.held))
        return structure

    def _add(self, structure: Structure, numbers: Int64) -> None:
        for start in range(0, len(numbers), _BLOCK):
            chosen = numbers[start : start + _BLOCK]
            structure.add(chosen, self.rows.take(chosen))

    def _measured(self, structure: Structure, trial: Trial) -> tuple[dict[str, Effort], dict[str, float]]:
        """The least effort with the recall asked for, and its recall@10, by kind of question."""
        efforts, recalls, most = dict[str, Effort](), dict[str, float](), 1.0
        for effort in structure.efforts():
            for kind in trial.questions.keys() - efforts.keys():
                recalls[kind], error = trial.recall(structure, effort, kind)
                if recalls[kind] - error >= self.settings.recall:
                    efforts[kind] = effort
            if efforts.keys() == trial.questions.keys():
                return efforts, recalls
            most = min(recalls.values())
        raise SealError(
            f"of {len(self.ids)} rows",
            f"{self.settings.kind} reaches recall@10 {most:.3f} at most, {self.settings.recall} was asked for",
            "choose another kind, a larger memory budget or a lower recall",
        )

    def _name(self, files: dict[str, tuple[int, str]]) -> str:
        """Of time range and content: not of the manifest, which tells how long it took."""
        content = "".join(f"{name} {sha}\n" for name, (_, sha) in sorted(files.items()))
        return f"{self.published[0]}-{self.published[-1]}-{sha256(content.encode()).hexdigest()[:16]}"
