"""The way back from a backup: into a folder of its own to be looked at, or into the place of a home's data."""

import json
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recnews.config import SETTINGS_FILE, given_reader_key, load_settings
from recnews.errors import RecnewsError, SchemaError, StorageError, UsageError
from recnews.generations import Generations
from recnews.privacy import AUDIT_FILE, KEY_FILE, forget_again
from recnews.repository import Backup, Repository
from recnews.store import STORE_FILE, ForgottenReader, ReaderIds, Store, from_micros
from recnews.verify import Problem, verify

FOLDERS = ("corpora", "indexes")
KEYS_FILE = "keys.json"
_ASIDE = "before-restore-"
_KEY, _NOTES = f"corpora/{KEY_FILE}", "forgotten_readers"


@dataclass(frozen=True, slots=True)
class Restored:
    """Which backup was put in place, where the data that was there is now, and how many readers that had been forgotten
    since the backup was made were so again; of `forgotten_since` others nobody can tell any more whom: they may be
    back."""

    backup: str
    home: str
    aside: str | None
    forgotten_again: int
    forgotten_since: int


def restore(source: Path, home: Path, replace: bool, now: datetime, name: str | None = None) -> Restored:
    """Put a backup, the latest unless one is named, in the place of a home's data, after writing it out beside that and
    checking it. Stop whatever uses the home first.

    Rows go where `store` in the settings says; a database must be empty. With `replace`, what is there is moved into
    `before-restore-…` in the home. Settings and keys of the service that the home has stay: what says where data go,
    and who was shut out, is of today. Who was forgotten after the backup was made, as the home and all backups have
    noted it, is forgotten in it, too, before it is put in place. Raises `UsageError` when there is data and no
    `replace`, or `source` holds no such backup; `RecnewsError` when the backup is damaged. Nothing is changed then.
    """
    repository = Repository(source)
    backup = chosen(repository, name)
    # Any of it, not only the store: a restore that was killed while moving things aside has left the rest.
    occupied = bool(_held(home))
    if occupied and not replace:
        raise UsageError(f"{home} holds data already; --replace moves it aside")
    incoming, aside = home / f".restoring-{os.getpid()}", None
    try:
        incoming.mkdir(parents=True)
        write_home(repository, backup, incoming)
        problems = check(incoming)
        if problems and not backup.problems:
            raise RecnewsError(f"{source}: the backup {backup.name} is damaged: {problems[0].what}")
        since = [note for note in _notes(repository, home) if note.at >= backup.moment]
        keys = _keys(repository, home, incoming)
        prints = {ReaderIds(key).fingerprint for key in keys}
        told = {note.at for note in since if note.fingerprint in prints}
        lost = {note.at for note in since if note.fingerprint not in prints}
        lost |= {*_forgettings(home)} - {*_forgettings(incoming)} - told
        local, server = Store(incoming / "corpora"), _server(home, incoming)
        try:
            again = forget_again(local, incoming / "corpora", since, keys)
            if server is not None:
                fill(server, repository, backup)
                forget_again(server, incoming / "corpora", since, keys)
        finally:
            for store in filter(None, (local, server)):
                store.close()
        aside = _move_aside(home, now) if occupied else None
        _put_in_place(incoming, home, with_store=server is None)
    except OSError as error:
        raise StorageError(home, f"cannot be restored ({error})", "check the folder's rights and free space") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return Restored(backup.name, str(home), None if aside is None else str(aside), again, len(lost))


def chosen(repository: Repository, name: str | None) -> Backup:
    """The backup of a name, else the latest. Raises `UsageError` where there is none."""
    if name is not None:
        return repository.backup(name)
    if not (found := repository.backups()):
        raise UsageError(f"{repository.folder} holds no backup yet")
    return found[-1]


def write_home(repository: Repository, backup: Backup, folder: Path) -> None:
    """Write a backup out as a home, into an empty folder, with a store in SQLite whatever it was made from.

    Raises `DamagedBackupError`, `SchemaError`, `OSError`.
    """
    for path, kept in backup.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        repository.copy(kept, place)
    store = Store(folder / "corpora")
    try:
        fill(store, repository, backup)
    finally:
        store.close()


