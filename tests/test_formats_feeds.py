"""RSS and Atom: each entry becomes an article or a reject that says what to do, whatever the XML is like."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from recnews.errors import UsageError
from recnews.formats import ReadOptions, find_files, read_events
from recnews.newsroom import Newsroom
from recnews.records import Draft, Reject, Where
from tests.feed_world import MORNING, TEXT, draft, encoded, item, read, reject, rss

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en" xml:base="https://news.example/world/">
<title>World</title>
<entry><id>tag:news.example,2026:1</id><title type="html">Rates &amp;amp; &lt;b&gt;bonds&lt;/b&gt;</title>
<link rel="alternate" href="1.html"/><updated>2026-05-01T10:00:00+08:00</updated>
<published>2026-05-01T08:00:00+08:00</published><author><name>A. Writer</name></author>
<category term="economy"/><category term="banks"/><summary>In short.</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>One.</p><p>Two<br/>three.</p></div></content></entry>
<entry xml:lang="fr"><id>tag:news.example,2026:2</id><title>Taux</title><updated>2026-05-01T00:00:00Z</updated></entry>
</feed>
"""


def drafts(found: list[Draft | Reject]) -> list[Draft]:
    return [draft(it) for it in found]


def test_an_item_of_rss_with_all_it_can_have(tmp_path: Path) -> None:
    more = (
        "<description>&lt;p&gt;简&lt;/p&gt;介</description>",
        encoded("<p>第一段 &amp; 更多</p><script>alert(1)</script><style>p{}</style><p>第二段<br>第三行</p>"),
        "<category>体育</category><category>足球</category><dc:creator>王记者</dc:creator>",
        "<pubDate>Fri, 01 May 2026 08:00:00 +0800</pubDate>",
    )
    assert read(tmp_path / "a.rss", rss(item(1, *more, title="港口 &lt;b&gt;开放&lt;/b&gt;"))) == [
        Draft(
            key="g1",
            title="港口 开放",
            body="第一段 & 更多\n第二段\n第三行",
            summary="简\n介",
            url="https://news.example/1.html",
            author="王记者",
            source="晚报",
            category="体育",
            tags=("体育", "足球"),
            lang="zh-cn",
            published_at=MORNING.astimezone(UTC),
        )
    ]


def test_entries_of_atom(tmp_path: Path) -> None:
    first, second = drafts(read(tmp_path / "a.atom", ATOM))
    assert first == Draft(
        key="tag:news.example,2026:1",
        title="Rates & bonds",
        body="One.\nTwo\nthree.",
        summary="In short.",
        url="https://news.example/world/1.html",
        author="A. Writer",
        source="World",
        category="economy",
        tags=("economy", "banks"),
        lang="en",
        published_at=MORNING.astimezone(UTC),
    )
    assert (second.lang, second.published_at) == ("fr", datetime(2026, 5, 1, tzinfo=UTC))
    assert (first.where, second.where) == (Where(str(tmp_path / "a.atom"), 4), Where(str(tmp_path / "a.atom"), 9))


def test_rss_1_and_a_prefixed_atom(tmp_path: Path) -> None:
    rdf = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel rdf:about="https://news.example/"><title>T</title><items><rdf:Seq/></items></channel>
<item rdf:about="https://news.example/1"><title>One</title><link>https://news.example/1</link></item></rdf:RDF>"""
    assert [it.key for it in drafts(read(tmp_path / "a.rdf", rdf))] == ["https://news.example/1"]
    prefixed = """<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>T</a:title>
<a:entry><a:id>x:1</a:id><a:title>One</a:title></a:entry></a:feed>"""
    assert [(it.key, it.title) for it in drafts(read(tmp_path / "b.atom", prefixed))] == [("x:1", "One")]


def test_what_stands_for_what_is_missing(tmp_path: Path) -> None:
    link_only = "<item><title>a</title><link>https://news.example/a</link></item>"
    text_only = "<item><guid>b</guid><description>Only a &lt;i&gt;text&lt;/i&gt;</description></item>"
    updated = item(3, "<atom:updated xmlns:atom='http://www.w3.org/2005/Atom'>2026-05-01T08:00:00+08:00</atom:updated>")
    a, b, c = drafts(read(tmp_path / "a.xml", rss(link_only, text_only, updated)))
    assert (a.key, a.url, a.published_at) == ("https://news.example/a", "https://news.example/a", None)
    assert (b.key, b.title, b.body, b.summary) == ("b", "", "Only a text", "")
    assert c.published_at == MORNING


