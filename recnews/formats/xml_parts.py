"""The records of an XML stream: the entries of a feed, the addresses of a sitemap.

Only where they begin and end is found here. Each is then parsed alone, under the start tags it stands in, so one that
is broken costs itself, memory holds one record, and the document type with its entities, where hostile XML keeps its
bombs and its external files, reaches no parser at all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5

from recnews.formats.base import RAW_KEPT, FieldError, Piece
from recnews.formats.stream import read_on

RECORDS = {"rss": "item", "RDF": "item", "feed": "entry", "urlset": "url", "sitemapindex": "sitemap"}
"""Name of the root, without its prefix, to that of its records."""

_HEAD_LIMIT = 1024 * 1024
_TAIL = 64  # bytes: more than the longest mark, which two chunks may share
_PULLED = 64 * 1024
_REST = rb"""(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>"""
_ROOT = re.compile(rb"<((?:[\w.-]{1,40}:)?)(rss|RDF|feed|urlset|sitemapindex)(?=[\s>])" + _REST)
_CHANNEL = re.compile(rb"<channel(?=[\s>])" + _REST)
_OPAQUE = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}
_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_AMPERSAND = re.compile(r"&(?:(#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);|([A-Za-z][\w.-]{0,40});)?")
_NOT_XML = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the first record. `root` is the root's name without its prefix, empty where none was found;
    `opening` and `closing` are the tags around each record; `text` is what lies between."""

    root: str
    opening: str
    closing: str
    text: str


def records(chunks: Iterator[bytes], limit: int) -> tuple[Head, Iterator[Piece]]:
    """The head of a document, and its records one by one."""
    cutter = _Cutter(chunks, limit)
    return cutter.head(), cutter.pieces()


def mended(text: str) -> str:
    """A record with what feeds get wrong put right: a bare `&`, the named characters of HTML, control characters.

    Raises `FieldError` for an entity that neither XML nor HTML knows: only the document type could explain it.
    """
    parts = _CDATA.split(_NOT_XML.sub("", text))
    parts[::2] = [_AMPERSAND.sub(_reference, part) for part in parts[::2]]
    return "".join(parts)


def _reference(found: re.Match[str]) -> str:
    if found[1]:
        return found[0]
    if not found[2]:
        return "&amp;"
    characters = html5.get(f"{found[2]};")
    if characters is None:
        reason = f"refers to {found[0]}, which neither XML nor HTML knows"
        raise FieldError("title", reason, "write the text itself; entities that a document declares are not read")
    return "".join(f"&#{ord(character)};" for character in characters)


class _Cutter:
    """`buffer[at:]` is not looked at yet; a record begins at `start`, or none does where that is None."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self.chunks, self.limit = chunks, limit
        self.buffer, self.at = b"", 0
        self.start: int | None = None
        self.ending = b""  # of the comment or CDATA that is being passed over
        self.line, self.offset, self.counted = 1, 0, 0  # of `buffer[counted]`
        self.kept, self.dropped, self.began = b"", 0, (1, 0)  # of a record too long to be held
        self.problem = ""
        self.mark = re.compile(b"(?!)")
        self.name = b""

    def head(self) -> Head:
        root = None
        while root is None and len(self.buffer) < _HEAD_LIMIT and self._pull():
            root = _ROOT.search(self.buffer)
        if root is None:
            return Head("", "", "", "")
        prefix, local = root[1], root[2]
        record = RECORDS[local.decode()].encode()
        name = record if local in {b"rss", b"RDF"} else prefix + record
        self.mark = re.compile(rb"<!\[CDATA\[|<!--|<\?|<(/?)" + re.escape(name) + rb"(?=[\s/>])")
        self.at = root.end()
        while (first := self._next()) is None and len(self.buffer) < _HEAD_LIMIT and self._pull():
            pass
        self.name = name
        if first:
            self.at = first.start()
        between = self.buffer[root.end() : first.start() if first else len(self.buffer)]
        channel = _CHANNEL.search(between) if local == b"rss" else None
        opening = root[0] + (channel[0] if channel else b"")
        closing = (b"</channel>" if channel else b"") + b"</" + prefix + local + b">"
        text = between[channel.end() :] if channel else between
        return Head(local.decode(), _shown(opening), _shown(closing), _shown(text))

    def pieces(self) -> Iterator[Piece]:
        while True:
            found = self._next()
            if found is None:
                if self._pull():
                    continue
                break
            if not found[1]:
                if self.start is not None:
                    yield self._piece(found.start(), f"its <{_shown(self.name)}> is not closed before the next begins")
                self._begin(found)
            elif self.start is not None:
                end = self.buffer.find(b">", self.at)
                if end < 0 and self._again(found.start()):
                    continue
                yield self._piece(end + 1 or len(self.buffer))
        if self.start is not None:
            problem = self.problem or f"the file ends before its <{_shown(self.name)}> is closed"
            yield self._piece(len(self.buffer), problem)
        elif self.problem:
            self._count(len(self.buffer))
            yield Piece(self.line, self.offset, 0, b"", self.problem)

    def _next(self) -> re.Match[bytes] | None:
        """The next tag of a record; what stands in comments and CDATA is passed over. None where it is not read yet."""
        while True:
            if self.ending:
                closed = self.buffer.find(self.ending, self.at)
                if closed < 0:
                    break
                self.at = closed + len(self.ending)
                self.ending = b""
            found = self.mark.search(self.buffer, self.at)
            if found is None:
                break
            self.at = found.end()
            self.ending = _OPAQUE.get(found[0], b"")
            if not self.ending:
                return found
        self.at = max(self.at, len(self.buffer) - _TAIL)
        return None

    def _again(self, at: int) -> bool:
        """Look at a tag once more when more is read; False at the end."""
        self.at = at
        return self._pull()

    def _begin(self, found: re.Match[bytes]) -> None:
        self._count(found.start())
        self.at = found.end()
        self.start, self.began = found.start(), (self.line, self.offset)

    def _piece(self, end: int, problem: str = "") -> Piece:
        start = self.start or 0
        length = self.dropped + end - start
        data = self.buffer[start:end]
        if length > self.limit:
            data = (self.kept + data)[:RAW_KEPT]
        self.start, self.kept, self.dropped = None, b"", 0
        self.at = max(self.at, end)
        return Piece(*self.began, length, data, problem)

    def _count(self, to: int) -> None:
        self.line += self.buffer.count(b"\n", self.counted, to)
        self.offset += to - self.counted
        self.counted = to

    def _pull(self) -> bool:
        """Read on; what is done with is dropped first. False where there is no more."""
        self._forget()
        held = self.buffer
        self.buffer, problem = read_on(self.chunks, held, _PULLED)
        self.problem = self.problem or problem
        return len(self.buffer) > len(held)

    def _forget(self) -> None:
        if not self.name:
            return  # the head is kept whole
        start = self.at if self.start is None else self.start
        if self.start is not None and self.dropped + self.at - self.start > self.limit:
            self.kept = (self.kept + self.buffer[self.start : self.at])[:RAW_KEPT]
            self.dropped += self.at - self.start
            start = self.at
        self._count(start)
        self.buffer = self.buffer[start:]
        self.at -= start
        self.counted = 0
        self.start = None if self.start is None else 0


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "replace")