def fill(store: Store, repository: Repository, backup: Backup) -> None:
    """Put the rows of a backup into an empty store. Raises as `write_home`, and `StorageError` when it holds data."""
    rows = store.rows
    if backup.schema > rows.version:
        raise SchemaError(str(repository.folder), backup.schema, rows.version)
    other = [name for name in backup.tables if name not in rows.tables or backup.columns[name] != [*rows.columns(name)]]
    if other:
        raise StorageError(
            repository.folder,
            f"backup {backup.name} was made by a recnews that kept {other[0]} in another form",
            "restore it with that version, then go on with this one",
        )

    def lines() -> Iterator[tuple[str, bytes]]:
        for table in rows.tables:
            for digest in backup.tables.get(table, ()):
                yield table, repository.chunk(digest)

    rows.fill(lines())


def check(home: Path) -> list[Problem]:
    """Open what was written out and verify it. That articles wait to be encoded is none of its faults."""
    store = Store(home / "corpora")
    try:
        return [it for it in verify(store, Generations(home / "indexes")) if it.kind != "pending"]
    finally:
        store.close()


def _notes(repository: Repository, home: Path) -> set[ForgottenReader]:
    """Who was forgotten, as the home and all backups have noted it."""
    noted = set(_noted_in(home / "corpora"))
    for other in repository.backups():
        for digest in other.tables.get(_NOTES, ()):
            rows = map(json.loads, repository.chunk(digest).splitlines())
            noted |= {ForgottenReader(it[0], from_micros(it[1]), b64decode(it[2])) for it in rows}
    return noted


def _noted_in(corpora: Path) -> list[ForgottenReader]:
    """What the store of a home has noted, if that can still be read."""
    if not (corpora / STORE_FILE).exists():
        return []
    try:
        store = Store(corpora)
    except RecnewsError:
        return []
    try:
        return store.privacy.forgotten_readers()
    except RecnewsError:
        return []
    finally:
        store.close()


def _keys(repository: Repository, home: Path, incoming: Path) -> list[bytes]:
    """All keys there are that ids of readers may have been hashed with. Where the backup has none the latest goes with
    it: notes were made with that."""
    found, place = list[bytes](), incoming / ".key"
    for kept in [it.files[_KEY] for it in repository.backups() if _KEY in it.files]:
        repository.copy(kept, place)
        found.append(place.read_bytes())
        place.unlink()
    if (home / _KEY).exists():
        found.append((home / _KEY).read_bytes())
    if found and not (incoming / _KEY).exists():
        with open(os.open(incoming / _KEY, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:  # noqa: PTH123
            out.write(found[-1])
    given = given_reader_key()
    return [*found, *([] if given is None else [given])]


def _forgettings(home: Path) -> Iterator[datetime]:
    file = home / "corpora" / AUDIT_FILE
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            yield datetime.fromisoformat(json.loads(line)["at"])
        except (ValueError, KeyError, TypeError):  # a line that was cut off; forgetting writes it again
            continue


def _server(home: Path, incoming: Path) -> Store | None:
    """The empty store that the settings name, where they name one. Raises `UsageError` when it holds something."""
    address = load_settings(home if (home / SETTINGS_FILE).exists() else incoming).store.get_secret_value()
    if not address:
        return None
    store = Store(home / "corpora", address=address)
    if not store.rows.empty():
        place = store.place
        store.close()
        raise UsageError(f"{place} holds data already; make an empty database, and name that as `store`")
    return store


def _put_in_place(incoming: Path, home: Path, with_store: bool) -> None:
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
        for entry in sorted((incoming / folder).iterdir()) if (incoming / folder).exists() else ():
            if with_store or not entry.name.startswith(STORE_FILE):
                _put(entry, home / folder / entry.name)
    for name in (SETTINGS_FILE, KEYS_FILE):
        if (incoming / name).exists() and not (home / name).exists():
            (incoming / name).replace(home / name)


def _move_aside(home: Path, now: datetime) -> Path:
    aside = home / f"{_ASIDE}{now:%Y%m%dT%H%M%S}"
    for folder in FOLDERS:
        (aside / folder).mkdir(parents=True, exist_ok=True)
    for entry in _held(home):
        entry.rename(aside / entry.relative_to(home))
    if (home / SETTINGS_FILE).exists():
        shutil.copy2(home / SETTINGS_FILE, aside / SETTINGS_FILE)
    return aside


def _held(home: Path) -> list[Path]:
    """What lies in the folders of a home but for their READMEs."""
    folders = [home / folder for folder in FOLDERS if (home / folder).is_dir()]
    return [entry for folder in folders for entry in sorted(folder.iterdir()) if entry.name != "README.md"]


def _put(entry: Path, place: Path) -> None:
    if place.exists():
        if place.name == "README.md":
            return
        raise StorageError(place, "is in the way of the restored one", "move it away, or use --replace")
    entry.rename(place)
