"""The editor's desk, over HTTP, and what it looks up."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from recnews.errors import UsageError
from recnews.newsroom import Newsroom
from recnews.service.keys import SCOPES, Keys
from recnews.store import Store
from tests.pages_world import HOSTILE, LONG, READER, Visitor, begun, ended, furnished, words
from tests.service_world import Service, running
from tests.test_pages import NOW
from tests.worlds import NOW as THEN
from tests.worlds import article, articles, small_settings

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys."""
    with running(furnished(trained, tmp_path_factory.mktemp("desk")), workers=1) as found:
        yield found


@pytest.fixture
def visitor(service: Service) -> Iterator[Visitor]:
    """An editor on this machine."""
    with Visitor(service, **{"Accept-Language": "en"}) as found:
        yield found


def page_of(key: str) -> str:
    return f"/desk/article?id={quote(key, safe='')}"


def feed(visitor: Visitor, user: str = "nobody") -> list[str]:
    """The ids in a feed, by the service's own route."""
    found = visitor.client.get(f"/v1/users/{user}/feed?n=100").json()["recommendations"]
    return [place["id"] for place in found]


def hand(visitor: Visitor, key: str, verb: str, **values: str) -> str:
    """Do something to an article; the page that follows."""
    answer = visitor.send(f"/desk/{verb}", {"id": key, **values}, page_of(key))
    return words(visitor.get(answer.headers["location"]))


def test_articles_are_found_by_title_and_by_id(visitor: Visitor) -> None:
    assert LONG in words(visitor.get("/desk"))
    assert words(visitor.get("/desk?q=轨道交通")).count(LONG) == 1
    assert 'href="/desk/article?id=%E8%B6%B3%E7%90%83-3"' in visitor.get("/desk?q=足球-3")
    assert "No title holds these words" in words(visitor.get("/desk?q=%25"))
    assert visitor.client.get("/desk?before=x").status_code == 422


def test_pages_of_articles_hold_each_once(visitor: Visitor) -> None:
    first = visitor.get("/desk")
    [more] = re.findall(r'href="(/desk\?before=[^"]*)"', first)
    second = visitor.get(more)
    keys = [re.findall(r'href="/desk/article\?id=([^"]*)"', page) for page in (first, second)]
    assert len(set(keys[0] + keys[1])) == len(keys[0] + keys[1]) == 50
    assert 'href="/desk?before=' not in second


def test_an_article_with_all_that_is_known(visitor: Visitor) -> None:
    told = words(visitor.get(page_of("足球-1")))
    assert "2 " not in re.findall(r"(\d+) readers", told)
    assert "1 readers, 1 times" in told
    assert READER not in told
    assert "Related" in told
    assert "Nobody has read it yet" in words(visitor.get(page_of("足球-7")))
    assert "No article has this id" in words(visitor.get(page_of("none"), 404))


def test_a_hostile_article_does_nothing(visitor: Visitor) -> None:
    for path in ("/desk", page_of("hostile")):
        page = visitor.get(path)
        assert HOSTILE in words(page.replace("&lt;", "≺").replace("≺", "&lt;"))
        assert "<script>document" not in page
        assert 'href="javascript' not in page
        assert "<img" not in page


def test_what_editors_do_holds_in_the_next_feed(visitor: Visitor) -> None:
    key = "金融-2"
    assert key in feed(visitor)
    assert "Hidden. The next feed" in hand(visitor, key, "hide", hidden="yes")
    assert key not in feed(visitor)
    assert "Shown again" in hand(visitor, key, "hide", hidden="no")
    assert key in feed(visitor)
    assert "Expired: this article" in hand(visitor, key, "expire", at="2026-03-11T00:00")
    assert key not in feed(visitor)
    assert "Expired: this article" not in hand(visitor, key, "expire", never="yes")
    assert "要闻" in hand(visitor, key, "categorize", category=" 要闻 ")
    assert "要闻" not in hand(visitor, key, "categorize", category="")
    assert "place 3" in hand(visitor, key, "pin", slot="3")
    assert feed(visitor)[2] == key
    assert "place 3" in words(visitor.get("/desk"))
    visitor.send("/desk/unpin", {"id": key, "from": "desk"}, "/desk")
    assert "Nothing is pinned" in words(visitor.get("/desk"))


