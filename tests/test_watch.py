"""Watching feeds of a real server, good and bad, and folders that are written meanwhile."""

import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recnews.config import Settings
from recnews.errors import BusyError, FetchError, SettingsError, UsageError
from recnews.newsroom import Newsroom, intake
from recnews.reports import Polled
from recnews.watch.state import back_off
from recnews.web import Client, Limits, addresses, check_address
from tests.cli_world import ROOT, answer, environment, run
from tests.feed_world import BOMB, TEXT, Site, item, page, rss, site
from tests.worlds import article, small_settings

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUICK = {"seconds": 0.4, "max_bytes": 100_000, "every": "1m"}


@pytest.fixture
def server() -> Iterator[Site]:
    with site() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Newsroom]:
    """An empty home with short limits."""
    settings = Settings().override("watch", **QUICK)
    with Newsroom.open(tmp_path / "home", settings) as opened:
        yield opened


def poll(desk: Newsroom, *sources: str, now: datetime = NOW, **options: Any) -> list[Polled]:
    return list(desk.watch_once(sources, now=now, allow_private=True, **options))


def one(desk: Newsroom, source: str, now: datetime = NOW, **options: Any) -> Polled:
    [found] = poll(desk, source, now=now, **options)
    return found


def counts(polled: Polled) -> tuple[int, int, int, int, int]:
    """Read, added, changed, unchanged, rejected."""
    it = polled.report
    assert it is not None, polled
    assert it.read == it.added + it.changed + it.unchanged + it.duplicate + it.rejected
    return it.read, it.added, it.changed, it.unchanged, it.rejected


# What a feed gives


def test_a_feed_is_taken_in_once_and_then_what_is_new(desk: Newsroom, server: Site) -> None:
    server.serve("/feed", rss(item(1), item(2)), ETag='"1"', Last_Modified="Fri, 01 May 2026 00:00:00 GMT")
    first = one(desk, server.url())
    assert (first.outcome, counts(first)) == ("read", (2, 2, 0, 0, 0))
    assert desk.article("g1").title == "港口新闻 1"
    assert one(desk, server.url()).outcome == "unchanged"
    assert server.asked[1][1]["If-None-Match"] == '"1"'
    assert server.asked[1][1]["If-Modified-Since"] == "Fri, 01 May 2026 00:00:00 GMT"
    server.serve("/feed", rss(item(3), item(2), item(1, title="改")), ETag='"2"')
    assert counts(one(desk, server.url())) == (3, 1, 1, 1, 0)


def test_the_same_bytes_without_an_etag_are_not_read_again(desk: Newsroom, server: Site) -> None:
    server.serve("/feed", rss(item(1)))
    assert [one(desk, server.url()).outcome for _ in range(2)] == ["read", "unchanged"]


def test_what_is_taken_in_is_searchable_at_once(newsroom: Newsroom, server: Site) -> None:
    draft = article("航天", 900)
    server.serve("/feed", rss(item(1, f"<description>{draft.body}</description>", title=draft.title)))
    report = one(newsroom, server.url()).report
    assert report
    assert (report.indexed, report.pending) == (1, 0)
    assert "g1" in [near.key for near in newsroom.neighbors(text=draft.body, k=3).articles]


def test_rejected_entries_go_into_the_quarantine_once(desk: Newsroom, server: Site) -> None:
    bad = item(2, "<pubDate>Fri, 01 May 2026 08:00:00</pubDate>")
    server.serve("/feed", rss(item(1), bad, "<item><title>x</titel></item>"))
    first = one(desk, server.url())
    assert counts(first) == (3, 1, 0, 0, 2)
    assert first.report
    [kept] = first.report.quarantine
    entries = [json.loads(line) for line in Path(kept).read_text(encoding="utf-8").splitlines()]
    assert [(it["_reject"]["file"], it["_reject"]["line"]) for it in entries] == [(server.url(), 4), (server.url(), 5)]
    # A new entry comes on top, and the others move down.
    server.serve("/feed", rss(item(3), item(1), bad, "<item><title>x</titel></item>"))
    assert counts(one(desk, server.url())) == (4, 1, 0, 1, 2)
    assert Path(kept).read_text(encoding="utf-8").count("\n") == 2
    # Mended, it stays mended although the feed still shows it, also on another day.
    entries[0]["published_at"] = "2026-05-01T08:00:00+08:00"
    Path(kept).write_text(json.dumps(entries[0]) + "\n", encoding="utf-8")
    assert desk.ingest(kept).added == 1
    server.serve("/feed", rss(item(4), item(3), bad))
    assert counts(one(desk, server.url(), now=NOW + timedelta(days=1))) == (3, 1, 0, 1, 1)
    assert not list((desk.home / "corpora" / "quarantine").iterdir())


