"""Everything that comes in: files of articles and of reading logs, rows and DataFrames, cleaned or rejected.

Every row of the input ends as one `Draft` (or `EventDraft`) or one `Reject` that says where it stood, which
field is wrong and what to do. Files are streamed: memory holds one row, however long the file is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from recnews.formats.base import Progress, ReadOptions, Row
from recnews.formats.delimited import read_delimited
from recnews.formats.drafts import OTHER_EVENT_COLUMNS, ArticleReader, EventReader, RowReader, reader_columns, to_row
from recnews.formats.feeds import read_feed
from recnews.formats.files import FORMATS, STDIN, Source, files_in, find_files
from recnews.formats.frame import Frame, read_rows
from recnews.formats.json_array import read_json
from recnews.formats.jsonl import read_jsonl
from recnews.formats.pages import read_page
from recnews.formats.parquet import read_parquet
from recnews.formats.sitemap import read_sitemap
from recnews.formats.sniff import kind_of
from recnews.formats.stream import utf8_chunks
from recnews.records import Draft, EventDraft, Reject

__all__ = [
    "FORMATS",
    "OTHER_EVENT_COLUMNS",
    "STDIN",
    "Frame",
    "Progress",
    "ReadOptions",
    "Row",
    "Source",
    "articles_from_rows",
    "articles_of",
    "events_from_rows",
    "files_in",
    "find_files",
    "kind_of",
    "read_articles",
    "read_document",
    "read_events",
    "read_sources",
    "reader_columns",
    "to_row",
]

T = TypeVar("T")
_DEFAULT = ReadOptions()


def read_articles(
    paths: Sequence[str | Path], options: ReadOptions = _DEFAULT, progress: Progress | None = None
) -> Iterator[Draft | Reject]:
    """The articles in files, folders and `-` (standard input), in the order `find_files` gives.

    `progress` gets the bytes read and the bytes there are, as they lie on disk. Raises `UsageError` and
    `UnreadableFileError` as `find_files` does at once, and on the way for a table that lacks a column it
    needs.
    """
    return read_sources(find_files(paths, options), options, progress)


def read_sources(
    sources: list[Source], options: ReadOptions = _DEFAULT, progress: Progress | None = None
) -> Iterator[Draft | Reject]:
    """As `read_articles`, of inputs that were found already."""
    return _read(ArticleReader(options), sources, options, progress)


def read_document(source: Source, options: ReadOptions = _DEFAULT) -> Iterator[Row | Reject]:
    """The rows of one document, before they become articles."""
    return _rows(ArticleReader(options), source, options, None)


def articles_of(rows: Iterator[Row | Reject], options: ReadOptions = _DEFAULT) -> Iterator[Draft | Reject]:
    """The articles in the rows of a document."""
    return _converted(ArticleReader(options), rows)


def read_events(
    paths: Sequence[str | Path], options: ReadOptions = _DEFAULT, progress: Progress | None = None
) -> Iterator[EventDraft | Reject]:
    """The events in reading logs; otherwise as `read_articles`."""
    reader = EventReader(options)
    return _read(reader, find_files(paths, options, articles=False), options, progress)


def articles_from_rows(
    rows: Iterable[Mapping[str, Any] | Draft] | Frame, options: ReadOptions = _DEFAULT, name: str = "<rows>"
) -> Iterator[Draft | Reject]:
    """The articles in mappings, drafts or a pandas DataFrame, checked as those of a file are."""
    reader = ArticleReader(options)
    return _converted(reader, read_rows(rows, name))


def events_from_rows(
    rows: Iterable[Mapping[str, Any] | EventDraft] | Frame,
    options: ReadOptions = _DEFAULT,
    name: str = "<rows>",
) -> Iterator[EventDraft | Reject]:
    """The events in mappings, drafts or a pandas DataFrame, checked as those of a file are."""
    reader = EventReader(options)
    return _converted(reader, read_rows(rows, name))


def _converted(reader: RowReader[T], rows: Iterator[Row | Reject]) -> Iterator[T | Reject]:
    read = reader.read
    for row in rows:
        yield row if isinstance(row, Reject) else read(row)


def _read(
    reader: RowReader[T], sources: list[Source], options: ReadOptions, progress: Progress | None
) -> Iterator[T | Reject]:
    total, before = sum(source.size for source in sources), 0
    for source in sources:
        told = _within(progress, before, total) if progress else None
        yield from _converted(reader, _rows(reader, source, options, told))
        before += source.size
        if progress:
            progress(before, total)


def _within(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, size: progress(before + min(done, size), total)


def _rows(
    reader: RowReader[Any], source: Source, options: ReadOptions, progress: Progress | None
) -> Iterator[Row | Reject]:
    if source.format == "parquet":
        return read_parquet(source, options, reader.columns.wanted, reader.check_header, progress)
    if source.format == "sitemap":
        return read_sitemap(source, lambda it: utf8_chunks(it, options), lambda it: _rows(reader, it, options, None))
    origin, chunks = utf8_chunks(source, options, progress)
    if source.format == "html":
        return read_page(origin, chunks, options.timezone, source.address, source.path)
    readers: dict[str, Callable[[], Iterator[Row | Reject]]] = {
        "jsonl": lambda: read_jsonl(origin, chunks),
        "json": lambda: read_json(origin, chunks),
        "csv": lambda: read_delimited(origin, chunks, ",", reader.check_header),
        "tsv": lambda: read_delimited(origin, chunks, "\t", reader.check_header),
        "feed": lambda: read_feed(origin, chunks, source.address),
    }
    return readers[source.format]()
