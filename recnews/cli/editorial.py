"""`recnews pin`, `block`, `impersonal` and what takes them back: the editors' hand on feeds. It all holds at once."""

from typing import Annotated

import typer

from recnews.cli import common, output, views
from recnews.cli.articles import Key, Keys
from recnews.errors import UsageError

Categories = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="NAME", help="A category, as articles have it. Repeatable.", show_default=False),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="A source, as articles have it. Repeatable.", show_default=False),
]


def pin(
    *,
    key: Key,
    slot: Annotated[int, typer.Option("--slot", metavar="N", min=1, max=10_000, help="The place in the feed.")] = 1,
    starts: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Not before this time; else now.", show_default=False)
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="No longer than until this time; else until unpinned.", show_default=False),
    ] = None,
    home: common.Home = None,
) -> None:
    """Put an article into a place of every feed.

    An article has one pin; pinned again, it moves. Of two articles pinned to one place, the one pinned last has it and
    the other comes after it. A hidden or expired article is not shown by a pin either.
    """
    with common.opened(home) as newsroom:
        starts_at, ends = common.moment("--from", starts, newsroom), common.moment("--until", until, newsroom)
        newsroom.editors.pin(key, slot, starts_at=starts_at, until=ends)
    span = [f"from {output.when(starts_at)}"] if starts_at else []
    span += [f"until {output.when(ends)}"] if ends else []
    output.say(" ".join([f"{key} pinned to place {slot}", *span]))


def unpin(keys: Keys, home: common.Home = None) -> None:
    """Take pins away: the articles are placed like any other."""
    with common.opened(home) as newsroom:
        count = newsroom.editors.unpin(keys)
    output.say(f"{output.many(count, 'article')} unpinned")


def pins(at: common.At = None, as_json: common.Json = False, home: common.Home = None) -> None:
    """List pins, by place: all there are, or with --at those that hold at a time."""
    with common.opened(home) as newsroom:
        found = newsroom.editors.pins(common.moment("--at", at, newsroom))
    listed = [{name: getattr(it, name) for name in type(it).__slots__ if name != "article_id"} for it in found]
    common.answer_with({"pins": listed}, views.pins(found), as_json)


def block(category: Categories = None, source: Sources = None, home: common.Home = None) -> None:
    """Keep a category or a source out of every feed. Its articles stay searchable for editors."""
    _some(category, source)
    with common.opened(home) as newsroom:
        count = newsroom.editors.block(categories=category or (), sources=source or ())
    _told(count, "made")


def unblock(category: Categories = None, source: Sources = None, home: common.Home = None) -> None:
    """Let a blocked category or source back into feeds."""
    _some(category, source)
    with common.opened(home) as newsroom:
        count = newsroom.editors.unblock(categories=category or (), sources=source or ())
    _told(count, "removed")


def impersonal(category: Categories = None, home: common.Home = None) -> None:
    """Never choose articles of a category for a reader by what they have read.

    They still come into feeds for being fresh or popular, the same for everybody.
    """
    _some(category)
    with common.opened(home) as newsroom:
        count = newsroom.editors.impersonal(category or ())
    _told(count, "made")


def personal(category: Categories = None, home: common.Home = None) -> None:
    """Take `recnews impersonal` back."""
    _some(category)
    with common.opened(home) as newsroom:
        count = newsroom.editors.personal(category or ())
    _told(count, "removed")


def rules(as_json: common.Json = False, home: common.Home = None) -> None:
    """List what is blocked and what is impersonal."""
    with common.opened(home) as newsroom:
        found = newsroom.editors.rules()
    common.answer_with(found, views.rules(found), as_json)


def _some(*given: list[str] | None) -> None:
    if not any(given):
        raise UsageError("name at least one " + (" or ".join(("--category", "--source")[: len(given)])))


def _told(count: int, what: str) -> None:
    again = "" if count else "; `recnews rules` lists what there is"
    output.say(f"{output.many(count, 'rule')} {what}{again}")
