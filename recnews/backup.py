"""Backups: a consistent copy of a home while it is in use, of which only what has changed is written anew.

Rows of the store are kept as chunks of text under their checksums, so that a backup says nothing of the engine they
came from; files as they are. What is a view (index snapshots, sealed segments) is left out.
"""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from recnews.atlas import ATLAS_FILE
from recnews.catalog import SEALED
from recnews.config import SETTINGS_FILE
from recnews.errors import DamagedBackupError, StorageError, UsageError
from recnews.generations import CURRENT_FILE, Generations
from recnews.repository import Backup, KeptFile, Repository, writing
from recnews.restore import FOLDERS, KEYS_FILE, check, write_home
from recnews.store import STORE_FILE, Store
from recnews.verify import Problem

_ATTEMPTS, _NOTE = 5, ".backups"
_CHUNK = 1 << 20
_LONGEST = 8 * _CHUNK


@dataclass(frozen=True, slots=True)
class Backed:
    """A backup that was made: its name, what is wrong with it (nothing, unless it was wrong with the home), how many
    bytes were new, and which earlier ones were removed."""

    name: str
    folder: str
    problems: tuple[Problem, ...]
    new_bytes: int
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A backup as it is listed: when it was made, of what, what was wrong with the home then, and what is wrong with
    its files now (where that was asked for)."""

    name: str
    at: str
    live: str | None
    articles: int
    events: int
    problems: tuple[str, ...]
    damages: tuple[str, ...]


def listed(folder: Path, check_all: bool) -> list[Listed]:
    """The backups in a folder, oldest first; with `check_all`, all that they need is read. Raises `UsageError`,
    `DamagedBackupError`."""
    repository = Repository(folder)
    return [
        Listed(
            it.name, it.at, it.live, it.rows.get("articles", 0), it.rows.get("events", 0),
            tuple(it.problems), tuple(str(damage) for damage in repository.damages(it)) if check_all else (),
        )
        for it in repository.backups()
    ]  # fmt: skip


def backup(
    home: Path, store: Store, target: Path, now: datetime, *, keep: int | None = None, quick: bool = False
) -> Backed:
    """Add a backup of a home to those in `target`, a folder made when absent; what they hold already is not written
    again. Then write the backup out as a home and verify that; with `quick`, leave it at that.

    With `keep`, the latest so many stay, unless something is wrong with the new one. Raises `UsageError`,
    `StorageError`, `BusyError`; what fails or is killed leaves nothing that counts.
    """
    if home == target or (home in target.parents and target.relative_to(home).parts[0] in FOLDERS):
        raise UsageError(f"{target} lies within the home's own data; name a folder outside of it")
    if keep is not None and keep < 1:
        raise UsageError("keep at least one backup")
    with writing(target):
        repository = Repository.at(target)
        with repository.alone():
            repository.collect()  # what a killed run has left may not be whole
            taking = Taking(repository, home, store)
            name = repository.new_name(now)
            made, problems = (taking.take(name, now), []) if quick else _tried(taking, name, now)
            repository.commit(made)
            removed = retire(repository, keep) if keep is not None and not problems else ()
    _note(home, target)
    return Backed(made.name, str(target), tuple(problems), repository.written, removed)


def _note(home: Path, folder: Path) -> None:
    """Remember where backups lie, for `last_backup`; one that is made is one all the same where that cannot be."""
    with suppress(OSError):
        fresh = home / "corpora" / f"{_NOTE}.new"
        fresh.write_text(str(folder), encoding="utf-8")
        fresh.replace(home / "corpora" / _NOTE)


def last_backup(home: Path) -> tuple[Path, Backup | None] | None:
    """The folder that backups of this home were last made in, and the latest that is in it; None when none was made.
    Raises `UsageError` when the folder is none of backups any more, `DamagedBackupError`."""
    note = home / "corpora" / _NOTE
    if not note.exists():
        return None
    repository = Repository(Path(note.read_text(encoding="utf-8")))
    return repository.folder, max(repository.backups(), key=lambda it: it.moment, default=None)


def retire(repository: Repository, keep: int) -> tuple[str, ...]:
    """Remove all but the latest `keep` backups, and what only they needed; their names. Inside `repository.alone`."""
    names = tuple(it.name for it in repository.backups()[:-keep])
    if names:
        repository.remove(names)
        repository.collect()
    return names


def _tried(taking: "Taking", name: str, now: datetime) -> tuple[Backup, list[Problem]]:
    """A backup, and what is wrong with the home that it makes. Contents that an earlier one has left, and that the disk
    has spoilt since, are written again."""
    repository, made = taking.repository, taking.take(name, now)
    try:
        problems = _problems_of(repository, made)
    except DamagedBackupError:
        for damage in repository.damages(made):
            Path(damage.file).unlink(missing_ok=True)
        made = taking.take(name, now)
        problems = _problems_of(repository, made)
    return replace(made, problems=[problem.what for problem in problems]), problems


def _problems_of(repository: Repository, made: Backup) -> list[Problem]:
    with repository.scratch() as folder:
        write_home(repository, made, folder)
        return check(folder)


@dataclass(frozen=True, slots=True)
class Taking:
    """Puts a home into a repository."""

    repository: Repository
    home: Path
    store: Store

    def take(self, name: str, now: datetime) -> Backup:
        """The home as it is at one moment; the backup does not count yet. Again from the start when another process has
        switched or removed generations meanwhile. Raises `StorageError` when that goes on and on."""
        source = Generations(self.home / "indexes")
        for attempt in range(1, _ATTEMPTS + 1):
            current, names = source.current(), source.names()
            try:
                files = dict(self._files(names))
                made = self._rows(Backup(name, now.isoformat(), self.store.rows.version, current.live), names)
            except OSError:
                if attempt == _ATTEMPTS or (current, names) == (source.current(), source.names()):
                    raise
                continue
            if (current, names) == (source.current(), source.names()):
                return replace(made, files=files)
        raise StorageError(source.folder, "changes all the time", "wait for trainings to end, then run it again")

    def _rows(self, made: Backup, generations: tuple[str, ...]) -> Backup:
        rows, tables, counts = self.store.rows, dict[str, list[str]](), dict[str, int]()
        with self.store.one_view():
            for table in rows.tables:
                tables[table], counts[table] = [], 0
                for chunk, count in _chunks(rows.lines(table, generations)):
                    tables[table].append(self.repository.put(chunk))
                    counts[table] += count
        columns = {table: list(rows.columns(table)) for table in tables}
        return replace(made, columns=columns, tables=tables, rows=counts)

    def _files(self, generations: tuple[str, ...]) -> Iterator[tuple[str, KeptFile]]:
        for path in _paths(self.home, generations):
            try:
                yield path, self.repository.put_file(self.home / path)
            except FileNotFoundError:
                if path.startswith("indexes/"):
                    raise  # a generation that goes is no generation
                # else a quarantine file whose last row was just mended


def _chunks(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines in chunks of about a megabyte, and how many each holds. What a line says decides whether a chunk ends with
    it: what is put in or taken out changes the chunk it lies in, and no other (content-defined chunking; Muthitacharoen
    et al., A Low-bandwidth Network File System, 2001)."""
    held, size = list[bytes](), 0
    for line in lines:
        held.append(line)
        size += len(line)
        if zlib.crc32(line) * _CHUNK < len(line) << 32 or size >= _LONGEST:
            yield b"".join(held), len(held)
            held, size = [], 0
    if held:
        yield b"".join(held), len(held)


def _paths(home: Path, generations: tuple[str, ...]) -> Iterator[str]:
    """Paths, below the home, of what people wrote and what was learned."""
    for name in (SETTINGS_FILE, KEYS_FILE, f"indexes/{CURRENT_FILE}"):
        if (home / name).exists():
            yield name
    for folder in ("corpora", *(f"indexes/{name}" for name in generations)):
        for file in sorted((home / folder).rglob("*")):
            if file.is_file() and not any(map(_left_out, file.relative_to(home / folder).parts)):
                yield file.relative_to(home).as_posix()


def _left_out(name: str) -> bool:
    return name.startswith((".", "catalog-", STORE_FILE)) or name in (ATLAS_FILE, SEALED, "README.md", "watch.lock")
