"""Queries that every feed asks: compiled once and handed to the driver. SQLAlchemy takes several times as long to build
a small query and find it among those it has compiled as SQLite takes to answer it.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select
from sqlalchemy.dialects import sqlite


class Prepared:
    """A query with named parameters (`bindparam`), built when it is first asked."""

    def __init__(self, build: Callable[[], Select[Any]]) -> None:
        self._build = build

    def rows(self, connection: Connection, **given: Any) -> list[Any]:
        """The rows, with the names of the columns as attributes; `given` are the values of the parameters."""
        text, names, fixed, made = self._compiled
        values = fixed | given
        cursor: Any = connection.connection.driver_connection
        return list(map(made, cursor.execute(text, [values[name] for name in names])))

    @cached_property
    def _compiled(self) -> tuple[str, list[str], dict[str, Any], Callable[[Any], Any]]:
        query = self._build()
        compiled = query.compile(dialect=sqlite.dialect())
        row = namedtuple("Row", query.selected_columns.keys(), rename=True)  # type: ignore[misc]
        return str(compiled), list(compiled.positiontup or ()), dict(compiled.params), row._make


def among_given(column: ColumnElement[Any], name: str = "ids") -> ColumnElement[bool]:
    """Whether a column holds one of many numbers, given as the parameter `name` by `listed`."""
    return column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value))


def listed(values: Iterable[int]) -> str:
    """Numbers as `among_given` takes them."""
    return json.dumps(list(values))
