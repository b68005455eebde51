"""The command line: parses, calls one use case of the newsroom, and prints.

Nothing here imports the store, the index or a model before a command runs that needs it.
"""

import gc
import io
import os
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recnews import __version__
from recnews.cli import (
    articles,
    common,
    demonstration,
    dictionary,
    editorial,
    evaluate,
    generations,
    intake,
    maps,
    operating,
    output,
    privacy,
    report,
    service,
    serving,
    tune,
    upkeep,
    watch,
)
from recnews.errors import RecnewsError

__all__ = ["app", "main"]

_INTERRUPTED = 130
_HALF = re.compile("[\ud800-\udfff]")


class _Commands(TyperGroup):
    """Turns what may go wrong into one line and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Bytes that are no text arrive as half characters, which no id and no word holds; a file's name may.
        for word in args:
            if not word.isascii() and _HALF.search(word) and not os.path.lexists(word):
                raise typer.BadParameter(f"{output.clean(word)} is not valid UTF-8")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RecnewsError as error:
            output.complain(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            output.complain("stopped; nothing stored is lost, and the same command run again continues")
            raise typer.Exit(_INTERRUPTED) from error


app = typer.Typer(
    name="recnews",
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=common.example(
        "recnews demo",
        "recnews ingest articles.jsonl",
        "recnews train",
        "recnews recommend --user alice --explain",
    ),
)


def _version(asked: bool) -> None:
    if asked:
        output.say(f"recnews {__version__}")
        raise typer.Exit


@app.callback()
def recnews(
    home: common.Home = None,
    version: Annotated[  # noqa: ARG001 - it acts in its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recommend news and articles by what they say, to readers by what they read.

    Feed it articles (ingest) and a reading log (events), let it learn from them (train), then ask for feeds (recommend)
    and neighbours (neighbors). Everything is kept in one folder, the home.
    """
    common.set_home(home)
    output.show_warnings()


for _name, _command, _examples in (
    ("ingest", intake.ingest, ("recnews ingest articles.jsonl --map body=content --timezone Asia/Shanghai",)),
    (
        "watch",
        watch.watch,
        ("recnews watch https://news.example.com/rss.xml incoming --every 10m", "recnews watch --once --json"),
    ),
    ("events", intake.events, ("recnews events clicks.csv --map user=uid --timezone Asia/Shanghai",)),
    (
        "train",
        generations.train,
        ("recnews train --embedder word2vec --dim 128 --epochs 10", "recnews train --continue"),
    ),
    ("reindex", generations.reindex, ("recnews reindex", "recnews reindex --cluster tcp://10.0.0.5:8786")),
    ("recommend", serving.recommend, ("recnews recommend --user alice -n 5 --since 3d --explain",)),
    (
        "neighbors",
        serving.neighbors,
        ("recnews neighbors word 地铁 -n 5", "recnews neighbors text '地铁新线今天开通' --json"),
    ),
    ("map", maps.show, ("recnews map", "recnews map --html map.html --png map.png --lang zh")),
    ("duplicates", articles.duplicates, ("recnews duplicates -n 5",)),
    ("pin", editorial.pin, ("recnews pin a-17 --slot 1 --until 2026-05-01T08:00+08:00",)),
    ("unpin", editorial.unpin, ("recnews unpin a-17",)),
    ("pins", editorial.pins, ("recnews pins --at 2026-05-01T08:00+08:00",)),
    ("block", editorial.block, ("recnews block --category 广告 --source example.com",)),
    ("unblock", editorial.unblock, ("recnews unblock --category 广告",)),
    ("impersonal", editorial.impersonal, ("recnews impersonal --category 讣告",)),
    ("personal", editorial.personal, ("recnews personal --category 讣告",)),
    ("rules", editorial.rules, ("recnews rules --json",)),
    ("forget", privacy.forget, ("recnews forget alice --backups /var/backups/recnews",)),
    ("export", privacy.export, ("recnews export alice -o alice.json",)),
    ("serve", service.serve, ("recnews serve --port 8080 --workers 2",)),
    ("status", operating.status, ("recnews status --json",)),
    ("verify", operating.verify, ("recnews verify", "recnews verify --repair")),
    ("seal", operating.seal, ("recnews seal --index-memory 500MB",)),
    ("migrate", operating.migrate, ("recnews migrate --to /srv/recnews-postgres/recnews.toml",)),
    ("doctor", upkeep.doctor, ("recnews doctor", "recnews doctor --json")),
    ("prune", upkeep.prune, ("recnews prune --dry-run", "recnews prune --keep-generations 2 --yes")),
    ("backup", operating.backup, ("recnews backup /var/backups/recnews --keep 14",)),
    ("backups", operating.backups, ("recnews backups /var/backups/recnews --check",)),
    (
        "restore",
        operating.restore,
        (
            "recnews restore /var/backups/recnews --replace",
            "recnews --home rehearsal restore /var/backups/recnews --backup 20260501T020000Z",
        ),
    ),
    ("tune", tune.tune, ("recnews tune", "recnews tune --articles films.csv --events ratings.csv --dry-run")),
    ("report", report.report, ("recnews report --html evaluation.html", "recnews report feeds.json --plot feeds.svg")),
    ("demo", demonstration.demo, ("recnews demo --home demo-home",)),
):
    app.command(_name, epilog=common.example(*_examples))(_command)
app.add_typer(articles.app, name="articles")
app.add_typer(generations.app, name="generations")
app.add_typer(dictionary.app, name="dict")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(service.app, name="keys")


def main() -> None:
    """Run the command line. A character that the terminal cannot write is shown as an escape, not as a crash."""
    # Imports make hundreds of thousands of objects that stay: looking through them for garbage takes a fifth of the
    # time of a short command. `common.opened` switches it on again.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="recnews")
