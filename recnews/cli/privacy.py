"""`recnews forget` and `export`: what a reader may ask for."""

import os
from pathlib import Path
from typing import Annotated

import typer

from recnews.cli import common, output, views
from recnews.errors import StorageError

User = Annotated[
    str, typer.Argument(metavar="USER", help="The reader's id. Put -- before one that starts with a dash.")
]


def forget(
    user: User,
    backups: Annotated[
        list[Path] | None,
        typer.Option("--backups", metavar="DIR", help="Forget in the backups of this folder, too; may be repeated."),
    ] = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Remove all that is held on a reader, for good and to the last byte.

    That writes the store anew, which takes as long as copying it, and once or twice its size of free disk meanwhile.
    What was learned from all readers together is learned again without them at the next `recnews train`. Each backup
    that knows the reader takes as long as restoring it. The publisher's own logs are not touched.
    """
    with common.opened(home) as newsroom:
        found = newsroom.readers.forget(user, backups=backups or ())
    common.answer_with(found, views.forgotten(found), as_json)


def export(
    user: User,
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the JSON form into a file.", show_default=False),
    ] = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Show all that is held on a reader: their events, and rejected rows with their id."""
    with common.opened(home) as newsroom:
        found = newsroom.readers.export(user)
    if target is None:
        common.answer_with(found, views.held(found), as_json)
        return
    try:
        # Nobody but its owner needs to read it.
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
            out.write(output.as_document(found))
    except OSError as error:
        raise StorageError(target, f"cannot be written ({error.strerror})", "choose another file") from error
    output.say(f"{output.many(len(found.events), 'event')} written to {target}")
