"""Files and feeds handed in on the desk: how far they are, told while they go on; what goes wrong; who may."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("feedparser")

import httpx

from recnews.service.keys import SCOPES, Keys
from tests.feed_world import Site, item, page, rss, site
from tests.pages_world import Visitor, begun, ended, furnished, words
from tests.service_world import Service, running, until
from tests.test_pages import NOW
from tests.worlds import CHINESE

OPEN = {"RECNEWS_SERVICE__ALLOW_PRIVATE": "true"}
ROWS = 3000


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may ask this machine, too."""
    with running(furnished(trained, tmp_path_factory.mktemp("intake")), env=OPEN) as found:
        yield found


@pytest.fixture
def visitor(service: Service) -> Iterator[Visitor]:
    with Visitor(service) as found:
        yield found


@pytest.fixture(scope="module")
def feeds() -> Iterator[Site]:
    with site() as found:
        yield found


def many(rows: int) -> bytes:
    """A file that takes a while: no article is like another."""
    words = [word for topic in CHINESE.values() for word in topic]
    draw = random.Random(0)
    titles = ("，".join(draw.sample(words, 12)) for _ in range(rows))
    told = ({"id": f"many-{n}", "title": it, "published_at": "2026-01-01T00:00Z"} for n, it in enumerate(titles))
    return "\n".join(json.dumps(row) for row in told).encode()


def fetched(visitor: Visitor, address: str) -> str:
    found = visitor.send("/desk/fetch", {"address": address}, "/desk")
    return words(ended(visitor, found.headers["location"]))


def test_a_feed_is_taken_in_by_its_address(visitor: Visitor, feeds: Site) -> None:
    feeds.serve("/feed", rss(item(1), item(2), item(3)))
    told = fetched(visitor, feeds.url())
    assert "rows read 3 added 3" in told
    assert "All that was taken in can be in the next feed" in told
    assert "港口新闻 1" in words(visitor.get("/desk?q=港口"))
    assert feeds.url() in words(visitor.get("/desk"))  # among what was handed in lately
    assert "unchanged 3" in fetched(visitor, feeds.url())


def test_what_is_no_feed_is_told(visitor: Visitor, feeds: Site) -> None:
    feeds.serve("/page", page())
    assert "gave a web page, neither RSS nor Atom" in fetched(visitor, feeds.url("/page"))
    told = fetched(visitor, feeds.url("/none"))
    assert "the server answered 404" in told
    assert "try it again later" in told
    for address in ("ftp://news.example/feed", "https://me:secret@news.example/feed", "feed"):
        answer = visitor.send("/desk/fetch", {"address": address}, "/desk", 422)
        assert "secret" not in answer.text


def test_how_far_a_file_is_can_be_seen_from_any_worker_and_feeds_go_on(visitor: Visitor, service: Service) -> None:
    address = begun(visitor, "big.jsonl", many(ROWS))
    state = address.replace("/desk/intake?", "/desk/intake/state?")
    seen = list[str]()

    def over() -> bool:
        with Visitor(service) as other:  # a connection of its own: any worker
            seen.append(other.get(state))
            assert other.client.get("/v1/users/nobody/feed").status_code == 200
        return "<progress" not in seen[-1]

    until(over)
    assert any("being read and taken in" in it and "value=" in it for it in seen)
    assert f"{ROWS:,}" in words(seen[-1])
    assert "big.jsonl" in words(visitor.get("/desk"))
    assert service.ask("GET", f"/desk/intake?id={'0' * 16}").status_code == 404
    assert service.ask("GET", "/desk/intake?id=../../keys").status_code == 422


def test_an_input_that_breaks_off_is_told(trained: Path, tmp_path: Path) -> None:
    home = furnished(trained, tmp_path)
    with running(home) as service:
        with Visitor(service) as visitor:
            address = begun(visitor, "big.jsonl", many(5 * ROWS))
            until(lambda: "value=" in visitor.get(address))
        [worker] = {it["worker"] for it in service.lines() if it.get("route") == "/desk/upload"}
        os.kill(worker, signal.SIGKILL)
        until(lambda: "It broke off" in _page(service, address))
        assert "What was read until then is stored" in _page(service, address)
        with Visitor(service) as visitor:
            begun(visitor, "again.jsonl", many(5 * ROWS))
        assert service.stop() == 0  # in the middle of it


def _page(service: Service, address: str) -> str:
    try:
        return service.ask("GET", address).text
    except httpx.TransportError:  # the worker that is gone held the connection
        return ""


def test_inner_addresses_are_not_asked_and_scopes_hold(trained: Path, tmp_path: Path, feeds: Site) -> None:
    home = furnished(trained, tmp_path)
    keys = {scope: Keys(home).create(scope, scope, NOW) for scope in SCOPES}
    feeds.serve("/inner", rss(item(7)))
    before = len(feeds.asked)
    with running(home, workers=1) as service:
        for scope in SCOPES:
            with Visitor(service) as visitor:
                visitor.sign_in(keys[scope])
                assert ("/desk/fetch" in visitor.get("/desk")) == (scope != "read")
                if scope == "read":
                    visitor.send("/desk/fetch", {"address": feeds.url("/inner")}, "/desk", 403)
                    assert visitor.client.get(f"/desk/intake?id={'0' * 16}").status_code == 403
                    continue
                for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1"):
                    told = fetched(visitor, feeds.url("/inner", host))
                    assert "It could not be finished" in told
                    assert "not an address of the open internet" in told or "is not known" in told
    assert len(feeds.asked) == before
