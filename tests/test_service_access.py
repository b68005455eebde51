"""Who may do what of a service: keys and scopes, limits, and what browsers may do."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from recnews.errors import StorageError, UsageError
from recnews.service.keys import KEYS_FILE, SCOPES, Keys
from recnews.service.limits import RateLimit
from tests.cli_world import answer, run
from tests.service_world import Service, running
from tests.test_service import assert_problem

pytest.importorskip("fastapi")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with a key of each scope, little patience for eager callers, and one page that may call it."""
    home = tmp_path_factory.mktemp("guarded") / "home"
    copytree(trained, home)
    keys: dict[str, str] = {scope: Keys(home).create(scope, f"a {scope} key", NOW) for scope in SCOPES}
    env = {
        "RECNEWS_SERVICE__RATE": "0.2", "RECNEWS_SERVICE__BURST": "40", "RECNEWS_SERVICE__BODY_BYTES": "2000",
        "RECNEWS_SERVICE__CORS_ORIGINS": "https://news.example", "RECNEWS_SERVICE__BATCH": "3",
        "RECNEWS_SERVICE__TIMEOUT_SECONDS": "1",
    }  # fmt: skip
    with running(home, "--host", "0.0.0.0", "--log-ids", workers=1, env=env) as service:  # noqa: S104
        yield service, keys


ROUTES = (
    ("GET", "/v1/users/x/feed", "read"), ("POST", "/v1/feed", "read"), ("POST", "/v1/feeds", "read"),
    ("GET", "/v1/articles/x", "read"), ("GET", "/v1/articles/x/related", "read"), ("GET", "/v1/users/x", "read"),
    ("GET", "/v1/words/x/neighbors", "read"), ("POST", "/v1/neighbors", "read"), ("GET", "/v1/pins", "read"),
    ("GET", "/v1/rules", "read"), ("GET", "/metrics", "read"),
    ("POST", "/v1/articles", "write"), ("PATCH", "/v1/articles/x", "write"), ("DELETE", "/v1/articles/x", "write"),
    ("POST", "/v1/events", "write"), ("PUT", "/v1/pins/x", "write"), ("DELETE", "/v1/pins/x", "write"),
    ("PUT", "/v1/rules/blocked-sources/x", "write"), ("DELETE", "/v1/rules/blocked-sources/x", "write"),
    ("GET", "/v1/users/x/export", "admin"), ("DELETE", "/v1/users/x", "admin"),
)  # fmt: skip


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_route_needs_its_scope(
    guarded: tuple[Service, dict[str, str]], method: str, path: str, scope: str
) -> None:
    service, keys = guarded
    body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
    nobody = service.ask(method, path, **body)
    assert assert_problem(nobody, 401, "no-key")
    assert nobody.headers["www-authenticate"] == "Bearer"
    for name, key in keys.items():
        found = service.ask(method, path, headers=bearer(key), **body)
        if SCOPES.index(name) < SCOPES.index(scope):
            assert_problem(found, 403, "wrong-scope")
        else:
            assert found.status_code not in {401, 403}


def test_every_route_is_among_these(guarded: tuple[Service, dict[str, str]]) -> None:
    paths = guarded[0].ask("GET", "/openapi.json").json()["paths"]
    told = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert len(told - {("GET", "/health/live"), ("GET", "/health/ready")}) == len(ROUTES)


def test_a_wrong_or_revoked_key_is_no_key(guarded: tuple[Service, dict[str, str]]) -> None:
    service, keys = guarded
    home = service.log.parent
    again = Keys(home).create("admin", "soon gone", NOW)
    assert service.ask("GET", "/v1/rules", headers=bearer(again)).status_code == 200
    for wrong in (again[:-1], f"{again}x", again.upper(), "recnews_", "x", keys["read"].replace("_", "-")):
        assert_problem(service.ask("GET", "/v1/rules", headers=bearer(wrong)), 401, "no-key")
    Keys(home).revoke(again.split("_")[1])
    assert_problem(service.ask("GET", "/v1/rules", headers=bearer(again)), 401, "no-key")


