"""The service as its callers see it: a real process with two workers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from recnews.newsroom import Newsroom
from recnews.records import EventDraft
from tests.cli_world import answer, process
from tests.service_world import Service, running, until
from tests.worlds import article, small_settings

pytest.importorskip("fastapi")
ODD = ("a/b", "中文", "😀", "..", ".", "a%2Fb", "x/feed", "a b?c#d&e", "%", "é" * 300)


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service") / "home"
    copytree(trained, home)
    with running(home) as found:
        yield found


def home_of(service: Service) -> Path:
    return service.log.parent


def path_of(text: str) -> str:
    found = quote(text, safe="")
    return found.replace(".", "%2E") if not found.strip(".") else found


def row(topic: str, number: int, **more: Any) -> dict[str, Any]:
    draft = article(topic, number, published_at=datetime.now(UTC) - timedelta(minutes=1))
    told = {"id": draft.key, "title": draft.title, "body": draft.body, "category": draft.category, "lang": draft.lang}
    return told | {"published_at": str(draft.published_at)} | more


def keys(feed: Any) -> list[str]:
    return [place["id"] for place in feed["recommendations"]]


def assert_problem(found: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = found.json()
    assert told["status"] == status
    assert told["type"] == f"urn:recnews:problem:{kind}"
    assert told["title"]
    assert told["detail"]
    assert found.headers["x-request-id"]
    return told


# Live


def test_what_is_posted_to_one_worker_is_in_the_next_feed_of_each(service: Service) -> None:
    posted = service.ask("POST", "/v1/articles", json=row("航天", 900, title="本周 全新 消息"))
    assert (posted.status_code, posted.json()["became"]) == (201, "added")
    for feed in service.of_each_worker("/v1/users/nobody/feed?n=1").values():
        assert keys(feed) == ["航天-900"]
    assert service.ask("PATCH", f"/v1/articles/{path_of('航天-900')}", json={"hidden": True}).json()["hidden"] is True
    for feed in service.of_each_worker("/v1/users/nobody/feed?n=100").values():
        assert "航天-900" not in keys(feed)


def test_a_read_is_in_the_next_feed_of_each_worker(service: Service) -> None:
    for number in range(3):
        event = {"user": "新读者", "article": f"足球-{number}", "event_id": f"live-{number}"}
        assert service.ask("POST", "/v1/events", json=event).status_code == 201
        assert service.ask("POST", "/v1/events", json=event).json()["became"] == "duplicate"
    for feed in service.of_each_worker(f"/v1/users/{path_of('新读者')}/feed?n=4&explain=true").values():
        assert {place["category"] for place in feed["recommendations"]} == {"足球"}
        assert not {f"足球-{number}" for number in range(3)} & set(keys(feed))
        for place in feed["recommendations"]:
            assert sum(reason["value"] for reason in place["reasons"]) == place["score"]


def test_what_another_process_does_is_in_the_next_feed(service: Service) -> None:
    with Newsroom.open(home_of(service)) as room:
        room.ingest([row("医疗", 901)])
        assert keys(service.ask("GET", "/v1/users/nobody/feed?n=1&category=医疗").json()) == ["医疗-901"]
        room.editors.expire(["医疗-901"])
        assert "医疗-901" not in keys(service.ask("GET", "/v1/users/nobody/feed?n=100").json())


def test_the_same_answer_by_every_way(service: Service) -> None:
    with Newsroom.open(home_of(service)) as room:
        room.record_many([EventDraft("alike", f"{t}-{n}", at=NOW_READ) for t in ("金融", "sailing") for n in range(3)])
        at = datetime.now(UTC)
        here = room.recommend("alike", 7, at=at)
    there = answer(home_of(service), "recommend", "--user", "alike", "-n", "7", "--at", at.isoformat())
    asked = {"n": 7, "at": at.isoformat(), "explain": "true"}
    told = service.ask("GET", "/v1/users/alike/feed", params=asked)
    values = [[r["value"] for r in place["reasons"]] for place in told.json()["recommendations"]]
    assert keys(told.json()) == [it.key for it in here] == [it["key"] for it in there["recommendations"]]
    assert values == [[r.value for r in it.reasons] for it in here]
    assert values == [[r["value"] for r in it["reasons"]] for it in there["recommendations"]]
    for it in here:
        assert f'"score":{it.score!r},' in told.text  # the very digits
        assert f'"score": {it.score!r},' in json.dumps(there["recommendations"])


NOW_READ = datetime.now(UTC) - timedelta(hours=3)

# Feeds


@pytest.mark.parametrize("user", ODD)
def test_ids_may_hold_anything(service: Service, user: str) -> None:
    assert service.ask("POST", "/v1/events", json={"user": user, "article": "足球-0"}).status_code == 201
    feed = service.ask("GET", f"/v1/users/{path_of(user)}/feed")
    assert feed.json()["user"] == user
    assert "足球-0" not in keys(feed.json())
    assert service.ask("GET", f"/v1/users/{path_of(user)}").json()["articles"]
    stored = service.ask("POST", "/v1/articles", json=row("cooking", 1, id=f"odd {user}"))
    assert stored.status_code == 201
    place = f"/v1/articles/{path_of(f'odd {user}')}"
    assert service.ask("GET", place).json()["id"] == f"odd {user}"
    assert service.ask("GET", f"{place}/related").json()["articles"]
    assert service.ask("DELETE", place).status_code == 204
    assert_problem(service.ask("GET", place), 404, "unknown-article")


def test_a_slash_may_stand_as_it_is(service: Service) -> None:
    assert service.ask("GET", "/v1/users/a/b/feed").json()["user"] == "a/b"


def test_pages_stay_together(service: Service) -> None:
    reads = [{"user": "pager", "article": f"金融-{n}", "at": str(NOW_READ)} for n in range(4)]
    service.ask("POST", "/v1/events", json=reads)
    service.ask("PUT", "/v1/pins/cooking-5", json={"slot": 12})
    first = service.ask("GET", "/v1/users/pager/feed?n=5").json()
    whole = keys(first)
    for offset in range(5, 45, 5):
        # What happens meanwhile moves nothing: later reads and articles are of another time.
        service.ask("POST", "/v1/events", json={"user": "pager", "article": f"航天-{offset % 8}"})
        service.ask("POST", "/v1/articles", json=row("金融", 500 + offset))
        asked = {"n": 5, "offset": offset, "session": first["session"]}
        page = service.ask("GET", "/v1/users/pager/feed", params=asked).json()
        assert page["session"] == first["session"]
        assert page["more"] is (len(page["recommendations"]) == 5)
        whole += keys(page)
    assert len(set(whole)) == len(whole)
    assert whole.index("cooking-5") == 11
    asked = {"n": 20, "session": first["session"]}
    assert keys(service.ask("GET", "/v1/users/pager/feed", params=asked).json()) == whole[:20]
    service.ask("DELETE", "/v1/pins/cooking-5")


def test_an_anonymous_history_is_not_stored(service: Service) -> None:
    body = {"history": [{"article": f"足球-{n}"} for n in range(3)], "n": 3}
    feed = service.ask("POST", "/v1/feed", json=body).json()
    assert {place["category"] for place in feed["recommendations"]} == {"足球"}
    assert feed["user"] is None
    assert not {"足球-0", "足球-1", "足球-2"} & set(keys(feed))
    known = service.ask("POST", "/v1/feeds", json={"users": ["新读者", "nobody"], "n": 2}).json()["feeds"]
    assert [it["user"] for it in known] == ["新读者", "nobody"]
    assert all(len(it["recommendations"]) == 2 for it in known)
    assert service.ask("GET", "/v1/users/%20x/export").json()["events"] == []


def test_what_is_asked_of_a_feed(service: Service) -> None:
    only = {"category": "sailing", "n": 50}
    sailing = service.ask("GET", "/v1/users/nobody/feed", params=only).json()
    assert {place["category"] for place in sailing["recommendations"]} == {"sailing"}
    left = service.ask("GET", "/v1/users/nobody/feed", params=only | {"exclude": ["sailing-0", "sailing-1"]}).json()
    assert set(keys(sailing)) - set(keys(left)) == {"sailing-0", "sailing-1"}
    assert {p["category"] for p in service.ask("GET", "/v1/users/x/feed?language=en").json()["recommendations"]} <= {
        "sailing", "cooking",
    }  # fmt: skip
    assert keys(service.ask("GET", "/v1/users/x/feed?at=2001-01-01T00:00:00Z").json()) == []
    assert keys(service.ask("GET", "/v1/users/x/feed?since=2200-01-01T00:00:00Z").json()) == []


def test_neighbours(service: Service) -> None:
    text = service.ask("POST", "/v1/neighbors", json={"text": "银行，利率，股市", "n": 3}).json()
    assert text["tokens"] == ["银行", "利率", "股市"]
    assert all(it["id"].startswith("金融") for it in text["articles"])
    word = service.ask("GET", f"/v1/words/{path_of('银行')}/neighbors?n=3").json()
    assert len(word["words"]) == 3
    assert_problem(service.ask("GET", "/v1/words/zzz/neighbors"), 404, "unknown-word")
    related = service.ask("GET", f"/v1/articles/{path_of('金融-1')}/related?n=3").json()
    assert all(it["id"].startswith("金融") for it in related["articles"])


# What comes in


def test_each_row_is_told_what_became_of_it(service: Service) -> None:
    again = row("cooking", 700)
    rows = [
        again,
        again,
        again | {"title": "other"},
        {"title": 5},
        row("cooking", 0),
    ]
    report = service.ask("POST", "/v1/articles", json=rows)
    assert report.status_code == 207
    told = report.json()["outcomes"]
    assert [it["became"] for it in told] == ["added", "duplicate", "rejected", "rejected", "changed"]
    assert [it["status"] for it in told] == [201, 200, 422, 422, 200]
    assert told[2]["field"] == "id"
    assert told[3]["reason"]
    assert service.ask("POST", "/v1/articles", json=again).json()["became"] == "unchanged"
    alone = assert_problem(service.ask("POST", "/v1/articles", json={"id": "x"}), 422, "rejected")
    assert alone["errors"][0]["field"] == "title"


def test_events_of_all_kinds(service: Service) -> None:
    kinds = ("read", "like", "share", "dislike", "impression")
    rows: list[dict[str, Any]] = [{"user": "many", "article": "not yet", "kind": kind} for kind in kinds]
    told = service.ask("POST", "/v1/events", json=[*rows, {"user": "many", "article": "a", "kind": "burnt"}]).json()
    assert [it["became"] for it in told["outcomes"]] == ["added"] * 5 + ["rejected"]
    assert all(it["waiting"] for it in told["outcomes"][:5])
    held = service.ask("GET", "/v1/users/many/export").json()
    assert sorted(it["kind"] for it in held["events"]) == sorted(kinds)
    assert service.ask("DELETE", "/v1/users/many").json()["events"] == 5
    assert service.ask("GET", "/v1/users/many/export").json()["events"] == []


def test_the_editors_hand(service: Service) -> None:
    place = f"/v1/articles/{path_of('航天-1')}"
    edited = service.ask("PATCH", place, json={"category": "要闻", "expires_at": "2100-01-01T00:00:00Z"}).json()
    assert (edited["category"], edited["expires_at"]) == ("要闻", "2100-01-01T00:00:00+00:00")
    edited = service.ask("PATCH", place, json={"category": None, "expires_at": None}).json()
    assert (edited["category"], edited["expires_at"]) == ("航天", None)
    assert service.ask("PUT", f"/v1/pins/{path_of('航天-1')}", json={"slot": 2}).json()["pins"][0]["slot"] == 2
    for feed in service.of_each_worker("/v1/users/nobody/feed").values():
        assert keys(feed)[1] == "航天-1"
    service.ask("DELETE", f"/v1/pins/{path_of('航天-1')}")
    rule = f"/v1/rules/blocked-categories/{path_of('航天')}"
    assert service.ask("PUT", rule).json()["blocked_categories"] == ["航天"]
    for feed in service.of_each_worker("/v1/users/nobody/feed?n=100").values():
        assert "航天" not in {it["category"] for it in feed["recommendations"]}
    assert service.ask("DELETE", rule).status_code == 204
    assert service.ask("GET", "/v1/rules").json()["blocked_categories"] == []


# What goes wrong

JSON: dict[str, Any] = {"headers": {"content-type": "application/json"}}


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "kind"),
    [
        ("GET", "/nothing", {}, 404, "not-found"),
        ("PUT", "/v1/feed", {}, 405, "no-such-method"),
        ("OPTIONS", "/v1/feed", {}, 405, "no-such-method"),
        ("GET", "/v1/users/%FF/feed", {}, 400, "bad-request"),
        ("GET", "/v1/users/x/feed?n=0", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?n=101", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?offset=9999", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?m=5", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?at=yesterday", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?at=2026-05-01T08:00", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?session=abc", {}, 422, "invalid"),
        ("GET", "/v1/users/x/feed?since=999999w", {}, 422, "invalid"),
        ("GET", "/v1/articles/nothing", {}, 404, "unknown-article"),
        ("POST", "/v1/articles", JSON | {"content": b"{"}, 400, "bad-request"),
        ("POST", "/v1/feed", JSON | {"content": b"{"}, 400, "bad-request"),
        ("POST", "/v1/articles", {"json": 5}, 422, "invalid"),
        ("POST", "/v1/articles", {"json": []}, 422, "invalid"),
        ("POST", "/v1/articles", {"json": [{}] * 1001}, 422, "invalid"),
        ("POST", "/v1/articles", {"content": b"{}"}, 415, "wrong-media-type"),
        ("POST", "/v1/events", {"data": {"user": "x"}}, 415, "wrong-media-type"),
        ("POST", "/v1/articles", {"content": b" " * 9_000_000}, 413, "too-large"),
        ("POST", "/v1/feed", JSON | {"content": b'{"history": [{"article": "\\ud800"}]}'}, 422, "invalid"),
        ("GET", f"/v1/users/{'x' * 3000}/feed", {}, 422, "invalid"),
        ("GET", "/v1/words/%20/neighbors", {}, 422, "invalid"),
        ("PUT", "/v1/rules/blocked-nonsense/x", {}, 422, "invalid"),
    ],
)  # fmt: skip
def test_every_error_is_a_problem(  # noqa: PLR0917
    service: Service, method: str, path: str, given: dict[str, Any], status: int, kind: str
) -> None:
    assert_problem(service.ask(method, path, **given), status, kind)


def test_without_keys_another_name_is_not_answered(service: Service) -> None:
    found = service.ask("GET", "/v1/users/x/feed", headers={"Host": "news.example"})
    assert_problem(found, 403, "not-local")


def test_metrics_and_logs(service: Service) -> None:
    service.ask("GET", "/v1/users/secret-reader/feed")
    page = service.ask("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for part in (
        'recnews_requests_total{method="GET",route="/v1/users/{user:path}/feed",status="200"}',
        'recnews_request_seconds_bucket{le="0.005",route="/v1/users/{user:path}/feed"}',
        'recnews_stage_seconds_count{stage="feed"}', 'recnews_feed_places_total{source="fresh"}',
        "recnews_feed_fallbacks_total", "recnews_pending_articles 0", "recnews_index_lag",
        'recnews_generation_info{generation="g000001"} 1', "recnews_worker_generation",
    ):  # fmt: skip
        assert part in page.text, part
    told = service.log.read_text(encoding="utf-8")
    assert '"route": "/v1/users/{user:path}/feed"' in told
    assert "secret-reader" not in told
    assert "足球" not in told


def test_the_description(service: Service) -> None:
    found = service.ask("GET", "/openapi.json").json()
    assert "/v1/users/{user}/feed" in found["paths"]
    for path, operations in found["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1"):
                assert set(operation["responses"]) >= {"400", "401", "403", "422", "429", "500", "503"}, path


def test_ready_only_with_a_generation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Newsroom.open(home, small_settings()) as room, running(home, workers=1, ready=False) as service:
        assert_problem(service.ask("GET", "/health/ready"), 503, "not-ready")
        untrained = assert_problem(service.ask("GET", "/v1/users/x/feed"), 503, "not-ready")
        assert "recnews train" in untrained["detail"]
        rows = [row(topic, number) for topic in ("足球", "金融") for number in range(4)]
        assert service.ask("POST", "/v1/articles", json=rows).status_code == 207
        room.train()
        until(lambda: service.ask("GET", "/health/ready").status_code == 200, service)
        assert len(keys(service.ask("GET", "/v1/users/x/feed").json())) == 8


def test_serve_says_what_it_needs(home: Path) -> None:
    refused = process("--home", str(home), "serve", "--host", "0.0.0.0")  # noqa: S104
    assert refused.returncode == 2
    assert "recnews keys create" in refused.stderr
