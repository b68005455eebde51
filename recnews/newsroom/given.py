"""What callers give, checked before anything is done with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from recnews.config import IngestSettings
from recnews.errors import UsageError

if TYPE_CHECKING:
    from recnews.formats import ReadOptions


@dataclass(frozen=True, slots=True)
class Reading:
    """How input is read.

    `rename` maps a field to the column that holds it; `timezone`, such as `Asia/Shanghai`, is for dates without an
    offset; `format` and `encoding` are found out where empty.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    timezone: str = ""
    format: str = ""
    encoding: str = ""


def read_options(reading: Reading | None, settings: IngestSettings) -> "ReadOptions":
    """How input is read, with what the settings add. Raises `UsageError` for a time zone that is not one."""
    from recnews.formats import ReadOptions

    reading = reading or Reading()
    zone = zone_of(reading.timezone or settings.timezone)
    return ReadOptions(reading.rename, zone, settings.max_row_bytes, reading.format, reading.encoding)


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name; None for none. Raises `UsageError` for a name that is no zone's."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is not a time zone; use a name such as Asia/Shanghai or UTC") from error


def writable(*texts: str) -> None:
    """Refuse halves of characters, which no store and no vocabulary can hold."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{text!r} is not text: it holds half a character") from error


def aware(moment: datetime | None) -> datetime:
    """A time that was given, or the present. Raises `UsageError` for one without a zone."""
    if moment is None:
        return datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone; give an aware time")
    return moment
