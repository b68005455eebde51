"""From a `Source` to UTF-8 bytes in chunks, and from chunks to lines, never holding more than one row."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import IO

from recnews.errors import UnreadableFileError
from recnews.formats.base import RAW_KEPT, Origin, Piece, Progress, ReadOptions, StreamCutError
from recnews.formats.charset import SNIFFED, check_encoding, guess_encoding, guess_marked
from recnews.formats.files import MARKED, Source

_CHUNK = 128 * 1024
_ESCAPE = "recnews-escape"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Undecodable bytes become lone surrogates, which no valid text holds: the row that has one is rejected
    later."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ESCAPE, _escape)


def raw_chunks(source: Source, progress: Progress | None = None) -> Iterator[bytes]:
    """The bytes of a source, decompressed. `progress` gets the bytes read on disk and the source's size.

    Raises `StreamCutError` where a gzip stream is cut or damaged, `UnreadableFileError` where the disk fails.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(_opened(source))
            stream = stack.enter_context(gzip.GzipFile(fileobj=raw)) if source.gzip else raw
            while data := _read(stream):
                if progress and source.regular:
                    progress(raw.tell(), source.size)
                yield data
        except OSError as error:
            raise UnreadableFileError(source.name, f"cannot be read ({error.strerror or error})") from error


def _opened(source: Source) -> AbstractContextManager[IO[bytes]]:
    if source.data is not None:
        return io.BytesIO(source.data)
    return nullcontext(sys.stdin.buffer) if source.path is None else source.path.open("rb")


def _read(stream: "gzip.GzipFile | IO[bytes]") -> bytes:
    # read1 rather than read: it hands over what is there before it meets the damage, and does not wait on a
    # pipe.
    try:
        data: bytes = stream.read1(_CHUNK)  # type: ignore[union-attr]
    except EOFError as error:
        raise StreamCutError("the gzip stream ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise StreamCutError(f"the gzip stream is damaged ({error})") from error
    return data


def utf8_chunks(
    source: Source, options: ReadOptions, progress: Progress | None = None
) -> tuple[Origin, Iterator[bytes]]:
    """The text of a source as UTF-8 without byte order mark, and where it comes from.

    Bytes that are not in its encoding stay in the stream as invalid UTF-8, so that only their row is lost.
    """
    chunks = raw_chunks(source, progress)
    head, cut = b"", None
    # A pipe is judged by what it gives at once: waiting for more could be waiting for ever.
    wanted = SNIFFED if source.regular else 1
    try:
        while len(head) < wanted and (more := next(chunks, b"")):
            head += more
    except StreamCutError as error:
        cut = error
    encoding = check_encoding(options.encoding, head) if options.encoding else _guess(source, head)
    origin = Origin(source.name, encoding, options.max_row_bytes, _place(source, encoding))
    joined = _joined(head, cut, chunks)
    return origin, (_without_bom(joined) if encoding == "utf-8" else _transcoded(joined, encoding))


def _guess(source: Source, head: bytes) -> str:
    return guess_marked(head, source.declared) if source.format in MARKED else guess_encoding(head)


def _place(source: Source, encoding: str) -> str:
    if not source.regular:
        return ""
    note = [*(["decompressed"] if source.gzip else []), *(["as UTF-8"] if encoding != "utf-8" else [])]
    return f"{source.name} ({', '.join(note)})" if note else source.name


def _joined(head: bytes, cut: StreamCutError | None, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    if cut:
        raise cut
    yield from rest


def _without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        data = chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk
        if data:
            yield data


def _transcoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(_ESCAPE)
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text.encode("utf-8", "surrogatepass")
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "surrogatepass")


def read_on(chunks: Iterator[bytes], held: bytes, least: int) -> tuple[bytes, str]:
    """`held` and what follows it: `least` bytes, or as much again as is held, so that a long row is not copied over and
    over. And why the stream is cut, if it is; nothing more is read at its end."""
    parts, size, problem = [held], 0, ""
    try:
        while size < max(least, len(held)) and (chunk := next(chunks, b"")):
            parts.append(chunk)
            size += len(chunk)
    except StreamCutError as error:
        problem = str(error)
    return b"".join(parts), problem


class _Line:
    """A line that is still growing: all of it up to the limit, beyond that its beginning and its length."""

    def __init__(self, limit: int) -> None:
        self.limit, self.parts, self.length = limit, list[bytes](), 0

    def add(self, data: bytes) -> None:
        self.parts.append(data)
        self.length += len(data)
        if self.length > self.limit and sum(map(len, self.parts)) > RAW_KEPT:
            self.parts = [b"".join(self.parts)[:RAW_KEPT]]

    def take(self) -> tuple[bytes, int]:
        data, length = b"".join(self.parts), self.length
        self.parts, self.length = [], 0
        return data, length


def lines(chunks: Iterator[bytes], limit: int) -> Iterator[Piece]:
    """One piece a line, without its line end; the last one bears `problem` if the stream is cut."""
    number, offset, growing = 1, 0, _Line(limit)
    problem = ""
    try:
        for chunk in chunks:
            ended = chunk.split(b"\n")
            last = ended.pop()
            for data in ended:
                growing.add(data)
                whole, length = growing.take()
                yield Piece(number, offset, length, whole)
                number += 1
                offset += length + 1
            growing.add(last)
    except StreamCutError as error:
        problem = str(error)
    whole, length = growing.take()
    if length or problem:
        yield Piece(number, offset, length, whole, problem)