def test_relative_links_are_resolved_against_where_the_feed_came_from(desk: Newsroom, server: Site) -> None:
    server.redirect("/old", "/world/feed")
    data = rss(item(1, link="1.html")).replace("<link>https://news.example/</link>", "")
    server.serve("/world/feed", data)
    one(desk, server.url("/old"))
    assert desk.article("g1").url == server.url("/world/1.html")


def test_the_charset_of_the_header_helps(desk: Newsroom, server: Site) -> None:
    data = rss(item(1, title="Привет")).replace("晚报", "x").replace(' encoding="utf-8"', "")
    server.serve("/feed", data.encode("koi8-r"), Content_Type="text/xml; charset=koi8-r")
    one(desk, server.url())
    assert desk.article("g1").title == "Привет"


# What goes wrong


@pytest.fixture
def bad(server: Site) -> Site:
    """A server with every way to be bad."""
    ok = b"HTTP/1.1 200 OK\r\n"
    server.raw("/hangs", b"", b"", pause=2)
    server.raw("/drips-head", b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", pause=0.1, times=30)
    server.raw("/drips-body", ok + b"Content-Length: 1000\r\n\r\n", b"x", pause=0.1, times=30)
    server.raw("/huge-told", ok + b"Content-Length: 99999999\r\n\r\n", b"x" * 1000)
    server.raw(
        "/huge-chunked", ok + b"Transfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n", times=50
    )
    server.serve("/bomb", BOMB, Content_Encoding="gzip")
    server.serve("/bomb.gz", BOMB)
    server.serve("/packed", b"x", Content_Encoding="br")
    server.serve("/damaged", b"\x1f\x8bxxxxxxxx", Content_Encoding="gzip")
    server.raw("/cut", ok + b"Content-Length: 1000\r\n\r\n", b"<rss>")
    server.raw("/cut-gzip", ok + b"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n", BOMB[:50])
    server.raw("/nonsense", b"\0\1\2 hello\r\n\r\n")
    server.raw("/nothing", b"")
    server.redirect("/loop", "/loop")
    server.redirect("/to-file", "file:///etc/passwd")
    server.redirect("/to-login", "http://user:secret@127.0.0.1/")
    server.redirect("/nowhere", "")
    server.serve("/page", page())
    server.serve("/text", "hello")
    server.serve("/gone", "", 410)
    server.serve("/broken", "", 500)
    return server


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/hangs", "took longer than 0.4 seconds"),
        ("/drips-head", "took longer than 0.4 seconds"),
        ("/drips-body", "took longer than 0.4 seconds"),
        ("/huge-told", "is larger than 100,000 bytes"),
        ("/huge-chunked", "is larger than 100,000 bytes"),
        ("/bomb", "is larger than 100,000 bytes"),
        ("/bomb.gz", "is larger than 100,000 bytes"),
        ("/packed", "came packed as 'br'"),
        ("/damaged", "came damaged"),
        ("/cut", "failed ("),
        ("/cut-gzip", "came cut off"),
        ("/nonsense", "failed ("),
        ("/nothing", "failed ("),
        ("/loop", "redirects more than 5 times"),
        ("/to-file", "is not an http or https address"),
        ("/to-login", "has a name or password in it"),
        ("/nowhere", "redirects more than 5 times"),
        ("/page", "gave a web page, neither RSS nor Atom"),
        ("/text", "gave something else, neither RSS nor Atom"),
        ("/gone", "the server answered 410 Gone; remove it from what is watched"),
        ("/broken", "the server answered 500"),
        ("/missing", "the server answered 404"),
    ],
)
def test_a_bad_feed_fails_with_its_reason(desk: Newsroom, bad: Site, path: str, reason: str) -> None:
    began = time.monotonic()
    found = one(desk, bad.url(path))
    assert (found.outcome, found.report) == ("failed", None)
    assert reason in found.problem
    assert "secret" not in found.problem
    assert time.monotonic() - began < 5
    assert desk.articles() == []


