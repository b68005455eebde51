"""Forgetting a reader in backups: each that knows them is written out, forgotten in as a home is, and put back."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from recnews import formats, privacy
from recnews.backup import Taking
from recnews.errors import SettingsError
from recnews.formats import ReadOptions
from recnews.rejected import Finder
from recnews.repository import Backup, Repository, writing
from recnews.restore import write_home
from recnews.store import ReaderIds, Store

_KEY_PATH = f"corpora/{privacy.KEY_FILE}"
_QUARANTINE = "corpora/quarantine/"


def forget_in_backups(folder: Path, user_id: str, now: datetime, key: bytes | None) -> tuple[str, ...]:
    """Remove all that the backups in a folder hold on a reader; names of the backups that were changed. `key` is what
    ids were hashed with where a backup does not hold that itself.

    They keep their names and times. When this returns, no file in the folder holds the id or what only this reader did;
    a line without the id stands in the folder's `audit.jsonl`. Killed at any moment and run again, all is gone. Raises
    `UsageError`, `StorageError`, `BusyError`, `DamagedBackupError`, and `SettingsError` where the key is missing.
    """
    repository, changed = Repository(folder), list[str]()
    with writing(folder), repository.alone():
        for backup in repository.backups():
            readers = _readers(repository, backup, key)
            if _knows(repository, backup, user_id.strip(), readers):
                repository.commit(_without(repository, backup, user_id, readers, now))
                changed.append(backup.name)
        if repository.collect() or changed:
            _audit(folder / privacy.AUDIT_FILE, changed, now)
    return tuple(changed)


def _readers(repository: Repository, backup: Backup, key: bytes | None) -> ReaderIds:
    """How a backup keeps ids."""
    if not backup.rows.get("reader_key"):
        return ReaderIds()
    if _KEY_PATH in backup.files:
        with repository.scratch() as folder:
            repository.copy(backup.files[_KEY_PATH], folder / privacy.KEY_FILE)
            return ReaderIds((folder / privacy.KEY_FILE).read_bytes())
    if key is None:
        reason = "the ids of readers in this backup are hashed, and the key is not in it; set RECNEWS_READER_KEY"
        raise SettingsError(f"{repository.folder} {backup.name}", "privacy.hash_ids", reason)
    return ReaderIds(key)


def _knows(repository: Repository, backup: Backup, user: str, readers: ReaderIds) -> bool:
    starts = {b"[" + json.dumps(form, ensure_ascii=False).encode() + b"," for form in (user, readers(user))}
    for digest in backup.tables.get("events", ()):
        chunk = repository.chunk(digest)
        if any(chunk.startswith(start) or b"\n" + start in chunk for start in starts):
            return True
    finder = Finder((user, readers(user)), formats.reader_columns(ReadOptions()), formats.OTHER_EVENT_COLUMNS)
    rejects = [path for path in backup.files if path.startswith(_QUARANTINE)]
    with repository.scratch() as folder:
        for path in rejects:
            copy = folder / Path(path).name
            repository.copy(backup.files[path], copy)
            with copy.open("rb") as lines:
                if any(finder.finds(line, copy.name.startswith("events-")) for line in lines):
                    return True
    return False


def _without(repository: Repository, backup: Backup, user: str, readers: ReaderIds, now: datetime) -> Backup:
    with repository.scratch() as folder:
        write_home(repository, backup, folder)
        store = Store(folder / "corpora", readers)
        try:
            privacy.forget(store, folder / "corpora", user, now)
            fresh = Taking(repository, folder, store).take(backup.name, backup.moment)
        finally:
            store.close()
    return replace(fresh, at=backup.at, problems=backup.problems)


def _audit(file: Path, changed: Sequence[str], now: datetime) -> None:
    """Tell that somebody was forgotten here, and no word of whom."""
    line = json.dumps({"at": now.isoformat(), "what": "forget", "backups": list(changed)})
    with file.open("a", encoding="utf-8") as audit:
        audit.write(f"{line}\n")
        audit.flush()
        with suppress(OSError):
            os.fsync(audit.fileno())
