"""JSON lines: one object a line. Blank lines are skipped."""

from collections.abc import Iterator

from recnews.formats.base import Origin, Row
from recnews.formats.json_object import parse_object
from recnews.formats.stream import lines
from recnews.records import Reject


def read_jsonl(origin: Origin, chunks: Iterator[bytes]) -> Iterator[Row | Reject]:
    """The rows of a stream of JSON lines."""
    for piece in lines(chunks, origin.limit):
        row = parse_object(origin, piece)
        if row is not None:
            yield row
