"""What editors pin, block and keep impersonal: what is stored, and the commands."""

from datetime import timedelta
from pathlib import Path

import pytest

from recnews.errors import UnknownArticleError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import Rules
from recnews.store import Store
from tests.cli_world import answer, run
from tests.worlds import DAY, HOUR, NOW, articles, read

pytestmark = pytest.mark.engines("pgvector", "faiss")  # no vector of an old article is asked for
KEYS = ["足球-0", "足球-1", "足球-2", "足球-3"]
LATER = "2199-01-01T00:00+00:00"


@pytest.fixture
def stored(store: Store) -> Store:
    store.articles.upsert(articles(["足球"], 4), NOW)
    return store


def pinned(store: Store, now: object = None) -> list[tuple[int, str]]:
    return [(pin.slot, pin.key) for pin in store.editorial.pins(now)]  # type: ignore[arg-type]


def test_pins_come_by_slot_the_newest_first(stored: Store) -> None:
    for minutes, (key, slot) in enumerate(zip(KEYS, (2, 1, 2, 1), strict=True)):
        stored.editorial.pin(key, slot, None, None, NOW + timedelta(minutes=minutes))
    assert pinned(stored) == [(1, "足球-3"), (1, "足球-1"), (2, "足球-2"), (2, "足球-0")]
    stored.editorial.pin("足球-1", 1, None, None, NOW + HOUR)
    assert pinned(stored)[:2] == [(1, "足球-1"), (1, "足球-3")], "pinned again it is the newest"
    stored.editorial.pin("足球-1", 3, None, None, NOW + HOUR)
    assert [key for _, key in pinned(stored)] == ["足球-3", "足球-2", "足球-0", "足球-1"], "one pin an article"
    [pin] = [pin for pin in stored.editorial.pins(None) if pin.key == "足球-1"]
    assert pin.article_id == stored.articles.get("足球-1").article_id


