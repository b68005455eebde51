"""`recnews serve` and `recnews keys`: answering over HTTP, and who may ask."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from recnews.cli import common, output

app = common.group(common.example("recnews keys create --scope read --name website", "recnews keys list"))


class Scope(StrEnum):
    """What a key is good for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="Where to listen.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Processes that answer.")] = 1,
    index_memory: common.IndexMemory = None,
    log_ids: Annotated[
        bool, typer.Option("--log-ids", help="Write paths, which hold ids of readers and articles, into the log.")
    ] = False,
    home: common.Home = None,
) -> None:
    """Answer over HTTP until told to stop: feeds, neighbours, articles, events.

    Without keys (`recnews keys create`) only this machine is answered. /openapi.json describes all there is; the log, a
    line of JSON a request, goes to standard error. Needs the extra `serve`.
    """
    from recnews.config import home_folder, load_settings
    from recnews.service.keys import Keys
    from recnews.service.run import Listening, serve

    place = home_folder(common.given_home(home))
    if index_memory is not None:
        os.environ["RECNEWS_INDEX__MEMORY"] = index_memory  # for the processes that are started, too
    if not Keys(place).all():
        output.complain("there are no keys: only this machine is answered, and it may do everything")
    serve(place, load_settings(place), Listening(host, port, workers, log_ids))


@app.callback()
def keys() -> None:
    """Who may ask over HTTP, and for what."""


@app.command("create", epilog=common.example("recnews keys create --scope write --name newsroom"))
def create(
    *,
    scope: Annotated[
        Scope,
        typer.Option(metavar="read|write|admin", help="Ask; also hand in and edit; also export and forget readers."),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Whose it is, for the list.")] = "",
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Make a key and show it, this once. Only a hash of it is kept."""
    from recnews.config import home_folder
    from recnews.service.keys import Keys

    text = Keys(home_folder(common.given_home(home))).create(scope.value, name, datetime.now(UTC))
    common.answer_with({"key": text, "scope": scope.value, "name": name}, [text], as_json)


@app.command("list", epilog=common.example("recnews keys list --json"))
def list_keys(as_json: common.Json = False, home: common.Home = None) -> None:
    """List keys, by their ids."""
    from recnews.config import home_folder
    from recnews.service.keys import Keys

    found = [
        {"id": key.id, "scope": key.scope, "name": key.name, "created_at": key.created_at}
        for key in Keys(home_folder(common.given_home(home))).all()
    ]
    rows = [tuple(str(value) for value in it.values()) for it in found]
    common.answer_with({"keys": found}, output.table(rows) if rows else ["there are no keys"], as_json)


@app.command("revoke", epilog=common.example("recnews keys revoke 1f0c2b7a"))
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As in the list, and in the key after `recnews_`.")],
    home: common.Home = None,
) -> None:
    """Take a key back. It holds at once, in every running service."""
    from recnews.config import home_folder
    from recnews.service.keys import Keys

    gone = Keys(home_folder(common.given_home(home))).revoke(key)
    output.say(f"key {gone.id} revoked" + (f" ({gone.name})" if gone.name else ""))
