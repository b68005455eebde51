"""How anything reaches a terminal or a program: lines with nothing hostile in them, aligned tables, JSON documents.

Titles, keys and file names come from outside. A control character among them could clear the screen, forge a line or
reverse what is read, so every line that is printed shows them as escapes.
"""

import dataclasses
import json
import logging
import math
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

# Control characters, line and paragraph separators, marks that reverse the reading direction, halves of characters.
_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDE = ("W", "F")
_NO_WIDTH = ("Mn", "Me", "Cf")
_UNITS = ("B", "KB", "MB", "GB", "TB")


def clean(text: str) -> str:
    """`text` on one line, with what a terminal might obey written as an escape such as `\\x1b`."""
    return _HOSTILE.sub(lambda found: _escape(ord(found[0])), text)


def say(*lines: str) -> None:
    """Print lines on standard output."""
    for line in lines:
        typer.echo(clean(line))


def complain(message: str) -> None:
    """Print one line on standard error."""
    typer.echo(f"recnews: {clean(message)}", err=True)


def document(value: Any) -> None:
    """Print one JSON document, UTF-8 whatever the locale says, and nothing else."""
    typer.echo(as_document(value), nl=False)


def as_document(value: Any) -> bytes:
    """A value as a JSON document.

    What JSON itself lets through and a terminal might obey is escaped as JSON has it, so the value stays the same.
    """
    text = json.dumps(_plain(value), ensure_ascii=False, indent=2)
    lines = "\n".join(_HOSTILE.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in text.split("\n"))
    return f"{lines}\n".encode()


def width(text: str) -> int:
    """How many columns of a terminal `text` takes: two for a Chinese character, none for a combining mark."""
    return sum(
        0 if unicodedata.category(char) in _NO_WIDTH else 2 if unicodedata.east_asian_width(char) in _WIDE else 1
        for char in text
    )


def table(rows: Iterable[Sequence[str]], indent: str = "", widest: int = 40) -> list[str]:
    """Rows as aligned lines. A cell wider than `widest` pushes its own row only, and no cell is cut: it may be an id
    that is to be copied. Cells that are numbers stand to the right."""
    cells = [[clean(cell) for cell in row] for row in rows]
    columns = list(zip(*cells, strict=True))
    widths = [max((size for cell in column if (size := width(cell)) <= widest), default=0) for column in columns]
    numeric = [all(_is_number(cell) for cell in column) for column in columns]
    return [
        (indent + "  ".join(_fit(*cell) for cell in zip(row, widths, numeric, strict=True))).rstrip() for row in cells
    ]


def when(moment: datetime) -> str:
    """A time with its offset, as options take it."""
    return moment.isoformat(timespec="minutes")


def size(count: float) -> str:
    """A number of bytes for people."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def many(count: int, noun: str) -> str:
    """`1 article`, `1,200 articles`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def typed(*words: str) -> str:
    """A command as it would be typed into a shell."""
    return " ".join(shlex.quote(word) for word in ("recnews", *words))


class WarningLines(logging.Handler):
    """Puts the log of recnews on standard error, a line a record."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(f"{record.levelname.lower()}: {record.getMessage()}")


def show_warnings() -> None:
    """Let warnings of the `recnews` logger be seen; calling it again changes nothing."""
    logger = logging.getLogger("recnews")
    if not any(isinstance(handler, WarningLines) for handler in logger.handlers):
        logger.addHandler(WarningLines(logging.WARNING))


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[\d,]*\.?\d+", cell) is not None


def _fit(cell: str, to: int, numeric: bool) -> str:
    gap = " " * max(to - width(cell), 0)
    return gap + cell if numeric else cell + gap


def _plain(value: Any) -> Any:
    """`value` in the terms of JSON. Rows that were rejected may hold anything; what JSON has not becomes text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.isoformat() if isinstance(value, datetime) else str(value)
