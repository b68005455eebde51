"""`recnews watch`: feeds and folders, asked again and again."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, intake, output, views

if TYPE_CHECKING:
    from recnews.reports import Polled, Watched


Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH|URL", help="Feeds and folders; else those under [watch] in the settings."),
]
Every = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="How long after a round the next begins: 90s, 5m, 2h.", show_default=False),
]
Once = Annotated[bool, typer.Option("--once", help="One round, then exit: with 1 when a source failed.")]
List = Annotated[bool, typer.Option("--list", help="Show what is watched and how it fares; ask nothing.")]
FullText = Annotated[bool, typer.Option("--full-text", help="Fetch the pages of entries that come without a text.")]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Let addresses be asked that are not of the open internet.")
]


def watch(
    *,
    sources: Sources = None,
    every: Every = None,
    once: Once = False,
    listed: List = False,
    full_text: FullText = False,
    allow_private: AllowPrivate = False,
    rename: intake.Map = None,
    timezone: intake.Timezone = "",
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Poll feeds and folders, and make what is new in them searchable.

    RSS and Atom feeds are fetched when they have changed, folders are looked through for files that are new or changed.
    Stop it at any moment: nothing is lost, and run again it goes on.
    """
    reading = intake.reading_of(rename, timezone)
    with common.opened(home) as newsroom:
        newsroom.settings = newsroom.settings.override("watch", every=every)
        if listed:
            found = newsroom.watched()
            common.answer_with({"watched": found}, _listed(found, newsroom.settings.watch.feeds), as_json)
            return
        names = [name if "://" in name else str(Path(name).absolute()) for name in sources or ()]
        while True:
            polled: list[Polled] = []
            for one in newsroom.watch_once(names, reading, full_text=full_text, allow_private=allow_private):
                polled.append(one)
                # In a service's log, a line for what happened only.
                if not as_json and (once or one.outcome in {"read", "failed"}):
                    output.say(*_told(one))
            if as_json:
                output.document({"polled": polled})
            if once:
                break
            _wait(newsroom.settings.watch.every)
    if any(one.outcome == "failed" for one in polled):
        raise typer.Exit(1)


def _wait(every: str) -> None:
    from recnews.watch import seconds_of

    # Not all watchers of the world at once.
    time.sleep(seconds_of(every).total_seconds() * random.uniform(0.9, 1.1))  # noqa: S311


def _listed(found: Sequence["Watched"], feeds: Sequence[str]) -> list[str]:
    """A line a source; those of the settings that were not asked yet come last."""
    rows = [
        [
            it.kind,
            f"asked {output.when(it.polled_at)}" if it.polled_at else "",
            f"read {output.when(it.read_at)}" if it.read_at else "nothing read yet",
            it.source,
        ]
        for it in found
    ]
    lines = output.table(rows)
    lines = [line for row, it in zip(lines, found, strict=True) for line in (row, *_problem(it))]
    asked = {it.source for it in found}
    lines += [f"not asked yet  {name}" for name in feeds if name not in asked and "://" in name]
    return lines or ["nothing is watched yet"]


def _problem(it: "Watched") -> list[str]:
    if not it.problem:
        return []
    until = f"; left alone until {output.when(it.next_at)}" if it.next_at else ""
    return [f"  failed {output.many(it.failures, 'time')} in a row: {it.problem}{until}"]


def _told(polled: "Polled") -> list[str]:
    """What a round made of one source."""
    state = {
        "read": "",
        "unchanged": "not changed",
        "waiting": f"left alone until {output.when(polled.next_at)}: {polled.problem}" if polled.next_at else "",
        "failed": polled.problem,
    }[polled.outcome]
    lines = [f"{polled.source}: {state}" if state else polled.source]
    if polled.report is not None:
        lines += [f"  {line}" for line in views.ingested(polled.report, dry_run=False)]
        lines += [f"  rejected rows are kept in {file}" for file in polled.report.quarantine]
    if polled.outcome == "read" and polled.problem:
        lines.append(f"  {polled.problem}")
    more = (
        (polled.pages, f"{output.many(polled.pages, 'full text')} fetched"),
        (polled.growing, f"{output.many(polled.growing, 'file')} left for the next round: still being written"),
        (polled.moved, f"it has moved for good to {polled.moved}; give that address"),
    )
    return lines + [f"  {text}" for wanted, text in more if wanted]
