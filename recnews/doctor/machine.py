"""The machine: versions, processor, rights, disk, clock."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from recnews.doctor.finding import Finding, State
from recnews.privacy import KEY_FILE
from recnews.store import STORE_FILE

_PACKAGES = ("recnews", "numpy", "faiss-cpu", "gensim", "rjieba", "sqlalchemy", "scikit-learn")
_LEAST_FREE, _LEAST_FILES = 500_000_000, 10_000
_LOG_BYTES = 1_000_000_000
_SKEW = timedelta(minutes=5)
_OLDEST_CLOCK = datetime(2025, 1, 1, tzinfo=UTC)


def look(home: Path, now: datetime) -> Iterator[Finding]:
    """All of it."""
    yield from _software()
    yield from _processor()
    yield from _rights(home)
    yield from _disk(home)
    yield from _clock(home, now)


def installed(name: str) -> str | None:
    """The version of a package; None without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _software() -> Iterator[Finding]:
    state: State = "fine" if (3, 11) <= sys.version_info < (3, 14) else "act"
    yield Finding(
        "versions", state, f"Python {platform.python_version()}", "" if state == "fine" else "use 3.11 to 3.13"
    )
    import sqlite3

    told, missing = [f"SQLite {sqlite3.sqlite_version}"], list[str]()
    for name in _PACKAGES:
        if found := installed(name):
            told.append(f"{name} {found}")
        else:
            missing.append(name)
    yield Finding("versions", "fine", ", ".join(told))
    if missing and missing != ["recnews"]:  # which may run from a folder
        yield Finding("versions", "act", f"not installed: {', '.join(missing)}", "`pip install recnews` again")


def _processor() -> Iterator[Finding]:
    try:
        from recnews.index.engine import instruction_sets
    except ImportError as error:
        yield Finding("processor", "act", f"FAISS cannot be loaded ({error})", "`pip install faiss-cpu` again")
        return
    used, cores = instruction_sets(), len(os.sched_getaffinity(0))
    if used or platform.machine() not in ("x86_64", "AMD64"):
        yield Finding("processor", "fine", f"{cores} cores; FAISS uses {' '.join(used) or platform.machine()}")
    else:
        yield Finding("processor", "note", f"{cores} cores; without AVX2 a search takes several times as long")


def _rights(home: Path) -> Iterator[Finding]:
    for folder in (home, home / "corpora", home / "indexes"):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield Finding("rights", "act", f"{folder} cannot be written by this user", f"chown -R it to {_user()}")
    strangers = [file for file in _files_of(home) if not os.access(file, os.R_OK | os.W_OK)]
    if strangers:
        what = f"{len(strangers)} files cannot be read and written by this user, {strangers[0]} among them"
        yield Finding("rights", "act", what, f"chown them to {_user()}; run all commands as one user")
    for file in (home / "corpora" / KEY_FILE, home / "keys.json"):
        if file.exists() and file.stat().st_mode & 0o077:
            yield Finding("rights", "act", f"{file} can be read by others", f"chmod 600 {file}")
    if not strangers:
        yield Finding("rights", "fine", f"{_user()} may read and write the home")


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number
        return str(os.getuid())


def _files_of(home: Path) -> Iterator[Path]:
    for folder in ("corpora", "indexes"):
        yield from (path for path in (home / folder).rglob("*") if path.is_file())


def _disk(home: Path) -> Iterator[Finding]:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    found, free = os.statvfs(place), shutil.disk_usage(place).free
    store = sum(file.stat().st_size for file in (home / "corpora").glob(f"{STORE_FILE}*"))
    rest = sum(file.stat().st_size for file in (home / "indexes").rglob("*") if file.is_file())
    sizes = f"store {_size(store)}, generations {_size(rest)}, {_size(free)} free"
    if free < max(_LEAST_FREE, store):
        remedy = "free some: `recnews prune`, `recnews generations prune`; forgetting and training need as much again"
        yield Finding("disk", "act", f"little room is left: {sizes}", remedy)
    else:
        yield Finding("disk", "fine", sizes)
    if found.f_files and found.f_favail < _LEAST_FILES:
        yield Finding("disk", "act", f"only {found.f_favail} more files can be made", "remove files, or grow the disk")
    log = home / "corpora" / f"{STORE_FILE}-wal"
    if log.exists() and log.stat().st_size > max(_LOG_BYTES, store // 2):
        what = f"the write-ahead log has {_size(log.stat().st_size)}: somebody has read an old state for long"
        yield Finding("disk", "act", what, "end that process, or start services again; the log shrinks by itself then")
    for older in sorted([*home.glob("before-restore-*"), *home.glob(".restoring-*")]):
        remedy = f"look at it, then remove it: it holds readers of its time (rm -r {older})"
        yield Finding("disk", "note", f"{older.name} lies in the home", remedy)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _clock(home: Path, now: datetime) -> Iterator[Finding]:
    ahead = [file for file in _files_of(home) if file.stat().st_mtime > (now + _SKEW).timestamp()]
    if now < _OLDEST_CLOCK:
        yield Finding("clock", "act", f"it is said to be {now:%Y-%m-%d}", "set the clock; have it kept by NTP")
    elif ahead:
        remedy = "see which clock is wrong, have it kept by NTP; articles of the future are not served"
        yield Finding("clock", "act", f"{ahead[0]} was written in the future", remedy)
    else:
        yield Finding("clock", "fine", f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
