"""`recnews map`: the map of the articles as a file to send to somebody."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, output

if TYPE_CHECKING:
    from recnews.mapping import Rising
    from recnews.mapsheet import Sheets

Sheet = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="A page with all data inside, for any browser; it asks nobody for anything.",
        show_default=False,
    ),
]  # fmt: skip
Png = Annotated[Path | None, typer.Option("--png", metavar="FILE", help="A picture.", show_default=False)]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="A drawing.", show_default=False)]
Lang = Annotated[str, typer.Option("--lang", metavar="[en|zh]", help="Language of what stands around the map.")]
Replace = Annotated[bool, typer.Option("--replace", help="Write over files that are there.")]


def show(
    *,
    html: Sheet = None,
    png: Png = None,
    svg: Svg = None,
    lang: Lang = "en",
    replace: Replace = False,
    at: common.At = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Show the topics of the articles and what rises this week, or write the map into files.

    The map is fitted by `recnews train`, where the extra `map` is installed. The page holds titles, ids, days and
    categories of all articles on the map, and how often each was read; nothing of readers.
    """
    from recnews.mapsheet import Sheets, check_targets

    check_targets({"--html": html, "--png": png, "--svg": svg}, lang, replace)
    with common.opened(home) as newsroom:
        sheets = Sheets(newsroom, common.moment("--at", at, newsroom), lang)
        if html is None and png is None and svg is None:
            _say(sheets, as_json)
            return
        written = []
        if html is not None:
            written.append((html, sheets.write_page(html)))
        written += [(file, sheets.write_picture(file)) for file in (png, svg) if file is not None]
    found = [{"file": str(file), "articles": count} for file, count in written]
    lines = [f"{output.many(count, 'article')} written to {file}" for file, count in written]
    common.answer_with({"written": found}, lines, as_json)


def _say(sheets: "Sheets", as_json: bool) -> None:
    topics, trends = sheets.topics, sheets.trends
    lines = output.table([[f"{it.articles:,}", " ".join(it.words)] for it in topics], widest=60)
    risen = [*trends.topics, *trends.words]
    lines += ["", "rising this week:"] if risen else ["", "nothing stands out from the weeks before"]
    lines += output.table(
        [
            ["topic" if it.topic >= 0 else "word", " ".join(it.words[:4]), f"x {it.factor:.1f}", _weeks(it)]
            for it in risen
        ],
        "  ",
    )
    common.answer_with({"topics": topics, "rising": trends}, lines, as_json)


def _weeks(rising: "Rising") -> str:
    return " ".join(f"{count:,}" for count in rising.counts)
