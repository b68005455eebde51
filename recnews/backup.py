"""Backups: a consistent copy of a home while it is in use, and the way back."""

import os
import shutil
from datetime import datetime
from pathlib import Path

from recnews.atlas import ATLAS_FILE
from recnews.catalog import SEALED
from recnews.config import SETTINGS_FILE
from recnews.errors import RecnewsError, StorageError, UsageError
from recnews.generations import Generations
from recnews.store import STORE_FILE, Store
from recnews.verify import Problem, verify

_FOLDERS = ("corpora", "indexes")
_ATTEMPTS = 5


def backup(home: Path, store: Store, target: Path) -> list[Problem]:
    """Copy a home into `target`, a folder that does not exist yet, and open the copy to see that it is whole.

    The store is copied by SQLite's online backup; generations, which never change, are hard-linked where the disk
    allows. Returns what is wrong with the copy: nothing, unless it was wrong with the home. Raises `UsageError`,
    `StorageError`; a backup that fails leaves no `target`.
    """
    if target.exists():
        raise UsageError(f"{target} exists already; name a new folder for the backup")
    if home == target or (home in target.parents and target.relative_to(home).parts[0] in _FOLDERS):
        raise UsageError(f"{target} lies within the home's own data; name a folder outside of it")
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        _copy_views_and_truth(home, store, partial)
        _copy_rest(home, partial)
        problems = check_backup(partial)
        partial.rename(target)
    except OSError as error:
        raise StorageError(
            target, f"the backup cannot be written ({error.strerror})", "check the folder's rights and free space"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return problems


def restore(source: Path, home: Path, replace: bool, now: datetime) -> Path | None:
    """Put a backup in the place of a home's data, after checking it. Stop whatever uses the home first.

    With `replace`, what is there is moved into `before-restore-…` beside it; returns that folder. Raises `UsageError`
    when there is data and no `replace`, or `source` is no backup; `RecnewsError` when the backup is damaged.
    """
    if not (source / "corpora" / STORE_FILE).is_file():
        raise UsageError(f"{source}: is not a backup: it has no corpora/{STORE_FILE}")
    # Any of it, not only the store: a restore that was killed while moving things aside has left the rest.
    occupied = bool(_held(home))
    if occupied and not replace:
        raise UsageError(f"{home} holds data already; --replace moves it aside")
    problems = check_backup(source)
    if problems:
        raise RecnewsError(f"{source}: the backup is damaged: {problems[0].what}")
    incoming = home / f".restoring-{os.getpid()}"
    try:
        _copy_all(source, incoming)
        aside = _move_aside(home, now) if occupied else None
        for folder in _FOLDERS:
            (home / folder).mkdir(parents=True, exist_ok=True)
            for entry in sorted((incoming / folder).iterdir()):
                _put(entry, home / folder / entry.name)
        if (incoming / SETTINGS_FILE).exists():
            (incoming / SETTINGS_FILE).replace(home / SETTINGS_FILE)
    except OSError as error:
        raise StorageError(home, f"cannot be restored ({error})", "check the folder's rights and free space") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return aside


def check_backup(folder: Path) -> list[Problem]:
    """Open a backup as a home of its own and verify it."""
    store = Store(folder / "corpora")
    try:
        return verify(store, Generations(folder / "indexes"))
    finally:
        store.close()


def _copy_views_and_truth(home: Path, store: Store, target: Path) -> None:
    """Copy generations and store as they were at one time: again from the start when another process has switched or
    pruned meanwhile. Index snapshots and sealed segments come and go, and are made again from the store: they are left
    out."""
    source, copied = Generations(home / "indexes"), target / "indexes"
    for attempt in range(1, _ATTEMPTS + 1):
        before = source.current(), source.names()
        try:
            shutil.copytree(source.folder, copied, copy_function=_link, ignore=_left_out, dirs_exist_ok=True)
            store.backup(target / "corpora")
        except OSError:
            if attempt == _ATTEMPTS or before == (source.current(), source.names()):
                raise
        else:
            if before == (source.current(), source.names()):
                break
        shutil.rmtree(target)
    copy = Store(target / "corpora")
    copy.vectors.retain(Generations(copied).names())  # not those of a generation that is just being built
    copy.close()


def _left_out(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith((".", "catalog-")) or name in {SEALED, ATLAS_FILE}]


def _copy_rest(home: Path, target: Path) -> None:
    """What people wrote: dictionary, quarantine, settings."""
    for entry in (home / "corpora").iterdir():
        if entry.name.startswith((STORE_FILE, ".", "before-restore-")):
            continue
        if entry.is_dir():
            shutil.copytree(entry, target / "corpora" / entry.name, ignore=shutil.ignore_patterns(".*"))
        else:
            shutil.copy2(entry, target / "corpora" / entry.name)
    if (home / SETTINGS_FILE).exists():
        shutil.copy2(home / SETTINGS_FILE, target / SETTINGS_FILE)


def _copy_all(source: Path, target: Path) -> None:
    # With the write-ahead log: it holds what whoever last looked into the backup had no time to move out of it.
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(f"{STORE_FILE}-shm"))


def _link(source: str, target: str) -> str:
    """A hard link, or a copy where there cannot be one. Generation files are never changed in place; `CURRENT` is
    replaced as a whole."""
    try:
        os.link(source, target)
    except OSError:
        return shutil.copy2(source, target)
    return target


def _move_aside(home: Path, now: datetime) -> Path:
    aside = home / f"before-restore-{now:%Y%m%dT%H%M%S}"
    for folder in _FOLDERS:
        (aside / folder).mkdir(parents=True, exist_ok=True)
    for entry in _held(home):
        entry.rename(aside / entry.relative_to(home))
    if (home / SETTINGS_FILE).exists():
        shutil.copy2(home / SETTINGS_FILE, aside / SETTINGS_FILE)
    return aside


def _held(home: Path) -> list[Path]:
    """What lies in the folders of a home but for their READMEs."""
    folders = [home / folder for folder in _FOLDERS if (home / folder).is_dir()]
    return [entry for folder in folders for entry in sorted(folder.iterdir()) if entry.name != "README.md"]


def _put(entry: Path, place: Path) -> None:
    if place.exists():
        if place.name == "README.md":
            return
        raise StorageError(place, "is in the way of the restored one", "move it away, or use --replace")
    entry.rename(place)
