"""CSV and TSV with a header. A quoted cell may hold line ends; a record is reported by the line where it
starts."""

import csv
from collections import deque
from collections.abc import Callable, Iterator

from recnews.errors import UnreadableFileError
from recnews.formats.base import CELLS_KEY, REJECT_KEY, Origin, Piece, Row, decoded
from recnews.formats.stream import lines
from recnews.records import Reject, Where

_REMEDY = "put quotes around the cell and double the quotes inside it"
_SAID = {"unexpected end of data": "the quoted cell is not closed before the file ends"}


class _BadPieceError(Exception):
    def __init__(self, reject: Reject) -> None:
        self.reject = reject
        super().__init__(reject.reason)


class _Feed:
    """Lines for `csv.reader`. It remembers the lines of the record being read, so that those after the
    first can be read again as records of their own when the record turns out to be broken: a stray quote
    costs one line."""

    def __init__(self, origin: Origin, pieces: Iterator[Piece]) -> None:
        self.origin, self.pieces = origin, pieces
        self.again: deque[Piece] = deque()
        self.record: list[Piece] = []
        self.size = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        piece = self.again.popleft() if self.again else next(self.pieces)
        text = decoded(self.origin, piece)
        if isinstance(text, Reject) and not self.record:
            raise _BadPieceError(text)
        self.record.append(piece)
        self.size += piece.length
        if isinstance(text, Reject):
            raise csv.Error("the quoted cell is not closed before the next damaged line")
        if self.size > self.origin.limit:
            raise csv.Error(f"the quoted cell is not closed within {self.origin.limit:,} bytes")
        return text + "\n"

    def begin(self) -> None:
        self.record, self.size = [], 0

    def give_back(self) -> Piece:
        """The first line of the record; the others will be read again."""
        self.again.extendleft(reversed(self.record[1:]))
        return self.record[0]


def read_delimited(
    origin: Origin, chunks: Iterator[bytes], delimiter: str, check_header: Callable[[list[str], str], None]
) -> Iterator[Row | Reject]:
    """The rows of a CSV (`delimiter=","`) or TSV stream.

    `check_header` gets the columns and the file's name and raises if one that is needed is missing.
    """
    # A limit of the csv module, for the process: ours is held by `_Feed`, so theirs must not come first.
    csv.field_size_limit(max(csv.field_size_limit(), origin.limit + 1))
    header: list[str] | None = None
    for found in _records(origin, chunks, delimiter):
        if header is None:
            if isinstance(found, Reject):
                raise UnreadableFileError(origin.name, f"the header cannot be read: {found.reason}; {found.remedy}")
            header = [cell.strip() for cell in found[1]]
            check_header(header, origin.name)
        elif isinstance(found, Reject):
            yield found
        else:
            yield _row(header, *found)


def _records(origin: Origin, chunks: Iterator[bytes], delimiter: str) -> Iterator[tuple[Where, list[str]] | Reject]:
    feed = _Feed(origin, lines(chunks, origin.limit))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _BadPieceError as error:
            yield error.reject
        except csv.Error as error:
            first = feed.give_back()
            raw = first.data.decode("utf-8").removesuffix("\r")
            reason = f"is not a valid row: {_SAID.get(str(error), error)}"
            yield Reject(Where(origin.name, first.line), reason, _REMEDY, raw=raw)
        else:
            if any(cells):
                yield Where(origin.name, feed.record[0].line), cells


def _row(header: list[str], where: Where, cells: list[str]) -> Row | Reject:
    columns = dict(zip(header, cells, strict=False))
    if len(cells) == len(header) or (len(cells) > len(header) and not any(cells[len(header) :])):
        columns.pop(REJECT_KEY, None)
        return Row(where, columns)
    reason = f"has {len(cells)} cells, the header has {len(header)} columns"
    remedy = "put quotes around cells that hold the separator" if len(cells) > len(header) else "add the missing cells"
    return Reject(where, reason, remedy, row={**columns, CELLS_KEY: cells})
