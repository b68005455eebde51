"""`recnews articles`: the editors' hand."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recnews.cli import common, output, views
from recnews.errors import UsageError

if TYPE_CHECKING:
    from recnews.records import Article
    from recnews.store import ArticleCard

app = common.group(common.example("recnews articles list --contains 地铁", "recnews articles hide a-17 a-18"))

Key = Annotated[str, typer.Argument(metavar="KEY", help="The article's id. Put -- before one that starts with a dash.")]
Keys = Annotated[
    list[str], typer.Argument(metavar="KEY...", help="Ids of articles. Put -- before one that starts with a dash.")
]
_LONG = ("body", "summary")


@app.callback()
def articles() -> None:
    """Look at stored articles; hide, expire, categorize or delete them."""


@app.command("show", epilog=common.example("recnews articles show a-17"))
def show(key: Key, as_json: common.Json = False, home: common.Home = None) -> None:
    """Show one article, all of it."""
    with common.opened(home) as newsroom:
        found = newsroom.article(key)
    common.answer_with(_as_json(found), views.article(found), as_json)


@app.command("list", epilog=common.example("recnews articles list --contains 地铁 --category 交通 -n 5"))
def list_(
    *,
    contains: Annotated[str, typer.Option(metavar="TEXT", help="In the title or the id.", show_default=False)] = "",
    category: Annotated[
        str, typer.Option(metavar="NAME", help="Of this category, given or predicted.", show_default=False)
    ] = "",
    hidden: Annotated[bool, typer.Option("--hidden", help="Only hidden ones.")] = False,
    count: common.Count = 20,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """List articles, newest first. The JSON form leaves out the texts."""
    with common.opened(home) as newsroom:
        found = newsroom.articles(count, contains, category, True if hidden else None)
    short = [{name: value for name, value in _as_json(it).items() if name not in _LONG} for it in found]
    common.answer_with({"articles": short}, views.articles(found), as_json)


def duplicates(count: common.Count = 20, as_json: common.Json = False, home: common.Home = None) -> None:
    """List stories that several articles tell: syndicated copies and light rewrites, of which a feed shows one."""
    with common.opened(home) as newsroom:
        found = newsroom.duplicates(count)
    stories = [[_as_json(card) for card in story] for story in found]
    common.answer_with({"stories": stories}, views.stories(found), as_json)


@app.command("hide", epilog=common.example("recnews articles hide a-17 a-18"))
def hide(keys: Keys, home: common.Home = None) -> None:
    """Take articles out of every feed, at once."""
    with common.opened(home) as newsroom:
        newsroom.editors.hide(keys)
    _done(keys, "hidden")


@app.command("unhide", epilog=common.example("recnews articles unhide a-17"))
def unhide(keys: Keys, home: common.Home = None) -> None:
    """Put hidden articles back into feeds."""
    with common.opened(home) as newsroom:
        newsroom.editors.hide(keys, hidden=False)
    _done(keys, "not hidden")


@app.command("categorize", epilog=common.example("recnews articles categorize a-17 体育"))
def categorize(
    key: Key,
    category: Annotated[
        str | None, typer.Argument(metavar="[CATEGORY]", help="Its category; with --undo none.", show_default=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was set by hand.")] = False,
    home: common.Home = None,
) -> None:
    """Set an article's category by hand.

    It goes over the publisher's and a predicted one, also when the article is ingested again; the next training learns
    from it.
    """
    if undo == (category is not None):
        raise UsageError("give either a category or --undo")
    with common.opened(home) as newsroom:
        newsroom.editors.categorize([key], category)
        found = newsroom.article(key)
    output.say(f"{key}: {views.category(found) or 'no category'}")


@app.command("delete", epilog=common.example("recnews articles delete --yes -- -17"))
def delete(
    keys: Keys,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: common.Home = None,
) -> None:
    """Remove articles for good. What readers did with them stays in the reading log."""
    with common.opened(home) as newsroom:
        found = [newsroom.article(key) for key in dict.fromkeys(keys)]
        if not yes and not sys.stdin.isatty():
            raise UsageError("deleting cannot be undone; give --yes to do it without being asked")
        if not yes:
            output.say(*views.articles(found))
            if not typer.confirm(f"Delete {output.many(len(found), 'article')} for good?", err=True):
                output.say("nothing deleted")
                return
        newsroom.delete(keys)
    _done(keys, "deleted")


@app.command("expire", epilog=common.example("recnews articles expire a-17 --at 2026-05-01T08:00+08:00"))
def expire(
    keys: Keys,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 2026-05-01T08:00+08:00; else now.", show_default=False)
    ] = None,
    home: common.Home = None,
) -> None:
    """Serve articles no longer than until a time."""
    with common.opened(home) as newsroom:
        moment = common.moment("--at", at, newsroom)
        newsroom.editors.expire(keys, moment)
    _done(keys, "expired" if moment is None else f"served until {output.when(moment)} at the latest")


def _done(keys: list[str], what: str) -> None:
    output.say(f"{output.many(len(set(keys)), 'article')} {what}")


def _as_json(found: "Article | ArticleCard") -> dict[str, Any]:
    """An article as its publisher knows it: the store's own number stays inside."""
    return {name: getattr(found, name) for name in type(found).__slots__ if name != "article_id"}
