"""Single values: what a field may hold, and what it becomes. Each function raises `FieldError` for what it
may not."""

import math
import re
from datetime import UTC, date, datetime, time, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

from recnews.formats.base import FieldError

_KEY_LENGTH = 2048
_EXACT = 2**53
"""Whole numbers above this are not exact as a float."""

_LONG = 10**40
_YEARS = range(1900, 2201)
_MISSING = {"NaTType", "NAType"}  # of pandas, by name: it need not be installed or loaded
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x08\x0b-\x1f\x7f]")
_NOT_IN_KEY = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAG_SEPARATOR = re.compile("[,;，、；|\n]")
_MONTH_NAME = re.compile("[A-Za-z]{3}")
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (dict, "an object"),
    (list, "a list"),
    (tuple, "a list"),
    (date, "a date"),
)


def _kind(value: object) -> str:
    return next((name for type_, name in _NAMES if isinstance(value, type_)), f"of type {type(value).__name__}")


def text(field: str, value: Any, numbers: bool = False) -> str:
    """`value` without surrounding white space and control characters, line ends as LF; "" for None.

    `numbers` lets a whole number pass as its digits, for columns that are often codes.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        if numbers and isinstance(value, int) and not isinstance(value, bool):
            return _digits(field, value)
        raise FieldError(field, f"is {_kind(value)}, not text", "write a string")
    return (_tidied(field, value) if _ODD.search(value) else value).strip()


def _tidied(field: str, value: str) -> str:
    if "\x00" in value:
        raise FieldError(field, "holds a NUL byte", "remove it, and see whether the file is damaged")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        remedy = "write the whole character, or remove the half"
        raise FieldError(field, f"holds half a character (\\u{ord(value[error.start]):04x})", remedy) from error
    return _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def key(field: str, value: Any) -> str:
    """An id: a string or whole number, trimmed, at most 2,048 characters, no control characters; "" for
    None."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        if abs(value) > _EXACT:
            raise FieldError(field, "is a floating-point number too large to be exact", "write the id as a string")
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FieldError(field, f"is {_kind(value)}, not an id", "write a string or a whole number")
    found = value.strip() if isinstance(value, str) else _digits(field, value)
    if len(found) > _KEY_LENGTH:
        raise FieldError(field, f"is {len(found):,} characters long, the limit is {_KEY_LENGTH:,}", "shorten it")
    if _NOT_IN_KEY.search(found):
        raise FieldError(field, "holds a control character or half a character", "remove it")
    return found


def _digits(field: str, value: int) -> str:
    # Python refuses to write whole numbers of more than 4,300 digits; no id or code has more than these.
    if abs(value) >= _LONG:
        raise FieldError(field, "is a number of more than 40 digits", "write it as a string, if it is meant")
    return str(value)


def tags(field: str, value: Any) -> tuple[str, ...]:
    """A list of strings, or one string cut at `, ; ， 、 ； |`; each once, in order."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = _TAG_SEPARATOR.split(value)
    elif not isinstance(value, list | tuple):
        raise FieldError(field, f"is {_kind(value)}, not a list", "write a list of strings")
    found = dict.fromkeys(text(field, item, numbers=True) for item in value)
    found.pop("", None)
    return tuple(found)


def number(field: str, value: Any, default: float | None, zero: bool) -> float | None:
    """A finite number above zero (`zero`: or zero), also as text; `default` where there is none."""
    if value is None or value == "":
        return default
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or found < 0 or (found == 0 and not zero):
        long = isinstance(value, int) and abs(value) >= _LONG
        shown = value if isinstance(value, str | int | float) and not long else _kind(value)
        low = "from 0 on" if zero else "above 0"
        raise FieldError(field, f"is not a finite number {low}: {shown!r}"[:200], f"write a number {low}")
    return found


def moment(field: str, value: Any, zone: tzinfo | None) -> datetime | None:
    """A time in UTC, from ISO 8601, RFC 2822, a `datetime` or a `date`; None where there is none.

    Without an offset it is read in `zone`, or refused where that is None.
    """
    if value is None or value == "":
        return None
    found = _parsed(field, value)
    if found.tzinfo is None:
        if zone is None:
            raise FieldError(
                field,
                f"has no time zone: {str(value)[:60]!r}",
                "give --timezone Asia/Shanghai (or yours), or write the offset",
            )
        found = found.replace(tzinfo=zone)
    try:
        utc = found.astimezone(UTC)
    except OverflowError:
        utc = None
    if utc is None or utc.year not in _YEARS:
        raise FieldError(field, f"is not between the years 1900 and 2200: {str(value)[:60]!r}", "write the right year")
    return utc


def _parsed(field: str, value: Any) -> datetime:
    if isinstance(value, datetime):
        # pandas.Timestamp is a datetime with nanoseconds, which nothing further on would expect.
        convert = getattr(value, "to_pydatetime", None)
        return convert(warn=False) if convert else value
    if isinstance(value, date):
        return datetime.combine(value, time())  # the caller lays the zone on
    if not isinstance(value, str):
        raise FieldError(field, f"is {_kind(value)}, not a date", "write it as 2026-05-01T08:00:00+08:00")
    told = value.strip()
    try:
        if _MONTH_NAME.search(told):
            return parsedate_to_datetime(told)
        return datetime.fromisoformat(told)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise FieldError(field, f"is not a date: {told[:60]!r}", "write it as 2026-05-01T08:00:00+08:00") from error


def plain(value: Any) -> Any:
    """A value of numpy or pandas as Python's own; None for NaN, NaT and NA."""
    if value is None or type(value) is str:
        return value
    if type(value).__name__ in _MISSING or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return None
    # numpy's scalars and arrays; a date has neither method.
    convert = getattr(value, "tolist", None)
    if convert is not None and not isinstance(value, date):
        return plain(convert()) if not isinstance(convert(), list) else convert()
    return value
