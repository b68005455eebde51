"""Rejected rows in the quarantine that hold the id of a reader: found, taken away, or with the id hashed.

A rejected row has its publisher's columns, any of which may be the reader's. It counts as a reader's when any cell but
those of other fields is the id; a line that nobody could parse, when the id stands in it. In doubt a row goes.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from recnews.errors import StorageError
from recnews.records import KeptRow

_UNFINISHED = ".forgetting-"
_WHY, _RAW = "_reject", "_raw"
_LONGEST_SHOWN = 256 * 1024
Change = Callable[[bytes], bytes | None]
"""What becomes of a line of a quarantine file; None removes it."""


class Finder:
    """Recognises rows of one reader. `ids` are all forms of the id; `mine` the columns that usually hold one, `others`
    those that hold other fields."""

    def __init__(self, ids: Collection[str], mine: Collection[str], others: Collection[str]) -> None:
        self._ids, self._mine, self._others = set(ids), mine, others
        forms = {re.escape(form) for one in ids for form in (one, json.dumps(one)[1:-1])}
        self._inside = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(sorted(forms))})(?![A-Za-z0-9])")

    def finds(self, line: bytes, events: bool) -> bool:
        """Whether a line of a quarantine file is the reader's. Among rejected articles (`events` False) only rows of a
        reading log are looked for, that somebody took for articles."""
        row = parsed(line)
        if not events:
            return row is not None and any(self._is(row.get(name)) for name in self._mine)
        if row is None:
            return self._inside.search(line.decode("utf-8", "replace")) is not None
        raw = row.get(_RAW)
        if isinstance(raw, str) and self._inside.search(raw):
            return True
        return any(self._is(cell) for name, cell in row.items() if name not in self._others and name != _WHY)

    def _is(self, cell: Any) -> bool:
        if isinstance(cell, list):
            return any(self._is(one) for one in cell)
        if isinstance(cell, Mapping):
            return any(self._is(one) for one in cell.values())
        return as_id(cell) in self._ids


def parsed(line: bytes) -> dict[str, Any] | None:
    """The entry in a line of a quarantine file; None when it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def as_id(cell: Any) -> str:
    """A cell as the id that it would be read as."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return cell.strip() if isinstance(cell, str) else str(cell)


def rows_of(folder: Path, finder: Finder) -> Iterator[dict[str, Any]]:
    """The entries that are the reader's, file by file; a line that is no entry is under `_raw`."""
    for file in _files(folder):
        for line in _lines(file):
            if finder.finds(line, _of_events(file)):
                yield parsed(line) or {_RAW: line.decode("utf-8", "replace").strip()}


def ids(folder: Path, columns: Collection[str]) -> set[str]:
    """What stands in these columns of rejected rows of reading logs."""
    rows = (parsed(line) for file in _files(folder) if _of_events(file) for line in _lines(file))
    return {as_id(row[name]) for row in rows if row for name in columns if row.get(name)} - {""}


def forget(folder: Path, finder: Finder) -> int:
    """Take the reader's rows away; how many there were. A file is replaced as a whole, or removed with its last row.

    Raises `StorageError` when that cannot be written.
    """
    for left in folder.glob(f"{_UNFINISHED}*"):  # by a run that was killed
        left.unlink(missing_ok=True)
    return sum(_rewrite(file, _without(finder, _of_events(file))) for file in _files(folder))


def mask(folder: Path, hashed: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Have ids hashed in the rejected rows of reading logs. Raises `StorageError` when that cannot be written."""

    def change(line: bytes) -> bytes:
        row = parsed(line)
        if row is None or (new := hashed(row)) == row:
            return line
        return (json.dumps(new, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")

    for file in _files(folder):
        if _of_events(file):
            _rewrite(file, change)


def _without(finder: Finder, events: bool) -> Change:
    return lambda line: None if finder.finds(line, events) else line


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _of_events(file: Path) -> bool:
    return file.name.startswith("events-")


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        yield from lines


def _rewrite(file: Path, change: Change) -> int:
    """Change the lines of a file; how many were removed. A file in which nothing changes is left alone."""
    if all(change(line) == line for line in _lines(file)):
        return 0
    fresh, removed, kept = file.with_name(f"{_UNFINISHED}{file.name}"), 0, 0
    try:
        with fresh.open("wb") as out:
            for line in _lines(file):
                new = change(line)
                removed += new is None
                kept += new is not None
                out.write(new or b"")
            out.flush()
            os.fsync(out.fileno())
        if kept:
            fresh.replace(file)
        else:
            file.unlink()
            fresh.unlink()
    except OSError as error:
        raise StorageError(
            file, f"cannot be rewritten ({error.strerror})", "free some space, then run the command again"
        ) from error
    return removed


def page_of(file: Path, offset: int, most: int) -> tuple[list[KeptRow], int | None]:
    """At most so many entries from byte `offset` on, and the byte after them, None at the end of the file."""
    found = list[KeptRow]()
    with file.open("rb") as lines:
        lines.seek(offset)
        while len(found) < most and (line := lines.readline(_LONGEST_SHOWN)):
            whole = line.endswith(b"\n") or len(line) < _LONGEST_SHOWN
            found.append(_kept(line, whole))
            while not whole:
                rest = lines.readline(_LONGEST_SHOWN)
                whole = not rest or rest.endswith(b"\n")
        place = lines.tell()
        return found, place if lines.read(1) else None


def take_out(file: Path, digest: str) -> bool:
    """Remove the line with this digest; False when there is none. Raises `StorageError` when that cannot be written."""
    return _rewrite(file, lambda line: None if _digest(line) == digest else line) > 0


def _kept(line: bytes, whole: bool) -> KeptRow:
    row = (parsed(line) if whole else None) or {_RAW: line.decode("utf-8", "replace").strip()}
    why, raw = row.pop(_WHY, None), row.get(_RAW)
    told = why if isinstance(why, Mapping) else {}
    text = raw if isinstance(raw, str) and len(row) == 1 else json.dumps(row, ensure_ascii=False, indent=2)
    number, field = told.get("line"), told.get("field")
    return KeptRow(
        _digest(line), Path(str(told.get("file", ""))).name, number if isinstance(number, int) else 0,
        None if field is None else str(field), str(told.get("reason", "")), str(told.get("remedy", "")),
        text if whole else None,
    )  # fmt: skip


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
