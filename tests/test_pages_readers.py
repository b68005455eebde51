"""The reader's view, over HTTP."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from recnews.config import FeedSettings
from recnews.newsroom import Newsroom
from recnews.service.keys import SCOPES, Keys
from tests.pages_world import HOSTILE, READER, Visitor, furnished, words
from tests.service_world import Service, running
from tests.test_pages import NOW
from tests.worlds import HOUR, read, small_settings
from tests.worlds import NOW as THEN

pytest.importorskip("fastapi")
USER = quote(READER, safe="")


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys over a home with readers."""
    with running(furnished(trained, tmp_path_factory.mktemp("readers")), workers=1) as found:
        yield found


@pytest.fixture
def visitor(service: Service) -> Iterator[Visitor]:
    """Somebody on this machine, who may do all."""
    with Visitor(service, **{"Accept-Language": "en"}) as found:
        yield found


def test_a_feed_with_the_parts_of_its_scores(visitor: Visitor) -> None:
    page = visitor.get(f"/reader?user={USER}")
    told = words(page)
    assert "likeness of text" in told
    assert "because of “" in told
    assert HOSTILE in told
    assert HOSTILE not in page
    assert "<script>document" not in page
    assert "javascript:alert" not in page
    assert '<a href="https://news.example/long?a=1&amp;b=2" rel="noopener noreferrer">' in page
    for part in re.findall(r'<li class="similarity">likeness of text <b>(-?[\d.]+)</b>', page):
        assert float(part) <= 1
    history = page.split('id="h-history"')[1]
    assert history.count("<li>") == 4


def test_interests_are_words_of_what_was_read(visitor: Visitor) -> None:
    from tests.worlds import TOPICS

    page = visitor.get(f"/reader?user={USER}")
    [told] = re.findall(r'<span class="words">([^<]*)</span>', page)
    assert set(told.split(", ")) <= set(TOPICS["足球"])
    assert "100 %" in page


def test_an_unknown_reader_is_told_to_be_one(visitor: Visitor) -> None:
    told = words(visitor.get("/reader?user=nobody-knows-me&freshness=&popularity=&diversity="))
    assert "Nothing is known of this reader" in told
    assert "Nothing was read before this time" in told
    assert "likeness of text" not in told


def test_readers_can_be_picked(visitor: Visitor) -> None:
    page = visitor.get("/reader")
    assert f'href="/reader?user={USER}"' in page
    assert READER not in page
    assert READER in words(page)


def test_weights_that_are_moved_rank_anew_and_are_told(visitor: Visitor) -> None:
    usual = visitor.get(f"/reader/feed?user={USER}")
    assert "recnews.toml" not in usual
    moved = visitor.get(f"/reader/feed?user={USER}&freshness=0.9&diversity=0.2")
    assert "freshness = 0.90" in moved
    assert "diversity" not in moved  # it stands where the settings have it
    assert "<html" not in moved
    for wrong in (
        "freshness=-1",
        "diversity=1.5",
        "freshness=x",
        "freshness=nan",
        "at=never",
        "colour=1",
        "at=0001-01-01",
    ):
        assert visitor.client.get(f"/reader/feed?user={USER}&{wrong}").status_code == 422


def test_the_page_ranks_as_the_settings_that_it_names_would(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many([read("alice", f"足球-{number}") for number in range(3)])
        tried = newsroom.recommend("alice", 20, at=THEN, feed=FeedSettings(freshness=0.7, diversity=0.0))
        assert newsroom.feed_settings().freshness != 0.7
    with Newsroom.open(home, small_settings(freshness=0.7, diversity=0.0)) as newsroom:
        assert newsroom.recommend("alice", 20, at=THEN) == tried
        assert newsroom.feed_settings().freshness == 0.7


def test_the_past_is_shown_as_it_was(visitor: Visitor) -> None:
    before = (THEN - 2 * HOUR).strftime("%Y-%m-%dT%H:%M")
    told = words(visitor.get(f"/reader?user={USER}&at={before}"))
    assert "Nothing was read before this time" in told
    assert HOSTILE not in told
    assert f"{before[:10]} " in told


def test_tastes_sum_to_one_and_count_what_was_read(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many([read("bob", f"{topic}-{number}") for topic in ("足球", "金融") for number in range(4)])
        found = newsroom.tastes("bob", at=THEN)
        assert sum(taste.importance for taste in found) == pytest.approx(1)
        assert [taste.importance for taste in found] == sorted((t.importance for t in found), reverse=True)
        assert {taste.articles for taste in found} <= {4, 8}
        assert newsroom.tastes("nobody", at=THEN) == []
        newsroom.delete(["足球-1"])
        assert [act.title is None for act in newsroom.readers.history("bob", 50, at=THEN)].count(True) == 1
        assert newsroom.readers.recent(5) == ["bob"]


def test_export_and_forgetting(visitor: Visitor) -> None:
    user = "金融迷"
    found = visitor.client.get(f"/reader/export?user={user}")
    assert found.headers["content-disposition"] == 'attachment; filename="reader.json"'
    assert [event["article"] for event in found.json()["events"]] == ["金融-1"]
    page = f"/reader/forget?user={user}"
    assert "Nothing was removed" in words(visitor.send("/reader/forget", {"user": user, "again": "x"}, page, 422).text)
    done = visitor.send("/reader/forget", {"user": user, "again": user}, page, 200)
    assert "1 events and 0 rejected rows" in words(done.text)
    assert visitor.client.get(f"/reader/export?user={user}").json()["events"] == []


def test_what_readers_read_is_for_administrators(trained: Path, tmp_path: Path) -> None:
    home = furnished(trained, tmp_path)
    keys = {scope: Keys(home).create(scope, scope, NOW) for scope in SCOPES}
    with running(home, workers=1) as service:
        for scope in SCOPES:
            with Visitor(service) as visitor:
                visitor.sign_in(keys[scope])
                page = visitor.get(f"/reader?user={USER}")
                assert ("scope admin only" in page) == (scope != "admin")
                assert (READER in words(visitor.get("/reader"))) == (scope == "admin")
                status = 200 if scope == "admin" else 403
                for path in ("export", "forget"):
                    assert visitor.client.get(f"/reader/{path}?user=x").status_code == status
                sent = visitor.send("/reader/forget", {"user": "x", "again": "x"}, "/reader", status)
                assert ("is forgotten" in sent.text) == (scope == "admin")


def test_before_the_first_training_the_page_says_so(tmp_path: Path) -> None:
    with running(tmp_path, workers=1, ready=False) as service, Visitor(service) as visitor:
        assert "before the first training" in words(visitor.get("/reader?user=x"))
        assert "recnews train" in words(visitor.get("/"))
