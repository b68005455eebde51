"""Bringing one store to what another one holds, whatever their engines. Each page of rows is a transaction, and rows
that are there already are compared and left alone: what was interrupted goes on where it was."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, insert, or_, select, tuple_

from recnews.store import schema
from recnews.store.database import Database, count_rows
from recnews.store.dialects import insert_or

Told = Callable[[str, int], object]
_PAGE = 1000
_MODULUS = 2**128


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows a table has, and a checksum of them that does not depend on their order."""

    rows: int
    checksum: str


class Transfer:
    """From `source`, which is only read, to `target`."""

    def __init__(self, source: Database, target: Database) -> None:
        self._source, self._target = source, target

    def run(self, told: Told | None = None) -> None:
        """Make the target's rows those of the source as they are at this moment; `told` is given each table's name and
        how many of its rows have been gone through."""
        with self._source.one_view(), self._source.read() as source:
            for table in reversed(_keyed()):
                self._drop_others(source, table)
            for table in _keyed():
                done = 0
                for page in _pages(source, table):
                    self._put(table, page)
                    done += len(page)
                    if told:
                        told(table.name, done)
            with self._target.write() as connection:  # last, as it says how far the store has come
                for table in _unkeyed():
                    connection.execute(delete(table))
                    if rows := [dict(row._mapping) for row in source.execute(select(table))]:
                        connection.execute(insert(table), rows)

    def _drop_others(self, source: Connection, table: Table) -> None:
        """Remove rows of an earlier run that the source has no more."""
        with self._target.read() as connection:
            pages = list(_pages(connection, table, keys_only=True)) if count_rows(connection, table) else []
        for page in pages:
            there = {tuple(row) for row in source.execute(_of(table, page, keys_only=True))}
            others = [row for row in page if tuple(row) not in there]
            if others:
                with self._target.write() as connection:
                    connection.execute(
                        delete(table).where(tuple_(*table.primary_key).in_([tuple(it) for it in others]))
                    )

    def _put(self, table: Table, page: Sequence[Row[Any]]) -> None:
        names = [column.name for column in table.primary_key]
        keys = [tuple(row._mapping[name] for name in names) for row in page]
        with self._target.write() as connection:
            found = {tuple(row) for row in connection.execute(_of(table, keys))}
            rows = [dict(row._mapping) for row in page if tuple(row) not in found]
            if not rows:
                return
            statement = insert_or(connection, table)
            rest = {column.name: statement.excluded[column.name] for column in table.c if column.name not in names}
            connection.execute(
                statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest)
                if rest
                else statement.on_conflict_do_nothing(),
                rows,
            )


def sums(database: Database) -> dict[str, Sum]:
    """The checksum of each table, all at one moment."""
    with database.one_view(), database.read() as connection:
        return {table.name: _sum(connection, table) for table in (*_keyed(), *_unkeyed())}


def _sum(connection: Connection, table: Table) -> Sum:
    count = total = 0
    pages = _pages(connection, table) if list(table.primary_key) else [connection.execute(select(table)).all()]
    for page in pages:
        count += len(page)
        for row in page:
            total += int.from_bytes(blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return Sum(count, f"{total % _MODULUS:032x}")


def _keyed() -> list[Table]:
    return [table for table in _moved() if list(table.primary_key)]


def _unkeyed() -> list[Table]:
    """Tables of one row, but for the version of the schema, which both have by themselves."""
    return [table for table in _moved() if not list(table.primary_key) and table is not schema.schema_version]


def _moved() -> list[Table]:
    """All tables but those with copies of files, which are moved as files."""
    return [table for table in schema.metadata.sorted_tables if table not in schema.SHARED]


def _pages(connection: Connection, table: Table, keys_only: bool = False) -> Iterator[Sequence[Row[Any]]]:
    """The rows of a table, or their keys, in the order of the primary key, some at a time."""
    places, after = list(table.primary_key), None
    chosen = select(*places) if keys_only else select(table)
    while True:
        query = chosen.order_by(*places).limit(_PAGE)
        page = connection.execute(query if after is None else query.where(_beyond(places, after))).all()
        if page:
            yield page
            after = [page[-1]._mapping[column.name] for column in places]
        if len(page) < _PAGE:
            return


def _beyond(places: Sequence[Any], after: Sequence[Any]) -> Any:
    """Whether a row comes after a key."""
    cases = []
    for depth, last in enumerate(places):
        same = [place == value for place, value in zip(places[:depth], after[:depth], strict=True)]
        cases.append(and_(*same, last > after[depth]))
    return or_(*cases)


def _of(table: Table, keys: Sequence[Any], keys_only: bool = False) -> Any:
    """Rows with some primary keys."""
    chosen = select(*table.primary_key) if keys_only else select(table)
    return chosen.where(tuple_(*table.primary_key).in_([tuple(key) for key in keys]))
