"""Text as PostgreSQL takes it: it has no NUL, which a text may hold here. NUL is kept as two characters that are read
back as one, and so is the first of these two itself; all other text is stored as it is."""

from typing import Any

from psycopg import Connection, Cursor, pq
from psycopg.adapt import Loader
from psycopg.types.string import StrDumper

_MARK, _NUL = "\x1a", "\x1a0"


class BinaryCursor(Cursor[Any]):
    """Asks for results as bytes rather than as text: vectors come as they are, not in hexadecimal."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.format = pq.Format.BINARY


class _Dumper(StrDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(kept(obj))


class _Loader(Loader):
    def load(self, data: Any) -> str:
        return given(str(data, "utf-8"))


class _BinaryLoader(_Loader):
    format = pq.Format.BINARY


def kept(text: str) -> str:
    """What is stored of a text."""
    return text.replace(_MARK, f"{_MARK}1").replace("\0", _NUL) if _MARK in text or "\0" in text else text


def given(text: str) -> str:
    """The inverse of `kept`."""
    return text.replace(_NUL, "\0").replace(f"{_MARK}1", _MARK) if _MARK in text else text


def prepare(connection: "Connection[Any]") -> None:
    """Let a connection write and read text so."""
    connection.adapters.register_dumper(str, _Dumper)
    for kind in ("text", "varchar"):
        connection.adapters.register_loader(kind, _Loader)
        connection.adapters.register_loader(kind, _BinaryLoader)
