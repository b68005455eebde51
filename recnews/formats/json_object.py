"""One JSON object to one `Row`: what JSON lines and JSON arrays share, and how a quarantine entry is taken
again."""

import json
from typing import Any

from recnews.formats.base import CELLS_KEY, RAW_KEY, REJECT_KEY, Origin, Piece, Row, decoded
from recnews.records import Reject, Where


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Not strict: a raw tab or NUL inside a string is then told (or removed) as what it is, in the field it
# stands in.
_DECODE = json.JSONDecoder(strict=False, parse_constant=_no_constant).decode
_MEND_RAW = f"mend the text in {RAW_KEY!r}, or replace the entry by the article's or event's own columns"


def parse_object(origin: Origin, piece: Piece) -> Row | Reject | None:
    """The row in one piece, why there is none, or None where the piece is blank."""
    text = decoded(origin, piece)
    if isinstance(text, Reject):
        return text
    where = Where(origin.name, piece.line)
    try:
        cells = _DECODE(text)
    except (ValueError, RecursionError) as error:
        if not text.strip():
            return None
        return Reject(where, _reason(error), "write one JSON object, checked with a JSON tool", raw=text)
    if not isinstance(cells, dict):
        return Reject(where, f"is {_kind(cells)}, not a JSON object", 'write an object such as {"id": ...}', raw=text)
    return _entry(where, cells) if isinstance(cells.get(REJECT_KEY), dict) else Row(where, cells)


def _entry(where: Where, entry: dict[str, Any]) -> Row | Reject:
    """A quarantine entry as a row. It keeps its `_reject` column, from which the quarantine knows where it
    was first."""
    if CELLS_KEY in entry:
        remedy = f"put each value under its column, then remove {CELLS_KEY!r}"
        return Reject(where, "its cells did not fit the header and it was not mended yet", remedy, row=entry)
    if RAW_KEY not in entry:
        return Row(where, entry)
    try:
        cells = _DECODE(entry[RAW_KEY])
    except (ValueError, TypeError, RecursionError) as error:
        return Reject(where, f"{RAW_KEY} {_reason(error)}", _MEND_RAW, row=entry)
    if not isinstance(cells, dict):
        return Reject(where, f"{RAW_KEY} is {_kind(cells)}, not a JSON object", _MEND_RAW, row=entry)
    return Row(where, {**cells, REJECT_KEY: entry[REJECT_KEY]})


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not valid JSON: {error.msg} at character {error.pos + 1}"
    if isinstance(error, RecursionError):
        return "is not usable JSON: it is nested too deep"
    return f"is not valid JSON: {error}"


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
