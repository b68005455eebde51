"""Parquet, a thousand rows at a time, only the columns that are known."""

import gzip
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from recnews.errors import MissingExtraError, UnreadableFileError
from recnews.formats.base import RAW_KEPT, Progress, ReadOptions, Row
from recnews.formats.files import Source
from recnews.formats.values import plain
from recnews.records import Reject, Where

_BATCH = 1000
_BUFFER = 1024 * 1024


def read_parquet(
    source: Source,
    options: ReadOptions,
    wanted: frozenset[str],
    check_header: Callable[[list[str], str], None],
    progress: Progress | None = None,
) -> Iterator[Row | Reject]:
    """The rows of a Parquet file; `line` is the row number. Raises `MissingExtraError` without pyarrow."""
    try:
        # An optional extra, and 0.2 s that only Parquet should cost.
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", f"reading {source.name}") from error

    done = 0
    with ExitStack() as stack:
        try:
            file = _seekable(source, stack)
            # Without these two a whole row group is held, which writers make as large as the file.
            table = pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
            stack.callback(table.close)
            header = list(table.schema_arrow.names)
            check_header(header, source.name)
            columns = [name for name in header if name in wanted]
            total = max(1, table.metadata.num_rows)
            for batch in table.iter_batches(batch_size=_BATCH, columns=columns):
                yield from _rows(source.name, batch, done, options.max_row_bytes)
                done += batch.num_rows
                if progress:
                    progress(source.size * done // total, source.size)
        except PermissionError as error:
            raise UnreadableFileError(source.name, f"cannot be read ({error.strerror})") from error
        except (pyarrow.ArrowException, OSError, EOFError, zlib.error) as error:
            reason = f"the Parquet file is damaged ({str(error).splitlines()[0][:200]})"
            remedy = "fetch or write the file again; the rows before this one were read"
            yield Reject(Where(source.name, done + 1), reason, remedy, raw="")


def _seekable(source: Source, stack: ExitStack) -> Any:
    """Parquet begins at its end: what can only be read forwards is copied to a temporary file first."""
    if source.path is not None and source.regular and not source.gzip:
        return stack.enter_context(source.path.open("rb"))
    stream: Any = sys.stdin.buffer if source.path is None else stack.enter_context(source.path.open("rb"))
    if source.gzip:
        stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(stream, copy, _BUFFER)
    copy.seek(0)
    return copy


def _rows(name: str, batch: Any, before: int, limit: int) -> Iterator[Row | Reject]:
    for number in range(batch.num_rows):
        where = Where(name, before + number + 1)
        try:
            # Row by row: one time that Python cannot hold must not cost the other 999.
            [cells] = batch.slice(number, 1).to_pylist()
        except (ValueError, OverflowError) as error:
            yield Reject(where, f"holds a value that cannot be read ({error})", "mend it in the file", raw="")
            continue
        length = sum(len(value) for value in cells.values() if isinstance(value, str))
        if length > limit:
            raw = json.dumps(cells, ensure_ascii=False, default=str)[:RAW_KEPT]
            reason = f"the row is {length:,} characters long, the limit is {limit:,}"
            remedy = f"shorten it or raise ingest.max_row_bytes; the whole row is row {where.line:,} of {name}"
            yield Reject(where, reason, remedy, raw=raw)
        else:
            yield Row(where, {column: plain(value) for column, value in cells.items()})
