"""A JSON array of objects (or one object, or several after one another), read element by element.

Only the boundaries of elements are found here, by nesting depth; each element is then parsed on its own, so
one that is broken costs itself, and memory holds one element however long the array is.
"""

import re
from collections.abc import Iterator

from recnews.formats.base import RAW_KEPT, Origin, Piece, Row
from recnews.formats.json_object import parse_object
from recnews.formats.stream import read_on
from recnews.records import Reject

_MARK = re.compile(rb'["\[\]{},]')
# JSON strings hold no raw line end, so a line end also closes one: a stray quote then spoils one line, not
# the file.
_STRING = re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+', re.DOTALL)
_PULLED = 64 * 1024
_QUOTE, _COMMA, _BACKSLASH = b'",\\'
_OPENING = b"[{"
_BLANK = re.compile(rb"\s*")


def read_json(origin: Origin, chunks: Iterator[bytes]) -> Iterator[Row | Reject]:
    """The rows of a JSON document."""
    for piece in elements(chunks, origin.limit):
        row = parse_object(origin, piece)
        if row is not None:
            yield row


def elements(chunks: Iterator[bytes], limit: int, pulled: int = _PULLED) -> Iterator[Piece]:
    """One piece an element; `line` is the line where the element starts. At least `pulled` bytes are read at once."""
    return _Scanner(chunks, limit, pulled).pieces()


class _Scanner:
    """`buffer[start:]` is the element being looked for, of which `buffer[start:at]` was scanned."""

    def __init__(self, chunks: Iterator[bytes], limit: int, pulled: int) -> None:
        self.chunks, self.limit, self.pulled = chunks, limit, pulled
        self.buffer, self.start, self.at = b"", 0, 0
        self.line, self.offset = 1, 0  # where `start` stands in the file
        self.head, self.dropped, self.began = b"", 0, (1, 0)  # of an element too long to be held
        self.depth, self.floor, self.in_string = 0, 0, False
        self.problem = ""

    def pieces(self) -> Iterator[Piece]:
        self._enter()
        while True:
            found = self._boundary()
            if found is None:
                if not self._pull():
                    break
                continue
            stop, after = found
            if piece := self._piece(stop):
                yield piece
            self._move(after)
        yield from self._rest()

    def _enter(self) -> None:
        """Look at the first character: elements stand one level deep in an array, or at no depth without
        one."""
        self._skip_blank()
        while self.start == len(self.buffer) and self._pull():
            self._skip_blank()
        if self.buffer[self.start : self.start + 1] == b"[":
            self._move(self.start + 1)
            self.at = self.start
            self.depth = self.floor = 1

    def _boundary(self) -> tuple[int, int] | None:
        """Where the element ends and where the next one begins, or None where that is not in the buffer
        yet."""
        while not self.in_string or self._leave_string():
            found = _MARK.search(self.buffer, self.at)
            if found is None:
                self.at = len(self.buffer)
                return None
            self.at = found.end()
            mark = self.buffer[found.start()]
            if mark == _QUOTE:
                self.in_string = True
            elif mark == _COMMA:
                if self.depth == self.floor:
                    return found.start(), found.end()
            elif mark in _OPENING:
                self.depth += 1
            elif ended := self._close(found.start()):
                return ended
        return None

    def _close(self, at: int) -> tuple[int, int] | None:
        self.depth -= 1
        if self.floor == 0:
            if self.depth > 0:
                return None
            self.depth = 0
            return at + 1, at + 1
        if self.depth < self.floor:  # the array itself: what follows it stands alone
            self.depth = self.floor = 0
            return at, at + 1
        return None

    def _leave_string(self) -> bool:
        found = _STRING.match(self.buffer, self.at)
        self.at = found.end() if found else self.at
        if self.at >= len(self.buffer):
            return False
        if self.buffer[self.at] == _BACKSLASH and self.at + 1 == len(self.buffer):
            return False  # the escaped character is not read yet
        self.at += 1
        self.in_string = False
        return True

    def _pull(self) -> bool:
        """Read on; what is done with is dropped first. False where there is no more."""
        if self.dropped + len(self.buffer) - self.start > self.limit:
            self._forget()
        held = self.buffer[self.start :]
        self.at -= self.start
        self.start = 0
        self.buffer, problem = read_on(self.chunks, held, self.pulled)
        self.problem = self.problem or problem
        return len(self.buffer) > len(held)

    def _forget(self) -> None:
        """Drop what was scanned of an element that is too long, but for its beginning."""
        if not self.dropped:
            self._skip_blank()
            self.began = self.line, self.offset
        self.head = (self.head + self.buffer[self.start : self.at])[:RAW_KEPT]
        self.dropped += self.at - self.start
        self._move(self.at)

    def _move(self, start: int) -> None:
        self.line += self.buffer.count(b"\n", self.start, start)
        self.offset += start - self.start
        self.start = start

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self.buffer, self.start)
        self._move(blank.end() if blank else self.start)
        self.at = max(self.at, self.start)

    def _piece(self, stop: int, problem: str = "") -> Piece | None:
        """The element that ends before `stop`, or None if it is blank."""
        if not self.dropped:
            self._skip_blank()
            self.began = self.line, self.offset
        length = self.dropped + max(0, stop - self.start)
        data = self.buffer[self.start : stop]
        if length > self.limit:
            data = (self.head + data)[:RAW_KEPT]
        self.head, self.dropped = b"", 0
        return Piece(*self.began, length, data, problem) if length or problem else None

    def _rest(self) -> Iterator[Piece]:
        """What stands after the last boundary: nothing, in a whole document."""
        end = len(self.buffer)
        problem = self.problem
        if not problem and self.floor:
            problem = "the file ends before its array is closed"
        elif not problem and self.depth:
            problem = "the file ends inside an object"
        if self.depth == self.floor and not self.in_string:  # all that is there may be whole
            if piece := self._piece(end):
                yield piece
            self._move(end)
        if problem and (piece := self._piece(end, problem)):
            yield piece