def test_a_key_may_not_ask_without_end(guarded: tuple[Service, dict[str, str]]) -> None:
    service, _ = guarded
    eager = Keys(service.log.parent).create("read", "eager", NOW)
    statuses = [service.ask("GET", "/v1/rules", headers=bearer(eager)).status_code for _ in range(41)]
    assert statuses == [200] * 40 + [429]
    found = service.ask("GET", "/v1/rules", headers=bearer(eager))
    assert_problem(found, 429, "too-many-requests")
    assert 1 <= int(found.headers["retry-after"]) <= 5


def test_bodies_and_batches_have_an_end(guarded: tuple[Service, dict[str, str]]) -> None:
    service, keys = guarded
    key = bearer(keys["write"])
    rows = [{"user": "x", "article": str(number)} for number in range(4)]
    assert_problem(service.ask("POST", "/v1/events", json=rows, headers=key), 422, "invalid")
    assert_problem(service.ask("POST", "/v1/events", json={"user": "x" * 3000}, headers=key), 413, "too-large")

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    kind = {"content-type": "application/json"}
    assert_problem(service.ask("POST", "/v1/events", content=endless(), headers=key | kind), 413, "too-large")


def test_a_body_that_does_not_come_is_not_waited_for(guarded: tuple[Service, dict[str, str]]) -> None:
    import socket

    service, keys = guarded
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as slow:
        head = ("POST /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {keys['write']}", "Content-Length: 99")
        slow.sendall("\r\n".join([*head, "", "{"]).encode())
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_browsers_are_let_in_by_name_only(guarded: tuple[Service, dict[str, str]]) -> None:
    service, keys = guarded
    for origin, let in (("https://news.example", "https://news.example"), ("https://other.example", None)):
        found = service.ask("GET", "/v1/rules", headers=bearer(keys["admin"]) | {"Origin": origin})
        assert found.headers.get("access-control-allow-origin") == let


def test_ids_are_in_the_log_when_asked_for(guarded: tuple[Service, dict[str, str]]) -> None:
    service, keys = guarded
    service.ask("GET", "/v1/users/who-asks/feed", headers=bearer(keys["read"]))
    assert "/v1/users/who-asks/feed" in service.log.read_text()
    assert not any(key in service.log.read_text() for key in keys.values())


# Keys


def test_keys_on_the_command_line(tmp_path: Path) -> None:
    made = answer(tmp_path, "keys", "create", "--scope", "write", "--name", "编辑部")
    [listed] = answer(tmp_path, "keys", "list")["keys"]
    assert (listed["scope"], listed["name"]) == ("write", "编辑部")
    file = tmp_path / KEYS_FILE
    assert made["key"] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert listed["id"] in run(tmp_path, "keys", "revoke", listed["id"]).stdout
    assert run(tmp_path, "keys", "list").stdout == "there are no keys\n"
    run(tmp_path, "keys", "revoke", listed["id"], code=2)


def test_keys_are_unlike(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    texts = {keys.create("read", "", NOW) for _ in range(20)}
    assert len(texts) == 20
    assert {key.id for key in keys.all()} == {text.split("_")[1] for text in texts}
    assert all(found is not None and found.scope == "read" for found in map(keys.find, texts))


def test_another_process_sees_a_change_at_once(tmp_path: Path) -> None:
    here, there = Keys(tmp_path), Keys(tmp_path)
    assert there.all() == []
    text = here.create("admin", "", NOW)
    found = there.find(text)
    assert found
    here.revoke(found.id)
    assert there.find(text) is None


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2, "keys": []}', '{"format": 1, "keys": [{"id": "x"}]}'])
def test_a_file_of_keys_that_cannot_be_read_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / KEYS_FILE).write_text(content)
    with pytest.raises(StorageError, match=r"keys\.json"):
        Keys(tmp_path).all()


def test_a_name_is_printable(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Keys(tmp_path).create("read", "a\nb", NOW)


def test_a_rate_limit_by_the_clock() -> None:
    now = [0.0]
    limit = RateLimit(2.0, 3, lambda: now[0])
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b") == 0
    now[0] = 0.5
    assert [limit.wait("a"), limit.wait("a")] == [0, 0.5]
    now[0] = 100
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert RateLimit(0, 1, lambda: 0.0).wait("a") == 0
