"""What the evaluating commands share: times and zones as they are typed, and where figures go."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recnews.cli import common, output
from recnews.errors import StorageError, UsageError

if TYPE_CHECKING:
    from recnews.config import Settings

Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Zone of times without an offset, such as Asia/Shanghai.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints it, and no table."),
]


def zone(settings: "Settings") -> tzinfo | None:
    """The zone of the settings. Raises `UsageError` for a name that is none."""
    name = settings.ingest.timezone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is not a time zone; use a name such as Asia/Shanghai or UTC") from error


def moment(option: str, text: str | None, settings: "Settings") -> datetime | None:
    """A time that was typed, in UTC."""
    if text is None:
        return None
    found = common.as_time(option, text)
    place = zone(settings)
    if found.tzinfo is None and place is None:
        raise UsageError(f"{option}: {text!r} has no time zone; give --timezone Asia/Shanghai (or yours)")
    return (found if found.tzinfo else found.replace(tzinfo=place)).astimezone(UTC)


def baselines(text: str | None, known: tuple[str, ...], installed: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """The baselines that were typed; without any, all that are installed."""
    if text is None:
        return installed()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == ("all",):
        return known
    return () if names == ("none",) else names


def write_json(document: Mapping[str, Any], file: Path) -> None:
    """Write figures into a file. Raises `StorageError`."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "name a file you may write") from error


def tell(line: str) -> None:
    """Say on standard error what is being done."""
    typer.echo(output.clean(line), err=True)
