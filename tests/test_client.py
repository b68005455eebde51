"""The Python client, against a running service and against answers made up to be unfriendly."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest

from recnews.client import AsyncClient, Client, ServiceError, Wanted
from tests.service_world import Service, running
from tests.test_service import ODD, row

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("client") / "home"
    copytree(trained, home)
    with running(home, workers=1) as found:
        yield found


def test_a_day_with_the_client(service: Service) -> None:
    with Client(service.url) as client:
        for name in ODD:
            assert [it.became for it in client.put_articles([row("航天", 1, id=name)])] == ["added"]
            assert client.article(name)["id"] == name
            told = client.put_events([{"user": name, "article": name, "at": datetime.now(UTC)}])
            assert [(it.became, it.waiting) for it in told] == [("added", False)]
            feed = client.feed(name, 3, wanted=Wanted(explain=True, exclude=["航天-1"], languages=["zh"]))
            assert name not in {it.key for it in feed.recommendations}
            assert sum(reason.value for reason in feed.recommendations[0].reasons) == feed.recommendations[0].score
            assert client.related(name, 2).articles
            assert client.interests(name).articles
            assert client.export(name)["events"]
            client.pin(name, 2, until=datetime.now(UTC) + timedelta(days=1))
            client.unpin(name)
            assert client.edit_article(name, hidden=True, category=None)["hidden"]
            client.delete_article(name)
        assert client.forget("a/b")["events"] == 1
        first = client.feed("x", 4)
        after = client.feed("x", 4, offset=4, session=first.session)
        assert not {it.key for it in first.recommendations} & {it.key for it in after.recommendations}
        assert client.anonymous_feed([{"article": "足球-1"}], 2).recommendations[0].category == "足球"
        assert list(client.feeds(["x", "y"], 2)) == ["x", "y"]
        assert client.word_neighbors("银行", 2, minus=["利率"]).words
        assert client.text_neighbors("银行，利率", 2).tokens == ("银行", "利率")
        with pytest.raises(ServiceError) as caught:
            client.article("nothing")
        assert (caught.value.status, caught.value.kind) == (404, "unknown-article")
        assert client.put_articles([{"title": "x"}])[0].reason


def test_the_asynchronous_one_does_the_same(service: Service) -> None:
    async def both() -> None:
        async with AsyncClient(service.url) as client:
            one, other = await asyncio.gather(client.feed("x", 3), client.feed("y", 3))
            assert [len(feed.recommendations) for feed in (one, other)] == [3, 3]
            with pytest.raises(ServiceError):
                await client.article("nothing")

    asyncio.run(both())
    names = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}


Answer = httpx.Response | Exception


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> tuple[Client, list[httpx.Request], list[float]]:
    """A client that gets these answers; what it sent, and how long it waited."""
    left, sent, waits = list(answers), list[httpx.Request](), list[float]()

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    client = Client("http://service", "a-key", retries=3)
    client._http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://service")
    monkeypatch.setattr("recnews.client.clients.time.sleep", waits.append)
    return client, sent, waits


BUSY = {"type": "urn:recnews:problem:busy", "title": "Busy", "status": 503, "detail": "later"}
ROWS = httpx.Response(207, json={"outcomes": [{"id": "a", "status": 201, "became": "added", "waiting": True}]})


def busy(after: str = "2") -> httpx.Response:
    return httpx.Response(503, json=BUSY, headers={"Retry-After": after})


Ask = Callable[[Client], Any]
ARTICLE: Ask = lambda client: client.article("a")  # noqa: E731
NAMELESS: Ask = lambda client: client.put_events([{"user": "u", "article": "a"}])  # noqa: E731
NAMED: Ask = lambda client: client.put_events([{"user": "u", "article": "a", "event_id": "1"}])  # noqa: E731


@pytest.mark.parametrize(
    ("ask", "answers", "sent"),
    [
        (ARTICLE, [busy(), httpx.Response(429), httpx.Response(200, json={})], 3),
        (ARTICLE, [httpx.ReadTimeout("slow"), httpx.Response(200, json={})], 2),
        (NAMED, [httpx.ReadError("cut"), ROWS], 2),
        (NAMELESS, [busy(), ROWS], 2),
        (NAMELESS, [httpx.ConnectError("refused"), ROWS], 2),
    ],
)  # fmt: skip
def test_what_may_be_sent_again_is(monkeypatch: pytest.MonkeyPatch, ask: Ask, answers: list[Answer], sent: int) -> None:
    client, requests, waits = scripted(monkeypatch, *answers)
    ask(client)
    assert len(requests) == sent
    assert len(waits) == sent - 1
    if isinstance(answers[0], httpx.Response):
        assert waits[0] >= 2


@pytest.mark.parametrize(
    ("ask", "answers", "sent"),
    [
        (NAMELESS, [httpx.ReadTimeout("slow")], 1),  # it may have been stored
        (ARTICLE, [httpx.Response(500, text="oh")], 1),
        (ARTICLE, [httpx.Response(422, json={})], 1),
        (ARTICLE, [busy("3600")], 1),
        (ARTICLE, [busy("0")] * 4, 4),
        (ARTICLE, [httpx.ConnectError("refused")] * 4, 4),
    ],
)
def test_and_else_it_is_told(monkeypatch: pytest.MonkeyPatch, ask: Ask, answers: list[Answer], sent: int) -> None:
    client, requests, _ = scripted(monkeypatch, *answers)
    with pytest.raises(ServiceError):
        ask(client)
    assert len(requests) == sent


def test_the_key_is_sent(service: Service) -> None:
    with Client(service.url, "recnews_x_y") as client, pytest.raises(ServiceError, match="401") as caught:
        client.feed("x")
    assert caught.value.kind == "no-key"