@pytest.mark.parametrize(
    "told",
    [
        "Fri, 01 May 2026 08:00:00 +0800", "Fri, 01 May 2026 08:00:00 +08:00", "2026-05-01T08:00:00+08:00",
        "Fri, 01 May 2026 00:00:00 GMT", "2026-05-01T00:00Z", "01 May 2026 00:00 UT",
    ],
)  # fmt: skip
def test_dates_with_an_offset(tmp_path: Path, told: str) -> None:
    [found] = drafts(read(tmp_path / "a.rss", rss(item(1, f"<pubDate>{told}</pubDate>"))))
    assert found.published_at == MORNING


def test_a_date_without_an_offset_is_read_in_the_zone_or_refused(tmp_path: Path) -> None:
    told = rss(item(1, "<pubDate>Fri, 01 May 2026 08:00:00</pubDate>"), item(2, "<pubDate>yesterday</pubDate>"))
    without, wrong = map(reject, read(tmp_path / "a.rss", told))
    assert (without.field, without.where.line) == ("published_at", 3)
    assert without.reason.startswith("has no time zone")
    assert (wrong.field, wrong.where.line, wrong.reason) == ("published_at", 4, "is not a date: 'yesterday'")
    zoned, _ = read(tmp_path / "a.rss", told, ReadOptions(timezone=ZoneInfo("Asia/Shanghai")))
    assert isinstance(zoned, Draft)
    assert zoned.published_at == MORNING


def test_links_that_are_relative_or_no_web_address(tmp_path: Path) -> None:
    data = rss(item(1, link="/a/1.html"), item(2, link="javascript:alert(1)"), item(3, link="https://"))
    good, script, empty = read(tmp_path / "a.rss", data)
    assert isinstance(good, Draft)
    assert good.url == "https://news.example/a/1.html"
    assert reject(script).reason == "is not a web address: 'javascript:alert(1)'"
    assert (reject(script).field, reject(script).row and reject(script).row["id"]) == ("url", "g2")  # type: ignore[index]
    assert reject(empty).field == "url"
    [lost] = read(tmp_path / "b.rss", data.replace("https://news.example/</link>", "</link>").split("<item>")[0]
                  + item(4, link="a/4.html") + "</channel></rss>")  # fmt: skip
    assert reject(lost).reason == "is relative, and nothing says to what: 'a/4.html'"


def test_an_entry_that_is_broken_costs_itself(tmp_path: Path) -> None:
    broken = "<item><title>x</titel></item>"
    unclosed = "<item><title>never closed"
    found = read(
        tmp_path / "a.rss", rss(item(1), broken, item(2), unclosed, item(3), "<item/>".replace("/", " a='"), item(4))
    )
    by_line = {it.where.line: it for it in found if it.where}
    assert [it.key for it in found if isinstance(it, Draft)] == ["g1", "g2", "g3", "g4"]
    assert reject(by_line[4]).reason == "is not well-formed XML: mismatched tag, in line 4"
    assert reject(by_line[4]).raw == broken
    assert reject(by_line[6]).reason == "its <item> is not closed before the next begins"


def test_what_feeds_get_wrong_and_is_meant_well(tmp_path: Path) -> None:
    titles = ["R&D & more", "a&nbsp;b &mdash; c", "bell\x07 rings", "&#38; &#x4e2d;", "1 < 2"]
    *good, bad = read(tmp_path / "a.rss", rss(*(item(n, title=title) for n, title in enumerate(titles))))
    assert [it.title for it in good if isinstance(it, Draft)] == ["R&D & more", "a b — c", "bell rings", "& 中"]
    assert "not well-formed" in reject(bad).reason
    undeclared = rss(item(1, "<media:thumbnail url='x'/>"))
    assert [it.key for it in drafts(read(tmp_path / "b.rss", undeclared))] == ["g1"]


