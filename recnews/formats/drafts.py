"""From a `Row` to a `Draft` or an `EventDraft`: which column holds which field, and what must be there."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Protocol, TypeVar

from recnews.errors import UsageError
from recnews.formats import values
from recnews.formats.base import FieldError, ReadOptions, Row
from recnews.records import EVENT_KINDS, Draft, EventDraft, EventKind, Reject

_ARTICLE_FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "title": ("title",),
    "body": ("body",),
    "summary": ("summary",),
    "url": ("url",),
    "author": ("author",),
    "source": ("source",),
    "category": ("category",),
    "tags": ("tags",),
    "lang": ("lang",),
    "published_at": ("published_at",),
    "expires_at": ("expires_at",),
}
_EVENT_FIELDS: dict[str, tuple[str, ...]] = {
    "user": ("user", "user_id"),
    "article": ("article", "article_id", "key"),
    "at": ("at", "time", "timestamp"),
    "kind": ("kind",),
    "weight": ("weight",),
    "dwell": ("dwell",),
    "event_id": ("event_id",),
}
"""Each field's columns, the first that holds something counts."""
OTHER_EVENT_COLUMNS = frozenset(
    column for name, columns in _EVENT_FIELDS.items() if name != "user" for column in columns
)
"""The columns of a reading log that do not hold the reader."""


class Columns:
    """Which columns hold which field, after renaming. Raises `UsageError` for a field that does not exist."""

    def __init__(self, known: Mapping[str, tuple[str, ...]], rename: Mapping[str, str]) -> None:
        also = {alias: name for name, aliases in known.items() for alias in aliases}
        for given in rename:
            if given not in also:
                raise UsageError(
                    f"--map {given}={rename[given]}: no field is called {given!r}; known are {', '.join(known)}"
                )
        self.renamed = {also[given]: column for given, column in rename.items()}
        self.names = {**known, **{name: (column,) for name, column in self.renamed.items()}}

    def get(self, cells: Mapping[str, Any], field: str) -> Any:
        """What the field's columns hold, or None."""
        for name in self.names[field]:
            value = cells.get(name)
            if value is not None and value != "":
                return value
        return None

    def check(self, header: list[str], name: str, needed: tuple[tuple[str, ...], ...]) -> None:
        """Raise `UsageError` unless the header of `name` has a column for one field of each group, each
        once."""
        wanted = [column for columns in self.names.values() for column in columns]
        if twice := [column for column in wanted if header.count(column) > 1]:
            raise UsageError(f"{name}: there is more than one column {twice[0]!r}; give each its own name")
        lacking = [
            " or ".join(repr(field) for field in group)
            for group in needed
            if not any(column in header for field in group for column in self.names[field])
        ]
        lacking += [repr(field) for field, column in self.renamed.items() if column not in header]
        if lacking:
            shown = ", ".join(header[:40]) or "none"
            raise UsageError(
                f"{name}: no column for {' and for '.join(dict.fromkeys(lacking))}; "
                f"the columns are: {shown}; say which holds it, such as --map {needed[0][0]}=COLUMN"
            )

    @property
    def wanted(self) -> frozenset[str]:
        """Every column that is read."""
        return frozenset(column for columns in self.names.values() for column in columns)


T_co = TypeVar("T_co", covariant=True)


class RowReader(Protocol[T_co]):
    """What `ArticleReader` and `EventReader` have in common."""

    columns: Columns

    def check_header(self, header: list[str], name: str) -> None:
        """Raise `UsageError` if a table with these columns cannot give what is read."""

    def read(self, row: Row) -> T_co | Reject:
        """What one row gives, or why it gives nothing."""


