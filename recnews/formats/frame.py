"""Rows that are in memory already: mappings, drafts, a pandas DataFrame."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from recnews.formats.base import Row
from recnews.formats.drafts import to_row
from recnews.formats.values import plain
from recnews.records import Draft, EventDraft, Reject, Where


@runtime_checkable
class Frame(Protocol):
    """What is used of a pandas DataFrame."""

    @property
    def columns(self) -> Any: ...

    def itertuples(self, index: bool, name: None) -> Iterable[tuple[Any, ...]]: ...


def read_rows(rows: Iterable[Any] | Frame, name: str) -> Iterator[Row | Reject]:
    """One row for each item. `line` counts the items from 1, except for a draft that says where it comes
    from."""
    items = _tuples(rows) if isinstance(rows, Frame) else rows
    for number, item in enumerate(items, start=1):
        where = Where(name, number)
        if isinstance(item, Draft | EventDraft):
            yield Row(item.where or where, to_row(item))
        elif isinstance(item, Mapping):
            yield Row(where, {str(column): plain(value) for column, value in item.items()})
        else:
            reason = f"is of type {type(item).__name__}, not a mapping of columns"
            yield Reject(where, reason, "hand in a dict or a Draft", raw=repr(item)[:1000])


def _tuples(frame: Frame) -> Iterator[dict[str, Any]]:
    columns = [str(column) for column in frame.columns]
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(columns, values, strict=True))
