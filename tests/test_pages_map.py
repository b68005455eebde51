"""The analyst's map over HTTP: its page, its points, what it lists, and what it says where there is no map."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("openTSNE", reason="openTSNE is not installed")

from recnews.newsroom import Newsroom
from recnews.service.keys import Keys
from tests.conftest import EACH, WORLD
from tests.map_world import copied, mapped_home
from tests.pages_world import HOSTILE, READER, Visitor, words
from tests.service_world import Service, running
from tests.test_pages import NOW
from tests.test_pages_readers import USER
from tests.worlds import TOPICS, mapped_settings

__all__ = ["mapped_home"]
_ALL = len(WORLD) * EACH + 16 + 2


@pytest.fixture(scope="module")
def mapped(mapped_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service over a home with a map, with a key of scope read."""
    home = copied(mapped_home, tmp_path_factory.mktemp("map"))
    key = Keys(home).create("read", "the analyst", NOW)
    with running(home, workers=1) as service:
        yield service, key


@pytest.fixture
def analyst(mapped: tuple[Service, str]) -> Iterator[Visitor]:
    """Somebody with that key."""
    with Visitor(mapped[0]) as visitor:
        visitor.sign_in(mapped[1])
        yield visitor


def _told(page: str) -> Any:
    found = re.search(r'data-told="([^"]*)"', page)
    assert found is not None
    return json.loads(unescape(found[1]))


def _points(visitor: Visitor) -> dict[str, Any]:
    raw = visitor.client.get("/map/points").content
    (count,) = np.frombuffer(raw, "<u4", 1)
    assert len(raw) == 4 + 16 * count
    columns = np.frombuffer(raw, "<u2", offset=4 + 4 * int(count)).reshape(6, count)
    names = ("x", "y", "topics", "categories", "days", "reads")
    return {"ids": np.frombuffer(raw, "<u4", count, 4), **dict(zip(names, columns, strict=True))}


def test_the_page_names_topics_and_hides_nothing_it_must_not_trust(analyst: Visitor) -> None:
    page = analyst.get("/map")
    assert f"{_ALL} articles in 6 topics" in words(page)
    assert HOSTILE not in page
    assert "</script><b>" not in page
    told = _told(page)
    assert "</script><b>" in told["categories"].values()
    assert len(told["topics"]) == 6
    assert all(any(set(topic["words"]) <= set(own) for own in TOPICS.values()) for topic in told["topics"])
    assert told["marks"] == []


def test_a_worker_reads_the_map_before_it_is_asked(mapped_home: Path, tmp_path: Path) -> None:
    """What is on the disk does not matter any more once it is ready."""
    home = copied(mapped_home, tmp_path / "home")
    key = Keys(home).create("read", "the analyst", NOW)
    with running(home, workers=1) as service, Visitor(service) as visitor:
        visitor.sign_in(key)
        (told,) = home.glob("indexes/g*/map/topics.json")
        told.write_text("{", encoding="utf-8")
        assert f"{_ALL} articles in 6 topics" in words(visitor.get("/map"))


def test_points_hold_what_the_map_holds(analyst: Visitor) -> None:
    found = _points(analyst)
    assert len(found["ids"]) == _ALL
    assert found["x"].max() == 65535 or found["y"].max() == 65535
    assert sorted(found["reads"])[-5:] == [1] * 5
    assert found["days"].max() == 3 * (EACH - 1)
    told = _told(analyst.get("/map"))
    named = {int(number) for number in told["categories"]}
    assert sum(number not in named for number in found["categories"].tolist()) == 1  # the one without a category
    assert set(found["topics"].tolist()) == {topic["number"] for topic in told["topics"]}


def test_cards_say_what_an_article_is_and_refuse_what_is_no_list(analyst: Visitor) -> None:
    ids = _points(analyst)["ids"].tolist()
    found = json.loads(analyst.get(f"/map/cards?ids={ids[-2]},{ids[0]},999999"))
    assert [it["id"] for it in found] == [ids[-2], ids[0]]
    assert found[0]["title"] == HOSTILE
    for wrong in ("", "a", "1,", "1;2", "1" * 30):
        analyst.get(f"/map/cards?ids={wrong}", status=422)


