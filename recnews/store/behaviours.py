"""Behaviour vectors by generation, and how far into the reading log each generation has counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, update

from recnews.records import Float32, Int64
from recnews.store.database import Database, announce
from recnews.store.dialects import among, among_given, insert_or
from recnews.store.prepared import Prepared
from recnews.store.schema import articles, behaviour_through, behaviours, vectors


@dataclass(frozen=True, slots=True)
class BehaviourRows:
    """Behaviour vectors of articles `ids` (n,): inner and outer (n, d) float32, and by how many `readers` (n,) each was
    learned, 0 for what text predicts."""

    ids: Int64
    readers: Int64
    inner: Float32
    outer: Float32

    def some(self, which: Any) -> "BehaviourRows":
        """Some of the rows."""
        return BehaviourRows(self.ids[which], self.readers[which], self.inner[which], self.outer[which])


class Behaviours:
    """The behaviour vectors of a store: a view of the reading log, in terms of one generation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def inner(self, generation: str, ids: Iterable[int]) -> dict[int, Float32]:
        """Inner vectors of articles, (d,) each; an article without one is left out."""
        with self._database.read() as connection:
            rows = _INNER.rows(connection, generation=generation, ids=list(ids))
        return {row.article_id: np.frombuffer(row.inner, dtype=np.float32) for row in rows}

    def of(self, generation: str, ids: Iterable[int]) -> BehaviourRows:
        """Rows of articles, in id order; those without one are left out."""
        query = (
            select(*(behaviours.c[name] for name in ("article_id", "readers", "inner", "outer")))
            .where(behaviours.c.generation == generation, among(behaviours.c.article_id, ids))
            .order_by(behaviours.c.article_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return BehaviourRows(
            np.array([row.article_id for row in rows], dtype=np.int64),
            np.array([row.readers for row in rows], dtype=np.int64),
            *(_matrix([row[place] for row in rows]) for place in (2, 3)),
        )

    def write(self, generation: str, rows: BehaviourRows, live: bool = True) -> None:
        """Store rows, replacing what was there; articles deleted meanwhile are passed over. `live` tells followers."""
        if not len(rows.ids):
            return
        with self._database.write(derived=True) as connection:
            present = connection.execute(
                select(articles.c.article_id).where(among(articles.c.article_id, rows.ids.tolist()))
            )
            kept = rows.some(np.isin(rows.ids, np.fromiter(present.scalars(), dtype=np.int64)))
            put_behaviours(connection, generation, kept)
            if live:
                announce(connection, kept.ids.tolist())

    def through(self, generation: str) -> tuple[int, int] | None:
        """The change number up to which the generation has counted the reading log, and how many events that were;
        None before the first time, and after a reader was forgotten."""
        query = select(behaviour_through.c.seq, behaviour_through.c.events)
        with self._database.read() as connection:
            row = connection.execute(query.where(behaviour_through.c.generation == generation)).one_or_none()
        return None if row is None else (row.seq, row.events)

    def learned(self, generation: str) -> list[int]:
        """Ids of the articles whose vectors were learned from readers, ascending."""
        query = select(behaviours.c.article_id).where(behaviours.c.generation == generation, behaviours.c.readers > 0)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(behaviours.c.article_id)).scalars())

    def unlearn(self, generation: str, ids: Iterable[int]) -> None:
        """Let what text predicts replace what was learned of these articles."""
        which = (behaviours.c.generation == generation, among(behaviours.c.article_id, ids))
        with self._database.write(derived=True) as connection:
            connection.execute(update(behaviours).where(*which).values(readers=0))

    def counted(self, generation: str, seq: int, events: int) -> None:
        """Note up to which change number the generation has counted the log, and how many events that were."""
        found = {"seq": seq, "events": events}
        with self._database.write(derived=True) as connection:
            statement = insert_or(connection, behaviour_through).values(generation=generation, **found)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[behaviour_through.c.generation], set_=found)
            )

    def missing(self, generation: str) -> int:
        """How many articles that a generation has encoded have no behaviour vector."""
        mine = and_(behaviours.c.generation == generation, behaviours.c.article_id == vectors.c.article_id)
        query = (
            select(func.count())
            .select_from(vectors)
            .outerjoin(behaviours, mine)
            .where(vectors.c.generation == generation, behaviours.c.article_id.is_(None))
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def counts(self) -> dict[str, int]:
        """How many rows each generation has."""
        query = select(behaviours.c.generation, func.count().label("stored")).group_by(behaviours.c.generation)
        with self._database.read() as connection:
            return {row.generation: row.stored for row in connection.execute(query)}


def put_behaviours(connection: Connection, generation: str, rows: BehaviourRows) -> None:
    """Write rows; what text predicts does not replace what was learned."""
    if not len(rows.ids):
        return
    values = [
        {"generation": generation, "article_id": article_id, "readers": readers, "inner": inner.tobytes(),
         "outer": outer.tobytes()}
        for article_id, readers, inner, outer in zip(
            rows.ids.tolist(), rows.readers.tolist(), rows.inner, rows.outer, strict=True
        )
    ]  # fmt: skip
    statement = insert_or(connection, behaviours)
    replaced = {name: statement.excluded[name] for name in ("readers", "inner", "outer")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[behaviours.c.generation, behaviours.c.article_id],
            set_=replaced,
            where=(behaviours.c.readers == 0) | (statement.excluded.readers > 0),
        ),
        values,
    )


def forget_behaviours(connection: Connection, which: Callable[[Any], ColumnElement[bool]]) -> None:
    """Remove all that belongs to some generations; `which` is made of a column."""
    for table in (behaviours, behaviour_through):
        connection.execute(delete(table).where(which(table.c.generation)))


def _matrix(rows: list[bytes]) -> Float32:
    width = len(rows[0]) // 4 if rows else 0
    return np.frombuffer(b"".join(rows), dtype=np.float32).reshape(len(rows), width)


_INNER = Prepared(
    lambda: select(behaviours.c.article_id, behaviours.c.inner).where(
        behaviours.c.generation == bindparam("generation"), among_given(behaviours.c.article_id)
    )
)
