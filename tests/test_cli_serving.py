"""`recnews recommend` and `recnews neighbors`."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recnews.newsroom import Newsroom
from tests.cli_world import answer, run, write
from tests.worlds import NOW, read

AT = ("--at", "2026-03-10T12:00+00:00")


@pytest.fixture
def known(home: Path) -> Path:
    """A home where ann has read three articles on football."""
    with Newsroom.open(home) as newsroom:
        newsroom.record_many([read("ann", f"足球-{number}") for number in range(3)])
    return home


def keys(feed: Any) -> list[str]:
    return [item["key"] for item in feed["recommendations"]]


def test_feed_as_json(known: Path) -> None:
    feed = answer(known, "recommend", "--user", "ann", "-n", "4", *AT)
    assert feed["user"] == "ann"
    assert len(feed["recommendations"]) == 4
    for item in feed["recommendations"]:
        assert item["source"] == "interests"
        assert item["score"] == pytest.approx(sum(reason["value"] for reason in item["reasons"]))
        assert datetime.fromisoformat(item["published_at"]).tzinfo is not None
    assert keys(feed)[0].startswith("足球-")
    assert not {"足球-0", "足球-1", "足球-2"} & set(keys(feed))


def test_json_is_utf8_and_readable(known: Path) -> None:
    assert "足球-" in run(known, "recommend", "--user", "ann", "--json", *AT).stdout


def test_explain(known: Path) -> None:
    shown = run(known, "recommend", "--user", "ann", "-n", "2", "--explain", *AT).stdout.splitlines()
    assert len([line for line in shown if not line.startswith("      ")]) == 2
    assert shown[1].split()[0] == "similarity"
    assert "you read 足球-" in shown[1]
    assert "shared words: " in shown[1]
    assert [line.split()[0] for line in shown[2:4]] == ["freshness", "popularity"]


def test_filters(known: Path) -> None:
    assert keys(answer(known, "recommend", "--user", "ann", "--category", "金融", "--source", "晚报", *AT)) != []
    only = answer(known, "recommend", "--user", "ann", "-n", "50", "--category", "金融", "--lang", "zh", *AT)
    assert {key.split("-")[0] for key in keys(only)} == {"金融"}
    without = answer(known, "recommend", "--user", "ann", "--exclude", "足球-3", "--exclude", "足球-4", *AT)
    assert not {"足球-3", "足球-4"} & set(keys(without))
    # Article n of a topic was published n + 1 hours before.
    recent = answer(known, "recommend", "--user", "bob", "-n", "50", "--since", "2h", *AT)
    assert {key.split("-")[1] for key in keys(recent)} == {"0", "1"}
    since = answer(known, "recommend", "--user", "bob", "-n", "50", "--since", "2026-03-10T11:00Z", *AT)
    assert {key.split("-")[1] for key in keys(since)} == {"0"}


def test_before_the_first_article_there_is_nothing(known: Path) -> None:
    shown = run(known, "recommend", "--user", "ann", "--at", "2020-01-01T00:00Z").stdout
    assert shown.startswith("nothing to recommend")
    assert keys(answer(known, "recommend", "--user", "ann", "--at", "2020-01-01T00:00Z")) == []


def test_a_time_needs_a_zone(known: Path) -> None:
    told = run(known, "recommend", "--user", "ann", "--at", "2026-03-10T20:00", code=2).stderr
    assert "write the offset, as in 2026-03-10T20:00+08:00" in told
    assert "ingest.timezone" in told
    (known / "recnews.toml").write_text('[ingest]\ntimezone = "Asia/Shanghai"\n')
    there = answer(known, "recommend", "--user", "ann", "--at", "2026-03-10T20:00")
    assert there == answer(known, "recommend", "--user", "ann", *AT)


@pytest.mark.parametrize(
    "words",
    [
        ("--at", "yesterday"),
        ("--at", "2026-03-10"),
        ("--at", "0001-01-01T00:00+08:00"),
        ("--since", "3y"),
        ("--since", "999999w"),
        ("-n", "0"),
    ],
)
def test_what_is_not_a_time_or_a_number_exits_with_2(known: Path, words: tuple[str, str]) -> None:
    result = run(known, "recommend", "--user", "ann", *words, code=2)
    assert result.stderr
    assert result.stdout == ""


def test_no_generation_yet(tmp_path: Path) -> None:
    assert "run `recnews train` first" in run(tmp_path, "recommend", "--user", "ann", code=1).stderr


def test_neighbors_of_each_kind(known: Path) -> None:
    word = answer(known, "neighbors", "word", "银行", "-n", "3", *AT)
    assert (word["word"], len(word["words"])) == ("银行", 3)
    assert word["articles"][0]["key"].startswith("金融-")
    article = answer(known, "neighbors", "article", "航天-1", *AT)
    assert article["articles"][0]["key"].startswith("航天-")
    assert "航天-1" not in [near["key"] for near in article["articles"]]
    assert answer(known, "neighbors", "user", "ann", *AT)["articles"][0]["key"].startswith("足球-")
    assert answer(known, "neighbors", "user", "nobody", *AT)["articles"] == []


def test_neighbors_of_a_text_tell_how_it_was_cut(known: Path) -> None:
    shown = run(known, "neighbors", "text", "火箭，卫星，zzyzx", *AT).stdout.splitlines()
    assert shown[:2] == ["cut: 火箭 / 卫星 / zzyzx", "unknown: zzyzx"]
    assert "航天-" in "".join(shown)
    assert "nothing is near" in run(known, "neighbors", "text", "zzyzx", *AT).stdout


def test_neighbors_errors(known: Path) -> None:
    assert "has not learned the word" in run(known, "neighbors", "word", "恐龙", code=1).stderr
    assert "no article has the id 'none'" in run(known, "neighbors", "article", "none", code=1).stderr
    assert "--minus goes with" in run(known, "neighbors", "text", "火箭", "--minus", "银行", code=2).stderr
    assert run(known, "neighbors", "weather", "x", code=2).stderr
    assert answer(known, "neighbors", "word", "银行", "--minus", "火箭", *AT)["words"]


def test_what_comes_from_outside_cannot_command_the_terminal(known: Path, tmp_path: Path) -> None:
    # What ingest lets through: C1 controls (\x9b opens an escape sequence), a mark that reverses, a line separator.
    title = "坏\x9b31m标\u202e题\u2028伪造的一行"
    row = {"id": "evil", "title": title, "body": "足球，球队，球员", "published_at": NOW.isoformat()}
    run(known, "ingest", str(write(tmp_path / "e\u202e\x9b.jsonl", [], row, "{broken")))
    commands = (
        ("recommend", "--user", "bob", "-n", "50"),
        ("recommend", "--user", "bob", "--explain"),
        ("neighbors", "article", "足球-1", "-n", "60"),
        ("articles", "show", "evil"),
        ("articles", "list", "--contains", "坏"),
        ("ingest", str(tmp_path / "e\u202e\x9b.jsonl")),
        ("articles", "show", "no\x9b\u202e"),
    )
    for command in commands:
        for form in ((), ("--json",)):
            code = 1 if command[-1].startswith("no") else 0
            result = run(known, *command, *form, code=code)
            assert not set(result.output) & {"\x1b", "\x9b", "\u202e", "\u2028"}, command
    assert answer(known, "articles", "show", "evil")["title"] == title  # whole: only its writing is escaped
    assert "坏\\x9b31m标\\u202e题\\u2028伪造的一行" in run(known, "articles", "list", "--contains", "坏").stdout
