"""`recnews train` and `recnews generations`: what is learned, and which of it serves."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recnews.cli import common, output, progress, views
from recnews.errors import DamagedGenerationError, NoGenerationError

if TYPE_CHECKING:
    from recnews.newsroom import Newsroom

app = common.group(common.example("recnews generations list", "recnews generations rollback"))

Id = Annotated[str, typer.Argument(metavar="ID", help="Such as g000002; `recnews generations list` shows them.")]


def train(
    *,
    embedder: Annotated[
        str | None, typer.Option(metavar="[word2vec|doc2vec]", help="How texts become vectors.")
    ] = None,
    dim: Annotated[int | None, typer.Option(metavar="N", help="Length of a vector.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the articles.")] = None,
    min_count: Annotated[
        int | None, typer.Option(metavar="N", help="Learn words that occur at least this often.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads; 0 takes every core, 1 makes training reproducible to the byte."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all that is random.")] = None,
    tokenizer: Annotated[str | None, typer.Option(metavar="[rjieba|jieba]", help="What cuts Chinese text.")] = None,
    simplify: Annotated[
        bool | None, typer.Option("--simplify/--no-simplify", help="Turn traditional into simplified characters first.")
    ] = None,
    continued: Annotated[
        bool,
        typer.Option("--continue", help="Go on from the live generation: learn what is new, keep neighbours in place."),
    ] = False,
    no_promote: Annotated[bool, typer.Option("--no-promote", help="Leave the live generation in place.")] = False,
    cluster: common.Cluster = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Learn from the stored articles, and serve what was learned.

    A new generation is built and checked beside the live one, then takes its place in one step. Options that are not
    given come from recnews.toml in the home. With --continue, --epochs counts the further passes.
    """
    with common.opened(home) as newsroom, newsroom.on_cluster(cluster), progress.stages() as bar:
        settings = newsroom.settings.override(
            "embedding",
            embedder=embedder,
            dim=dim,
            min_count=min_count,
            workers=workers,
            seed=seed,
            **{"continue_epochs" if continued else "epochs": epochs},
        ).override("text", tokenizer=tokenizer, simplify=simplify)
        before, start = newsroom.generations.current().live, time.monotonic()
        made = newsroom.train(settings, continued=continued, promote=not no_promote, progress=bar)
        seconds = time.monotonic() - start
    lines = [*views.generation(made.manifest), f"trained in {seconds:.1f} s"]
    if no_promote:
        command = output.typed(*common.typed_home(home), "generations", "promote", made.id)
        lines.append(f"not live; `{command}` switches to it")
    else:
        lines.append("it is live now" + (f"; `recnews generations rollback` returns to {before}" if before else ""))
    common.answer_with(_as_json(made.manifest, not no_promote) | {"seconds": seconds}, lines, as_json)


def reindex(cluster: common.Cluster = None, as_json: common.Json = False, home: common.Home = None) -> None:
    """Encode all articles anew with the live generation, as if none had been encoded.

    For when vectors are damaged, or another version of a library counts otherwise. Feeds go on meanwhile. Stopped and
    run again, it continues.
    """
    with common.opened(home) as newsroom, newsroom.on_cluster(cluster), progress.stages() as bar:
        count = newsroom.reindex(bar)
    common.answer_with({"encoded": count}, [f"encoded {output.many(count, 'article')} anew"], as_json)


@app.callback()
def generations() -> None:
    """Which trained generations there are, and which of them serves."""


@app.command("list", epilog=common.example("recnews generations list --json"))
def list_(as_json: common.Json = False, home: common.Home = None) -> None:
    """List all generations, oldest first."""
    with common.opened(home) as newsroom:
        live = newsroom.generations.current().live
        found = [_entry(newsroom, name, live) for name in newsroom.generations.names()]
    lines = output.table(
        [it["generation"], "live" if it["live"] else "", it.get("created_at", "")[:16], it["state"]] for it in found
    )
    common.answer_with({"generations": found}, lines or ["none yet: run `recnews train`"], as_json)


@app.command("show", epilog=common.example("recnews generations show g000001"))
def show(
    generation: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The live one by default.", show_default=False)
    ] = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Show what one generation is and how it was trained."""
    with common.opened(home) as newsroom:
        live = newsroom.generations.current().live
        name = generation or live
        if name is None:
            raise NoGenerationError(newsroom.home)
        found = newsroom.generations.load(name)
        used = found.disk_bytes()
    manifest = found.manifest
    rows = [["state", "live" if name == live else "not live"], ["trained", manifest.created_at]]
    rows += [["disk", output.size(used)]]
    rows += [[key, str(value)] for key, value in sorted({**manifest.settings, **manifest.libraries}.items())]
    lines = [*views.generation(manifest), *output.table(rows, indent="  ")]
    common.answer_with(_as_json(manifest, name == live) | {"bytes": used}, lines, as_json)


@app.command("promote", epilog=common.example("recnews generations promote g000001"))
def promote(generation: Id, home: common.Home = None) -> None:
    """Make a generation the one that serves."""
    with common.opened(home) as newsroom:
        newsroom.generations.promote(generation)
    output.say(f"{generation} is live")


@app.command("rollback", epilog=common.example("recnews generations rollback"))
def rollback(as_json: common.Json = False, home: common.Home = None) -> None:
    """Return to the generation that served before the live one."""
    with common.opened(home) as newsroom:
        name = newsroom.generations.rollback()
    common.answer_with({"live": name}, [f"{name} is live"], as_json)


@app.command("prune", epilog=common.example("recnews generations prune --keep 2"))
def prune(
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="How many to keep, the live one among them.")] = 2,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Remove old generations: all but the live one and the latest others."""
    with common.opened(home) as newsroom:
        removed = newsroom.generations.prune(keep)
    lines = [f"removed {' '.join(removed)}" if removed else "nothing to remove"]
    common.answer_with({"removed": removed}, lines, as_json)


def _entry(newsroom: "Newsroom", name: str, live: str | None) -> dict[str, Any]:
    """A generation in a list: a damaged one is listed too, as it is the one to know about."""
    if name not in newsroom.generations.held():
        return {"generation": name, "live": name == live, "damage": None, "state": "on other nodes"}
    try:
        manifest = newsroom.generations.load(name).manifest
    except DamagedGenerationError as error:
        return {"generation": name, "live": name == live, "damage": str(error), "state": "damaged"}
    state = f"{manifest.embedder} {manifest.dim}, {output.many(manifest.articles, 'article')}"
    return _as_json(manifest, name == live) | {"damage": None, "state": state}


def _as_json(manifest: Any, live: bool) -> dict[str, Any]:
    names = ("generation", "created_at", "embedder", "dim", "articles", "tokens", "vocabulary")
    more = ("settings", "libraries", "quality", "drift", "drift_from", "continued_from")
    return {"live": live} | {name: getattr(manifest, name) for name in (*names, *more)}
