"""HTML pages: one article each, found by trafilatura among everything else that stands on a page."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from recnews.errors import MissingExtraError
from recnews.formats.base import RAW_KEPT, Origin, Piece, Row, StreamCutError, decoded
from recnews.formats.markup import parsed
from recnews.records import Reject, Where

_DATES = (
    "article:published_time", "datepublished", "og:published_time", "pubdate", "publishdate", "publish-date",
    "publish_date", "dc.date.issued", "dcterms.created", "date",
)  # fmt: skip
_LINKED_DATE = re.compile(r'"datePublished"\s{0,9}:\s{0,9}"([^"]{4,40})"')
_LINKED_LIMIT = 256 * 1024
_DEEPEST = 200
_LONGEST = 4 * 1024 * 1024  # bytes; finding the article in as many takes seconds


def read_page(
    origin: Origin, chunks: Iterator[bytes], zone: tzinfo | None, address: str = "", path: Path | None = None
) -> Iterator[Row | Reject]:
    """The article of one page. `address` is where it was fetched from, `path` where it lies.

    Its key is the address it names as its own, else `address`, else that of the file. Raises `MissingExtraError`
    without trafilatura.
    """
    origin = replace(origin, limit=min(origin.limit, _LONGEST))
    text = decoded(origin, _whole(chunks, origin.limit))
    if isinstance(text, Reject):
        yield text
        return
    where = Where(origin.name, 1)
    tree = None if "\0" in text else parsed(text, "html", f"reading {origin.name}")
    cells = {} if tree is None or _too_deep(tree) else _cells(tree, zone, address, path)
    if cells.get("body"):
        yield Row(where, cells)
        return
    reason = "holds no text that can be told to be an article"
    yield Reject(where, reason, "remove the page, or write the article's columns here", "body", row=cells, raw="")


def _whole(chunks: Iterator[bytes], limit: int) -> Piece:
    """A document as one piece, read no further than it may be long."""
    parts, length, problem = [], 0, ""
    try:
        for chunk in chunks:
            if length <= max(limit, RAW_KEPT):
                parts.append(chunk)
            length += len(chunk)
    except StreamCutError as error:
        problem = str(error)
    return Piece(1, 0, length, b"".join(parts), problem)


def _too_deep(tree: Any) -> bool:
    """Whether a page is nested as only a hostile one is: what walks it would need a stack as deep."""
    depth = 0
    from lxml import etree

    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _DEEPEST:
            return True
    return False


def _cells(tree: Any, zone: tzinfo | None, address: str, path: Path | None) -> dict[str, Any]:
    meta = _meta(tree)
    url = _canonical(tree, meta, address)
    date, lang = _stated_date(tree, meta), _lang(tree, meta)
    found = _extracted(tree, url)
    if found is None:
        return {}
    if not date and zone is not None:
        date = found.date or ""  # a day seen on the page: without a zone it says too little
    categories = [name for name in found.categories or () if name]
    title, body = found.title or "", (found.text or "").strip()
    cells = {
        "id": url or (path.absolute().as_uri() if path else ""),
        "title": title,
        "summary": found.description or "",
        "body": body.removeprefix(f"{title}\n") if title else body,
        "url": url,
        "author": found.author or meta.get("author", ""),
        "source": found.sitename or "",
        "category": categories[0] if categories else meta.get("article:section", ""),
        "tags": ",".join(name for name in found.tags or () if name),
        "lang": lang,
        "published_at": date,
    }
    return {name: value for name, value in cells.items() if value}


def _extracted(tree: Any, url: str) -> Any:
    try:
        import trafilatura
    except ImportError as error:
        raise MissingExtraError("trafilatura", "html", "reading HTML") from error

    # It tells of each page it finds nothing in; that is told here, once.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    logging.getLogger("htmldate").setLevel(logging.CRITICAL)
    return trafilatura.bare_extraction(
        tree, url=url or None, with_metadata=True, include_comments=False, favor_precision=True
    )


def _meta(tree: Any) -> dict[str, str]:
    """What `<meta>` and `itemprop` say, by lower-case name; the first counts."""
    told: dict[str, str] = {}
    for element in tree.iter("meta", "time"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or ""
        value = element.get("content") or element.get("datetime") or ""
        if name and value.strip():
            told.setdefault(name.lower(), value.strip())
    return told


def _canonical(tree: Any, meta: dict[str, str], address: str) -> str:
    """The web address a page names as its own, else the one it was fetched from."""
    base = next((urljoin(address, href) for element in tree.iter("base") if (href := element.get("href"))), address)
    links = [element.get("href") for element in tree.iter("link") if (element.get("rel") or "").lower() == "canonical"]
    for link in (*links, meta.get("og:url"), address):
        try:
            url: str = urljoin(base, (link or "").strip())
            if urlsplit(url).scheme in {"http", "https"} and urlsplit(url).netloc:
                return url
        except ValueError:  # a bracket that opens no address
            continue
    return ""


def _stated_date(tree: Any, meta: dict[str, str]) -> str:
    for script in tree.iter("script"):
        if "ld+json" in (script.get("type") or "") and (
            found := _LINKED_DATE.search((script.text or "")[:_LINKED_LIMIT])
        ):
            return str(found[1])
    return next((meta[name] for name in _DATES if name in meta), "")


def _lang(tree: Any, meta: dict[str, str]) -> str:
    root = tree if tree.tag == "html" else tree.find(".//html")
    said: str = (root.get("lang") or "") if root is not None else ""
    return (said or meta.get("content-language") or meta.get("og:locale") or "").replace("_", "-").strip()
