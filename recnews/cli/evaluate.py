"""`recnews evaluate`: how good what was learned is, in figures with intervals."""

import json
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recnews.cli import common, output
from recnews.errors import StorageError, UsageError

if TYPE_CHECKING:
    from recnews.config import Settings
    from recnews.evaluate.similarity import Outcome
    from recnews.records import Draft

app = common.group(common.example("recnews evaluate similarity --articles articles.jsonl"))

Articles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Articles, in any format `ingest` takes. Repeatable. Else those of the home."),
]
Pairs = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='Judged texts or articles, a line each: {"a": …, "b": …, "similarity": 2.5}.'),
]
Words = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Judged words, a line each: word, word and score between tabs.")
]
Lang = Annotated[str, typer.Option(metavar="CODE", help="Take only judged texts of this `lang`.", show_default=False)]
Baselines = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Of word2vec,doc2vec,tfidf,bm25,lsi; or all, or none. Else every one that is installed."
    ),
]
Embedder = Annotated[str | None, typer.Option(metavar="[word2vec|doc2vec]", help="How texts become vectors.")]
Dim = Annotated[int | None, typer.Option(help="Length of a vector.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the articles.")]
Workers = Annotated[int | None, typer.Option(help="Training threads; 1 makes figures reproducible.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all that is random.")]
Holdout = Annotated[
    float, typer.Option(min=0, max=1, help="Keep this share of the articles out of training, ask about them only.")
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Ask about articles from then on; with --holdout 1, train on earlier ones only."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Read no more articles than this.")]
JudgedOnly = Annotated[
    bool, typer.Option("--judged-only", help="Only learn from the articles; ask about --pairs and --words alone.")
]
MinChars = Annotated[int, typer.Option(min=1, help="Ask for no body shorter than this.")]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Zone of times without an offset, such as Asia/Shanghai.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints it, and no table."),
]


@app.callback()
def evaluate() -> None:
    """Measure what is learned, beside plain methods on the same articles."""


@app.command(
    "similarity",
    epilog=common.example(
        "recnews evaluate similarity --articles articles.jsonl --holdout 0.5 --json similarity.json",
        "recnews evaluate similarity --pairs judged.jsonl --words judged.tsv --baselines tfidf,bm25",
    ),
)
def similarity(
    *,
    articles: Articles = None,
    pairs: Pairs = None,
    words: Words = None,
    lang: Lang = "",
    baselines: Baselines = None,
    embedder: Embedder = None,
    dim: Dim = None,
    epochs: Epochs = None,
    workers: Workers = None,
    seed: Seed = None,
    holdout: Holdout = 0.0,
    since: Since = None,
    limit: Limit = None,
    min_chars: MinChars = 100,
    judged_only: JudgedOnly = False,
    timezone: Timezone = None,
    json_file: JsonFile = None,
    home: common.Home = None,
) -> None:
    """Train in a temporary home and measure: title to body, same category, judged texts, judged words.

    The home itself is only read: its settings, its dictionary and, without --articles, its articles. Each figure stands
    before its 95% interval. Without --holdout, training has seen the articles that are asked about.
    """
    from recnews.config import home_folder, load_settings
    from recnews.evaluate.files import pairs_of, word_pairs_of
    from recnews.evaluate.similarity import Plan, evaluate
    from recnews.text import UserDictionary

    folder = home_folder(common.given_home(home))
    settings = load_settings(folder).override("ingest", timezone=timezone)
    settings = settings.override("embedding", embedder=embedder, dim=dim, epochs=epochs, workers=workers, seed=seed)
    plan = Plan(
        articles=_articles(folder, articles, settings, limit),
        settings=settings,
        dictionary=UserDictionary(folder / "corpora" / "dictionary.txt").words(),
        pairs=pairs_of(pairs, lang) if pairs else (),
        words=word_pairs_of(words) if words else (),
        baselines=_baselines(baselines),
        holdout=holdout,
        since=_since(since, settings),
        min_chars=min_chars,
        judged_only=judged_only,
    )
    _answer(evaluate(plan, tell=lambda line: typer.echo(output.clean(line), err=True)), json_file)


def _articles(folder: Path, files: list[Path] | None, settings: "Settings", limit: int | None) -> "list[Draft]":
    from recnews.evaluate.files import articles_of, stored_articles
    from recnews.formats import ReadOptions
    from recnews.newsroom import Newsroom
    from recnews.store import STORE_FILE

    if files:
        options = ReadOptions(timezone=_zone(settings), max_row_bytes=settings.ingest.max_row_bytes)
        return articles_of(files, options, limit)
    if not (folder / "corpora" / STORE_FILE).exists():
        raise UsageError(f"{folder}: no article is stored there; name files with --articles, or another --home")
    with Newsroom.open(folder, settings) as newsroom:
        return stored_articles(newsroom, limit)


def _baselines(text: str | None) -> tuple[str, ...]:
    from recnews.evaluate.baselines import BASELINES, installed

    if text is None:
        return installed()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == ("all",):
        return tuple(BASELINES)
    return () if names == ("none",) else names


def _since(text: str | None, settings: "Settings") -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"--since: {text!r} is not a time; write it as 2026-05-01T08:00+08:00") from error
    zone = _zone(settings)
    if found.tzinfo is None and zone is None:
        raise UsageError(f"--since: {text!r} has no time zone; give --timezone Asia/Shanghai (or yours)")
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _zone(settings: "Settings") -> tzinfo | None:
    name = settings.ingest.timezone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is not a time zone; use a name such as Asia/Shanghai or UTC") from error


def _answer(outcome: "Outcome", json_file: Path | None) -> None:
    if json_file == Path("-"):
        output.document(outcome.document())
        return
    output.say(outcome.about())
    for task, asked in outcome.tasks.items():
        output.say("", f"{task}: {asked}", *output.table(outcome.table(task), indent="  "))
    if json_file is not None:
        text = json.dumps(outcome.document(), ensure_ascii=False, indent=2, allow_nan=False)
        try:
            json_file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            remedy = "name a file you may write"
            raise StorageError(json_file, f"cannot be written ({error.strerror})", remedy) from error