def test_articles_are_listed_by_topic_category_and_day_without_scripts(analyst: Visitor) -> None:
    page = analyst.get("/map")
    told = _told(page)
    (medicine,) = [it["number"] for it in told["topics"] if set(it["words"]) <= set(TOPICS["医疗"])]
    listed = words(analyst.get(f"/map?topic={medicine}"))
    assert f"{EACH + 16} articles; the latest {EACH + 16} are listed" in listed
    (football,) = [number for number, name in told["categories"].items() if name == "足球"]
    assert f"{EACH} articles; the latest" in words(analyst.get(f"/map?category={football}"))
    assert "0 articles; the latest 0" in words(analyst.get(f"/map?topic={medicine}&category={football}"))
    assert "0 articles" in words(analyst.get("/map?since=1999-01-01&until=1999-12-31"))
    assert f"{_ALL} articles; the latest 50" in words(analyst.get("/map?since=1999-01-01&topic=&category="))
    for wrong in ("topic=-1", "topic=x", "category=1e9", "since=someday", "until=9999-01-01", "nothing=1"):
        analyst.get(f"/map?{wrong}", status=422)


def test_a_reader_is_laid_on_the_map_as_far_as_the_key_allows(analyst: Visitor, mapped: tuple[Service, str]) -> None:
    page = analyst.get(f"/map?user={USER}")
    assert READER in unescape(page)
    assert READER not in page
    assert {mark["kind"] for mark in _told(page)["marks"]} == {"feed"}
    assert "scope admin" in words(page)
    with Visitor(mapped[0]) as chief:
        chief.sign_in(Keys(Path(mapped[0].log).parent).create("admin", "the chief", NOW))
        marks = _told(chief.get(f"/map?user={USER}"))["marks"]
        long_ago = chief.get(f"/map?user={USER}&at=2001-02-03T04:05")
        assert chief.client.get(f"/map?user={USER}&at=then").status_code == 422
    assert sum(mark["kind"] == "history" for mark in marks) == 4
    assert _told(long_ago)["marks"] == [], "before all that was read and published"
    assert 'name="at" type="datetime-local" value="2001-02-03T04:05"' in long_ago
    assert f'href="/reader?user={USER}&amp;at=2001-02-03T04%3A05"' in long_ago
    assert analyst.get("/map?user=nobody")


def test_what_rises_is_told_as_a_part_and_as_a_page(analyst: Visitor) -> None:
    part = analyst.get("/map/trends", headers={"Sec-Fetch-Dest": "empty"})
    assert "<html" not in part
    rows = re.findall(r"<tr><td>(.*?)</td>", part)
    assert any(set(row.split(", ")) <= set(TOPICS["医疗"]) for row in rows)
    whole = analyst.get("/map/trends")
    assert "<html" in whole
    assert part.strip() in whole


def test_the_map_is_closed_to_strangers(mapped: tuple[Service, str]) -> None:
    with Visitor(mapped[0]) as stranger:
        for path in ("/map", "/map/points", "/map/cards?ids=1", "/map/trends"):
            assert stranger.client.get(path).status_code == 303
            assert stranger.client.get(path, headers={"Sec-Fetch-Dest": "empty"}).status_code == 401


def test_a_home_without_a_map_says_how_to_get_one(trained: Path, tmp_path: Path) -> None:
    with running(copied(trained, tmp_path), workers=1) as service, Visitor(service) as visitor:
        assert "too few articles" in words(visitor.get("/map"))
        assert "文章太少" in visitor.get("/map", headers={"Accept-Language": "zh"})
        assert visitor.client.get("/map/points").status_code == 404
        assert "Nothing stands out" in words(visitor.get("/map/trends"))
        with Newsroom.open(service.log.parent, mapped_settings(enabled=False)) as newsroom:
            newsroom.train()
        assert "switched off" in words(visitor.get("/map"))
        with Newsroom.open(service.log.parent, mapped_settings()) as newsroom:
            newsroom.train()
        assert "6 topics" in words(visitor.get("/map"))
