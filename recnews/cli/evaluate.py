"""`recnews evaluate`: how good what was learned is, in figures with intervals."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, evaluate_feeds, measuring, output
from recnews.errors import UsageError

if TYPE_CHECKING:
    from recnews.config import Settings
    from recnews.evaluate.similarity import Outcome
    from recnews.records import Draft

app = common.group(
    common.example(
        "recnews evaluate similarity --articles articles.jsonl",
        "recnews evaluate feeds --articles articles.jsonl --events reads.csv --protocol leave-one-out",
    )
)
app.command("feeds", epilog=evaluate_feeds.EPILOG)(evaluate_feeds.feeds)

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
    articles: measuring.Articles = None,
    pairs: Pairs = None,
    words: Words = None,
    lang: Lang = "",
    baselines: Baselines = None,
    embedder: Embedder = None,
    dim: Dim = None,
    epochs: measuring.Epochs = None,
    workers: measuring.Workers = None,
    seed: measuring.Seed = None,
    holdout: Holdout = 0.0,
    since: Since = None,
    limit: Limit = None,
    min_chars: MinChars = 100,
    judged_only: JudgedOnly = False,
    timezone: measuring.Timezone = None,
    json_file: measuring.JsonFile = None,
    home: common.Home = None,
) -> None:
    """Train in a temporary home and measure: title to body, same category, judged texts, judged words.

    The home itself is only read: its settings, its dictionary and, without --articles, its articles. Each figure stands
    before its 95% interval. Without --holdout, training has seen the articles that are asked about.
    """
    from recnews.config import home_folder, load_settings
    from recnews.evaluate.baselines import BASELINES, installed
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
        baselines=measuring.baselines(baselines, tuple(BASELINES), installed),
        holdout=holdout,
        since=measuring.moment("--since", since, settings),
        min_chars=min_chars,
        judged_only=judged_only,
    )
    outcome = evaluate(plan, tell=measuring.tell)
    measuring.answer(outcome, _lines(outcome), json_file)
    measuring.keep(folder, outcome)


def _articles(folder: Path, files: list[Path] | None, settings: "Settings", limit: int | None) -> "list[Draft]":
    from recnews.evaluate.files import articles_of, stored_articles
    from recnews.newsroom import Newsroom
    from recnews.newsroom.given import read_options
    from recnews.store import STORE_FILE

    if files:
        return articles_of(files, read_options(None, settings.ingest), limit)
    if not (folder / "corpora" / STORE_FILE).exists():
        raise UsageError(f"{folder}: no article is stored there; name files with --articles, or another --home")
    with Newsroom.open(folder, settings) as newsroom:
        return stored_articles(newsroom, limit)


def _lines(outcome: "Outcome") -> Iterator[str]:
    yield outcome.about()
    for task, asked in outcome.tasks.items():
        yield from ("", f"{task}: {asked}", *output.table(outcome.table(task), indent="  "))
