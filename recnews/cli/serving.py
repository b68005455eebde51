"""`recnews recommend` and `recnews neighbors`: what goes out."""

from enum import StrEnum
from typing import Annotated

import typer

from recnews.cli import common, output, views
from recnews.errors import UsageError


class Near(StrEnum):
    """What neighbours can be asked of."""

    WORD = "word"
    ARTICLE = "article"
    USER = "user"
    TEXT = "text"


Names = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only these. Repeatable.", show_default=False)]


def recommend(
    *,
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The reader, as in the reading log.")],
    count: common.Count = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Say why, below each article.")] = False,
    at: common.At = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Leave this article out. Repeatable.", show_default=False)
    ] = None,
    category: Names = None,
    lang: Names = None,
    source: Names = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Published no longer ago than 12h, 3d or 2w, or since a time."),
    ] = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Recommend articles to a reader, best first.

    Each line: place, score, where it comes from, id, title. A reader without a history gets fresh and popular articles.
    The JSON form always holds the reasons.
    """
    with common.opened(home) as newsroom:
        items = newsroom.recommend(
            user,
            count,
            at=common.moment("--at", at, newsroom),
            exclude=exclude or (),
            categories=category or (),
            langs=lang or (),
            sources=source or (),
            since=common.moment_or_age("--since", since, newsroom),
        )
    common.answer_with({"user": user, "recommendations": items}, views.feed(items, explain), as_json)


def neighbors(
    *,
    near: Annotated[Near, typer.Argument(metavar="word|article|user|text", help="What VALUE is.", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A word, an article's id, a reader's id or a text.")],
    count: common.Count = 10,
    minus: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Take this word away from the word. Repeatable.", show_default=False),
    ] = None,
    at: common.At = None,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Show the words and articles nearest to a word, an article, a reader or a text.

    Scores are cosines: 1 is the same direction, 0 has nothing in common. For a text it also shows how it was cut into
    words, and which of them are unknown.
    """
    if minus and near is not Near.WORD:
        raise UsageError(f"--minus goes with `neighbors word`, not with `neighbors {near}`")
    with common.opened(home) as newsroom:
        moment = common.moment("--at", at, newsroom)
        found = newsroom.neighbors(
            word=value if near is Near.WORD else None,
            article=value if near is Near.ARTICLE else None,
            user=value if near is Near.USER else None,
            text=value if near is Near.TEXT else None,
            minus=minus or (),
            k=count,
            at=moment,
        )
    if as_json:
        output.document({near.value: value} | {name: getattr(found, name) for name in found.__slots__})
    else:
        output.say(*views.neighbors(found, cut=near is Near.TEXT))
