"""A home whose older articles are in an engine: the same answers, whatever becomes of the engine."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from recnews import Newsroom
from recnews.config import Settings
from recnews.errors import ArchiveError
from recnews.index.archived import ArchivedIndex
from recnews.records import Draft, Neighbors
from tests.scale.servers import Milvus, Server
from tests.worlds import DAY, NOW, article, read, small_settings

LATER = NOW + 9 * DAY
"""By then all that the trained home holds is older than the hot window."""
_HOMES = count()


@pytest.fixture
def settings(server: Server) -> Settings:
    """Of a home of its own in the engine."""
    return small_settings().override("index", archive=server.url, archive_prefix=f"home{next(_HOMES)}")


@pytest.fixture
def newsroom(home: Path, settings: Settings) -> Iterator[Newsroom]:
    """The trained home, with a reader, older articles in the engine and four new ones in memory."""
    with Newsroom.open(home, settings) as opened:
        opened.ingest([article("足球", number, LATER - DAY) for number in range(100, 104)])
        for number in range(3):
            opened.record_many([read("ann", f"足球-{number}", NOW), read("bob", f"足球-{100 + number}", LATER - DAY)])
        opened.seal(LATER)
        assert archived(opened) == 48
        yield opened
        catalog = opened.serving.current()[1]
        assert catalog._archive is not None
        catalog._archive.drop()


def archived(newsroom: Newsroom) -> int | None:
    """How many articles are searched in the engine."""
    newsroom.serving.current()
    return newsroom.serving.archived


def near(newsroom: Newsroom, at: datetime = LATER) -> Neighbors:
    return newsroom.neighbors(text="银行，利率，足球，比赛", k=60, at=at)


def keys(found: Neighbors) -> set[str]:
    return {it.key for it in found.articles}


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something that comes by itself."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(0.2)


def test_the_same_answers_as_without_an_engine(newsroom: Newsroom, tmp_path: Path) -> None:
    plain_home = Path(shutil.copytree(newsroom.home, tmp_path / "plain"))
    for snapshot in plain_home.glob("indexes/g*/catalog-*"):
        shutil.rmtree(snapshot)  # it speaks of the engine
    with Newsroom.open(plain_home, small_settings()) as plain:
        assert near(newsroom) == near(plain)
        assert len(near(newsroom).articles) == 52
        for user in ("ann", "bob", "nobody"):
            assert newsroom.recommend(user, 60, at=LATER) == plain.recommend(user, 60, at=LATER)
        assert newsroom.neighbors(article="金融-1", at=LATER) == plain.neighbors(article="金融-1", at=LATER)


def test_what_is_hidden_deleted_or_changed_is_not_answered_from_the_engine(newsroom: Newsroom) -> None:
    newsroom.editors.hide(["金融-1"])
    newsroom.delete(["金融-2"])
    newsroom.ingest([Draft("金融-3", "火箭，卫星", "发射，轨道", published_at=NOW)])
    found = near(newsroom)
    assert not keys(found) & {"金融-1", "金融-2"}
    assert not found.partial
    rockets = newsroom.neighbors(text="火箭，卫星，发射，轨道", k=1, at=LATER)
    assert keys(rockets) == {"金融-3"}, "what has changed is found as it is now"
    before = near(newsroom)
    newsroom.seal(LATER)
    assert archived(newsroom) == 47, "the changed one is in the engine again, the deleted one is not"
    assert near(newsroom) == before
    newsroom.editors.hide(["金融-1"], hidden=False)
    assert "金融-1" in keys(near(newsroom))


def test_another_node_follows(newsroom: Newsroom, settings: Settings) -> None:
    with Newsroom.open(newsroom.home, settings) as other:
        until(lambda: archived(other) == 48)
        newsroom.ingest([article("医疗", 200, NOW)])
        assert "医疗-200" in {it.key for it in other.neighbors(article="医疗-1", k=60, at=LATER).articles}
        newsroom.seal(LATER)
        until(lambda: archived(other) == 49)
        assert near(other) == near(newsroom)


def test_what_is_left_of_a_generation_goes_with_it(newsroom: Newsroom) -> None:
    first = newsroom.serving.current()[1]
    newsroom.train()
    newsroom.seal(LATER)
    assert archived(newsroom) == 48
    second = newsroom.serving.current()[1].index
    assert isinstance(second, ArchivedIndex)
    assert second.drop_others({"g000001", "g000002"}) == [], "one can be gone back to"
    newsroom.generations.prune(keep=1)
    newsroom.seal(LATER)
    assert second.drop_others({"g000002"}) == []
    assert isinstance(first.index, ArchivedIndex)
    assert second.drop_others(set()) == [f"{newsroom.settings.index.archive_prefix}_g000002_{second.dim}"]


def test_an_engine_that_is_killed(newsroom: Newsroom, settings: Settings, server: Server) -> None:
    whole, feeds = near(newsroom), newsroom.recommend("bob", 3, at=LATER)
    assert not whole.partial
    assert archived(newsroom) == 48
    server.kill()
    try:
        part = near(newsroom)
        assert part.partial
        assert keys(part) == {f"足球-{number}" for number in range(100, 104)}, "the hot window is searched"
        started = time.monotonic()
        again = [newsroom.recommend("bob", 3, at=LATER)[0] for _ in range(20)]
        assert {it.key for it in again} == {feeds[0].key}, "feeds go on"
        assert time.monotonic() - started < 10 * newsroom.settings.index.archive_seconds, "and do not wait each time"
        newsroom.ingest([article("足球", 105, LATER - DAY)])
        assert "足球-105" in keys(near(newsroom))
        with pytest.raises(ArchiveError, match="archive"):
            newsroom.seal(LATER)
        with Newsroom.open(newsroom.home, settings) as other:
            assert near(other).partial, "the snapshot of one that starts now tells what is in the engine"
            assert other.recommend("bob", 1, at=LATER)
    finally:
        server.start()
    until(lambda: not near(newsroom).partial)
    assert keys(near(newsroom)) == keys(whole) | {"足球-105"}, "it is back by itself"
    newsroom.seal(LATER)
    assert archived(newsroom) == 48


def test_an_engine_that_hangs(newsroom: Newsroom, server: Server) -> None:
    """It takes questions and gives no answers: as one that is down, and back by itself."""
    if not isinstance(server, Milvus):
        pytest.skip("PostgreSQL itself ends what takes too long; one that is stopped cannot")
    whole = near(newsroom)
    server.pause()
    try:
        part = near(newsroom)
        assert part.partial
        assert keys(part) == {f"足球-{number}" for number in range(100, 104)}
        assert newsroom.recommend("bob", 3, at=LATER)
    finally:
        server.resume()
    until(lambda: near(newsroom) == whole)