def test_the_time_is_for_all_redirects_together(server: Site) -> None:
    for number in range(5):
        head = f"HTTP/1.1 302 Found\r\nLocation: /{number + 1}\r\nContent-Length: 0\r\n\r\n".encode()
        server.raw(f"/{number}", b"", head, pause=0.2)
    with Client(Limits(seconds=0.5, allow_private=True)) as client, pytest.raises(FetchError, match="took longer"):
        client.get(server.url("/0"))


def test_a_bad_feed_costs_the_others_nothing(desk: Newsroom, bad: Site) -> None:
    bad.serve("/feed", rss(item(1)))
    sources = [bad.url("/bomb"), bad.url(), "http://127.0.0.1:1/feed", "http://no.such.host.invalid/feed"]
    assert [it.outcome for it in poll(desk, *sources)] == ["failed", "read", "failed", "failed"]


def test_a_failing_feed_is_left_alone_for_longer_each_time(desk: Newsroom, server: Site) -> None:
    server.serve("/feed", "", 503)
    now, waits = NOW, []
    for _ in range(4):
        found = one(desk, server.url(), now=now)
        assert found.next_at
        assert one(desk, server.url(), now=found.next_at - timedelta(seconds=1)).outcome == "waiting"
        waits.append(found.next_at - now)
        now = found.next_at
    assert len(server.asked) == 4
    assert all(MINUTE * 2**n / 2 <= wait <= MINUTE * 2**n for n, wait in enumerate(waits))
    [told] = desk.watched()
    assert (told.failures, told.next_at, told.read_at) == (4, now, None)
    server.serve("/feed", rss(item(1)))
    assert one(desk, server.url(), now=now).outcome == "read"
    assert desk.watched()[0].failures == 0


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("600", timedelta(minutes=10)), ("Fri, 01 May 2026 09:00:00 GMT", timedelta(hours=1)),
        ("99999999999", timedelta(days=1)), ("0", MINUTE / 2), ("soon", MINUTE / 2),
        ("Fri, 01 May 2020 09:00:00 GMT", MINUTE / 2),
    ],
)  # fmt: skip
def test_retry_after_is_honoured(desk: Newsroom, server: Site, told: str, wait: timedelta) -> None:
    assert back_off(0, MINUTE, told, NOW, chance=lambda: 0.0) == wait
    server.serve("/feed", "", 429, Retry_After=told)
    found = one(desk, server.url())
    assert found.next_at
    assert found.next_at - NOW >= wait


def test_the_wait_has_an_end_and_differs_from_source_to_source() -> None:
    chance = random.Random(1).random
    waits = [back_off(30, MINUTE, "", NOW, chance) for _ in range(20)]
    assert len(set(waits)) == 20
    assert all(timedelta(hours=12) <= wait <= timedelta(days=1) for wait in waits)


# Where may be asked


def test_private_addresses_are_not_asked_unless_allowed(desk: Newsroom, server: Site) -> None:
    server.serve("/feed", rss(item(1)))
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        [found] = desk.watch_once([server.url(host=host)], now=NOW)
        assert "is not an address of the open internet" in found.problem, host
    assert server.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("64:ff9b::5db8:d822", True),
        ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False), ("127.0.0.1", False), ("0.0.0.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:a00:1::", False), ("what", False),
    ],
)  # fmt: skip
def test_which_addresses_are_of_the_open_internet(address: str, public: bool) -> None:
    assert addresses.public(address) is public


def test_each_redirect_is_checked(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "public", lambda address: address == "127.0.0.1")
    server.redirect("/feed", f"http://127.0.0.2:{server.port}/secret")
    with Client(Limits(seconds=1)) as client, pytest.raises(FetchError, match=r"127\.0\.0\.2, which is not an address"):
        client.get(server.url())
    assert server.paths() == ["/feed"]


