"""`recnews status`, `verify`, `seal`, `backup`, `backups` and `restore`: the operator's day."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from recnews.cli import common, views


def status(as_json: common.Json = False, home: common.Home = None) -> None:
    """Show the home in figures: articles, readers, generations, disk."""
    with common.opened(home) as newsroom:
        found = newsroom.status()
    common.answer_with(found, views.status(found), as_json)


def verify(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make again what can be had from the store: vectors, index, stories."),
    ] = False,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Check that store, generations and index are whole and agree.

    Exits with 1 when something is wrong, and says what to do about each problem. Nothing is changed without --repair,
    and with it neither articles, events and editors' work nor what was learned.
    """
    with common.opened(home) as newsroom:
        if repair:
            done = newsroom.repair()
            left, lines = list(done.left), views.repaired(done)
            common.answer_with({"repaired": done.done, "problems": left}, lines, as_json)
        else:
            left = newsroom.verify()
            common.answer_with({"problems": left}, views.problems(left) or ["all is well"], as_json)
    if left:
        raise typer.Exit(1)


def seal(index_memory: common.IndexMemory = None, as_json: common.Json = False, home: common.Home = None) -> None:
    """Seal the vectors of older articles into segments, which are searched faster and from less memory.

    What is younger than index.hot_days stays as it is. Each segment is measured against exact search; one that finds
    less than index.recall is not used. `recnews serve` does all of this by itself.
    """
    with common.opened(home) as newsroom:
        newsroom.settings = newsroom.settings.override("index", memory=index_memory)
        segments, archived = newsroom.seal(), newsroom.serving.archived
    told = views.segments(segments) if archived is None else [f"{archived:,} articles are searched in the archive"]
    common.answer_with({"segments": segments, "archived": archived}, told, as_json)


def backup(
    target: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder of backups; made when it is not there.", show_default=False),
    ],
    keep: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the latest N backups there.", show_default=False)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not write the backup out to see that it can be restored.")
    ] = False,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Add a backup of the home to a folder of backups, while the home is in use.

    Only what has changed since the last one is written. Then the backup is written out as a home, checked, and
    removed again, which takes the time and, for that long, the space of a restore. Exits with 1 when something is
    wrong with it, which is so only when it is wrong with the home; --keep removes nothing then.
    """
    with common.opened(home) as newsroom:
        made = newsroom.backup(target, keep=keep, quick=quick)
    common.answer_with(made, views.backed(made, quick), as_json)
    if made.problems:
        raise typer.Exit(1)


def backups(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of backups.")],
    check: Annotated[bool, typer.Option("--check", help="Read all that each needs and compare checksums.")] = False,
    as_json: common.Json = False,
) -> None:
    """List the backups in a folder, oldest first.

    With --check, exits with 1 when something that a backup needs is missing or not what it was.
    """
    from recnews.backup import listed

    found = listed(folder.absolute(), check)
    common.answer_with({"backups": found}, views.backups(found), as_json)
    if any(it.damages for it in found):
        raise typer.Exit(1)


def migrate(
    to: Annotated[
        Path,
        typer.Option(metavar="SETTINGS.toml", help="Settings whose `store` says where to.", show_default=False),
    ],
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Copy the home into another store, such as from SQLite to PostgreSQL or back.

    Where the settings lie in another folder, that becomes a home of its own, with generations, dictionary, keys and
    quarantine; in the home's own folder the two stores share these. Every row is read again on both sides. Stop the
    services first. Interrupted, run it again: it goes on, and the home it comes from is left as it is.
    """
    with common.opened(home) as newsroom:
        done = newsroom.migrate(to)
    common.answer_with(done, views.migrated(done), as_json)


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of backups.")],
    name: Annotated[
        str | None,
        typer.Option("--backup", metavar="NAME", help="Which one; `recnews backups DIR` lists them. Else the latest."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Move the data that is there aside first.")] = False,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Put a backup in the place of the home's data. Stop whatever uses the home first.

    The backup is checked before anything is touched, and nothing is thrown away: with --replace, what was there is
    moved into a folder before-restore-... in the home. Readers who were forgotten since the backup was made are
    forgotten in it again; those whom nobody can tell any more are counted.
    """
    # No newsroom is opened: that would create the very store that must not be there.
    from recnews import restore as restoring
    from recnews.config import home_folder

    place = home_folder(common.given_home(home))
    done = restoring.restore(source.absolute(), place, replace, datetime.now().astimezone(), name)
    common.answer_with(done, views.restored(done), as_json)
