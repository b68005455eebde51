"""A home moved from one store to another, and its files along with it; the one it comes from is left as it is."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from recnews.config import read_settings
from recnews.errors import BusyError, StorageError, UsageError
from recnews.store import STORE_FILE, Store, Sum, Told

_MARK = ".migrating.json"
_FOLDERS = ("corpora", "indexes")
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Migrated:
    """Where the data is now as well, with the rows of each table and their checksum, the same in both stores; and how
    many files were compared or copied."""

    store: str
    home: str
    tables: dict[str, Sum]
    files: int


def migrate(home: Path, store: Store, settings_file: Path, told: Told | None = None) -> Migrated:
    """Copy all that a home holds into the store that `settings_file` names and, where that file lies in another folder,
    into that folder. Then every row is read again on both sides.

    Interrupted and run again, it goes on. Nobody should write meanwhile: what is written is taken over as well, but
    `BusyError` is raised when there is no end to it. Raises `UsageError` when the target is the home itself or holds
    data of another one; `SettingsError`, `StorageError`.
    """
    file = settings_file.absolute()
    if not file.is_file():
        raise UsageError(f"{settings_file} is not there; write the settings of the home to come into it")
    folder = file.parent
    with _opened(folder, read_settings(file).store.get_secret_value(), store) as target:
        mark = folder / "corpora" / _MARK
        _begin(mark, target, store.place)
        files = 0 if folder == home else _copy_files(home, folder)
        for _ in range(_ROUNDS):
            store.copy_into(target, told)
            ours, theirs = store.sums(), target.sums()
            if ours == theirs:
                break
        else:
            raise BusyError(f"the store at {store.place}, which changes all the time", "a service or an ingest")
        mark.unlink()
        return Migrated(target.place, str(folder), theirs, files)


@contextmanager
def _opened(folder: Path, address: str, source: Store) -> Iterator[Store]:
    """The store to be filled, which must not be the one that is read."""
    store = Store(folder / "corpora", address=address)
    try:
        if store.place == source.place:
            raise UsageError(f"{source.place} is where the data is already; name another `store` in the settings")
        yield store
    finally:
        store.close()


def _begin(mark: Path, target: Store, source: str) -> None:
    """Refuse a store with data in it, unless an earlier run from the same source has begun to fill it."""
    if mark.exists():
        before = json.loads(mark.read_text(encoding="utf-8"))
        if before == {"from": source, "to": target.place}:
            return
        raise UsageError(
            f"a move from {before['from']} to {before['to']} has begun here; finish that, or remove {mark}"
        )
    if target.articles.count() or target.events.through() or target.articles.known():
        raise UsageError(f"{target.place} holds data already; name an empty store")
    mark.write_text(json.dumps({"from": source, "to": target.place}), encoding="utf-8")


def _copy_files(home: Path, folder: Path) -> int:
    """Generations, dictionary, quarantine, keys: each file written whole under its name, and compared. What says which
    generation is live comes last."""
    count = 0
    try:
        for source in sorted(_files(home), key=lambda file: file.name == "CURRENT"):
            count += 1
            place = folder / source.relative_to(home)
            if place.exists() and _digest(place) == _digest(source):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(f".{place.name}.{os.getpid()}")
            shutil.copy2(source, fresh)
            if _digest(fresh) != _digest(source):
                raise StorageError(place, f"is not as {source} was", "run the command again")
            fresh.replace(place)
    except OSError as error:
        raise StorageError(folder, f"cannot be written ({error})", "mend that and run the command again") from error
    return count


def _files(home: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        for file in (home / name).rglob("*"):
            parts = file.relative_to(home / name).parts
            view = any(part.startswith((".", "catalog-")) or part == "sealed" for part in parts)
            if file.is_file() and not view and not file.name.startswith(STORE_FILE):
                yield file


def _digest(file: Path) -> str:
    with file.open("rb") as read:
        digest = sha256()
        while block := read.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
