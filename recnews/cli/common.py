"""What the commands share: the home they work in, options, and times as people type them."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recnews.cli import output
from recnews.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from recnews.newsroom import Newsroom

_HOME: ContextVar[Path | None] = ContextVar("home", default=None)
_AGE = re.compile(r"(\d{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_YEARS = range(1900, 2201)
_LONGEST_HOURS = 200 * 366 * 24

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="PATH",
        help="The folder with the articles and what was learned from them; else RECNEWS_HOME, else the current folder.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
IndexMemory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Memory that the index may take, such as 500MB; else that of the settings."),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Cut and encode on the Dask cluster of this scheduler, such as tcp://10.0.0.5:8786; else on this machine.",
        show_default=False,
    ),
]
Count = Annotated[int, typer.Option("-n", metavar="N", min=1, max=10_000, help="At most this many.")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Answer as of this time, such as 2026-05-01T08:00+08:00; else now."),
]


def example(*commands: str) -> str:
    """The end of a command's help. `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Example:", *(f"  {command}" for command in commands)])


def group(epilog: str) -> typer.Typer:
    """An empty group of commands. Plain help: rich would cost every command its import."""
    return typer.Typer(rich_markup_mode=None, no_args_is_help=True, epilog=epilog)


def set_home(home: Path | None) -> None:
    """Remember the `--home` that stood before the command."""
    _HOME.set(home)


def given_home(home: Path | None) -> Path | None:
    """The `--home` of the command line, after the command or before it; None without one."""
    return home or _HOME.get()


def typed_home(home: Path | None) -> tuple[str, ...]:
    """What to type so that a further command works in the same home."""
    given = given_home(home)
    return () if given is None else ("--home", str(given))


@contextmanager
def opened(home: Path | None) -> Iterator["Newsroom"]:
    """The newsroom of the command line. Imported here: help and usage errors need neither store nor index."""
    from recnews.newsroom import Newsroom

    with Newsroom.open(given_home(home)) as newsroom:
        gc.freeze()
        gc.enable()
        yield newsroom


def moment(option: str, text: str | None, newsroom: "Newsroom") -> datetime | None:
    """A time that was typed. Without an offset it is read in the zone of the settings; refused where there is none."""
    if text is None:
        return None
    found = as_time(option, text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=_zone(option, text, newsroom.settings.ingest.timezone))
    if found.year not in _YEARS:
        raise UsageError(f"{option}: {text!r} is not between the years 1900 and 2200")
    return found


def as_time(option: str, text: str) -> datetime:
    """A time that was typed, with or without an offset. Raises `UsageError`."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a time; write it as 2026-05-01T08:00+08:00") from error


def moment_or_age(option: str, text: str | None, newsroom: "Newsroom") -> datetime | timedelta | None:
    """A time, or an age such as `3d`, `12h` or `2w`."""
    age = _AGE.fullmatch(text.strip()) if text else None
    if age is None:
        return moment(option, text, newsroom)
    hours = int(age[1]) * _HOURS[age[2]]
    if hours > _LONGEST_HOURS:
        raise UsageError(f"{option}: {text!r} is more than two hundred years")
    return timedelta(hours=hours)


def _zone(option: str, text: str, name: str) -> ZoneInfo:
    if not name:
        raise UsageError(
            f"{option}: {text!r} has no time zone; write the offset, as in {text.strip()}+08:00 or {text.strip()}Z, "
            "or set ingest.timezone in recnews.toml"
            if "T" in text or " " in text.strip()
            else f"{option}: {text!r} has no time zone; write {text.strip()}T00:00+08:00, or set ingest.timezone "
            "in recnews.toml"
        )
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError("settings", "ingest.timezone", f"{name!r} is not a time zone") from error


def answer_with(value: object, lines: list[str], as_json: bool) -> None:
    """Print a value for a program, or lines for people."""
    if as_json:
        output.document(value)
    else:
        output.say(*lines)
