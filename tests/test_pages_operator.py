"""The operator's room, over HTTP."""

import math
import re
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest

from recnews.evaluate.runs import keep, kept_runs
from recnews.newsroom import Newsroom
from recnews.service.keys import SCOPES, Keys
from tests.pages_world import Visitor, furnished, words
from tests.service_world import running, until
from tests.test_pages import NOW
from tests.test_report import AT as NOW_THEN
from tests.test_report import feeds
from tests.worlds import small_settings

pytest.importorskip("fastapi")


def test_generations_are_promoted_and_rolled_back(trained: Path, tmp_path: Path) -> None:
    home = furnished(trained, tmp_path)
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.train(promote=False)
    with running(home, workers=1) as service, Visitor(service, **{"Accept-Language": "en"}) as visitor:
        page = visitor.get("/operator")
        assert re.findall(r'id="g-(g\d+)"', page) == ["g000002", "g000001"]
        assert "on 50 articles" in words(page)
        assert "on 48 articles" in words(page)
        assert "How far it went from g000001" in words(page)
        assert "Roll back" not in page
        answer = visitor.send("/operator/promote", {"name": "g000002"}, "/operator")
        assert "It is live" in words(visitor.get(answer.headers["location"]))
        until(lambda: visitor.client.get("/health/ready").json()["generation"] == "g000002", service)
        assert "Make g000001 live" in visitor.get("/operator")
        visitor.send("/operator/rollback", {}, "/operator")
        until(lambda: visitor.client.get("/health/ready").json()["generation"] == "g000001", service)
        told = words(visitor.send("/operator/promote", {"name": "g000009"}, "/operator", 503).text)
        assert "g000009" in told
        (home / "indexes" / "g000002" / "manifest.json").write_text("{", encoding="utf-8")
        page = visitor.get("/operator")
        assert "Make g000002 live" not in page
        assert "generation g000002 is damaged" in words(page)
        chinese = words(visitor.client.get("/operator", headers={"Accept-Language": "zh"}).text)
        assert "模型代 g000002 已损坏" in chinese
        assert "此处应有用双引号括起的属性名" in chinese


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_counted_is_shown(trained: Path, tmp_path: Path, workers: int) -> None:
    with running(furnished(trained, tmp_path), workers=workers) as service, Visitor(service) as visitor:
        for _ in range(7):
            assert visitor.client.get("/v1/users/x/feed").status_code == 200
        page = visitor.get("/operator")
        [count] = re.findall(r"<td>/v1/users/\{user:path\}/feed</td><td class=\"number\">(\d+)</td>", page)
        assert count == "7"
        assert "7 feeds" in words(page).replace("feeds 7", "7 feeds")
        assert "x/feed" not in words(page)


def test_bounds_of_what_was_timed() -> None:
    from recnews.service.pages.operators import _within

    below = [(0.1, 98.0), (1.0, 99.0), (float("inf"), 100.0)]
    assert _within(below, 100) == 1.0
    assert _within(below, 98) == 0.1
    assert _within([(0.1, 1.0), (float("inf"), 100.0)], 100) is None


def test_keys_are_for_administrators_and_end_with_their_sessions(trained: Path, tmp_path: Path) -> None:
    home = furnished(trained, tmp_path)
    keys = {scope: Keys(home).create(scope, f"the {scope} key", NOW) for scope in SCOPES}
    ids = {scope: key.split("_")[1] for scope, key in keys.items()}
    with running(home, workers=1) as service:
        for scope in SCOPES:
            with Visitor(service, **{"Accept-Language": "en"}) as visitor:
                visitor.sign_in(keys[scope])
                page = visitor.get("/operator")
                assert ("the write key" in page.split('id="h-keys"')[1].split("<footer")[0]) == (scope == "admin")
                for key in keys.values():
                    assert key.split("_", 2)[2] not in page
                if scope != "admin":
                    assert 'action="/operator/' not in page
                    for verb, values in (("promote", {"name": "g000001"}), ("rollback", {}), ("revoke", {"id": "x"})):
                        visitor.send(f"/operator/{verb}", values, "/operator", 403)
                    assert visitor.client.get(f"/operator/revoke?id={ids['read']}").status_code == 403
        with Visitor(service, **{"Accept-Language": "en"}) as chief, Visitor(service) as writer:
            chief.sign_in(keys["admin"])
            writer.sign_in(keys["write"])
            writer.get("/desk")
            assert "the write key" in chief.get(f"/operator/revoke?id={ids['write']}")
            assert "you are signed in with" in chief.get(f"/operator/revoke?id={ids['admin']}")
            chief.get("/operator/revoke?id=none", 404)
            chief.send("/operator/revoke", {"id": ids["write"]}, "/operator")
            assert writer.client.get("/desk").status_code == 303
            assert "the write key" not in chief.get("/operator")
            chief.send("/operator/revoke", {"id": ids["read"]}, "/operator")
            assert "the last key" in chief.get(f"/operator/revoke?id={ids['admin']}")


def test_two_evaluations_side_by_side(trained: Path, tmp_path: Path) -> None:
    home = Path(copytree(trained, tmp_path / "home"))
    with running(home, workers=1) as service, Visitor(service) as visitor:
        assert "No evaluation is kept" in words(visitor.get("/operator"))
        keep(home, feeds(0.25), NOW_THEN)
        assert "another one can be set beside it" in words(visitor.get("/operator"))
        keep(home, feeds(0.75), NOW_THEN + timedelta(days=1))
        page = visitor.get("/operator")
        told = words(page)
        assert "hit@10 .250 .150-.350 .750 .650-.850 +0.500" in told
        assert "g000001" in told
        names = [run.name for run in kept_runs(home)]
        back = words(visitor.get(f"/operator?before={names[0]}&after={names[1]}"))
        assert "-0.500" in back
        assert visitor.client.get("/operator?before=../keys&after=x").status_code == 404
        assert "within the first half minute" in told


def test_steps_between_notes() -> None:
    from recnews.service.history import History, Note

    history = History()
    assert history.steps().requests == []
    buckets = (((0.01, 0.0), (0.1, 0.0), (math.inf, 0.0)), ((0.01, 90.0), (0.1, 100.0), (math.inf, 100.0)))
    for place, (requests, times) in enumerate([(0, 0), (100, 1), (100, 1)]):
        history._notes.append(Note(10.0 * place, requests, 0, 5 * place, buckets[times], buckets[0]))
    steps = history.steps()
    assert (steps.begin, steps.ends) == (0.0, [10.0, 20.0])
    assert (steps.requests, steps.rows) == ([10.0, 0.0], [0.5, 0.5])
    assert steps.feed_most[0] == 100.0
    assert math.isnan(steps.feed_most[1])
    assert math.isnan(steps.request_most[0])
    assert len(history.steps(1).requests) == 1
