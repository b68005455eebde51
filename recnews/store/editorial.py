"""The editors' hand: which articles they have pinned, and what they keep out of feeds or out of personal choice."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, or_, select

from recnews.errors import UsageError
from recnews.records import Pin, Rules
from recnews.store.articles import stored_ids
from recnews.store.database import Database, from_micros, optional_micros, to_micros
from recnews.store.dialects import among, insert_or
from recnews.store.prepared import Prepared
from recnews.store.schema import article_ids, pins, rules

RuleKind = Literal["block", "impersonal"]
RuleField = Literal["category", "source"]
_KNOWN = (("block", "category"), ("block", "source"), ("impersonal", "category"))


class Editorial:
    """Pins and rules. They are read anew for every feed, so that they hold at once and in every process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pin(self, key: str, slot: int, starts_at: datetime | None, until: datetime | None, now: datetime) -> None:
        """Put an article into place `slot` (from 1) of every feed while `starts_at <= time < until`; None does not
        restrict. An article has one pin: the new one replaces it.

        Raises `UnknownArticleError`; `UsageError` for a slot below 1 or a time that would never come.
        """
        if slot < 1:
            raise UsageError(f"a feed's places count from 1; there is no place {slot}")
        if until is not None and until <= max(now, starts_at or now):
            raise UsageError(f"the pin would never be shown: it ends at {until.isoformat()}")
        with self._database.write() as connection:
            [article_id] = stored_ids(connection, [key])
            values = {
                "slot": slot,
                "starts_at": optional_micros(starts_at),
                "until": optional_micros(until),
                "created_at": to_micros(now),
            }
            statement = insert_or(connection, pins).values(article_id=article_id, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=[pins.c.article_id], set_=values))

    def unpin(self, keys: Sequence[str]) -> int:
        """Take pins away; how many there were. Raises `UnknownArticleError`, nothing changed."""
        with self._database.write() as connection:
            ids = stored_ids(connection, keys)
            gone = delete(pins).where(among(pins.c.article_id, ids)).returning(pins.c.article_id)
            return len(connection.execute(gone).all())

    def pins(self, now: datetime | None) -> list[Pin]:
        """The pins that hold at `now`, or all of them for None: by slot, for one slot the newest first. Their articles
        may be hidden or expired."""
        with self._database.read() as connection:
            return _pins(connection, now)

    def add_rules(self, kind: RuleKind, field: RuleField, values: Sequence[str]) -> int:
        """Make rules; how many are new. Raises `UsageError` for a rule that does not exist or an empty value."""
        if (kind, field) not in _KNOWN or not all(value.strip() for value in values):
            raise UsageError(f"there is no rule to {kind} a {field} that is called {list(values)}")
        rows = [{"kind": kind, "field": field, "value": value} for value in dict.fromkeys(values)]
        if not rows:
            return 0
        with self._database.write() as connection:
            made = insert_or(connection, rules).on_conflict_do_nothing().returning(rules.c.value)
            return len(connection.execute(made, rows).all())

    def remove_rules(self, kind: RuleKind, field: RuleField, values: Sequence[str]) -> int:
        """Take rules away; how many there were."""
        where = (rules.c.kind == kind, rules.c.field == field, rules.c.value.in_(values))
        with self._database.write() as connection:
            return len(connection.execute(delete(rules).where(*where).returning(rules.c.value)).all())

    def rules(self) -> Rules:
        """All rules."""
        with self._database.read() as connection:
            return _rules(connection)

    def current(self, now: datetime) -> tuple[list[Pin], Rules]:
        """The pins that hold at `now`, as `pins` gives them, and all rules, at one moment of the store."""
        with self._database.read() as connection:
            return _pins(connection, now), _rules(connection)


def _pins(connection: Connection, now: datetime | None) -> list[Pin]:
    rows = _PINS.rows(connection) if now is None else _CURRENT_PINS.rows(connection, moment=to_micros(now))
    return [Pin(row.article_id, row.key, row.slot, _time(row.starts_at), _time(row.until)) for row in rows]


def _pins_query(*where: ColumnElement[bool]) -> Select[Any]:
    query = select(pins, article_ids.c.key).join_from(pins, article_ids, article_ids.c.id == pins.c.article_id)
    # The id decides between two that were pinned at the same moment.
    return query.where(*where).order_by(pins.c.slot, pins.c.created_at.desc(), pins.c.article_id.desc())


def _holds() -> tuple[ColumnElement[bool], ...]:
    moment: Any = bindparam("moment")
    return (
        or_(pins.c.starts_at.is_(None), pins.c.starts_at <= moment),
        or_(pins.c.until.is_(None), pins.c.until > moment),
    )


def _rules(connection: Connection) -> Rules:
    found: dict[tuple[str, str], list[str]] = {known: [] for known in _KNOWN}
    for kind, field, value in _RULES.rows(connection):
        found[kind, field].append(value)
    return Rules(*(tuple(found[known]) for known in _KNOWN))


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


_PINS, _CURRENT_PINS = Prepared(_pins_query), Prepared(lambda: _pins_query(*_holds()))
_RULES = Prepared(lambda: select(rules).order_by(rules.c.value))
