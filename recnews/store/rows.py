"""All rows of a store as lines of text, in a form and an order that no engine decides: what a backup is made of."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from sqlalchemy import Connection, LargeBinary, Table, delete, insert, select

from recnews.errors import SchemaError, StorageError
from recnews.store import schema
from recnews.store.database import Database, count_rows
from recnews.store.dialects import insert_rows

_PAGE = 1000
# Made again from the articles' own rows, or copies of files that a backup has as files.
_VIEWS = {table.name for table in (schema.story_bands, *schema.SHARED)}
# A log grows at its end: chunks of what was there stay as they were.
_ORDERS = {schema.events.name: ("seq", "user_id", "event_id")}


class Rows:
    """Every table of a store, whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def version(self) -> int:
        """The version of the schema that rows are of."""
        return len(schema.STEPS)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables, in an order in which they can be filled."""
        return tuple(table.name for table in schema.metadata.sorted_tables if table.name not in _VIEWS)

    def columns(self, table: str) -> tuple[str, ...]:
        """What the fields of a line are."""
        return tuple(column.name for column in _table(table).columns)

    def empty(self) -> bool:
        """Whether nothing is stored yet."""
        with self._database.read() as connection:
            return _is_empty(connection)

    def lines(self, table: str, generations: Sequence[str]) -> Iterator[bytes]:
        """Each row as a JSON array that ends with a line feed, bytes in base64; the same row gives the same line. Of
        what belongs to generations, only that of those named. Read inside one `Store.one_view`, all tables are of one
        moment."""
        found = _table(table)
        order = _ORDERS.get(table) or [column.name for column in found.primary_key] or [found.columns[0].name]
        query = select(found).order_by(*(found.c[name] for name in order))
        if "generation" in found.columns:
            query = query.where(found.c.generation.in_(generations))
        blobs = _blobs(found)
        with self._database.read() as connection:
            for row in connection.execute(query.execution_options(yield_per=_PAGE)):
                yield _line(list(row), blobs)

    def fill(self, lines: Iterable[tuple[str, bytes]]) -> None:
        """Store rows in an empty store: (table, lines) in the order of `tables`, all in one transaction. Raises
        `StorageError` when the store holds something already, or a line is no row of its table."""
        with self._database.write() as connection:
            if not _is_empty(connection):
                raise StorageError(self._database.place, "holds data already", "restore into an empty store")
            connection.execute(delete(schema.change_counter))
            connection.execute(delete(schema.schema_version))
            for name, chunk in lines:
                _insert(connection, _table(name), chunk.splitlines(), self._database.place)
            _check_version(connection, self._database.place)


def _is_empty(connection: Connection) -> bool:
    return not any(count_rows(connection, table) for table in (schema.article_ids, schema.events, schema.forgotten))


def _table(name: str) -> Table:
    return schema.metadata.tables[name]


def _blobs(table: Table) -> list[int]:
    return [place for place, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]


def _line(values: list[object], blobs: Sequence[int]) -> bytes:
    for place in blobs:
        value = values[place]
        if isinstance(value, bytes):
            values[place] = b64encode(value).decode()
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def _insert(connection: Connection, table: Table, lines: Sequence[bytes], path: str) -> None:
    names, blobs = [column.name for column in table.columns], _blobs(table)
    rest = iter(lines)
    while page := list(islice(rest, _PAGE)):
        try:
            rows = [json.loads(line.decode("utf-8", "surrogatepass")) for line in page]
            for row in rows:
                for place in blobs:
                    row[place] = None if row[place] is None else b64decode(row[place], validate=True)
            named = [dict(zip(names, row, strict=True)) for row in rows]
        except (ValueError, TypeError, IndexError) as error:
            raise StorageError(path, f"cannot take a row of {table.name} ({error})", "use another backup") from error
        connection.execute(insert(table), named)
        if table is schema.articles:
            insert_rows(connection, schema.story_bands, [
                (band, row["article_id"])
                for row in named if row["bands"] is not None
                for band in np.frombuffer(row["bands"], dtype=np.int64).tolist()
            ])  # fmt: skip


def _check_version(connection: Connection, path: str) -> None:
    found = schema.found_version(connection)
    if found != len(schema.STEPS):
        raise SchemaError(path, found, len(schema.STEPS))
