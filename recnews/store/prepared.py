"""Queries that every feed asks: compiled once and handed to the driver. SQLAlchemy takes several times as long to build
a small query and find it among those it has compiled as SQLite takes to answer it.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Dialect, Select

from recnews.store.dialects import is_postgres, plain_value


class Prepared:
    """A query with named parameters (`bindparam`), built when an engine is first asked."""

    def __init__(self, build: Callable[[], Select[Any]]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any], Callable[[Any], Any]]] = {}

    def rows(self, connection: Connection, **given: Any) -> list[Any]:
        """The rows, with the names of the columns as attributes; `given` are the values of the parameters."""
        dialect = connection.dialect
        text, names, fixed, made = self._compiled.get(dialect.name) or self._compile(dialect)
        values = fixed | {name: plain_value(dialect, value) for name, value in given.items()}
        cursor: Any = connection.connection.driver_connection
        asked = values if names is None else [values[name] for name in names]
        return list(map(made, cursor.execute(text, asked)))

    def _compile(self, dialect: Dialect) -> tuple[str, list[str] | None, dict[str, Any], Callable[[Any], Any]]:
        query = self._build()
        compiled = query.compile(dialect=dialect)
        row = namedtuple("Row", query.selected_columns.keys(), rename=True)  # type: ignore[misc]
        names = None if is_postgres(dialect) else list(getattr(compiled, "positiontup", None) or ())
        made = (str(compiled), names, dict(compiled.params), row._make)
        self._compiled[dialect.name] = made
        return made
