"""`recnews report`: an evaluation as a page or a picture."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from recnews.cli import common, output
from recnews.errors import UsageError


class Language(StrEnum):
    """In which language a page is written."""

    EN = "en"
    ZH = "zh"


def report(
    *,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A kept run, or a file of `evaluate --json`; else the latest kept run."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page that holds all.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    language: Annotated[Language, typer.Option(help="The language of the page.")] = Language.EN,
    home: common.Home = None,
) -> None:
    """Make a page or a picture of an evaluation, to be sent to a colleague. Without either, list the kept runs.

    A file that exists is not written over.
    """
    from recnews.config import home_folder
    from recnews.evaluate import plots
    from recnews.evaluate.report import html as page_of
    from recnews.evaluate.report import write_new
    from recnews.evaluate.runs import kept_runs, read_run

    kept = kept_runs(home_folder(common.given_home(home)))
    if html is None and plot is None and run is None:
        rows = [[it.name, it.at, it.generation or "-", it.about] for it in kept]
        output.say(*(output.table([["run", "at", "live then", "about"], *rows]) if rows else ["no evaluation is kept"]))
        return
    if html is None and plot is None:
        raise UsageError("say what to make of it: --html FILE, --plot FILE, or both")
    for file in (html, plot):
        if file is not None and file.exists():
            raise UsageError(f"{file} exists already; name a new file")
    if plot is not None:
        plots.check_plot(plot)
    chosen = next((it for it in kept if run in {None, it.name}), None)
    if chosen is None and run is None:
        raise UsageError("no evaluation is kept in this home; run `recnews evaluate`, or name a file of --json")
    chosen = chosen or read_run(Path(str(run)))
    if html is not None:
        write_new(html, page_of(chosen, language.value))
    if plot is not None:
        plots.plot(chosen, plot)
    output.say(*(f"{file} is written" for file in (html, plot) if file is not None))
