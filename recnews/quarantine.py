"""Rejected rows, kept as JSON lines that `recnews ingest` and `recnews events` take again once they are
mended.

One file for each input. A run writes into a hidden folder of its own and moves the files into place when it
ends, so a run that fails or is killed leaves everything as it was, and the same run twice leaves the same
files.
"""

import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from recnews.errors import StorageError, UsageError
from recnews.records import Reject

_RUN = ".run-"
_STEM_LENGTH = 48
_LONG = 10_000  # bits; Python refuses to write much longer whole numbers in decimal
_HOSTILE = re.compile(r"[^A-Za-z0-9._\-\u3400-\u4dbf\u4e00-\u9fff]+")
_REMEDY = "free some space or mend the permissions, then run the command again"


class Quarantine:
    """The rejected rows of one run. Use it as a context manager around the whole ingest, so that it closes
    after the last row is stored; an exception inside leaves all files as they were.

    `sources` names the inputs that the run reads from beginning to end. For each of them what is rejected
    now replaces what was rejected earlier on the same `day`; nothing rejected removes that day's file. A path
    that gets new content every day so never costs the rows of the day before. Rows of an input that cannot
    be read again (standard input, rows in memory) are added to those kept earlier. A quarantine file that
    is itself an input is replaced by what is still rejected of it, under the file and line where each row
    first came from.

    Raises `UsageError` if an input is a quarantine file of the other kind, `StorageError` if the folder
    cannot be written.
    """

    def __init__(
        self, folder: Path | str, kind: Literal["articles", "events"], day: date, sources: Sequence[Path | str] = ()
    ) -> None:
        self.folder, self.kind, self.day = Path(folder).absolute(), kind, day
        self.files: tuple[str, ...] = ()
        self._sources = [str(source) for source in sources]
        self._run: Path | None = None
        self._lock = -1
        self._current: tuple[str, IO[bytes]] | None = None
        self._originals: _Originals | None = None
        self._replaced: dict[str, str] = {}  # source to the name of its file in the run's folder
        for source in self._sources:
            self._check_kind(source)
        with _stored(self.folder):
            _remove_dead_runs(self.folder)

    def __enter__(self) -> "Quarantine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def add(self, reject: Reject) -> None:
        """Keep one rejected row. It goes to disk, so memory does not grow with what is rejected."""
        source = reject.where.file
        with _stored(self.folder):
            out = self._out(source)
            if reject.row is None and self._originals is not None:
                # A line of a quarantine file that is no entry any more: it is someone's work in progress.
                # Keep it as is.
                self._originals.copy(reject.where.line, out)
            else:
                out.write(_line(_entry(reject)))

    def close(self) -> tuple[str, ...]:
        """Move the files into place. Returns the files that hold the rejected rows of this run's inputs."""
        try:
            with _stored(self.folder):
                self._finish_current()
                for source in dict.fromkeys([*self._sources, *self._replaced]):
                    self._settle(source)
                if self.folder.is_dir():
                    _sync(self.folder)
                targets = [self._target(source) for source in dict.fromkeys([*self._sources, *self._replaced])]
                self.files = tuple(dict.fromkeys(str(target) for target in targets if target.exists()))
        finally:
            self.abort()
        return self.files

    def abort(self) -> None:
        """Forget this run's rows. Nothing that was there before is touched."""
        if self._current is not None:
            self._current[1].close()
        self._drop_originals()
        if self._run is not None:
            shutil.rmtree(self._run, ignore_errors=True)
            os.close(self._lock)
        self._current = self._run = None

    def _check_kind(self, source: str) -> None:
        if self._is_own(source) and not Path(source).name.startswith(f"{self.kind}-"):
            other, command = ("events", "events") if self.kind == "articles" else ("articles", "ingest")
            raise UsageError(f"{source}: holds rejected {other}; give it to `recnews {command}`")

    def _is_own(self, source: str) -> bool:
        path = Path(source)
        return path.suffix == ".jsonl" and os.path.realpath(path.parent) == os.path.realpath(self.folder)

    def _target(self, source: str) -> Path:
        if self._is_own(source):
            return self.folder / Path(source).name
        # The digest keeps two inputs of one name apart; the stem is only for people.
        named = source.startswith(("<", "http://", "https://"))
        place = source if named else os.path.abspath(source)  # noqa: PTH100 - no links resolved
        digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
        stem = _HOSTILE.sub("_", Path(source).name.split(".")[0]).strip("._-")[:_STEM_LENGTH]
        return self.folder / f"{self.kind}-{stem or 'input'}-{self.day:%Y%m%d}-{digest}.jsonl"

    def _out(self, source: str) -> IO[bytes]:
        if self._current is not None and self._current[0] == source:
            return self._current[1]
        self._finish_current()
        if self._run is None:
            self._run, self._lock = _new_run(self.folder)
        name = self._replaced.setdefault(source, self._target(source).name)
        out = (self._run / name).open("ab")
        self._current = source, out
        self._originals = _Originals(Path(source)) if self._is_own(source) else None
        return out

    def _finish_current(self) -> None:
        if self._current is not None:
            out = self._current[1]
            out.flush()
            os.fsync(out.fileno())
            out.close()
        self._current = None
        self._drop_originals()

    def _drop_originals(self) -> None:
        if self._originals is not None:
            self._originals.close()
        self._originals = None

    def _settle(self, source: str) -> None:
        """Put what this run rejected of one input into its place."""
        target = self._target(source)
        again = Path(source).is_file()
        fresh = self._run / target.name if self._run is not None and source in self._replaced else None
        if fresh is None:
            if again:
                target.unlink(missing_ok=True)
            return
        if not again and target.exists():
            _add_to(target, fresh)
        fresh.replace(target)


