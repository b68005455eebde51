"""The frame of the pages: who is let in, which forms are taken, what browsers may do with a page, languages."""

import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import httpx
import pytest

from recnews.service.keys import SCOPES, Key, Keys
from tests.pages_world import Visitor, words
from tests.service_world import Service, running

pytest.importorskip("fastapi")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def opened(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys, for this machine."""
    home = Path(copytree(trained, tmp_path_factory.mktemp("opened") / "home"))
    with running(home, workers=1) as service:
        yield service


@pytest.fixture(scope="module")
def keyed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with a key of each scope and two workers."""
    home = Path(copytree(trained, tmp_path_factory.mktemp("keyed") / "home"))
    keys: dict[str, str] = {scope: Keys(home).create(scope, f"the {scope} key", NOW) for scope in SCOPES}
    with running(home) as service:
        yield service, keys


def test_this_machine_is_let_in_without_keys_and_no_other(opened: Service) -> None:
    with Visitor(opened) as visitor:
        assert "48" in words(visitor.get("/"))
        assert visitor.client.get("/sign-in").headers["location"] == "/"
        foreign = visitor.client.get("/", headers={"Host": "evil.example"})
        assert foreign.status_code == 403
        assert "only the machine itself" in words(foreign.text)


def test_a_key_opens_a_session_and_is_nowhere_afterwards(keyed: tuple[Service, dict[str, str]]) -> None:
    service, keys = keyed
    with Visitor(service) as visitor:
        assert visitor.client.get("/").headers["location"] == "/sign-in"
        assert "no such key" in words(visitor.send("/sign-in", {"key": f"{keys['read']}x"}, status=401).text)
        answer = visitor.send("/sign-in", {"key": keys["read"], "next": "/?a=1"})
        assert answer.headers["location"] == "/?a=1"
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
            assert part in cookie
        secret = keys["read"].split("_", 2)[2]
        for _ in range(6):  # whichever worker it is
            assert "the read key" in visitor.get("/")
        visitor.send("/sign-out", {})
        assert visitor.client.get("/").status_code == 303
    assert secret not in cookie
    assert secret not in service.log.read_text(encoding="utf-8")


def test_a_session_ends_with_its_key_and_cannot_be_made_up(keyed: tuple[Service, dict[str, str]]) -> None:
    service, _ = keyed
    soon_gone = Keys(service.log.parent).create("admin", "soon gone", NOW)
    with Visitor(service) as visitor:
        visitor.sign_in(soon_gone)
        visitor.get("/")
        right = visitor.client.cookies["recnews_session"]
        key_id, ends, rest = right.split(".", 2)
        longer = f"{key_id}.{int(ends, 16) + 1:x}.{rest}"
        for wrong in (longer, right[:-1], f"{right}0", "", ".", "...", "é", "x" * 5000):
            found = httpx.get(f"{service.url}/", headers=[(b"Cookie", f"recnews_session={wrong}".encode())])
            assert found.status_code == 303
        Keys(service.log.parent).revoke(soon_gone.split("_")[1])
        assert visitor.client.get("/").status_code == 303


def test_sessions_have_an_end() -> None:
    from recnews.service.pages.sessions import SESSION_SECONDS, Sessions

    class OneKey(Keys):
        def all(self) -> list[Key]:
            return [Key("ab", "read", "", "", "digest")]

    sessions = Sessions(b"secret", OneKey(Path()))
    cookie = sessions.begin(sessions.keys.all()[0], 1000.9)
    assert sessions.key(cookie, 1000 + SESSION_SECONDS - 1) is not None
    assert sessions.key(cookie, 1000 + SESSION_SECONDS) is None
    assert Sessions(b"another", sessions.keys).key(cookie, 1001) is None


def test_forms_of_others_are_not_taken(opened: Service) -> None:
    with Visitor(opened) as visitor:
        token = visitor.token("/")
        good = {"token": token, "theme": "dark", "next": "/"}
        assert visitor.client.post("/look", data=good).status_code == 303
        for headers in ({"Origin": opened.url}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}):
            assert visitor.client.post("/look", data=good, headers=headers).status_code == 303
        hostile: list[dict[str, str]] = [
            {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": opened.url}, {"Sec-Fetch-Site": "none"},
        ]  # fmt: skip
        for headers in hostile:
            assert visitor.client.post("/look", data=good, headers=headers).status_code == 403
        for wrong in ("", "0" * 64, token[:-1], token.upper(), "é"):
            assert visitor.client.post("/look", data=good | {"token": wrong}).status_code == 403
        assert visitor.client.post("/look", data={"theme": "dark"}).status_code == 403
        with Visitor(opened) as other:  # a token belongs to who was given it
            assert other.client.post("/look", data=good).status_code == 403
            other.token("/")
            assert other.client.post("/look", data=good).status_code == 403


def test_a_form_leads_to_our_own_pages_only(opened: Service) -> None:
    for address in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""):
        with Visitor(opened) as visitor:
            assert visitor.send("/look", {"theme": "dark", "next": address}, "/").headers["location"] == "/"


def test_every_page_says_what_browsers_may_do_with_it(opened: Service) -> None:
    with Visitor(opened) as visitor:
        for path in ("/", "/nowhere", "/static/pages.css"):
            headers = visitor.client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
        assert visitor.client.get("/").headers["cache-control"] == "no-store"
        assert "immutable" in visitor.client.get("/static/pages.css").headers["cache-control"]
        assert "MIT License" in visitor.get("/static/uPlot.LICENSE.txt")
        for outside in ("/static/..%2Frender.py", "/static/render.py", "/static/"):
            assert visitor.client.get(outside).status_code == 404


