"""A folder of backups: contents named by their checksums, each kept once, and a list of them for each backup.

A list is written last, in one rename, after everything that it names is on the disk: what was killed before leaves
contents that no list names, which the next backup uses or `collect` removes. Contents are never changed. Nothing here
is code, and names from a list are never used as paths.
"""

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recnews.errors import BusyError, DamagedBackupError, StorageError, UsageError

REPOSITORY_FILE = "recnews-backups.json"
FORMAT = 1
_OBJECTS, _LISTS, _PARTIAL = "objects", "backups", ".partial-"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
_BLOCK = 1 << 20
_MANY = 200


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a backup: checksum, size in bytes, permissions."""

    sha256: str
    size: int
    mode: int


@dataclass(frozen=True, slots=True)
class Backup:
    """What one backup consists of. `tables`: name → checksums of its chunks of rows, in order; `columns` their fields;
    `rows` how many; `files`: path below the home → file. `problems` is what was wrong with the home."""

    name: str
    at: str
    schema: int
    live: str | None
    columns: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, KeptFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.at)

    def contents(self) -> set[tuple[str, bool]]:
        """(checksum, whether it is a chunk of rows) of everything it needs."""
        chunks = {(digest, True) for digests in self.tables.values() for digest in digests}
        return chunks | {(kept.sha256, False) for kept in self.files.values()}


class Repository:
    """A folder of backups."""

    def __init__(self, folder: Path) -> None:
        """Open one. Raises `UsageError` when `folder` is none, `DamagedBackupError` for one of another format."""
        self.folder = folder
        self.written, self._fresh = 0, list[Path]()
        file = folder / REPOSITORY_FILE
        try:
            found = json.loads(file.read_bytes())
        except FileNotFoundError:
            raise UsageError(f"{folder}: is no folder of backups: it has no {REPOSITORY_FILE}") from None
        except (OSError, ValueError) as error:
            raise DamagedBackupError(file, f"cannot be read ({error})") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise DamagedBackupError(file, f"is not of format {FORMAT}, which this recnews knows")

    @classmethod
    def at(cls, folder: Path) -> "Repository":
        """The repository in a folder, made when there is nothing. Raises `UsageError` when something else is there."""
        if folder.exists() and not (folder / REPOSITORY_FILE).exists():
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder")
            if any(not entry.name.startswith(f".{REPOSITORY_FILE}") for entry in folder.iterdir()):
                raise UsageError(f"{folder} holds something else than backups; name a new folder")
        (folder / _OBJECTS).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / REPOSITORY_FILE).exists():
            _write(folder / REPOSITORY_FILE, json.dumps({"format": FORMAT}).encode() + b"\n")
        for name in (_OBJECTS, _LISTS):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        return cls(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the right to write here. Raises `BusyError` when another process has it. What killed runs left in the
        making is removed."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(str(self.folder), "another backup") from error
            for left in self.folder.glob(f"{_PARTIAL}*"):
                shutil.rmtree(left)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder to work in, gone afterwards; inside `alone`."""
        place = self.folder / f"{_PARTIAL}{os.getpid()}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def backups(self) -> list[Backup]:
        """All backups, oldest first. Raises `DamagedBackupError` for a list that cannot be read."""
        names = [file.stem for file in (self.folder / _LISTS).glob("*.json") if _NAME.fullmatch(file.stem)]
        return [self.backup(name) for name in sorted(names, key=_by_time)]

    def backup(self, name: str) -> Backup:
        """One backup. Raises `UsageError` for a name that is none's, `DamagedBackupError`."""
        file = self.folder / _LISTS / f"{name}.json"
        if not _NAME.fullmatch(name) or not file.is_file():
            raise UsageError(f"{self.folder} has no backup {name!r}; `recnews backups {self.folder}` lists them")
        try:
            return _parsed(json.loads(file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedBackupError(file, f"cannot be read ({error})") from error

    def new_name(self, now: datetime) -> str:
        """A name for a backup made at `now`, after all others of the same second."""
        plain = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        taken = {file.stem for file in (self.folder / _LISTS).glob(f"{plain}*.json")}
        return plain if plain not in taken else f"{plain}-{max(_by_time(name)[1] for name in taken) + 1}"

    def put(self, chunk: bytes) -> str:
        """Keep a chunk of rows; returns its checksum."""
        digest = hashlib.sha256(chunk).hexdigest()
        place = self._place(digest, packed=True)
        if not place.exists():
            self._settle(place, gzip.compress(chunk, 1, mtime=0))
        return digest

    def put_file(self, file: Path) -> KeptFile:
        """Keep a file. Raises `OSError`."""
        mode = file.stat().st_mode & 0o777
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        place = self._place(digest, packed=False)
        if not place.exists():
            beside = self.folder / _OBJECTS / ".coming"
            digest, size = _copy(file, beside, 0o600)  # of what is kept, should the file have changed meanwhile
            place = self._place(digest, packed=False)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            beside.replace(place)
            self._fresh.append(place)
            self.written += size
        return KeptFile(digest, place.stat().st_size, mode)

    def chunk(self, digest: str) -> bytes:
        """A chunk of rows. Raises `DamagedBackupError` when it is missing or not what it was."""
        place = self._place(digest, packed=True)
        try:
            content = gzip.decompress(place.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedBackupError(place, f"cannot be read ({error})") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedBackupError(place, "its content has changed")
        return content

    def copy(self, kept: KeptFile, target: Path) -> None:
        """Write a file of a backup to `target`. Raises `DamagedBackupError`, `OSError`."""
        place = self._place(kept.sha256, packed=False)
        if not place.is_file():
            raise DamagedBackupError(place, "is missing")
        if _copy(place, target, kept.mode)[0] != kept.sha256:
            raise DamagedBackupError(place, "its content has changed")

    def commit(self, backup: Backup) -> None:
        """Let a backup count, in place of one of the same name."""
        if len(self._fresh) > _MANY:
            os.sync()  # one call, where a call each would take longer than writing
        else:
            for place in self._fresh:
                _sync(place)
        self._fresh.clear()
        text = json.dumps(asdict(backup), ensure_ascii=False, indent=1) + "\n"
        _write(self.folder / _LISTS / f"{backup.name}.json", text.encode())

    def remove(self, names: Iterable[str]) -> None:
        """Let backups count no more."""
        for name in names:
            (self.folder / _LISTS / f"{name}.json").unlink(missing_ok=True)
        _sync(self.folder / _LISTS)

    def collect(self) -> int:
        """Remove contents that no backup names; the bytes that frees. Inside `alone`."""
        needed = {self._place(*content) for backup in self.backups() for content in backup.contents()}
        freed = 0
        for file in (self.folder / _OBJECTS).rglob("*"):
            if file not in needed and file.is_file():
                freed += file.stat().st_size
                file.unlink()
        return freed

    def damages(self, backup: Backup) -> list[DamagedBackupError]:
        """Read all contents of a backup; what is missing or not what it was."""
        told = []
        for digest, packed in sorted(backup.contents()):
            try:
                if packed:
                    self.chunk(digest)
                else:
                    self._check_file(digest)
            except DamagedBackupError as error:
                told.append(error)
        return told

    def disk_bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def _check_file(self, digest: str) -> None:
        place = self._place(digest, packed=False)
        try:
            with place.open("rb") as opened:
                right = hashlib.file_digest(opened, "sha256").hexdigest() == digest
        except OSError as error:
            raise DamagedBackupError(place, f"cannot be read ({error.strerror})") from error
        if not right:
            raise DamagedBackupError(place, "its content has changed")

    def _place(self, digest: str, packed: bool) -> Path:
        return self.folder / _OBJECTS / digest[:2] / (f"{digest}.gz" if packed else digest)

    def _settle(self, place: Path, content: bytes) -> None:
        """Write contents under their name in one rename, readable by their owner only: they hold a reading log."""
        place.parent.mkdir(mode=0o700, exist_ok=True)
        beside = place.with_name(f".{place.name}")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
            out.write(content)
        beside.replace(place)
        self._fresh.append(place)
        self.written += len(content)


def _copy(source: Path, target: Path, mode: int) -> tuple[str, int]:
    """Copy a file; checksum and size of what was written."""
    found, size = hashlib.sha256(), 0
    with (
        source.open("rb") as given,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out,  # noqa: PTH123
    ):
        while block := given.read(_BLOCK):
            found.update(block)
            size += out.write(block)
    return found.hexdigest(), size


def _by_time(name: str) -> tuple[str, int]:
    plain, _, number = name.partition("-")
    return plain, int(number or 1)


def _parsed(found: Any) -> Backup:
    if found["format"] != FORMAT:
        raise ValueError(f"format {found['format']}, this recnews knows {FORMAT}")
    files = {path: KeptFile(**kept) for path, kept in found["files"].items()}
    backup = Backup(**{**found, "files": files})
    for path in files:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"{path!r} does not lie in a home")
    if not all(_DIGEST.fullmatch(digest) for digest, _ in backup.contents()):
        raise ValueError("a checksum is none")
    return backup


def _write(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
    _sync(file.parent)


def _sync(place: Path) -> None:
    """Have a file or a folder on the disk before what comes next."""
    handle = os.open(place, os.O_RDONLY)
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell what the disk refuses as a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            folder, f"cannot be written ({error.strerror or error})", "check the folder's rights and free space"
        ) from error