class _Originals:
    """The lines of a quarantine file that is being read, to be copied byte by byte; they are asked for in
    order."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("rb")
        self._next = 1

    def copy(self, line: int, out: IO[bytes]) -> None:
        while self._next < line and self._piece_by_piece(lambda _: None):
            self._next += 1
        self._piece_by_piece(out.write)
        self._next += 1

    def _piece_by_piece(self, take: Callable[[bytes], object]) -> bool:
        """Hand one line over without holding it, as it may be too long for that; False at the end of the
        file."""
        piece = b""
        while piece := self._file.readline(1024 * 1024):
            take(piece)
            if piece.endswith(b"\n"):
                return True
        return False

    def close(self) -> None:
        self._file.close()


def _entry(reject: Reject) -> dict[str, Any]:
    columns = dict(reject.row) if reject.row is not None else {"_raw": reject.raw or ""}
    before = columns.pop("_reject", None)
    file, line = reject.where.file, reject.where.line
    if isinstance(before, Mapping) and isinstance(before.get("file"), str) and isinstance(before.get("line"), int):
        file, line = before["file"], before["line"]
    why = {
        "file": file,
        "line": line,
        "field": reject.field,
        "reason": reject.reason,
        "remedy": reject.remedy,
    }
    return {"_reject": why, **columns}


def _line(entry: dict[str, Any]) -> bytes:
    plain = _plain(entry)
    try:
        return (json.dumps(plain, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half a character, which only an escape can write
        return (json.dumps(plain) + "\n").encode("ascii")


def _plain(value: Any) -> Any:
    """`value` as JSON has it. NaN, which JSON has not, becomes text, so that it is still wrong when read
    again."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, int) and value.bit_length() > _LONG:
        return hex(value)
    known = value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if known else str(value)


def _add_to(target: Path, fresh: Path) -> None:
    """Put the entries of `target` before those of `fresh` that are not among them."""
    seen = set[bytes]()
    whole = fresh.with_suffix(".whole")
    with whole.open("wb") as out:
        for file in (target, fresh):
            with file.open("rb") as lines:
                for line in lines:
                    digest = hashlib.sha256(line).digest()
                    if digest not in seen:
                        seen.add(digest)
                        out.write(line)
        out.flush()
        os.fsync(out.fileno())
    whole.replace(fresh)


def _new_run(folder: Path) -> tuple[Path, int]:
    """A folder for one run, and the lock that says the run is alive."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        run = Path(tempfile.mkdtemp(prefix=_RUN, dir=folder))
        # Another run may take the new folder for a dead one before it is locked.
        with suppress(FileNotFoundError):
            lock = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if run.exists():
                return run, lock
            os.close(lock)


def _remove_dead_runs(folder: Path) -> None:
    for run in folder.glob(f"{_RUN}*"):
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(run, ignore_errors=True)
            finally:
                os.close(lock)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _stored(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            error.filename or folder, f"the quarantine cannot be written ({error.strerror})", _REMEDY
        ) from error
