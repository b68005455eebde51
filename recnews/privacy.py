"""Telling a reader what is held on them, forgetting them, and keeping ids as keyed hashes."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from recnews import formats, rejected
from recnews.errors import StorageError, UsageError
from recnews.formats import ReadOptions
from recnews.quarantine import Quarantine
from recnews.records import EventDraft, Held, Reject
from recnews.reports import Forgotten
from recnews.store import STORE_FILE, Forgetting, ForgottenReader, ReaderIds, Store

AUDIT_FILE = "audit.jsonl"
KEY_FILE = "reader.key"
_KEY_BYTES = 32
_OLDER = ("before-restore-*", ".restoring-*")  # what `recnews restore` moved aside, or was killed over


def forget(store: Store, corpora: Path, user_id: str, now: datetime, noted: ReaderIds | None = None) -> Forgotten:
    """Remove all that is held on a reader: their events, the keys only these named, and rejected rows with their id;
    then every byte of it in the store's files, and write a line without the id into `audit.jsonl`. `noted` has a key:
    what it makes of the id is kept, so that `forget_again` recognises the reader in an older backup.

    Killed at any moment and run again, all is gone. Raises `StorageError`, `BusyError`.
    """
    with _alone(store, corpora):
        events, gone = _remove(store, corpora, user_id, now, noted)
        _finish(store, corpora)
    older = (found for pattern in _OLDER for found in sorted(corpora.parent.glob(pattern)))
    return Forgotten(events, gone, tuple(str(it) for it in older if (it / "corpora" / STORE_FILE).exists()))


def noting(store: Store, corpora: Path, given: bytes | None) -> ReaderIds:
    """By what it is noted who was forgotten: the key that ids of readers are hashed with, or would be. Raises as
    `reader_key`."""
    return store.readers if store.readers.fingerprint else ReaderIds(reader_key(corpora, given))


def forget_again(store: Store, corpora: Path, notes: Sequence[ForgottenReader], keys: Iterable[bytes]) -> int:
    """Forget the readers of whom there is a note by one of the keys, as `forget` did then, and keep the notes; how many
    there were. Found are those with events, and those whose id stands in a usual column of a rejected row."""
    if not notes:
        return 0
    store.privacy.keep(notes)
    wanted, keyed = {note.reader: note.at for note in notes}, [ReaderIds(key) for key in keys]
    ids = {*store.privacy.readers(), *rejected.ids(corpora / "quarantine", formats.reader_columns(ReadOptions()))}
    found = {one: wanted[by.note(one)] for one in sorted(ids) for by in keyed if by.note(one) in wanted}
    if found:
        with _alone(store, corpora):
            for user_id, at in found.items():
                _remove(store, corpora, user_id, at, None)
            _finish(store, corpora)
    return len(found)


def _remove(store: Store, corpora: Path, user_id: str, now: datetime, noted: ReaderIds | None) -> tuple[int, int]:
    """How many events and how many rejected rows were removed."""
    quarantine, finder = corpora / "quarantine", _finder(store, user_id)
    Quarantine(quarantine, "events", now.date())  # removes what killed runs have left there
    held = sum(1 for _ in rejected.rows_of(quarantine, finder))
    note = ForgottenReader(noted.note(user_id.strip()), now, noted.fingerprint or b"") if noted else None
    return store.privacy.forget(user_id.strip(), held, now, note), rejected.forget(quarantine, finder)


def _finish(store: Store, corpora: Path) -> None:
    if unfinished := store.privacy.unfinished():
        store.privacy.scrub()
        _audit(corpora / AUDIT_FILE, unfinished)
        store.privacy.finish(unfinished)


def export(store: Store, corpora: Path, user_id: str) -> Held:
    """All that is held on a reader, in an order that does not change."""
    rows = tuple(rejected.rows_of(corpora / "quarantine", _finder(store, user_id)))
    user = user_id.strip()
    return Held(user, store.readers(user), tuple(store.privacy.held(user)), rows)


def reader_key(corpora: Path, given: bytes | None) -> bytes:
    """The key that ids are hashed with: the given one, else that of `reader.key`, made when there is none.

    Raises `StorageError` when the file cannot be read or written, or is no key.
    """
    file = corpora / KEY_FILE
    if given is not None:
        return given
    try:
        if not file.exists():
            _make_key(file)
        key = file.read_bytes()
    except OSError as error:
        raise StorageError(file, f"cannot be used ({error.strerror})", "give this user the right to") from error
    if len(key) != _KEY_BYTES:
        raise StorageError(file, f"is not a key of {_KEY_BYTES} bytes", "put the right one back from a backup")
    return key


def hash_what_is_stored(store: Store, corpora: Path) -> None:
    """The rest of `store.privacy.adopt`: hash ids in rejected rows, and leave no byte of plain ones in the store."""
    with _alone(store, corpora):
        rejected.mask(corpora / "quarantine", _hashing(store.readers, formats.reader_columns(ReadOptions())))
        store.privacy.scrub()
        store.privacy.adopted()


def with_hashed_rejects(
    rows: Iterable[EventDraft | Reject], readers: ReaderIds, options: ReadOptions
) -> Iterator[EventDraft | Reject]:
    """The rows of a reading log, with the ids in rejected ones as the store would keep them. One that could not be
    parsed stays as it is: nobody knows where the id stands in it."""
    hashed = _hashing(readers, formats.reader_columns(options))
    for row in rows:
        yield replace(row, row=hashed(row.row)) if isinstance(row, Reject) and row.row is not None else row


@contextmanager
def _alone(store: Store, corpora: Path) -> Iterator[None]:
    """Wait for other runs of what is done in here: they rewrite the same files."""
    with _locked(corpora), store.alone("removing what is held on readers", wait=True):
        yield


@contextmanager
def _locked(corpora: Path) -> Iterator[None]:
    lock = os.open(corpora, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _hashing(readers: ReaderIds, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    def hashed(row: Mapping[str, Any]) -> Mapping[str, Any]:
        ids = {name: readers(rejected.as_id(row[name])) for name in columns if _may_be_id(row.get(name))}
        return {**row, **ids}

    return hashed


def _may_be_id(cell: Any) -> bool:
    return isinstance(cell, str | int | float) and not isinstance(cell, bool) and cell != ""


def _finder(store: Store, user_id: str) -> rejected.Finder:
    user = user_id.strip()
    if not user:
        raise UsageError("name the reader; an empty id is nobody's")
    return rejected.Finder(
        (user, store.readers(user)), formats.reader_columns(ReadOptions()), formats.OTHER_EVENT_COLUMNS
    )


def _make_key(file: Path) -> None:
    """Write a new key as a whole or not at all; one that another process has made meanwhile stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file.parent):
        if file.exists():
            return
        fresh = file.with_name(f".{file.name}")  # one that was killed has left it, at most
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
            out.write(secrets.token_bytes(_KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)


def _audit(file: Path, done: Sequence[Forgetting]) -> None:
    """Add a line for each, once, whatever was killed before: a line that was cut off is written again."""
    try:
        with file.open("a+b") as audit:
            audit.seek(0)
            whole = audit.read()
            end = whole.rfind(b"\n") + 1
            audit.truncate(end)
            told = set(whole[:end].splitlines())
            for it in done:
                entry = {
                    "at": it.at.isoformat(),
                    "what": "forget",
                    "events": it.events,
                    "rejected": it.rejected,
                    "number": it.number,
                }
                line = json.dumps(entry).encode()
                if line not in told:
                    audit.write(line + b"\n")
            audit.flush()
            os.fsync(audit.fileno())
    except OSError as error:
        raise StorageError(
            file, f"cannot be written ({error.strerror})", "mend that, then run the command again"
        ) from error