@pytest.mark.parametrize(
    ("verb", "values", "status"),
    [
        ("pin", {"slot": "0"}, 422), ("pin", {"slot": "x"}, 422),
        ("pin", {"slot": "1", "until": "2020-01-01T00:00"}, 422),
        ("expire", {"at": "soon"}, 422), ("word", {"word": "two words"}, 422), ("word", {"word": ""}, 422),
        ("hide", {"id": "none", "hidden": "yes"}, 404), ("pin", {"id": "none", "slot": "1"}, 404),
        ("categorize", {"category": "x" * 201}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(visitor: Visitor, verb: str, values: dict[str, str], status: int) -> None:
    assert visitor.send(f"/desk/{verb}", {"id": "足球-1"} | values, "/desk", status).status_code == status


def test_unknown_words_are_marked_and_go_into_the_dictionary(visitor: Visitor, service: Service) -> None:
    rows = [{"id": "new", "title": "量子计算 守门员", "body": "量子计算 守门员", "published_at": THEN.isoformat()}]
    assert visitor.client.post("/v1/articles", json=rows).status_code == 207
    page = visitor.get(page_of("new"))
    assert "<span>守门员</span></a>" in page
    marked = re.findall(r"<mark>([^<]*)</mark>", page)
    assert marked
    assert set("".join(marked)) <= set("量子计算")
    assert "in the dictionary" in hand(visitor, "new", "word", word="量子计算")
    assert "already" in words(visitor.send("/desk/word", {"id": "new", "word": "量子计算"}, "/desk", 422).text)
    with Newsroom.open(service.log.parent, small_settings()) as newsroom:
        assert [word.word for word in newsroom.dictionary.words()] == ["量子计算"]


def upload(visitor: Visitor, name: str, content: bytes) -> str:
    """Hand a file in and wait for the end of it; the page that tells it."""
    return ended(visitor, begun(visitor, name, content))


def test_a_file_is_taken_in_and_its_bad_rows_are_mended(visitor: Visitor, service: Service) -> None:
    rows = [
        {"id": "up-1", "title": "球员 进球", "body": "球员 进球 联赛"},
        {"id": "up-2", "title": "球员 教练", "published_at": "someday"},
        {"id": "up-1", "title": "球员 进球", "body": "球员 进球 联赛"},
    ]
    content = "\n".join([*map(json.dumps, rows), "{broken"]).encode()
    page = upload(visitor, "../../新闻 today.jsonl", content)
    figures = dict(re.findall(r"<dt>([a-z ]+)</dt><dd>(\d+)</dd>", page))
    assert figures == {
        "rows read": "4", "added": "1", "changed": "0", "unchanged": "0", "duplicates": "1", "rejected": "2",
    }  # fmt: skip
    assert "up-1" in feed(visitor)
    page = visitor.get("/desk/quarantine")
    [name] = re.findall(r'href="/desk/quarantine\?file=([^"]*)"', page)
    page = visitor.get(f"/desk/quarantine?file={name}")
    assert "tmp" not in words(page)
    digests = re.findall(r'name="digest" value="([0-9a-f]{64})"', page)
    assert len(digests) == 2
    file = unquote(name)
    sent = {"file": file, "digest": digests[0], "offset": "0"}
    for row, said in (('{"id": "up-2"', "no JSON object"), (json.dumps(rows[1]), "published_at")):
        again = words(visitor.send("/desk/mend", sent | {"row": row}, "/desk", 422).text)
        assert said in again
        assert row in again  # what was typed is not lost
    good = json.dumps(rows[1] | {"published_at": THEN.isoformat()})
    answer = visitor.send("/desk/mend", sent | {"row": good}, "/desk")
    assert "out of the quarantine" in words(visitor.get(answer.headers["location"]))
    assert "up-2" in feed(visitor)
    left = visitor.get(f"/desk/quarantine?file={name}")
    assert re.findall(r'name="digest" value="([0-9a-f]{64})"', left) == digests[1:]
    raw = {"file": file, "digest": digests[1], "offset": "0", "row": '{"id": "up-3", "title": "裁判"}'}
    answer = visitor.send("/desk/mend", raw, "/desk")
    assert answer.headers["location"] == "/desk/quarantine?done=mended"
    assert list((service.log.parent / "corpora" / "quarantine").glob("*.jsonl")) == []


def test_what_is_no_file_of_articles_is_told(visitor: Visitor) -> None:
    assert "the Parquet file is damaged" in upload(visitor, "x.parquet", b"no parquet")
    none = visitor.client.post("/desk/upload", data={"token": visitor.token("/desk")}, files={"other": ("a", b"")})
    assert none.status_code == 422
    stranger = visitor.client.post("/desk/upload", data={"token": "x"}, files={"file": ("a.jsonl", b"{}")})
    assert stranger.status_code == 403


def test_files_outside_of_the_quarantine_are_not_read(visitor: Visitor) -> None:
    for name in ("../recnews.sqlite", "..%2F..%2Fkeys.json", "none.jsonl"):
        assert visitor.client.get(f"/desk/quarantine?file={name}").status_code == 422


def test_scopes_of_the_desk(trained: Path, tmp_path: Path) -> None:
    home = furnished(trained, tmp_path)
    keys = {scope: Keys(home).create(scope, scope, NOW) for scope in SCOPES}
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many([{"user": "somebody", "article": "", "at": "never"}])
    [file] = [path.name for path in (home / "corpora" / "quarantine").iterdir()]
    assert file.startswith("events-")
    with running(home, workers=1) as service:
        for scope in SCOPES:
            with Visitor(service) as visitor:
                visitor.sign_in(keys[scope])
                assert ("/desk/upload" in visitor.get("/desk")) == (scope != "read")
                visitor.send("/desk/hide", {"id": "足球-1"}, "/desk", 403 if scope == "read" else 303)
                assert visitor.client.get("/desk/quarantine").status_code == (403 if scope == "read" else 200)
                found = visitor.client.get(f"/desk/quarantine?file={file}")
                assert found.status_code == (200 if scope == "admin" else 403)
                assert ("somebody" in found.text) == (scope == "admin")


def test_names_of_files_lose_what_is_odd() -> None:
    from recnews.service.pages.intake import file_name

    names = {"../../x.jsonl": "x.jsonl", "C:\\a\\新闻 1.csv": "新闻_1.csv", "": "articles", "..": "articles", ".x": "x"}
    assert {given: file_name(given) for given in names} == names
    assert len(file_name("x" * 500 + ".csv")) == 80


# What is looked up


def test_what_came_in_and_who_reads_it(newsroom: Newsroom) -> None:
    later = datetime(2030, 1, 2, tzinfo=UTC)
    newsroom.ingest([replace(article("足球", 30 + it), source="晚报" if it else "日报") for it in range(3)], now=later)
    assert [(it.source, it.articles, it.latest) for it in newsroom.archive.came_in(later)] == [
        ("晚报", 2, later), ("日报", 1, later),
    ]  # fmt: skip
    for second, user in enumerate(("a", "a", "b")):
        newsroom.record(user, "足球-30", at=later.replace(second=second))
    newsroom.record("a", "足球-30", "like", at=later)
    found = [(it.kind, it.readers, it.times) for it in newsroom.archive.read_by("足球-30")]
    assert found == [("read", 2, 3), ("like", 1, 1)]


def test_copies_are_of_one_story(newsroom: Newsroom) -> None:
    original = article("足球", 40, words=200)
    newsroom.ingest([original, replace(original, key="copy")])
    assert [card.key for card in newsroom.archive.story("copy")] == ["足球-40"]
    assert newsroom.archive.story("金融-1") == []


@pytest.mark.only_sqlite
def test_what_pages_look_up_is_found_by_index(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 4), THEN)
    wanted = {
        "articles_by_day": lambda: store.listing.newest(2, "球", (10**18, 1)),
        "articles_by_intake": lambda: store.listing.came_in(THEN),
        "events_by_article": lambda: store.listing.read_by(store.articles.get("足球-1").article_id),
        "articles_by_story": lambda: store.listing.story(store.articles.get("足球-1").article_id, 5),
    }
    for index, ask in wanted.items():
        plans = plans_of(store, ask)
        assert any(index in line for line in plans), plans
        assert not [line for line in plans if line.startswith("SCAN articles") and "INDEX" not in line]
    assert any("COVERING INDEX articles_by_day" in line for line in plans_of(store, wanted["articles_by_day"]))


def plans_of(store: Store, ask: object) -> list[str]:
    """How SQLite goes about what is asked of a store."""
    from sqlalchemy import event

    engine, plans = store._database._engine, list[str]()

    def explain(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            other = cursor.connection.cursor()  # type: ignore[attr-defined]
            plans.extend(row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    event.listen(engine, "before_cursor_execute", explain)
    try:
        ask()  # type: ignore[operator]
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return plans


def test_a_long_line_of_the_quarantine_is_passed_over(home: Path) -> None:
    folder = home / "corpora" / "quarantine"
    folder.mkdir(exist_ok=True)
    rows = [
        {"_reject": {"file": "/x/a.jsonl", "line": it, "reason": "r", "remedy": "m"}, "id": str(it)} for it in range(3)
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / "articles-a.jsonl").write_text("\n".join([lines[0], "x" * 600_000, *lines[1:]]) + "\n", encoding="utf-8")
    with Newsroom.open(home, small_settings()) as newsroom:
        kept = newsroom.rejected
        first, more = kept.page("articles-a.jsonl", 0, 2)
        assert [row.text is None for row in first] == [False, True]
        assert more is not None
        second, end = kept.page("articles-a.jsonl", more, 2)
        assert ([row.line for row in second], end) == ([1, 2], None)
        assert second[0].file == "a.jsonl"
        assert json.loads(second[0].text or "") == {"id": "1"}
        assert kept.take_out("articles-a.jsonl", second[0].digest)
        assert not kept.take_out("articles-a.jsonl", second[0].digest)
        assert [row.line for row in kept.page("articles-a.jsonl", 0, 9)[0]] == [0, 0, 2]
        with pytest.raises(UsageError, match="holds no file"):
            kept.page("../../keys.json", 0, 1)