def test_a_pin_holds_in_a_half_open_time(stored: Store) -> None:
    stored.editorial.pin("足球-0", 1, NOW, NOW + DAY, NOW - DAY)
    stored.editorial.pin("足球-1", 2, None, NOW + HOUR, NOW - DAY)
    stored.editorial.pin("足球-2", 3, NOW + HOUR, None, NOW - DAY)

    def keys(moment: object) -> list[str]:
        return [key for _, key in pinned(stored, moment)]

    assert keys(NOW - timedelta(microseconds=1)) == ["足球-1"]
    assert keys(NOW) == ["足球-0", "足球-1"]
    assert keys(NOW + HOUR) == ["足球-0", "足球-2"]
    assert keys(NOW + DAY) == ["足球-2"]
    assert keys(None) == ["足球-0", "足球-1", "足球-2"]
    assert [(pin.starts_at, pin.until) for pin in stored.editorial.pins(None)] == [
        (NOW, NOW + DAY), (None, NOW + HOUR), (NOW + HOUR, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("slot", "starts", "until"),
    [(0, None, None), (-1, None, None), (1, None, NOW), (1, None, NOW - HOUR), (1, NOW + DAY, NOW + DAY)],
)
def test_a_pin_that_could_never_be_shown_is_refused(stored: Store, slot: int, starts: object, until: object) -> None:
    with pytest.raises(UsageError):
        stored.editorial.pin("足球-0", slot, starts, until, NOW)  # type: ignore[arg-type]
    assert pinned(stored) == []


def test_unpin(stored: Store) -> None:
    for key in KEYS[:3]:
        stored.editorial.pin(key, 1, None, None, NOW)
    assert stored.editorial.unpin(["足球-0", "足球-1", "足球-3"]) == 2
    assert pinned(stored) == [(1, "足球-2")]
    assert stored.editorial.unpin(["足球-0"]) == 0
    with pytest.raises(UnknownArticleError, match="none"):
        stored.editorial.unpin(["足球-2", "none"])
    assert pinned(stored) == [(1, "足球-2")], "nothing changed"


def test_only_a_stored_article_is_pinned_and_a_deleted_one_no_longer(stored: Store) -> None:
    stored.events.add([read("ann", "named by an event")])
    for key in ("none", "named by an event"):
        with pytest.raises(UnknownArticleError, match=key):
            stored.editorial.pin(key, 1, None, None, NOW)
    stored.editorial.pin("足球-0", 1, None, None, NOW)
    stored.articles.upsert(articles(["足球"], 4, words=30), NOW)
    assert pinned(stored) == [(1, "足球-0")], "a change of its text leaves the pin"
    stored.articles.delete(["足球-0"])
    assert pinned(stored) == []
    assert stored.check() == []


def test_rules(stored: Store) -> None:
    assert stored.editorial.rules() == Rules()
    assert stored.editorial.add_rules("block", "category", ["b", "a", "b"]) == 2
    assert stored.editorial.add_rules("block", "category", ["a", "c"]) == 1
    assert stored.editorial.add_rules("block", "source", ["a"]) == 1
    assert stored.editorial.add_rules("impersonal", "category", ["d"]) == 1
    assert stored.editorial.rules() == Rules(("a", "b", "c"), ("a",), ("d",))
    assert stored.editorial.remove_rules("block", "category", ["a", "x"]) == 1
    assert stored.editorial.rules() == Rules(("b", "c"), ("a",), ("d",))
    for kind, field, value in (("impersonal", "source", "a"), ("block", "author", "a"), ("block", "source", " ")):
        with pytest.raises(UsageError):
            stored.editorial.add_rules(kind, field, [value])  # type: ignore[arg-type]


def test_what_a_feed_needs_in_one_read(stored: Store) -> None:
    stored.editorial.pin("足球-0", 1, None, NOW + DAY, NOW)
    stored.editorial.pin("足球-1", 1, NOW + DAY, None, NOW)
    stored.editorial.add_rules("block", "source", ["日报"])
    found, rules = stored.editorial.current(NOW)
    assert [pin.key for pin in found] == ["足球-0"]
    assert rules == Rules(blocked_sources=("日报",))


def test_the_editors_hand_in_python(newsroom: Newsroom) -> None:
    newsroom.editors.pin("足球-1", 2, until=NOW + DAY, now=NOW)
    newsroom.editors.pin("足球-2", starts_at=NOW + DAY)
    assert [pin.key for pin in newsroom.editors.pins()] == ["足球-2", "足球-1"]
    assert [pin.key for pin in newsroom.editors.pins(NOW)] == ["足球-1"]
    assert newsroom.editors.unpin(["足球-1"]) == 1
    assert newsroom.editors.block(categories=["足球"], sources=["日报"]) == 2
    assert newsroom.editors.impersonal(["医疗"]) == 1
    assert newsroom.editors.rules() == Rules(("足球",), ("日报",), ("医疗",))
    assert newsroom.editors.unblock(categories=["足球"], sources=["晚报"]) == 1
    assert newsroom.editors.personal(["医疗"]) == 1
    assert newsroom.editors.rules() == Rules(blocked_sources=("日报",))
    with pytest.raises(UsageError, match="time zone"):
        newsroom.editors.pin("足球-1", until=NOW.replace(tzinfo=None))


def test_pin_commands(home: Path) -> None:
    assert run(home, "pin", "足球-1").stdout == "足球-1 pinned to place 1\n"
    shown = run(home, "pin", "足球-2", "--slot", "3", "--from", "2198-01-01T00:00Z", "--until", LATER).stdout
    assert shown == f"足球-2 pinned to place 3 from 2198-01-01T00:00+00:00 until {LATER}\n"
    listed = answer(home, "pins")["pins"]
    assert [(it["key"], it["slot"], it["until"]) for it in listed] == [
        ("足球-1", 1, None), ("足球-2", 3, "2199-01-01T00:00:00+00:00"),
    ]  # fmt: skip
    assert "article_id" not in listed[0]
    assert run(home, "pins").stdout.splitlines()[1].split() == [
        "3", "from", "2198-01-01T00:00+00:00", "until", LATER, "足球-2",
    ]  # fmt: skip
    assert [it["key"] for it in answer(home, "pins", "--at", "2026-03-10T12:00Z")["pins"]] == ["足球-1"]
    assert run(home, "unpin", "足球-1", "足球-3").stdout == "1 article unpinned\n"
    run(home, "unpin", "足球-2")
    assert run(home, "pins").stdout == "nothing is pinned\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("none",), 1), (("足球-1", "--slot", "0"), 2), (("足球-1", "--until", "2020-01-01T00:00Z"), 2),
        (("足球-1", "--until", "2199-01-01T00:00"), 2), (("足球-1", "--from", LATER, "--until", LATER), 2),
    ],
)  # fmt: skip
def test_a_pin_that_is_refused(home: Path, words: tuple[str, ...], code: int) -> None:
    run(home, "pin", *words, code=code)
    assert answer(home, "pins") == {"pins": []}


def test_rule_commands(home: Path) -> None:
    assert run(home, "rules").stdout == "there are no rules\n"
    assert run(home, "block", "--category", "广告", "--category", "足球", "--source", "日报").stdout == "3 rules made\n"
    assert run(home, "block", "--category", "广告").stdout.startswith("0 rules made; `recnews rules` lists")
    assert run(home, "impersonal", "--category", "医疗").stdout == "1 rule made\n"
    assert answer(home, "rules") == {
        "blocked_categories": ["广告", "足球"], "blocked_sources": ["日报"], "impersonal_categories": ["医疗"],
    }  # fmt: skip
    assert [line.split() for line in run(home, "rules").stdout.splitlines()] == [
        ["blocked", "category", "广告"], ["blocked", "category", "足球"], ["blocked", "source", "日报"],
        ["impersonal", "category", "医疗"],
    ]  # fmt: skip
    assert run(home, "unblock", "--category", "足球", "--source", "日报").stdout == "2 rules removed\n"
    assert run(home, "personal", "--category", "医疗").stdout == "1 rule removed\n"
    assert answer(home, "rules")["blocked_categories"] == ["广告"]
    for command in ("block", "unblock", "impersonal", "personal"):
        assert "name at least one --category" in run(home, command, code=2).stderr
