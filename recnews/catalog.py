"""The live view of one generation: its vectors in an index, beside them the columns that a feed filters on.

A catalog follows the store: `refresh` takes over whatever was committed, by any process, since it last looked. A
snapshot on disk only saves reading everything again; it can be deleted at any time, and so can the sealed segments
beside it, which hold the vectors of older articles for quicker and smaller search, or the archive that does so in
their place.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from recnews.columns import Columns
from recnews.errors import BusyError
from recnews.index.archive import Archive, ArchiveSettings
from recnews.index.archived import ArchivedIndex
from recnews.index.base import Within
from recnews.index.engines import open_archive
from recnews.index.planning import DAY, SegmentSettings
from recnews.index.segments import LIST_FILE, SegmentedIndex, read_list
from recnews.index.upkeep import Told, maintain, prune
from recnews.records import Bools, Float32, Hits, Int64, Layout
from recnews.reports import Segment
from recnews.servable import Filter, Servable
from recnews.store import START, Change, Store, from_micros, to_micros

_PAGE = 5000
_PREFIX = "catalog-"
_BUILDING = ".catalog"
SEALED = "sealed"
"""The folder of sealed segments beside the snapshots."""
_STATE_FILE = "state.json"
_COLUMNS_FILE = "columns.npz"
_log = logging.getLogger("recnews")


class Catalog:
    """Vectors and filter columns of one generation, as of `token`.

    A row of the index is an article vector followed by its outer behaviour vector, the latter scaled so that one inner
    product weighs the two parts as the layout says.
    """

    def __init__(
        self, generation: str, layout: Layout, folder: Path | None = None, archive: ArchiveSettings | None = None
    ) -> None:
        """`folder` is that of the generation, where sealed segments are looked for, unless there is an `archive`;
        without either all is in memory. Raises `SettingsError`, `MissingExtraError`."""
        self.generation, self.layout = generation, layout
        self.changed_since_snapshot = 0
        named = f"{generation}_{layout.width}"
        self._archive = None if archive is None else open_archive(archive, named, layout.width)
        self.token, self.index, self._columns = START, _empty(layout.width, self._archive), Columns()
        self._sealed, self._list_seen = folder and folder / SEALED, (0, 0)
        self._scale = np.float32((1 - layout.content) / layout.content)

    def refresh(self, store: Store) -> int:
        """Take over what changed in the store; returns how many articles that were."""
        if not store.vectors.knows(self.token):  # a backup was restored: nothing taken over before still holds
            self._begin_again()
        if isinstance(self.index, ArchivedIndex):
            self.index.follow()
        taken = 0
        for changes, token in store.vectors.follow(self.generation, self.token, _PAGE):
            self.token = token
            self._apply(changes)
            taken += len(changes)
        self._follow_segments()
        self.changed_since_snapshot += taken
        return taken

    def recover(self, store: Store) -> None:
        """Have in memory again, from the store, what the archive has lost, for it to be handed over anew. Raises
        `ArchiveError`."""
        if isinstance(self.index, ArchivedIndex) and self.index.has_lost():
            self._begin_again()
            self.refresh(store)

    def seal(self, now: datetime, settings: SegmentSettings, told: Told | None = None) -> None:
        """Seal, merge and compact segments as the settings ask for, or hand over to the archive, then save a snapshot
        and clear away what is no longer used. Nothing is done while another process does. Those that search go on, and
        follow.

        Raises `SealError` when no kind of segment that fits the memory finds as much as is asked for, `ArchiveError`
        when the archive cannot be written.
        """
        if self._sealed is None:
            return
        with _alone(self._sealed.parent) as alone:
            if not alone:
                return
            moment = to_micros(now)
            if isinstance(self.index, ArchivedIndex):
                begun = bool(self.index.hand_over((moment // DAY - settings.hot_days) * DAY))
            else:
                asked = replace(settings, content=self.layout.dim)
                begun = bool(maintain(self.index, self._sealed, moment, asked, told))
            if begun:
                self._save(self._sealed.parent)
            if self._sealed.exists():
                used = [name for kept in snapshots(self._sealed.parent) for name in _segments_of(kept)]
                prune(self._sealed, used)

    def servable(self, now: datetime, wanted: Filter | None = None, exclude: Iterable[int] = ()) -> Servable:
        """What may be shown at `now`: published, not expired, not hidden, passing the filter, and neither excluded nor
        of the story of an excluded one."""
        shown = Servable(self._columns, to_micros(now), wanted or Filter())
        return shown.beside(np.fromiter(exclude, dtype=np.int64))

    @property
    def newest(self) -> int:
        """The highest id; 0 without articles."""
        return int(self._columns.ids[-1]) if len(self._columns.ids) else 0

    def published(self, ids: Int64) -> Int64:
        """(n,) publication times in microseconds; every id must be in the catalog."""
        return self._columns.published[self._columns.rows(ids)]

    def stories(self, ids: Int64) -> Int64:
        """(n,) the story of each id; every id must be in the catalog."""
        return self._columns.story[self._columns.rows(ids)]

    def sources(self, ids: Int64) -> Int64:
        """(n,) a number for the source of each id, -1 without one; every id must be in the catalog."""
        return self._columns.labels("source", ids)

    def categories(self, ids: Int64) -> Int64:
        """(n,) a number for the category of each id, -1 without one; every id must be in the catalog."""
        return self._columns.labels("category", ids)

    def category_numbers(self, names: Iterable[str]) -> Int64:
        """(n,) the numbers that `categories` gives for names; -2 for a name that no article has."""
        codes = [self._columns.code(name) for name in names]
        return np.array([-2 if code < 0 else code for code in codes], dtype=np.int64)

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) article vectors of ids and (n,) which of them have one that is not zero."""
        content, _ = self.parts(ids)
        return content, np.asarray(content.any(axis=1))

    def holds(self, ids: Int64) -> Bools:
        """(n,) which ids are in the catalog."""
        return self._columns.holds(ids)

    def parts(self, ids: Int64) -> tuple[Float32, Float32]:
        """(n, dim) article vectors and (n, behaviour) scaled outer vectors of ids; zero where there is none."""
        found, _ = self.index.vectors(ids)
        return np.ascontiguousarray(found[:, : self.layout.dim]), found[:, self.layout.dim :]

    def search(self, content: Float32, profile: Float32 | None, k: int, within: Within) -> list[Hits]:
        """The best `k` `within` what may be answered, for each row of `content` (q, dim), likeness by behaviour with a
        reader's `profile` (behaviour,) added where one is given. Scores are inner products with a row of the index."""
        tail = np.zeros((len(content), self.layout.behaviour), np.float32)
        if profile is not None:
            tail[:] = profile
        return self.index.search(np.hstack([content, tail]), k, within=within)

    def segments(self) -> list[Segment]:
        """The sealed segments in use, the oldest first, or the archive."""
        if isinstance(self.index, ArchivedIndex):
            return []
        return [
            Segment(
                it.name, it.manifest.kind, it.manifest.rows, int(it.alive.sum()), from_micros(it.manifest.first),
                from_micros(it.manifest.last), it.manifest.recall, it.manifest.bytes,
            )
            for it in self.index.sealed
        ]  # fmt: skip

    def columns_equal(self, other: "Catalog") -> bool:
        """Whether both hold the same articles with the same publication, expiry, state, category and so on."""
        return self._columns.rows_as_read() == other._columns.rows_as_read()

    def __len__(self) -> int:
        return len(self.index)

    def close(self) -> None:
        """Give connections back."""
        if self._archive is not None:
            self._archive.close()

    def save(self, folder: Path) -> None:
        """Write a snapshot beside the earlier ones, then remove those. Nothing is done while another process does."""
        with _alone(folder) as alone:
            if alone:
                self._save(folder)
        self.changed_since_snapshot = 0

    @classmethod
    def open(cls, folder: Path, generation: str, layout: Layout, archive: ArchiveSettings | None = None) -> "Catalog":
        """The newest snapshot in a generation's folder, else an empty catalog. A snapshot that cannot be read is
        passed over: the store holds all of it."""
        for snapshot in snapshots(folder):
            try:
                state = json.loads((snapshot / _STATE_FILE).read_text(encoding="utf-8"))
                catalog = cls(generation, layout, folder, archive)
                catalog.index = catalog._loaded(snapshot, folder / SEALED)
                catalog._columns = Columns.load(snapshot / _COLUMNS_FILE, state["names"])
                if state["generation"] != generation or catalog.index.dim != layout.width:
                    continue
                catalog.token = state["token"]
            except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
                continue
            return catalog
        return cls(generation, layout, folder, archive)

    def _begin_again(self) -> None:
        self.token, self.index, self._columns = START, _empty(self.layout.width, self._archive), Columns()
        self._list_seen = (0, 0)

    def _loaded(self, snapshot: Path, sealed: Path) -> SegmentedIndex | ArchivedIndex:
        if self._archive is None:
            return SegmentedIndex.load(snapshot, sealed)
        return ArchivedIndex.load(snapshot, self._archive)

    def _follow_segments(self) -> None:
        """Search the segments that are current by now. Damaged ones are left alone: the rows are in memory then."""
        if self._sealed is None or isinstance(self.index, ArchivedIndex):
            return
        try:
            told = (self._sealed / LIST_FILE).stat()
        except FileNotFoundError:
            return
        seen = (told.st_mtime_ns, told.st_ino)
        if seen == self._list_seen:
            return
        self._list_seen = seen
        try:
            self.index.follow(self._sealed)
        except (OSError, ValueError) as error:
            _log.warning("%s; going on without the segment (delete %s to have them made again)", error, self._sealed)

    def _save(self, folder: Path) -> None:
        building = folder / _BUILDING
        shutil.rmtree(building, ignore_errors=True)  # what a killed process left
        building.mkdir()
        self.index.save(building)
        self._columns.save(building / _COLUMNS_FILE)
        state = {"token": self.token, "generation": self.generation, "names": self._columns.names}
        (building / _STATE_FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        target = folder / f"{_PREFIX}{self.token.replace(':', '-')}"
        if target.exists():  # the same snapshot, or one that could not be read
            shutil.rmtree(target)
        building.rename(target)
        for old in snapshots(folder)[1:]:
            shutil.rmtree(old, ignore_errors=True)

    def _apply(self, changes: list[Change]) -> None:
        gone = np.array([c.article_id for c in changes if not c.stored or c.vector is None], dtype=np.int64)
        kept = [change for change in changes if change.stored and change.vector is not None]
        self.index.remove(gone)
        self._columns.remove(gone)
        if kept:
            ids = np.array([change.article_id for change in kept], dtype=np.int64)
            published = np.array([change.published_at for change in kept], dtype=np.int64)
            self.index.upsert(ids, self._rows(kept), published)
            self._columns.upsert(ids, kept)

    def _rows(self, changes: list[Change]) -> Float32:
        rows = np.zeros((len(changes), self.layout.width), dtype=np.float32)
        rows[:, : self.layout.dim] = [change.vector for change in changes]
        if self.layout.behaviour:
            for row, change in zip(rows, changes, strict=True):
                if change.outer is not None:
                    row[self.layout.dim :] = self._scale * change.outer
        return rows


def _empty(width: int, archive: Archive | None) -> SegmentedIndex | ArchivedIndex:
    return SegmentedIndex(width) if archive is None else ArchivedIndex(width, archive)


def renew(folder: Path, generation: str, layout: Layout, store: Store, without_segments: bool = False) -> None:
    """Write a snapshot anew from the store, in the place of all that there are in a generation's folder, and remove its
    sealed segments where these are no good either. Raises `BusyError` while another process saves or seals."""
    with _alone(folder) as alone:
        if not alone:
            raise BusyError(str(folder), "another process that saves or seals")
        fresh = Catalog(generation, layout, folder)
        if without_segments and (folder / SEALED).exists():
            (folder / SEALED).rename(gone := folder / f"{_BUILDING}-{SEALED}")
            shutil.rmtree(gone)
        for old in snapshots(folder):
            shutil.rmtree(old)
        fresh.refresh(store)
        fresh._save(folder)


def refill(folder: Path, generation: str, layout: Layout, store: Store, archive: ArchiveSettings) -> int:
    """Have an archive hold what belongs there, and write a snapshot that goes with it; how many rows were written.
    Raises `BusyError` while another process seals, `ArchiveError`."""
    with store.alone("archive"), _alone(folder) as alone:
        if not alone:
            raise BusyError(str(folder), "another process that saves or seals")
        catalog = Catalog.open(folder, generation, layout, archive)
        try:
            catalog.refresh(store)
            assert isinstance(catalog.index, ArchivedIndex)  # noqa: S101 - with an archive it is
            found = catalog.index.audit()
            catalog.index.clear(np.concatenate([found.wrong, found.strange]))
            catalog._begin_again()
            catalog.refresh(store)
            written = catalog.index.hand_over(found.last + 1)
            catalog._save(folder)
        finally:
            catalog.close()
    return written


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process saves or seals here; none does while this goes on."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _segments_of(snapshot: Path) -> list[str]:
    """Names of the segments that a snapshot goes with; none when it cannot be read, and so is passed over."""
    try:
        return read_list(snapshot / LIST_FILE)
    except (OSError, ValueError):
        return []


def snapshots(folder: Path) -> list[Path]:
    """Snapshots in a generation's folder, newest first."""

    def place(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in path.name.removeprefix(_PREFIX).split("-"))

    return sorted(folder.glob(f"{_PREFIX}*"), key=place, reverse=True)
