"""`recnews evaluate feeds`: do readers find in their feeds what they go on to read?"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, measuring, output
from recnews.errors import UsageError

if TYPE_CHECKING:
    from recnews.config import Settings
    from recnews.evaluate.compare import Comparison
    from recnews.evaluate.feeds import Plan
    from recnews.evaluate.outcome import FeedsOutcome

EPILOG = common.example(
    "recnews evaluate feeds --articles articles.jsonl --events reads.csv --protocol leave-one-out",
    "recnews evaluate feeds --protocol time --cutoff 2026-05-01T00:00+08:00 --json feeds.json --plot feeds.png",
    "recnews evaluate feeds --mind MINDsmall_dev --mind-train MINDsmall_train",
    "recnews evaluate feeds --compare before.json after.json",
)
_OF_EVENTS = ("user", "article", "at", "kind", "weight", "dwell", "event_id")


class Protocol(StrEnum):
    """How the log is divided."""

    TIME = "time"
    LEAVE_ONE_OUT = "leave-one-out"
    ARTICLE_COLD = "article-cold"
    READER_COLD = "reader-cold"


class Candidates(StrEnum):
    """What a feed may show."""

    ALL = "all"
    READ = "read"


Events = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="A reading log, in any format `events` takes. Repeatable. Else that of the home."
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Read a field from a column of another name, as user=reader. Repeatable."
    ),
]
ProtocolOption = Annotated[
    Protocol,
    typer.Option(
        help="time: train on what came before, ask when readers come back. leave-one-out: each reader's last article. "
        "article-cold: articles that training has not seen. reader-cold: readers it has not seen, after 1, 2, 3, 5 and "
        "10 reads."
    ),
]
CandidatesOption = Annotated[Candidates, typer.Option(help="Choose from all articles, or from those read at all.")]
Share = Annotated[
    float, typer.Option(help="How much to keep out of training: of events in time, of articles, or of readers.")
]
Cutoff = Annotated[str | None, typer.Option(metavar="TIME", help="time: where training ends, instead of --share.")]
Each = Annotated[bool, typer.Option("--each", help="time: ask before each read, not once for each reader.")]
Mind = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Rank what the impressions of a folder of MIND showed.")
]
MindTrain = Annotated[Path | None, typer.Option(metavar="FOLDER", help="MIND's folder to train on.")]
Places = Annotated[int, typer.Option("-k", min=1, max=1000, help="How many places of a feed count.")]
SearchOnly = Annotated[
    bool, typer.Option("--search-only", help="Measure the nearest neighbours alone, without the ranker.")
]
Baselines = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Of random,popularity,recent,tfidf,items,als,bm25; or all, or none. Else every one that is installed.",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Ask at most this many questions of each kind: a quick look.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap samples of readers.")]
PlotFile = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the figures: .png, .svg or .pdf.")]
Compare = Annotated[
    tuple[Path, Path] | None,
    typer.Option(metavar="BEFORE AFTER", help="Measure nothing: set two files of --json side by side."),
]


def feeds(
    *,
    articles: measuring.Articles = None,
    events: Events = None,
    rename: Map = None,
    protocol: ProtocolOption = Protocol.TIME,
    candidates: CandidatesOption = Candidates.ALL,
    share: Share = 0.2,
    cutoff: Cutoff = None,
    each: Each = False,
    mind: Mind = None,
    mind_train: MindTrain = None,
    k: Places = 10,
    search_only: SearchOnly = False,
    baselines: Baselines = None,
    limit: Limit = None,
    resamples: Resamples = 1000,
    epochs: measuring.Epochs = None,
    workers: measuring.Workers = None,
    seed: measuring.Seed = None,
    timezone: measuring.Timezone = None,
    json_file: measuring.JsonFile = None,
    plot_file: PlotFile = None,
    compare: Compare = None,
    home: common.Home = None,
) -> None:
    """Train in a temporary home on a part of a reading log, and ask for the feeds of its readers.

    The home itself is only read: its settings, its dictionary and, without --articles and --events, what it holds.
    Each stands before its 95% interval over readers. Equal scores of a baseline are put in an order drawn by lot. The
    figures are kept in a home that holds articles, for `recnews report` and the operator's room.
    """
    if compare is not None:
        from recnews.evaluate.compare import compare as compared

        found = compared(*compare)
        measuring.answer(found, _lines_of_comparison(found), json_file)
        return
    from recnews.config import home_folder, load_settings
    from recnews.evaluate import plots
    from recnews.evaluate.feeds import SEARCH, SERVED, evaluate
    from recnews.evaluate.readers import READERS, installed
    from recnews.evaluate.runs import Run

    if plot_file is not None:
        plots.check_plot(plot_file)
    folder = home_folder(common.given_home(home))
    settings = load_settings(folder).override("ingest", timezone=timezone)
    settings = settings.override("embedding", epochs=epochs, workers=workers, seed=seed)
    chosen = measuring.baselines(baselines, tuple(READERS), installed)
    if baselines is None and (missing := [name for name in READERS if name not in chosen]):
        measuring.tell(f"without {', '.join(missing)}: pip install 'recnews[evaluate]' brings the package implicit")
    plan = material(folder, settings, articles, events, rename=rename, mind=mind, mind_train=mind_train)
    plan = replace(
        plan,
        protocol=protocol.value,
        baselines=chosen,
        feeds=(SEARCH,) if search_only else (SERVED,),
        candidates=candidates.value,
        share=share,
        cutoff=measuring.moment("--cutoff", cutoff, settings),
        each=each,
        k=k,
        limit=limit,
        resamples=resamples,
    )
    outcome = evaluate(plan, measuring.tell)
    if plot_file is not None:
        plots.plot(Run("", "", "", outcome.document()), plot_file)
    measuring.answer(outcome, _lines(outcome), json_file)
    measuring.keep(folder, outcome)


def material(
    folder: Path, settings: "Settings", articles: list[Path] | None, events: list[Path] | None, *,
    rename: list[str] | None, mind: Path | None, mind_train: Path | None,
) -> "Plan":  # fmt: skip
    """The articles and events that were named, else those of the home."""
    from recnews.evaluate.feeds import Plan
    from recnews.evaluate.files import articles_of, events_of, stored_articles, stored_events
    from recnews.evaluate.mind import mind as mind_of
    from recnews.newsroom import Newsroom, Reading
    from recnews.newsroom.given import read_options
    from recnews.store import STORE_FILE
    from recnews.text import UserDictionary

    words = UserDictionary(folder / "corpora" / "dictionary.txt").words()
    if mind is not None:
        found, log, split = mind_of(mind, mind_train)
        return Plan(found, log, settings, dictionary=words, split=split)
    if mind_train is not None:
        raise UsageError("--mind-train goes with --mind, the folder whose impressions are ranked")
    renamed = [_renamed(rename, of_events) for of_events in (False, True)]
    options = [read_options(Reading(names), settings.ingest) for names in renamed]
    stored_too = not articles or not events
    if stored_too and not (folder / "corpora" / STORE_FILE).exists():
        raise UsageError(
            f"{folder}: nothing is stored there; name files with --articles and --events, or another --home"
        )
    given = articles_of(articles, options[0]) if articles else []
    log = events_of(events, options[1]) if events else []
    if stored_too:
        with Newsroom.open(folder, settings) as newsroom:
            given = given or stored_articles(newsroom)
            log = log or stored_events(newsroom)
    return Plan(given, log, settings, dictionary=words)


def _renamed(pairs: list[str] | None, of_events: bool) -> dict[str, str]:
    """The renamed fields of articles, or those of events; no field belongs to both."""
    found = {}
    for pair in pairs or ():
        field, equals, column = pair.partition("=")
        if not field or not equals or not column:
            raise UsageError(f"--map {pair}: write it as FIELD=COLUMN, such as --map user=reader")
        if (field in _OF_EVENTS) is of_events:
            found[field] = column
    return found


def _lines(outcome: "FeedsOutcome") -> Iterator[str]:
    yield f"{outcome.protocol}: {outcome.about}"
    for view in outcome.views:
        yield from ("", f"{view}:", *output.table(outcome.table(view), indent="  "))
        yield from ("", *output.table(outcome.table_beyond(view), indent="  "))
        yield from ("", "  by how much was read before (readers):")
        yield from output.table(outcome.table_by_history(view), indent="  ")
        yield from ("", *output.table(outcome.table_behind(view), indent="  "))


def _lines_of_comparison(found: "Comparison") -> Iterator[str]:
    yield f"{found.files[0]} and {found.files[1]}: {found.about}"
    for view in found.changes:
        yield from ("", f"{view}:", *output.table(found.table(view), indent="  "))