class ArticleReader:
    """Makes articles of rows."""

    def __init__(self, options: ReadOptions) -> None:
        self.zone = options.timezone
        self.columns = Columns(_ARTICLE_FIELDS, options.rename)

    def check_header(self, header: list[str], name: str) -> None:
        """Raise `UsageError` if an article cannot come of these columns."""
        self.columns.check(header, name, (("id", "url"), ("title", "body")))

    def read(self, row: Row) -> Draft | Reject:
        """The article in one row, or why there is none."""
        try:
            return self._draft(row)
        except FieldError as error:
            return Reject(row.where, error.reason, error.remedy, error.field, row=row.cells)

    def _draft(self, row: Row) -> Draft:
        cells, get = row.cells, self.columns.get
        url = values.text("url", get(cells, "url"))
        key = values.key("id", get(cells, "id")) or values.key("url", url)
        if not key:
            raise FieldError("id", "is missing, and so is 'url'", "give each article an id, or --map id=COLUMN")
        title = values.text("title", get(cells, "title"))
        body = values.text("body", get(cells, "body"))
        if not title and not body:
            raise FieldError("title", "is missing, and so is 'body'", "give one of them, or --map title=COLUMN")
        published, expires = self._times(cells)
        return Draft(
            key=key,
            title=title,
            body=body,
            summary=values.text("summary", get(cells, "summary")),
            url=url,
            author=values.text("author", get(cells, "author"), numbers=True),
            source=values.text("source", get(cells, "source"), numbers=True),
            category=values.text("category", get(cells, "category"), numbers=True),
            tags=values.tags("tags", get(cells, "tags")),
            lang=values.text("lang", get(cells, "lang")),
            published_at=published,
            expires_at=expires,
            where=row.where,
        )

    def _times(self, cells: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
        published = values.moment("published_at", self.columns.get(cells, "published_at"), self.zone)
        expires = values.moment("expires_at", self.columns.get(cells, "expires_at"), self.zone)
        if published and expires and expires < published:
            raise FieldError("expires_at", "is before 'published_at'", "mend one of the two dates")
        return published, expires


class EventReader:
    """Makes events of rows."""

    def __init__(self, options: ReadOptions) -> None:
        self.zone = options.timezone
        self.columns = Columns(_EVENT_FIELDS, options.rename)

    def check_header(self, header: list[str], name: str) -> None:
        """Raise `UsageError` if an event cannot come of these columns."""
        self.columns.check(header, name, (("user",), ("article",)))

    def read(self, row: Row) -> EventDraft | Reject:
        """The event in one row, or why there is none."""
        try:
            return self._event(row)
        except FieldError as error:
            return Reject(row.where, error.reason, error.remedy, error.field, row=row.cells)

    def _event(self, row: Row) -> EventDraft:
        cells, get = row.cells, self.columns.get
        return EventDraft(
            user_id=self._needed(cells, "user"),
            key=self._needed(cells, "article"),
            kind=_event_kind(values.text("kind", get(cells, "kind"))),
            weight=values.number("weight", get(cells, "weight"), 1.0, zero=False) or 1.0,
            dwell=values.number("dwell", get(cells, "dwell"), None, zero=True),
            at=values.moment("at", get(cells, "at"), self.zone),
            event_id=values.key("event_id", get(cells, "event_id")),
            where=row.where,
        )

    def _needed(self, cells: Mapping[str, Any], field: str) -> str:
        found = values.key(field, self.columns.get(cells, field))
        if not found:
            raise FieldError(field, "is missing", f"give each event one, or --map {field}=COLUMN")
        return found


def reader_columns(options: ReadOptions) -> tuple[str, ...]:
    """The columns of a reading log that may hold the reader's id."""
    return Columns(_EVENT_FIELDS, options.rename).names["user"]


def _event_kind(told: str) -> EventKind:
    kind = told.lower() or "read"
    if kind not in EVENT_KINDS:
        raise FieldError("kind", f"is not a kind of event: {told[:60]!r}", f"write one of {', '.join(EVENT_KINDS)}")
    return kind


_COLUMN = {"key": "id"}, {"key": "article", "user_id": "user"}


def to_row(draft: Draft | EventDraft) -> dict[str, Any]:
    """The columns that give this draft when they are read again, ready for JSON; empty fields are left
    out."""
    column = _COLUMN[isinstance(draft, EventDraft)]
    row: dict[str, Any] = {}
    for field in fields(draft):
        value = getattr(draft, field.name)
        if field.name == "where" or value in (None, "", ()):
            continue
        if isinstance(value, datetime):
            value = value.isoformat()
        row[column.get(field.name, field.name)] = list(value) if isinstance(value, tuple) else value
    return row