def test_a_name_is_looked_up_once_and_the_answer_is_used(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is checked and private when it is used gains nothing."""
    server.serve("/feed", rss(item(1)))
    asked: list[str] = []

    def changes(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(addresses, "public", lambda address: address == "127.0.0.1")
    with Client(Limits(seconds=1), changes) as client:
        client.get(server.url(host="news.test"))
        assert server.asked[0][1]["Host"] == f"news.test:{server.port}"
        with pytest.raises(FetchError, match=r"news\.test is at 10\.0\.0\.1"):
            client.get(server.url(host="news.test"))
    assert asked == ["news.test", "news.test"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_tls_is_checked_against_the_name_although_the_address_is_asked(
    tmp_path: Path, server: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "key.pem"]
    made += ["-addext", "subjectAltName=DNS:news.test", "-days", "2", "-out", "cert.pem"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.secure(context)
    server.serve("/feed", "hello")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with Client(Limits(seconds=2, allow_private=True), lambda *_: ["127.0.0.1"]) as client:
        assert client.get(server.url(host="news.test").replace("http:", "https:")).data == b"hello"
        with pytest.raises(FetchError, match="certificate verify failed"):
            client.get(server.url(host="other.test").replace("http:", "https:"))


def test_a_resolver_that_never_answers_is_given_up() -> None:
    def never(host: str, port: int) -> list[str]:
        time.sleep(2)
        return []

    with Client(Limits(seconds=0.2), never) as client, pytest.raises(FetchError, match="no answer within 0"):
        client.get("http://news.test/")


@pytest.mark.parametrize(
    "url",
    ["ftp://x/feed", "file:///etc/passwd", "http://", "https://a:b@x/", "http://x:99999/", "gopher://x", "http://[x/"],
)
def test_what_cannot_be_an_address(desk: Newsroom, url: str) -> None:
    with pytest.raises(FetchError):
        check_address(url)
    with pytest.raises(UsageError):
        desk.watch_once([url])


def test_cookies_and_proxies_are_left_out(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.serve("/a", "", 302, Location="/b", Set_Cookie="x=1")
    server.serve("/b", "hello")
    with Client(Limits(allow_private=True)) as client:
        assert client.get(server.url("/a")).data == b"hello"
    assert all("Cookie" not in headers for _, headers in server.asked)


def test_a_feed_that_has_moved_for_good_says_so(desk: Newsroom, server: Site) -> None:
    server.redirect("/a", "/b", 301)
    server.redirect("/b", "/c", 308)
    server.redirect("/c", "/d", 302)
    server.serve("/d", rss(item(1)))
    assert one(desk, server.url("/a")).moved == server.url("/c")


# Full text


def test_full_texts_are_fetched_once(desk: Newsroom, server: Site) -> None:
    entries = [item(n, "<description>简介</description>", link=server.url(f"/{n}.html")) for n in (1, 2)]
    server.serve("/feed", rss(*entries))
    for number in (1, 2):
        server.serve(f"/{number}.html", page())
    assert counts(one(desk, server.url())) == (2, 2, 0, 0, 0)
    assert desk.article("g1").body == ""
    found = one(desk, server.url(), full_text=True)
    assert (found.pages, counts(found)) == (2, (2, 0, 2, 0, 0))
    assert (desk.article("g1").body, desk.article("g1").summary) == ("\n".join([TEXT] * 3), "简介")
    server.serve("/3.html", page())
    server.serve("/feed", rss(item(3, link=server.url("/3.html")), *entries))
    found = one(desk, server.url(), full_text=True)
    assert (found.pages, counts(found)) == (1, (3, 1, 0, 2, 0))
    assert sorted(path for path in server.paths() if path != "/feed") == ["/1.html", "/2.html", "/3.html"]
    assert desk.article("g1").body


def test_a_page_that_cannot_be_had_is_tried_a_few_times_and_costs_no_text(desk: Newsroom, server: Site) -> None:
    told = item(1, "<description>简介</description>", link=server.url("/1.html"))
    server.serve("/feed", rss(told), ETag='"1"')
    found = one(desk, server.url(), full_text=True)
    assert (found.outcome, found.pages, counts(found)) == ("read", 0, (1, 1, 0, 0, 0))
    assert "404" in found.problem
    server.serve("/1.html", page())
    assert one(desk, server.url(), full_text=True).pages == 1
    server.serve("/1.html", "<html></html>")
    server.serve("/feed", rss(told.replace("简介", "改")), ETag='"2"')
    for _ in range(5):
        one(desk, server.url(), full_text=True)
    assert desk.article("g1").body == "\n".join([TEXT] * 3)
    assert server.paths().count("/1.html") == 5  # one in vain, one well, three in vain again


def test_no_more_pages_in_a_round_than_the_settings_say(tmp_path: Path, server: Site) -> None:
    server.serve("/feed", rss(*(item(n, link=server.url(f"/{n}")) for n in range(5))), ETag='"1"')
    for number in range(5):
        server.serve(f"/{number}", page())
    with Newsroom.open(tmp_path / "home", Settings().override("watch", pages=2)) as desk:
        assert [one(desk, server.url(), full_text=True).pages for _ in range(4)] == [2, 2, 1, 0]
        assert all(it.body for it in desk.articles())


# Folders


def write(file: Path, *keys: str, age: float = 60) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f'{{"id": "{key}", "title": "{key}"}}\n' for key in keys))
    return aged(file, age)


def aged(file: Path, age: float, now: datetime = NOW) -> Path:
    os.utime(file, (now.timestamp() - age,) * 2)
    return file


def test_new_and_changed_files_are_read(desk: Newsroom, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "a.jsonl", "1", "2")
    (folder / "b.rss").write_text(rss(item(1)))
    aged(folder / "b.rss", 60)
    assert counts(one(desk, str(folder))) == (3, 3, 0, 0, 0)
    assert one(desk, str(folder)).outcome == "unchanged"
    write(folder / "a.jsonl", "1", "2", "3", age=30)
    write(folder / "c.jsonl", "4")
    assert counts(one(desk, str(folder))) == (4, 2, 0, 2, 0)
    aged(folder / "c.jsonl", 20)  # touched, with the same content
    assert one(desk, str(folder)).outcome == "unchanged"
    (folder / "a.jsonl").unlink()
    assert one(desk, str(folder)).outcome == "unchanged"
    write(folder / "a.jsonl", "1")
    assert counts(one(desk, str(folder / "a.jsonl"))) == (1, 0, 0, 1, 0)


def test_a_file_that_is_still_being_written_is_left_for_the_next_round(desk: Newsroom, tmp_path: Path) -> None:
    file = write(tmp_path / "in" / "a.jsonl", "1", age=0)
    assert one(desk, str(file.parent)).growing == 1
    write(file, "1", "2", age=-1)
    assert one(desk, str(file.parent)).growing == 1
    assert desk.articles() == []
    assert counts(one(desk, str(file.parent))) == (2, 2, 0, 0, 0)  # the same as a round ago
    write(file, "1", "2", "3", age=0)
    assert one(desk, str(file.parent)).growing == 1
    assert counts(one(desk, str(file.parent), now=NOW + MINUTE)) == (3, 1, 0, 2, 0)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    desk: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "in" / "a.jsonl", "1")
    taken = intake.take_articles

    def meanwhile(*given: Any, **options: Any) -> Any:
        report = taken(*given, **options)
        write(file, "1", "2", age=50)
        return report

    with monkeypatch.context() as patched:
        patched.setattr(intake, "take_articles", meanwhile)
        assert counts(one(desk, str(file.parent))) == (1, 1, 0, 0, 0)
    assert counts(one(desk, str(file.parent))) == (2, 1, 0, 1, 0)


def test_a_file_that_cannot_be_read_costs_the_others_nothing(desk: Newsroom, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "a.jsonl", "1")
    write(folder / "b.csv")
    (folder / "b.csv").write_text("nothing,known\n1,2\n")
    aged(folder / "b.csv", 60)
    write(folder / "c.jsonl", "2")
    write(folder / "d.jsonl", "3", '"')
    found = one(desk, str(folder))
    assert found.outcome == "failed"
    assert "b.csv: no column for 'id' or 'url'" in found.problem
    assert counts(found)[0] >= 4
    assert sorted(it.key for it in desk.articles()) == ["1", "2", "3"]
    assert found.report
    assert [Path(it).name.startswith("articles-d-") for it in found.report.quarantine] == [True]
    missing = one(desk, str(tmp_path / "missing"))
    assert (missing.outcome, "there is no such file" in missing.problem) == ("failed", True)


# The command, and what happens when it dies


def test_watch_once_and_list(tmp_path: Path, server: Site) -> None:
    home = tmp_path / "home"
    server.serve("/feed", rss(item(1), "<item><title>x</titel></item>"))
    write(tmp_path / "in" / "a.jsonl", "1")
    told = run(home, "watch", server.url(), str(tmp_path / "in"), "--once", "--allow-private").stdout
    assert f"{server.url()}\n  read 2 = 1 added + 0 changed + 0 unchanged + 0 duplicate + 1 rejected" in told
    assert "is not well-formed XML" in told
    assert "rejected rows are kept in" in told
    assert "not changed" in run(home, "watch", server.url(), "--once", "--allow-private").stdout
    server.serve("/feed", "", 500)
    document = answer(home, "watch", server.url(), "--once", "--allow-private", code=1)
    assert document["polled"][0]["outcome"] == "failed"
    listed = run(home, "watch", "--list").stdout
    assert "failed 1 time in a row" in listed
    assert {it["kind"] for it in answer(home, "watch", "--list")["watched"]} == {"feed", "folder"}


def test_feeds_and_times_of_the_settings(tmp_path: Path, server: Site) -> None:
    home = tmp_path / "home"
    server.serve("/feed", rss(item(1)))
    home.mkdir()
    write(home / "in" / "a.jsonl", "1")
    assert "nothing to watch" in run(home, "watch", "--once", code=2).output
    (home / "recnews.toml").write_text(f'[watch]\nfeeds = ["{server.url()}", "in"]\nevery = "10m"\n')
    assert "not asked yet" in run(home, "watch", "--list").stdout
    polled = answer(home, "watch", "--once", "--allow-private")["polled"]
    assert [(it["source"], it["outcome"]) for it in polled] == [
        (server.url(), "read"), (str(home / "in"), "read")
    ]  # fmt: skip
    assert run(home, "watch", "--every", "soon", code=2)
    with pytest.raises(SettingsError):
        Settings().override("watch", every="0m")


def test_one_watcher_at_a_time(desk: Newsroom, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.jsonl", "1")
    rounds = desk.watch_once([str(tmp_path / "in"), str(tmp_path / "in" / "a.jsonl")], now=NOW)
    next(rounds)
    with Newsroom.open(desk.home) as other, pytest.raises(BusyError, match=f"held by process {os.getpid()}"):
        poll(other, str(tmp_path / "in"))
    list(rounds)
    assert poll(desk, str(tmp_path / "in"))


def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(tmp_path: Path, server: Site) -> None:
    home = tmp_path / "home"
    for number in range(6):
        server.serve(
            f"/{number}", rss(*(item(n, guid=f"f{number}-{n}") for n in range(40)), "<item><x></item>"), ETag='"1"'
        )
        write(tmp_path / "in" / f"{number}.jsonl", *(f"d{number}-{n}" for n in range(40)), age=600)
    sources = [*(server.url(f"/{number}") for number in range(6)), str(tmp_path / "in")]
    command = [
        sys.executable,
        "-m",
        "recnews",
        "--home",
        str(home),
        "watch",
        *sources,
        "--allow-private",
        "--every",
        "1s",
    ]
    for asked, wait in ((1, 0.0), (2, 0.02), (4, 0.01), (6, 0.05)):
        process = subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL)
        server.wait_for(len(server.asked) + asked)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Newsroom.open(home, small_settings()) as desk:
        poll(desk, *sources, now=datetime.now(UTC))
        assert {it.outcome for it in poll(desk, *sources, now=datetime.now(UTC))} == {"unchanged"}
        keys = sorted(it.key for it in desk.articles(limit=10_000))
        assert keys == sorted(f"{kind}{number}-{n}" for kind in "fd" for number in range(6) for n in range(40))
        assert desk.verify() == []
        kept = list((home / "corpora" / "quarantine").glob("*.jsonl"))
        assert [file.read_text(encoding="utf-8").count("\n") for file in kept] == [1] * 6