class _Inline(HTMLParser):
    """Finds what the policy forbids, and what would ask another host."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        inline = tag == "style" or (tag == "script" and "src" not in names)
        self.found += [tag] * inline + [name for name in names if name == "style" or name.startswith("on")]
        loads = {"script": "src", "link": "href", "img": "src", "form": "action", "iframe": "src"}.get(tag)
        if loads and not (names.get(loads) or "").startswith("/"):
            self.found.append(f"{tag} {names.get(loads)}")


@pytest.mark.parametrize("file", sorted(Path("recnews/service/pages/templates").glob("*.html")), ids=lambda it: it.name)
def test_templates_hold_nothing_inline_and_escape_all(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    finder = _Inline()
    finder.feed(re.sub(r"\{\{.*?\}\}", "/x", re.sub(r"\{%.*?%\}", "", text)))
    assert finder.found == []


def test_languages_have_the_same_texts_with_the_same_places() -> None:
    from recnews.service.pages.catalogue import LANGUAGES, texts

    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    first, *others = (texts(lang) for lang in LANGUAGES)
    for other in others:
        assert first.keys() == other.keys()
        assert {name: places(first[name]) for name in first} == {name: places(other[name]) for name in other}
    assert all(text.strip() for lang in LANGUAGES for text in texts(lang).values())


def test_every_problem_has_a_text() -> None:
    from recnews.service.pages.catalogue import texts
    from recnews.service.problems import _TITLES

    assert {f"problem.{kind}" for kind in _TITLES} == {name for name in texts("en") if name.startswith("problem.")}


CHOSEN_BY_VALUE = (
    "problem.", "scope.", "theme.", "kind.", "source.", "part.", "reader.freshness", "reader.popularity",
    "reader.diversity", "done.", "became.", "counted.",
    "words.span_", "words.day", "words.week", "words.told_", "map.missing_", "map.by_",
    "intake.", "runs.", "chart.",
)  # fmt: skip
"""Groups of texts whose last part is a value."""


def test_every_text_is_used() -> None:
    from recnews.service.pages.catalogue import texts

    files = [file for pattern in ("*.py", "*/*.html") for file in Path("recnews/service/pages").glob(pattern)]
    written = "".join(file.read_text(encoding="utf-8") for file in files)
    named = [name.removesuffix("_about") for name in texts("en") if not name.startswith(CHOSEN_BY_VALUE)]
    assert [name for name in named if name not in written] == []


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en;q=0.5,zh;q=0.6", "zh"), ("zh-TW", "zh"), ("fr", "en"), ("", "en"),
        ("fr,zh;q=0", "en"), ("en-GB,zh", "en"), (";;,q=,zh;q=x", "en"), ("ZH", "zh"),
    ],
)  # fmt: skip
def test_the_language_that_is_asked_for(accepted: str, lang: str) -> None:
    from recnews.service.pages.catalogue import language

    assert language("", accepted) == lang
    assert language("en" if lang == "zh" else "zh", accepted) != lang
    assert language("xx", accepted) == lang


def test_language_and_colours_are_kept(opened: Service) -> None:
    with Visitor(opened, **{"Accept-Language": "zh-CN"}) as visitor:
        assert '<html lang="zh-Hans">' in visitor.get("/")
        visitor.send("/look", {"language": "en"}, "/")
        visitor.send("/look", {"theme": "dark", "next": "/"}, "/")
        assert '<html lang="en" data-theme="dark">' in visitor.get("/")
        visitor.send("/look", {"theme": "auto", "language": "tlh"}, "/")
        assert '<html lang="en">' in visitor.get("/")


def test_programs_still_get_problems_and_the_pages_can_be_switched_off(trained: Path, tmp_path: Path) -> None:
    home = Path(copytree(trained, tmp_path / "home"))
    with running(home, workers=1, env={"RECNEWS_SERVICE__PAGES": "false"}) as service:
        for path in ("/", "/sign-in"):
            found = service.ask("GET", path, headers={"Accept": "text/html"})
            assert found.status_code == 404
            assert found.headers["content-type"] == "application/problem+json"


def test_unknown_addresses_answer_browsers_and_programs_alike(opened: Service) -> None:
    with Visitor(opened) as visitor:
        assert "nothing at this address" in words(visitor.get("/nowhere", 404))
        for path, accept in (("/nowhere", "*/*"), ("/v1/nowhere", "text/html")):
            found = visitor.client.get(path, headers={"Accept": accept})
            assert found.headers["content-type"] == "application/problem+json"


def test_bodies_of_pages_have_limits(opened: Service) -> None:
    with Visitor(opened) as visitor:
        token = visitor.token("/")
        form = {"content-type": "application/x-www-form-urlencoded"}
        large = visitor.client.post("/look", content=b"token=" + b"x" * 9_000_000, headers=form)
        assert large.status_code == 413
        many = visitor.client.post("/look", data={"token": token} | {str(number): "" for number in range(300)})
        assert many.status_code == 400
        other = visitor.client.post("/v1/events", data={"user": "x"})
        assert other.status_code == 415
