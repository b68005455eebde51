"""HTML pages and sitemaps of local files: one article a page, nothing asked of a network or of another folder."""

import json
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from recnews.errors import UsageError
from recnews.formats import ReadOptions, find_files, read_articles
from recnews.formats.markup import plain_text
from recnews.newsroom import Newsroom
from recnews.records import Draft, Reject, Where
from tests.feed_world import MORNING, TEXT, draft, page, read, reject

CANONICAL = '<link rel="canonical" href="https://news.example/a/1.html">'
STATED = '<meta property="article:published_time" content="2026-05-01T08:00:00+08:00">'


def read_page(file: Path, data: str | bytes, options: ReadOptions | None = None) -> Draft | Reject:
    [found] = read(file, data, options)
    return found


def test_a_page_with_all_it_can_say(tmp_path: Path) -> None:
    head = (
        CANONICAL + STATED + '<meta name="description" content="简介"><meta name="author" content="王记者">'
        '<meta name="keywords" content="港口,航线"><meta property="og:site_name" content="晚报">'
        '<meta property="article:section" content="经济">'
    )
    found = draft(read_page(tmp_path / "a.html", page(head=head)))
    assert found == Draft(
        key="https://news.example/a/1.html",
        title="港口新航线开通",
        body="\n".join([TEXT] * 3),
        summary="简介",
        url="https://news.example/a/1.html",
        author="王记者",
        source="晚报",
        category="经济",
        tags=("港口", "航线"),
        lang="zh-CN",
        published_at=MORNING.astimezone(UTC),
    )
    assert found.where == Where(str(tmp_path / "a.html"), 1)


def test_a_page_that_names_no_address_has_that_of_its_file(tmp_path: Path) -> None:
    for name in ["新闻 1.htm", "b.xhtml", "c"]:
        found = draft(read_page(tmp_path / name, page()))
        assert (found.key, found.url, found.published_at) == ((tmp_path / name).as_uri(), "", None)


@pytest.mark.parametrize(
    ("head", "url"),
    [
        ('<base href="https://news.example/x/"><link rel="canonical" href="../a">', "https://news.example/a"),
        ('<meta property="og:url" content="https://news.example/b">', "https://news.example/b"),
        ('<link rel="canonical" href="/relative">', ""),
        ('<link rel="canonical" href="javascript:alert(1)">', ""),
        ('<link rel="canonical" href="http://[broken">', ""),
    ],
)
def test_the_address_of_a_page(tmp_path: Path, head: str, url: str) -> None:
    assert draft(read_page(tmp_path / "a.html", page(head=head))).url == url


@pytest.mark.parametrize(
    ("declared", "used"),
    [("gbk", "gbk"), ("gb2312", "gb18030"), ("utf-8", "gbk"), ("iso-8859-1", "gbk"), ("gbk", "utf-8"), ("big5", "gbk")],
)
def test_pages_in_gbk_and_with_the_wrong_charset_declared(tmp_path: Path, declared: str, used: str) -> None:
    found = draft(read_page(tmp_path / "a.html", page(charset=declared).encode(used)))
    assert (found.title, found.body) == ("港口新航线开通", "\n".join([TEXT] * 3))


@pytest.mark.parametrize(
    "head",
    [
        STATED,
        '<meta name="pubdate" content="2026-05-01T08:00:00+08:00">',
        '<script type="application/ld+json">{"@id": 1, "datePublished": "2026-05-01T08:00:00+08:00"}</script>',
    ],
)
def test_the_date_a_page_states(tmp_path: Path, head: str) -> None:
    assert draft(read_page(tmp_path / "a.html", page(head=head))).published_at == MORNING


def test_dates_without_an_offset(tmp_path: Path) -> None:
    stated = page(head=STATED.replace("+08:00", ""))
    seen = page(body=f"<p>2026-05-01</p><p>{TEXT}</p>" + f"<p>{TEXT}</p>" * 3)
    assert reject(read_page(tmp_path / "a.html", stated)).field == "published_at"
    assert draft(read_page(tmp_path / "a.html", seen)).published_at is None
    zoned = ReadOptions(timezone=ZoneInfo("Asia/Shanghai"))
    assert draft(read_page(tmp_path / "a.html", stated, zoned)).published_at == MORNING
    assert draft(read_page(tmp_path / "a.html", seen, zoned)).published_at == MORNING - timedelta(hours=8)


@pytest.mark.parametrize(
    "data",
    [
        "", "<html></html>", "<html><body>" + "<div>" * 50_000 + "x", "<!" * 200_000, "<a " * 200_000,
        "<html><body><p>" + "<b>" * 230 + TEXT * 20, "\0" * 1000,
    ],
)  # fmt: skip
def test_a_page_without_an_article_or_made_to_harm_is_rejected(tmp_path: Path, data: str) -> None:
    found = reject(read_page(tmp_path / "a.html", data))
    assert (found.field, found.where.line) == ("body", 1)
    assert found.reason == "holds no text that can be told to be an article"


def test_a_page_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    found = reject(read_page(tmp_path / "a.html", page(body="x" * 200_000), ReadOptions(max_row_bytes=100_000)))
    assert "the limit is 100,000" in found.reason
    assert len(found.raw or "") <= 64 * 1024


