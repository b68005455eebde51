"""What SQLite and PostgreSQL say differently: the only place that asks which of them it speaks to."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Float,
    Integer,
    Table,
    TableValuedAlias,
    Text,
    TypeDecorator,
    bindparam,
    column,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

# STRICT tables know INTEGER, REAL, TEXT and BLOB only. Words are ordered by their bytes, as SQLite does.
Whole = BigInteger().with_variant(Integer, "sqlite")
Real = Float(53).with_variant(REAL, "sqlite")
Words = Text().with_variant(Text(collation="C"), "postgresql")


def is_postgres(dialect: Dialect) -> bool:
    """Whether it speaks to PostgreSQL; else to SQLite."""
    return dialect.name == "postgresql"


def insert_or(connection: Connection, table: Table) -> postgresql.Insert:
    """An INSERT that may say what to do on a conflict."""
    made: Any = postgresql.insert if is_postgres(connection.dialect) else sqlite.insert
    return cast(postgresql.Insert, made(table))


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    names: Sequence[str] = (),
    key: Sequence[str] = (),
) -> None:
    """Insert rows of plain values for the columns `names`, all in their order without. What is there already is left
    alone, or overwritten where it has the same `key`. Many times faster than rows by name: SQLAlchemy takes longer to
    make parameters of them than SQLite to write them."""
    if not rows:
        return
    names = names or [column.name for column in table.c]
    columns = ", ".join(map(_quoted, names))
    found = [f"{_quoted(name)} = excluded.{_quoted(name)}" for name in names if name not in key]
    at_conflict = f"({', '.join(map(_quoted, key))}) DO UPDATE SET {', '.join(found)}" if key else "DO NOTHING"
    if is_postgres(connection.dialect):
        given, values = _as_arrays(connection, table, names, rows)
        source = f"SELECT * FROM unnest({given})"
    else:
        source, values = f"VALUES ({', '.join('?' * len(names))})", list(rows)
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) {source} ON CONFLICT {at_conflict}", values)


def update_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> None:
    """Set columns of rows that are there: the first of `names` is the key by which each is found. As fast as
    `insert_rows`."""
    if not rows:
        return
    key, *others = map(_quoted, names)
    if is_postgres(connection.dialect):
        given, values = _as_arrays(connection, table, names, rows)
        told = ", ".join(f"{name} = given.{name}" for name in others)
        source = f" FROM unnest({given}) AS given({key}, {', '.join(others)}) WHERE {table.name}.{key} = given.{key}"
    else:
        told, values = ", ".join(f"{name} = ?{place}" for place, name in enumerate(others, start=2)), list(rows)
        source = f" WHERE {key} = ?1"
    connection.exec_driver_sql(f"UPDATE {table.name} SET {told}{source}", values)


def _as_arrays(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Any:
    """Rows as an array for each column: what stands for them in the statement, and their values."""
    dialect = connection.dialect
    kinds = [table.c[name].type.dialect_impl(dialect).compile(dialect).partition(" COLLATE ")[0] for name in names]
    return ", ".join(f"%s::{kind}[]" for kind in kinds), tuple(map(list, zip(*rows, strict=True)))


def _quoted(name: str) -> str:
    return f'"{name}"'


def among(column: ColumnElement[Any], values: Iterable[int] | Iterable[str]) -> ColumnElement[bool]:
    """Whether a column holds one of many numbers or words, as one parameter: a parameter each takes SQLAlchemy and
    SQLite longer than looking all of them up. Not for keys and ids from outside: SQLite ends a text at a NUL here."""
    return _Among(column, literal(list(values), _Many(_item(column))))


def among_given(column: ColumnElement[Any], name: str = "ids") -> ColumnElement[bool]:
    """Whether a column holds one of many numbers, given as the list `name` to a query that is `Prepared`."""
    return _Among(column, bindparam(name, type_=_Many(_item(column))))


def listed(values: Sequence[int]) -> TableValuedAlias:
    """Many numbers, as one parameter, as a table of one column, `value`: for questions about each of them."""
    return _Listed(literal(list(values), _Many(BigInteger))).table_valued(column("value", BigInteger), name="value")


def holds(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a text is in a column's, the case of ASCII letters left out of account."""
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return _Holds(column, literal(f"%{escaped}%"))


def plain_value(dialect: Dialect, value: Any) -> Any:
    """The value of a parameter as the driver takes it."""
    return json.dumps(value) if isinstance(value, list) and not is_postgres(dialect) else value


class _Many(TypeDecorator[list[Any]]):
    """Many values as one parameter: an array, or JSON where there are none."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[BigInteger] | type[Text]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(cast(TypeEngine[Any], ARRAY(self.item) if is_postgres(dialect) else Text()))

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return plain_value(dialect, value)


def _item(column: ColumnElement[Any]) -> type[BigInteger] | type[Text]:
    return BigInteger if isinstance(column.type, Integer) else Text


class _Condition(FunctionElement[bool]):
    """A comparison. Said to be one: SQLAlchemy would else write `(...) = 1` on SQLite, which no index answers."""

    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True


class _Among(_Condition):
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(part, **given) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(part, **given) for part in element.clauses)
    return f"{column} = ANY ({values})"


class _Listed(FunctionElement[int]):
    inherit_cache = True


@compiles(_Listed, "sqlite")
def _listed_json(element: _Listed, compiler: SQLCompiler, **given: Any) -> str:
    return f"json_each({compiler.process(next(iter(element.clauses)), **given)})"


@compiles(_Listed, "postgresql")
def _listed_array(element: _Listed, compiler: SQLCompiler, **given: Any) -> str:
    return f"unnest({compiler.process(next(iter(element.clauses)), **given)})"


class _Holds(_Condition):
    inherit_cache = True


@compiles(_Holds, "sqlite")
def _holds_like(element: _Holds, compiler: SQLCompiler, **given: Any) -> str:
    column, pattern = (compiler.process(part, **given) for part in element.clauses)
    return f"({column} LIKE {pattern} ESCAPE '/')"


@compiles(_Holds, "postgresql")
def _holds_ilike(element: _Holds, compiler: SQLCompiler, **given: Any) -> str:
    column, pattern = (compiler.process(part, **given) for part in element.clauses)
    return f"({column} ILIKE {pattern} ESCAPE '/')"
