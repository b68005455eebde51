"""RSS and Atom: an entry becomes a row with the columns that an article has."""

import io
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

from recnews.errors import MissingExtraError
from recnews.formats.base import FieldError, Origin, Piece, Row, decoded
from recnews.formats.markup import plain_text
from recnews.formats.xml_parts import Head, mended, records
from recnews.records import Reject, Where

_XML = '<?xml version="1.0" encoding="utf-8"?>'
_HEADERS = {"content-type": "application/xml; charset=utf-8"}
_WEB = ("http", "https")
_NO_FEED = "is neither RSS nor Atom"
# `+08:00` at the end of a date as mail has it, which writes `+0800`.
_OFFSET = re.compile(r"([+-]\d\d):(\d\d)$")
# What costs nothing to overlook: a prefix nobody has declared says as little as one that is not known.
_HARMLESS = ("unbound prefix",)


def read_feed(origin: Origin, chunks: Iterator[bytes], base: str = "") -> Iterator[Row | Reject]:
    """The entries of an RSS or Atom stream; `line` is where each begins. `base` is the address the feed came from.

    Raises `MissingExtraError` without feedparser.
    """
    try:
        import feedparser
    except ImportError as error:
        raise MissingExtraError("feedparser", "feeds", f"reading {origin.name}") from error

    head, pieces = records(chunks, origin.limit)
    if not head.root:
        yield Reject(Where(origin.name, 1), _NO_FEED, "give the address or file of the feed itself", raw="")
        return
    feed = _Feed(feedparser.parse, head, base)
    for piece in pieces:
        yield feed.row(origin, piece)


class _Feed:
    """What the entries of one feed have in common."""

    def __init__(self, parse: Callable[..., Any], head: Head, base: str) -> None:
        self._parse, self._head = parse, head
        try:
            told = self._read(mended(head.text)).feed
        except FieldError:  # an entity of the feed's own in its title
            told = {}
        self.title = _text(told, "title")
        self.lang = _said(told, "language")
        link = _joined(base, _said(told, "link"))
        self._base = base or ("" if _bad_link(link) else link)

    def row(self, origin: Origin, piece: Piece) -> Row | Reject:
        text = decoded(origin, piece)
        if isinstance(text, Reject):
            return text
        where = Where(origin.name, piece.line)
        try:
            read = self._read(mended(text))
        except FieldError as error:
            return Reject(where, error.reason, error.remedy, raw=text)
        if problem := _problem(read, piece.line):
            return Reject(where, problem, "have the publisher mend it, or write the entry's columns here", raw=text)
        cells = self._cells(read.entries[0])
        if reason := _bad_link(cells.get("url", "")):
            remedy = "write the whole address, beginning with https://, or remove it"
            return Reject(where, reason, remedy, "url", row=cells)
        return Row(where, cells)

    def _read(self, text: str) -> Any:
        document = f"{_XML}{self._head.opening}{text}{self._head.closing}"
        # The two switches are about markup, which becomes plain text anyway.
        stream = io.BytesIO(document.encode("utf-8", "replace"))
        return self._parse(stream, response_headers=_HEADERS, resolve_relative_uris=False, sanitize_html=False)

    def _cells(self, entry: dict[str, Any]) -> dict[str, Any]:
        tags = [term for tag in entry.get("tags", ()) if (term := (tag.get("term") or "").strip())]
        link = _joined(self._base, _said(entry, "link"))
        if entry.get("guidislink") and _bad_link(link):
            link = ""  # an id that is no address stands for no link
        summary, body = _text(entry, "summary"), _body(entry)
        title = _text(entry, "title")
        if not title and not body:
            summary, body = "", summary
        cells = {
            # As it is, never joined to an address: feeds move, and their ids must not.
            "id": _said(entry, "id") or link,
            "title": title,
            "summary": "" if summary == body else summary,
            "body": body,
            "url": link,
            "author": _said(entry, "author"),
            "source": _text(entry.get("source", {}), "title") or self.title,
            "category": tags[0] if tags else "",
            "tags": tags,
            "lang": _lang(entry) or self.lang,
            "published_at": _date(entry, "published") or _date(entry, "updated"),
            "updated_at": _date(entry, "updated"),
        }
        return {name: value for name, value in cells.items() if value}


def _problem(read: Any, line: int) -> str:
    """What is wrong with an entry as XML; empty where it was read as it is meant."""
    said = getattr(read.get("bozo_exception"), "getMessage", None)
    if read.bozo and said and not any(text in said() for text in _HARMLESS):
        return f"is not well-formed XML: {said()}, in line {line + read.bozo_exception.getLineNumber() - 1}"
    return "" if len(read.entries) == 1 else "holds no entry that can be read"


def _said(told: dict[str, Any], name: str) -> str:
    # dict.get: feedparser's own gives, with a warning, one field for another.
    value = dict.get(told, name)
    return value.strip() if isinstance(value, str) else ""


def _text(told: dict[str, Any], name: str) -> str:
    """A field as plain text, whichever way it is written."""
    return _plain(_said(told, name), told.get(f"{name}_detail", {}))


def _plain(value: str, detail: dict[str, Any]) -> str:
    # Titles that are text by their type hold markup all the same in half of all feeds.
    return plain_text(value if detail.get("type") != "text/plain" else unescape(value))


def _body(entry: dict[str, Any]) -> str:
    """The longest of the contents; there may be one in each of several types."""
    told = [_plain(content.get("value") or "", content) for content in entry.get("content", ())]
    return max(told, key=len, default="")


def _lang(entry: dict[str, Any]) -> str:
    details = [*entry.get("content", ()), entry.get("title_detail", {}), entry.get("summary_detail", {})]
    return _said(entry, "language") or next((found for detail in details if (found := _said(detail, "language"))), "")


def _date(entry: dict[str, Any], name: str) -> str:
    return _OFFSET.sub(r"\1\2", _said(entry, name)) if "," in _said(entry, name) else _said(entry, name)


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link) if link and not urlsplit(link).scheme else link
    except ValueError:
        return link


def _bad_link(link: str) -> str:
    try:
        parts = urlsplit(link)
    except ValueError:
        return f"is not an address: {link[:60]!r}"
    if not link or (parts.scheme in _WEB and parts.netloc):
        return ""
    if parts.scheme:
        return f"is not a web address: {link[:60]!r}"
    return f"is relative, and nothing says to what: {link[:60]!r}"
