"""`recnews ingest` and `recnews events`: what comes in."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, output, progress, views
from recnews.errors import UsageError

if TYPE_CHECKING:
    from recnews.newsroom import Reading


class OnError(StrEnum):
    """What to do with a row that cannot be taken."""

    QUARANTINE = "quarantine"
    ABORT = "abort"


Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input.")]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Read a field from a column of another name, as body=content. Repeatable."
    ),
]
Timezone = Annotated[
    str,
    typer.Option(metavar="ZONE", help="Zone of times without an offset, such as Asia/Shanghai.", show_default=False),
]
Format = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="jsonl, json, csv, tsv, parquet, feed, html or sitemap, where the file's name does not tell.",
        show_default=False,
    ),
]
Encoding = Annotated[
    str, typer.Option(metavar="NAME", help="Such as gb18030; found out otherwise.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report what would happen and write nothing.")]
OnErrorOption = Annotated[
    OnError,
    typer.Option(help="Keep bad rows in a quarantine file and go on, or stop at the first with nothing written."),
]


def ingest(
    *,
    paths: Paths,
    rename: Map = None,
    timezone: Timezone = "",
    format: Format = "",  # noqa: A002 - it is the name of the option
    encoding: Encoding = "",
    dry_run: DryRun = False,
    on_error: OnErrorOption = OnError.QUARANTINE,
    cluster: common.Cluster = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Store articles and make them searchable.

    Fields are id (or url), title, body, summary, author, source, category, tags, lang, published_at and expires_at.
    An article whose id is stored already is changed where it differs. Run again after a stop, it continues.
    """
    reading = reading_of(rename, timezone, format, encoding)
    with common.opened(home) as newsroom, newsroom.on_cluster(cluster), progress.bytes_read("articles") as bar:
        report = newsroom.ingest(list(paths), reading, on_error=on_error.value, dry_run=dry_run, progress=bar)
    lines = views.ingested(report, dry_run) + _mend("ingest", report.quarantine, reading, home)
    common.answer_with(report, lines, as_json)


def events(
    *,
    paths: Paths,
    rename: Map = None,
    timezone: Timezone = "",
    format: Format = "",  # noqa: A002 - it is the name of the option
    encoding: Encoding = "",
    dry_run: DryRun = False,
    on_error: OnErrorOption = OnError.QUARANTINE,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Store a reading log: who read, liked, shared or disliked which article, and when.

    Fields are user, article, at, kind, weight, dwell (seconds) and event_id. The same event twice counts once, and an
    event may come before its article.
    """
    reading = reading_of(rename, timezone, format, encoding)
    with common.opened(home) as newsroom, progress.bytes_read("events") as bar:
        report = newsroom.record_many(list(paths), reading, on_error=on_error.value, dry_run=dry_run, progress=bar)
    lines = views.events_taken(report, dry_run) + _mend("events", report.quarantine, reading, home)
    common.answer_with(report, lines, as_json)


def reading_of(pairs: list[str] | None, timezone: str, format_: str = "", encoding: str = "") -> "Reading":
    """How input is read, as the options say."""
    from recnews.newsroom import Reading

    rename = {}
    for pair in pairs or ():
        field, equals, column = pair.partition("=")
        if not field or not equals or not column:
            raise UsageError(f"--map {pair}: write it as FIELD=COLUMN, such as --map body=content")
        rename[field] = column
    return Reading(rename, timezone, format_, encoding)


def _mend(command: str, files: tuple[str, ...], reading: "Reading", home: Path | None) -> list[str]:
    """How to take in again what was rejected. The rows keep their publisher's columns, so `--map` is needed again."""
    if not files:
        return []
    options = [word for field, column in reading.rename.items() for word in ("--map", f"{field}={column}")]
    options += ["--timezone", reading.timezone] if reading.timezone else []
    lines = ["the rejected rows are kept; mend them there, then take them in with:"]
    return lines + [f"  {output.typed(*common.typed_home(home), command, *options, file)}" for file in files]
