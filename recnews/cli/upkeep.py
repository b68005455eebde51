"""`recnews prune` and `doctor`: a home that stays small and well."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from recnews.cli import common, output, views
from recnews.errors import UsageError


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    keep_generations: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Generations to keep, the live one among them.", show_default=False),
    ] = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Remove what has outlived its keeping: expired articles, old events, old generations.

    The section [retention] of recnews.toml says how long things are kept; nothing is removed that it does not name.
    Readers are served meanwhile, and what is ingested is taken in.
    """
    with common.opened(home) as newsroom:
        retention = newsroom.settings.override("retention", generations=keep_generations).retention
        found = newsroom.prune(retention, dry_run=True)
        if dry_run or not found:
            common.answer_with({"dry_run": True, **_counts(found)}, views.to_prune(found, retention), as_json)
            return
        if not yes and not sys.stdin.isatty():
            raise UsageError("pruning cannot be undone; give --yes to do it without being asked, or --dry-run")
        if not yes:
            output.say(*views.to_prune(found, retention))
            if not typer.confirm("Remove this for good?", err=True):
                output.say("nothing removed")
                return
        done = newsroom.prune(retention)
    common.answer_with({"dry_run": False, **_counts(done)}, views.pruned(done), as_json)


def doctor(as_json: common.Json = False, home: common.Home = None) -> None:
    """Look at everything a home needs to serve, and say what to do about what is not well.

    Versions, settings, disk, rights, clock, generations, store, standby, locks, engines, the latest backup, and what
    waits. Nothing is changed, and no secret is shown. Exits with 1 when something needs doing. `recnews verify` looks
    deeper into the data.
    """
    from recnews.config import home_folder
    from recnews.doctor import examine

    place = home_folder(common.given_home(home))
    findings = examine(place, datetime.now().astimezone())
    common.answer_with({"home": place, "findings": findings}, views.findings(findings), as_json)
    if any(it.state == "act" for it in findings):
        raise typer.Exit(1)


def _counts(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in ("articles", "events", "impressions", "generations")}
