"""Sitemaps of local files: each address is a page beside the sitemap or below it. No network is asked."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from recnews.errors import MissingExtraError
from recnews.formats.base import FieldError, Origin, Piece, Row, decoded
from recnews.formats.files import Source
from recnews.formats.sniff import kind_of
from recnews.formats.xml_parts import Head, mended, records
from recnews.records import Reject, Where

_LOCAL_HOSTS = ("", "localhost")
_HEAD = 64 * 1024
OpenSource = Callable[[Source], tuple[Origin, Iterator[bytes]]]
ReadPage = Callable[[Source], Iterator[Row | Reject]]


def read_sitemap(source: Source, opened: OpenSource, page: ReadPage, nested: bool = False) -> Iterator[Row | Reject]:
    """The pages of a sitemap, or of the sitemaps of an index; `line` is where the sitemap names each.

    Raises `MissingExtraError` without lxml.
    """
    origin, chunks = opened(source)
    head, pieces = records(chunks, origin.limit)
    if head.root not in {"urlset", "sitemapindex"} or (nested and head.root != "urlset"):
        reason = "is an index within an index" if head.root == "sitemapindex" else "is not a sitemap"
        yield Reject(Where(origin.name, 1), reason, "name the sitemap itself", raw="")
        return
    for piece in pieces:
        where = Where(origin.name, piece.line)
        told = _told(origin, head, piece)
        if isinstance(told, Reject):
            yield told
            continue
        found = _file(source, where, told)
        if isinstance(found, Reject):
            yield found
        elif head.root == "sitemapindex":
            yield from read_sitemap(found, opened, page, nested=True)
        else:
            yield from (_placed(item, where, found, told) for item in page(found))


def _told(origin: Origin, head: Head, piece: Piece) -> dict[str, str] | Reject:
    """The texts of one record by their names, such as `loc`, without prefixes."""
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtraError("lxml", "html", f"reading {origin.name}") from error

    text = decoded(origin, piece)
    if isinstance(text, Reject):
        return text
    reader = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=False, encoding="utf-8")
    try:
        tree = etree.fromstring(f"{head.opening}{mended(text)}{head.closing}".encode("utf-8", "replace"), reader)
    except FieldError as error:
        return Reject(Where(origin.name, piece.line), error.reason, error.remedy, raw=text)
    except etree.XMLSyntaxError as error:
        reason = f"is not well-formed XML: {error.msg}"
        return Reject(Where(origin.name, piece.line), reason, "mend the sitemap", raw=text)
    told: dict[str, str] = {}
    for element in tree.iter("{*}*"):
        if element.text and element.text.strip():
            told.setdefault(element.tag.rpartition("}")[2], element.text.strip())
    return told


def _file(sitemap: Source, where: Where, told: Mapping[str, str]) -> Source | Reject:
    """The file that a record names, or why there is none."""
    try:
        return _source(_named(sitemap, told.get("loc", "")))
    except FieldError as error:
        return Reject(where, error.reason, error.remedy, error.field, row=dict(told))


def _named(sitemap: Source, loc: str) -> Path:
    """The file at an address, within the sitemap's own folder: a sitemap may come from anywhere."""
    shown, relative = repr(loc[:200]), "write a path relative to the sitemap"
    try:
        parts = urlsplit(loc)
    except ValueError as error:
        raise FieldError("loc", f"is not an address: {shown}", relative) from error
    if parts.scheme in {"http", "https"}:
        raise FieldError("loc", f"is a web address, and no network is asked here: {shown}", "fetch the page first")
    if parts.scheme not in {"", "file"} or parts.netloc not in _LOCAL_HOSTS or not parts.path:
        raise FieldError("loc", f"does not name a local file: {shown}", relative)
    if sitemap.path is None:
        raise FieldError("loc", "is relative to standard input", "give the sitemap as a file")
    folder = Path(os.path.realpath(sitemap.path.parent))
    try:
        path = Path(os.path.realpath(folder / unquote(parts.path)))
        there = path.is_relative_to(folder) and path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError) as error:
        raise FieldError("loc", f"is not a path: {shown}", relative) from error
    if not path.is_relative_to(folder):
        raise FieldError("loc", f"lies outside of the sitemap's folder: {shown}", "move the page into it")
    if not there:
        raise FieldError("loc", f"names a file that is not there or may not be read: {shown}", "fetch the page again")
    return path


def _source(path: Path) -> Source:
    gzip = path.name.lower().endswith(".gz")
    with path.open("rb") as file:
        kind = "sitemap" if not gzip and kind_of(file.read(_HEAD)) == "sitemap" else "html"
    return Source(str(path), path, kind, gzip, path.stat().st_size, regular=True)


def _placed(item: Row | Reject, where: Where, page: Source, told: Mapping[str, str]) -> Row | Reject:
    """A page's article with what its sitemap knows of it. It stands where the sitemap names it."""
    if isinstance(item, Reject):
        reason = f"{Path(page.name).name}: {item.reason}"
        return Reject(where, reason, item.remedy, item.field, row=_completed(item.row or {}, told), raw=item.raw)
    return Row(where, _completed(item.cells, told))


def _completed(cells: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    also = {
        "title": told.get("title"),
        "source": told.get("name"),
        "lang": told.get("language"),
        "published_at": told.get("publication_date") or told.get("lastmod"),
    }
    return {name: value for name, value in also.items() if value} | dict(cells)