def test_a_page_asks_nothing_of_file_or_network(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    doctype = f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
    data = page(body=f'<p>&x; {TEXT}</p><iframe src="file://{tmp_path}/secret"></iframe>' + f"<p>{TEXT}</p>" * 3)
    found = read_page(tmp_path / "a.html", data.replace("<!DOCTYPE html>", doctype))
    assert "the secret" not in str(found)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain  text\nwraps", "plain text\nwraps"),
        ("<p>a</p><p>b <i>c</i>d</p>", "a\nb cd"),
        ("a<br>b<!-- c --><script>x</script><style>y</style>z", "a\nbz"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("1 &lt; 2 &amp; &#20013; &nbsp; x", "1 < 2 & 中 x"),
        ("<p>broken <b>markup <a href='", "broken markup"),
        ("", ""),
    ],
)
def test_markup_becomes_the_text_a_reader_sees(markup: str, text: str) -> None:
    assert plain_text(markup) == text


def sitemap(*locs: str, root: str = "urlset", record: str = "url", more: str = "") -> str:
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    rows = "".join(f"<{record}><loc>{loc}</loc>{more}</{record}>\n" for loc in locs)
    return f'<?xml version="1.0"?>\n<{root} {spaces}>\n{rows}</{root}>'


def listed(tmp_path: Path, text: str) -> list[Draft | Reject]:
    (tmp_path / "site" / "sitemap.xml").write_text(text)
    return list(read_articles([tmp_path / "site" / "sitemap.xml"]))


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder of pages, and things beside it that are none of its business."""
    folder = tmp_path / "site"
    (folder / "新闻").mkdir(parents=True)
    (folder / "a.html").write_text(page())
    (folder / "新闻" / "b c.html").write_text(page(head=CANONICAL + STATED))
    (folder / "empty.html").write_text("<html></html>")
    (tmp_path / "outside.html").write_text(page())
    (folder / "link.html").symlink_to(tmp_path / "outside.html")
    return folder


def test_a_sitemap_of_local_files(tmp_path: Path, pages: Path) -> None:
    uri = (pages / "a.html").as_uri()
    news = "<news:news><news:publication_date>2026-05-01T08:00:00+08:00</news:publication_date></news:news>"
    found = listed(tmp_path, sitemap("a.html", uri, "./新闻/b%20c.html", more=news))
    one, same, other = map(draft, found)
    assert one == same
    assert (one.key, one.published_at) == (uri, MORNING)
    assert (other.key, other.where) == ("https://news.example/a/1.html", Where(str(pages / "sitemap.xml"), 5))


def test_an_index_of_sitemaps(tmp_path: Path, pages: Path) -> None:
    (pages / "one.xml").write_text(sitemap("a.html"))
    (pages / "deep.xml").write_text(sitemap("sitemap.xml", root="sitemapindex", record="sitemap"))
    index = sitemap("one.xml", "deep.xml", "a.html", root="sitemapindex", record="sitemap")
    one, deep, wrong = listed(tmp_path, index)
    assert draft(one).title == "港口新航线开通"
    assert reject(deep).reason == "is an index within an index"
    assert reject(wrong).reason == "is not a sitemap"


@pytest.mark.parametrize(
    ("loc", "reason"),
    [
        ("https://news.example/a.html", "is a web address, and no network is asked here"),
        ("../outside.html", "lies outside of the sitemap's folder"),
        ("link.html", "lies outside of the sitemap's folder"),
        ("file:///etc/passwd", "lies outside of the sitemap's folder"),
        ("file://server/share/a.html", "does not name a local file"),
        ("ftp://x/a.html", "does not name a local file"),
        ("missing.html", "names a file that is not there"),
        ("%00", "is not a path"),
        ("", "does not name a local file"),
        ("&x;", "refers to &x;, which neither XML nor HTML knows"),
        ("empty.html", "empty.html: holds no text that can be told to be an article"),
    ],
)
def test_what_a_sitemap_may_not_name(tmp_path: Path, pages: Path, loc: str, reason: str) -> None:
    bad, good = listed(tmp_path, sitemap(loc, "a.html"))
    assert reject(bad).reason.startswith(reason)
    assert reject(bad).where == Where(str(pages / "sitemap.xml"), 3)
    assert draft(good)


def test_a_folder_is_read_page_by_page_and_its_sitemap_passed_over(tmp_path: Path, pages: Path) -> None:
    (pages / "sitemap.xml").write_text(sitemap("a.html"))
    (pages / "map.sitemap").write_text(sitemap("a.html"))
    names = [Path(it.name).name for it in find_files([pages])]
    assert names == ["a.html", "empty.html", "link.html", "b c.html"]
    with pytest.raises(UsageError, match="the folder holds no file to read"):
        find_files([pages], articles=False)


def test_ingest_of_pages_keeps_what_it_cannot_take_to_be_mended(tmp_path: Path, pages: Path) -> None:
    (pages / "link.html").unlink()
    with Newsroom.open(tmp_path / "home") as newsroom:
        report = newsroom.ingest(pages)
        assert (report.read, report.added, report.rejected) == (3, 2, 1)
        assert newsroom.ingest(pages).unchanged == 2
        [kept] = report.quarantine
        entry = json.loads(Path(kept).read_text(encoding="utf-8"))
        Path(kept).write_text(json.dumps(entry | {"id": "e", "body": TEXT}) + "\n", encoding="utf-8")
        assert newsroom.ingest(kept).added == 1
