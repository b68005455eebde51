"""What every format shares: the options, the shapes that travel between its stages, and how damage is told.

A file is read in three stages: `stream` gives UTF-8 bytes, a format cuts them into `Piece`s and parses
those into `Row`s, and `drafts` turns a `Row` into a `Draft` or an `EventDraft`. At each stage a row may
become a `Reject`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

from recnews.records import Reject, Where

RAW_KEPT = 64 * 1024
"""Bytes kept of a row that is too long to be held in memory."""

REJECT_KEY, RAW_KEY, CELLS_KEY = "_reject", "_raw", "_cells"
"""Columns of a quarantine entry: why it was rejected; its text, if it could not be parsed; its cells, if
they did not fit the header."""

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are, both as they lie on disk (compressed)."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How input is read.

    `rename` maps a field of ours to the column that holds it (`{"body": "content"}`). `timezone` is for dates
    without an offset; None rejects such rows. `format` is for standard input and for files whose suffix says
    nothing; `encoding` overrides detection. Both are found out where empty.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    timezone: tzinfo | None = None
    max_row_bytes: int = 8 * 1024 * 1024
    format: str = ""
    encoding: str = ""


class Row(NamedTuple):
    """One parsed row: where it stood and its columns, under the publisher's names."""

    where: Where
    cells: Mapping[str, Any]


class Piece(NamedTuple):
    """The bytes of one row before parsing. `line` counts from 1, `offset` and `length` in bytes of UTF-8.

    `data` is shorter than `length` when the row was too long to be held. `problem` is set on the last piece
    of a file that ends in damage.
    """

    line: int
    offset: int
    length: int
    data: bytes
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pieces come from. `place` says what byte offsets count in; empty where the input cannot be read
    again."""

    name: str
    encoding: str = "utf-8"
    limit: int = 8 * 1024 * 1024
    place: str = ""


class StreamCutError(Exception):
    """The bytes of a file end in damage; what came before is good."""


class FieldError(Exception):
    """One field of one row cannot be taken."""

    def __init__(self, field: str, reason: str, remedy: str) -> None:
        self.field, self.reason, self.remedy = field, reason, remedy
        super().__init__(f"{field}: {reason}; {remedy}")


_ESCAPED = re.compile("[\udc00-\udcff]")


def visible(data: bytes) -> str:
    """Text of `data`, with what is not valid in its encoding shown as `\\xNN`."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")
    shown = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def decoded(origin: Origin, piece: Piece) -> str | Reject:
    """The text of one piece, or why there is none: damage, excess length, bytes that are not in the
    encoding."""
    where = Where(origin.name, piece.line)
    if piece.problem:
        remedy = "fetch or write the file again; the rows before this line were read"
        return Reject(where, piece.problem, remedy, raw=visible(piece.data))
    if piece.length > origin.limit:
        return _too_long(origin, where, piece)
    try:
        return piece.data.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(piece.data[: error.start].decode("utf-8", "replace")) + 1
        return Reject(
            where,
            f"is not valid {origin.encoding} from character {column} on",
            "save the row as UTF-8, or give --encoding if the whole file is in another one",
            raw=visible(piece.data),
        )


def _too_long(origin: Origin, where: Where, piece: Piece) -> Reject:
    kept = (
        f"the whole row stands at byte {piece.offset:,} of {origin.place}"
        if origin.place
        else f"only its first {RAW_KEPT:,} bytes were kept"
    )
    return Reject(
        where,
        f"the row is {piece.length:,} bytes long, the limit is {origin.limit:,}",
        f"shorten it or raise ingest.max_row_bytes; {kept}",
        raw=piece.data[:RAW_KEPT].decode("utf-8", "ignore"),
    )
