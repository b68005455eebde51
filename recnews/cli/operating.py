"""`recnews status`, `verify`, `backup` and `restore`: the operator's day."""

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


def verify(as_json: common.Json = False, home: common.Home = None) -> None:
    """Check that store, generations and index are whole and agree.

    Exits with 1 when something is wrong, and says what to do about each problem. Nothing is changed.
    """
    with common.opened(home) as newsroom:
        problems = newsroom.verify()
    common.answer_with({"problems": problems}, views.problems(problems) or ["all is well"], as_json)
    if problems:
        raise typer.Exit(1)


def seal(index_memory: common.IndexMemory = None, as_json: common.Json = False, home: common.Home = None) -> None:
    """Seal the vectors of older articles into segments, which are searched faster and from less memory.

    What is younger than index.hot_days stays as it is. Each segment is measured against exact search; one that finds
    less than index.recall is not used. `recnews serve` does all of this by itself.
    """
    with common.opened(home) as newsroom:
        newsroom.settings = newsroom.settings.override("index", memory=index_memory)
        segments = newsroom.seal()
    common.answer_with({"segments": segments}, views.segments(segments), as_json)


def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Copy the home into a new folder, while it is in use, and check the copy.

    Exits with 1 when something is wrong with the copy, which is so only when it is wrong with the home.
    """
    with common.opened(home) as newsroom:
        problems = newsroom.backup(target)
    place = target.absolute()
    lines = views.problems(problems) or ["the copy was opened and checked: all is well"]
    common.answer_with({"backup": place, "problems": problems}, [f"backed up to {place}", *lines], as_json)
    if problems:
        raise typer.Exit(1)


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `recnews backup` has written.")],
    replace: Annotated[bool, typer.Option("--replace", help="Move the data that is there aside first.")] = False,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Put a backup in the place of the home's data. Stop whatever uses the home first.

    The backup is checked before anything is touched, and nothing is thrown away: with --replace, what was there is
    moved into a folder before-restore-... in the home.
    """
    # No newsroom is opened: that would create the very store that must not be there.
    from recnews import backup as backups
    from recnews.config import home_folder

    place = home_folder(common.given_home(home))
    aside = backups.restore(source.absolute(), place, replace, datetime.now().astimezone())
    lines = [f"restored {source} into {place}", *([f"what was there is in {aside}"] if aside else [])]
    common.answer_with({"home": place, "aside": aside}, lines, as_json)