def test_entity_bombs_and_external_entities_reach_no_parser(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    bomb = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    doctype = f'<!DOCTYPE rss [<!ENTITY l0 "lol">{bomb}<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
    data = rss(
        item(1, title="&l9;"), item(2, title="&x;"), item(3), head="<description>&l9;</description>", prolog=doctype
    )
    one, two, three = read(tmp_path / "a.xml", data)
    assert reject(one).reason == "refers to &l9;, which neither XML nor HTML knows"
    assert reject(two).reason == "refers to &x;, which neither XML nor HTML knows"
    assert isinstance(three, Draft)
    assert three.key == "g3"


def test_a_huge_feed_is_read_entry_by_entry_and_a_huge_entry_is_rejected(tmp_path: Path) -> None:
    options = ReadOptions(max_row_bytes=10_000)
    huge = item(2, f"<description>{'x' * 300_000}</description>")
    cdata = f"<item><title>open</title><description><![CDATA[{'<item>' * 50_000}"
    data = rss(item(1), huge, item(3), f"<!-- {'<item>' * 50_000} -->", item(4), cdata)
    one, two, three, four, cut = read(tmp_path / "a.rss", data, options)
    assert [it.key for it in (one, three, four) if isinstance(it, Draft)] == ["g1", "g3", "g4"]
    assert reject(two).where.line == 4
    assert reject(two).reason == f"the row is {len(huge.encode()):,} bytes long, the limit is 10,000"
    assert reject(cut).reason == "the file ends before its <item> is closed"
    assert len(reject(cut).raw or "") <= 64 * 1024


@pytest.mark.parametrize(
    ("declared", "used"),
    [
        ("utf-8", "gbk"), ("gb2312", "utf-8"), ("gb2312", "gbk"), ("iso-8859-1", "gb18030"), ("utf-8", "utf-16"),
        ("nonsense", "utf-8"), ("utf-8", "utf-8-sig"), ("big5", "gbk"),
    ],
)  # fmt: skip
def test_the_encoding_that_is_used_counts_not_the_one_declared(tmp_path: Path, declared: str, used: str) -> None:
    data = rss(*(item(number, title=TEXT) for number in range(3)), declared=declared).encode(used)
    for file, content in (("a.xml", data), ("b.rss.gz", gzip.compress(data))):
        assert {it.title for it in drafts(read(tmp_path / file, content))} == {TEXT}


@pytest.mark.parametrize(("text", "used"), [("Привет, новости дня", "koi8-r"), ("서울 시장이 발표했다", "euc-kr")])
def test_a_declared_encoding_decides_where_the_bytes_allow_it(tmp_path: Path, text: str, used: str) -> None:
    data = rss(item(1, title=text), declared=used).replace("晚报", "x").encode(used)
    assert [it.title for it in drafts(read(tmp_path / "a.rss", data))] == [text]


def test_feeds_are_known_by_their_suffix_or_by_how_they_begin(tmp_path: Path) -> None:
    for name in ["a.rss", "b.xml", "c.xml", "d.xml", "e.atom", "feed"]:
        (tmp_path / name).write_text(rss(item(1)))
    (tmp_path / "c.xml").write_text("<config/>")
    (tmp_path / "d.xml").write_text(
        "<!-- <rss> --><?x y?>\n<!DOCTYPE rss PUBLIC 'a' 'b'>" + rss(item(1)).split("?>")[1]
    )
    assert [Path(it.name).name for it in find_files([tmp_path])] == ["a.rss", "b.xml", "d.xml", "e.atom"]
    assert [it.format for it in find_files([tmp_path / "feed"])] == ["feed"]
    with pytest.raises(UsageError, match=r"c.xml: unknown kind of file"):
        find_files([tmp_path / "c.xml"])
    with pytest.raises(UsageError, match="holds articles, not events; give it to `recnews ingest`"):
        read_events([tmp_path / "a.rss"])
    with pytest.raises(UsageError, match="the folder holds no file to read"):
        read_events([tmp_path])


def test_what_is_no_feed_is_rejected_once(tmp_path: Path) -> None:
    for data in ("", "hello", "<rss", "<" * 100_000):
        [found] = read(tmp_path / "a.rss", data)
        assert reject(found).reason == "is neither RSS nor Atom"
    assert read(tmp_path / "a.rss", rss()) == []


def test_a_field_may_be_read_from_another(tmp_path: Path) -> None:
    data = rss(item(1, "<description>short</description>"))
    [found] = drafts(read(tmp_path / "a.rss", data, ReadOptions(rename={"body": "summary"})))
    assert found.body == "short"


def test_ingest_counts_keeps_and_takes_mended_entries_again(tmp_path: Path) -> None:
    same, other = item(1), item(1, title="other")
    dated = "<pubDate>Fri, 01 May 2026 08:00:00</pubDate>"
    (tmp_path / "a.rss").write_text(rss(item(1), same, other, item(2, dated), "<item><title>x</titel></item>"))
    with Newsroom.open(tmp_path / "home") as newsroom:
        report = newsroom.ingest(tmp_path / "a.rss")
        assert (report.read, report.added, report.duplicate, report.rejected) == (5, 1, 1, 3)
        assert [it.where.line for it in report.rejects] == [5, 6, 7]
        [kept] = report.quarantine
        entries = [json.loads(line) for line in Path(kept).read_text(encoding="utf-8").splitlines()]
        entries[0]["id"] = "g1-other"
        entries[1]["published_at"] = "2026-05-01T08:00:00+08:00"
        entries[2]["_raw"] = '{"id": "g3", "title": "mended"}'
        Path(kept).write_text("".join(f"{json.dumps(it)}\n" for it in entries), encoding="utf-8")
        again = newsroom.ingest(kept)
        assert (again.added, again.rejected, again.quarantine) == (3, 0, ())
        assert newsroom.article("g2").published_at == MORNING
