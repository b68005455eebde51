"""One folder (or one file): what is new or changed in it is taken in once nobody writes it any more."""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import islice
from pathlib import Path

from recnews import formats
from recnews.errors import MissingExtraError, UnreadableFileError, UsageError
from recnews.formats import ReadOptions, Source
from recnews.reports import IngestReport, Polled
from recnews.store import SeenFile, Store
from recnews.watch.feeds import Take
from recnews.watch.state import State

_BATCH = 100  # files: what a kill costs at most to read again
_SHOWN = 20
_BLOCK = 1024 * 1024
_OF_THE_FILE = (UsageError, UnreadableFileError, MissingExtraError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Folders:
    """Polls folders. A file is read once it has been left alone for `settle`, or since the last round."""

    def __init__(self, store: Store, take: Take, options: ReadOptions, settle: timedelta) -> None:
        self._sources, self._take, self._options, self._settle = store.sources, take, options, settle

    def poll(self, name: str, now: datetime) -> Polled:
        """Look into one folder."""
        state = State.of(self._sources.state(name) or {"kind": "folder"})
        try:
            listed = _listed(Path(name), self._options)
        except _OF_THE_FILE as error:
            self._sources.keep(name, state.failed(now, str(error), timedelta()).plain())
            return Polled(name, "failed", problem=str(error))
        ready, growing = self._sorted(name, listed, now)
        reports, problems = list[IngestReport](), list[str]()
        files = iter(ready.items())
        while batch := dict(islice(files, _BATCH)):
            self._read(name, batch, reports, problems)
        problem = "; ".join(problems[:_SHOWN])
        read = {"read_at": now.isoformat()} if reports else {}
        after = state.failed(now, problem, timedelta()) if problem else state.well(now, **read)
        self._sources.keep(name, after.plain())
        outcome = "failed" if problems else "read" if reports else "unchanged"
        report = reduce(_added, reports) if reports else None
        return Polled(name, outcome, report, problem, growing=growing)  # type: ignore[arg-type]

    def _sorted(self, name: str, listed: Sequence[Source], now: datetime) -> tuple[dict[str, Source], int]:
        """The files to read, and how many are left for the next round. What is gone is forgotten."""
        before = self._sources.files(name)
        ready, growing, looked = dict[str, Source](), 0, dict[str, SeenFile]()
        for source in listed:
            found = _look(source)
            seen = before.get(source.name)
            if found is None or (seen and seen.digest and _same(seen, found)):
                continue
            written = _EPOCH + timedelta(microseconds=found.mtime_ns // 1000)
            if (seen and _same(seen, found)) or written <= now - self._settle:
                ready[source.name] = source
            else:
                growing += 1
                looked[source.name] = SeenFile(found.mtime_ns, found.size)
        self._sources.keep_files(name, looked)
        self._sources.drop_files(name, before.keys() - {source.name for source in listed})
        return ready, growing

    def _read(self, name: str, batch: dict[str, Source], reports: list[IngestReport], problems: list[str]) -> None:
        """Take files in together, or each alone where one of them cannot be read at all."""
        before = self._sources.files(name)
        known = {path: it for path, source in batch.items() if (it := _look(source, whole=True)) is not None}
        fresh = [path for path, it in known.items() if path not in before or before[path].digest != it.digest]
        self._sources.keep_files(name, {path: it for path, it in known.items() if path not in fresh})
        if not fresh:
            return
        try:
            reports.append(
                self._take(formats.read_sources([batch[path] for path in fresh], self._options), fresh, None)
            )
        except _OF_THE_FILE as error:
            if len(fresh) == 1:
                problems.append(str(error))
                return
            for path in fresh:
                self._read(name, {path: batch[path]}, reports, problems)
            return
        self._sources.keep_files(name, {path: _after(batch[path], known[path]) for path in fresh})


def _listed(path: Path, options: ReadOptions) -> list[Source]:
    return formats.files_in(path) if path.is_dir() else formats.find_files([path], options)


def _look(source: Source, whole: bool = False) -> SeenFile | None:
    """A file as it is, `whole` with the digest of its content; None where it is gone or may not be read."""
    try:
        if not source.regular:
            return None  # a pipe would keep everything waiting
        found = os.stat(source.name)  # noqa: PTH116 - the name as it is
        if not whole:
            return SeenFile(found.st_mtime_ns, found.st_size)
        content = hashlib.sha256()
        with open(source.name, "rb") as file:  # noqa: PTH123
            while block := file.read(_BLOCK):
                content.update(block)
        return SeenFile(found.st_mtime_ns, found.st_size, content.digest())
    except OSError:
        return None


def _same(seen: SeenFile, found: SeenFile) -> bool:
    return (seen.mtime_ns, seen.size) == (found.mtime_ns, found.size)


def _after(source: Source, before: SeenFile) -> SeenFile:
    """What to remember of a file that was read: no digest where it changed meanwhile, so that it is read again."""
    found = _look(source)
    if found is None or _same(before, found):
        return before
    return SeenFile(found.mtime_ns, found.size)


def _added(one: IngestReport, other: IngestReport) -> IngestReport:
    return IngestReport(
        read=one.read + other.read,
        added=one.added + other.added,
        changed=one.changed + other.changed,
        unchanged=one.unchanged + other.unchanged,
        duplicate=one.duplicate + other.duplicate,
        rejected=one.rejected + other.rejected,
        indexed=one.indexed + other.indexed,
        pending=one.pending + other.pending,
        quarantine=tuple(dict.fromkeys([*one.quarantine, *other.quarantine])),
        rejects=(*one.rejects, *other.rejects)[:_SHOWN],
    )
