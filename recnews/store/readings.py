"""The reading log as a whole: what learning and popularity ask of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, bindparam, cast, exists, func, literal_column, or_, select

from recnews.records import Int64
from recnews.store.database import Database, count_rows, to_micros
from recnews.store.dialects import Whole
from recnews.store.prepared import Prepared
from recnews.store.schema import articles, events, forgotten

_HOUR = 3_600_000_000
_MICROS = literal_column(str(_HOUR), Whole)  # no parameter: what is grouped by must read the same everywhere
_READ = ("read", "like", "share")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who read what, each pair once: `users` (p,) sorted, a reader's oldest read first, `articles` (p,) ids, `times`
    (p,) of the latest read in microseconds, NaN where the log has none."""

    users: Sequence[str]
    articles: Int64
    times: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hours:
    """Readers by article and hour: in hour `hours` (n,) since 1970, article `ids` (n,) had `readers` (n,) different
    readers and was `shown` (n,) times. Hour -1 holds what has no time. Ascending by id, then hour."""

    ids: Int64
    hours: Int64
    readers: Int64
    shown: Int64

    def between(self, first: int, last: int) -> "Hours":
        """Only the hours from `first` to `last`, and those without a time."""
        rows = ((self.hours >= first) & (self.hours <= last)) | (self.hours < 0)
        return Hours(self.ids[rows], self.hours[rows], self.readers[rows], self.shown[rows])

    def with_more(self, more: "Hours") -> "Hours":
        """Both together, those of one article and hour added up."""
        if not len(more.ids):
            return self
        ids, hours = np.concatenate([self.ids, more.ids]), np.concatenate([self.hours, more.hours])
        order = np.lexsort((hours, ids))
        ids, hours = ids[order], hours[order]
        starts = np.flatnonzero(np.r_[True, (ids[1:] != ids[:-1]) | (hours[1:] != hours[:-1])])
        readers, shown = (
            np.add.reduceat(np.concatenate(both)[order], starts)
            for both in ((self.readers, more.readers), (self.shown, more.shown))
        )
        return Hours(ids[starts], hours[starts], readers, shown)


@dataclass(frozen=True, slots=True)
class ReadAges:
    """How old articles were when they were read: `hours` (n,), and the `categories` (n,) of the articles."""

    hours: NDArray[np.float64]
    categories: Sequence[str]


class Readings:
    """What the events of a store say together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pairs(self, bounce_seconds: float) -> Pairs:
        """All reads, likes and shares of stored articles but bounces, as pairs of a reader and an article."""
        latest = func.max(events.c.at).label("latest")
        query = (
            select(events.c.user_id, events.c.article_id, latest)
            .join(articles, articles.c.article_id == events.c.article_id)
            .where(_counts(bounce_seconds))
            .group_by(events.c.user_id, events.c.article_id)
            .order_by(events.c.user_id, latest.nulls_first(), events.c.article_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Pairs(
            [row[0] for row in rows],
            np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows)),
            np.fromiter((np.nan if row[2] is None else row[2] for row in rows), dtype=np.float64, count=len(rows)),
        )

    def hours(
        self,
        since: datetime,
        before: datetime | None,
        bounce_seconds: float,
        *,
        timeless: bool = True,
        after: int | None = None,
    ) -> Hours:
        """Readers and showings by article and hour, in `since <= at < before` (None: without an end), and unless told
        otherwise at a time the log does not know.

        `after` counts only what was stored after that change number, and only readers who had not been counted for the
        article and the hour then.
        """
        query = _HOURS[before is not None, timeless, after is not None]
        given = {"since": to_micros(since), "before": before and to_micros(before), "after": after}
        with self._database.read() as connection:
            found = query.rows(connection, bounce=bounce_seconds, **given)
        rows = np.array(found, dtype=np.int64).reshape(-1, 4)
        return Hours(*(np.ascontiguousarray(column) for column in rows.T))

    def times_read(self, bounce_seconds: float, after: int = 0) -> tuple[Int64, Int64]:
        """(n,) ids of articles that were read, ascending, and (n,) how often, bounces left out; `after` counts only
        what was stored after that change number."""
        query = (
            select(events.c.article_id, func.count())
            .where(_counts(bounce_seconds), events.c.seq > after)
            .group_by(events.c.article_id)
            .order_by(events.c.article_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        # Column by column: NumPy takes ten times as long over rows of SQLAlchemy.
        ids, times = (np.fromiter((row[place] for row in rows), np.int64, len(rows)) for place in (0, 1))
        return ids, times

    def any_between(self, since: int, before: int) -> bool:
        """Whether any event has `since <= at < before`, in microseconds."""
        with self._database.read() as connection:
            return bool(_BETWEEN.rows(connection, since=since, before=before))

    def forgot_since(self, seq: int) -> bool:
        """Whether a reader was forgotten after a change number."""
        with self._database.read() as connection:
            return int(_LATEST[1].rows(connection)[0].latest) > seq

    def latest(self) -> tuple[int, int]:
        """The change number of the latest event or forgetting, and the latest time of any event, in microseconds; 0
        without one."""
        # A statement each: SQLite looks a maximum up in an index only when it is asked for that alone.
        with self._database.read() as connection:
            seq, gone, at = (query.rows(connection)[0].latest for query in _LATEST)
        return max(seq, gone), at

    def count(self, after: int = 0) -> int:
        """How many events were stored after a change number."""
        with self._database.read() as connection:
            return count_rows(connection, events, events.c.seq > after)

    def ages(self, bounce_seconds: float, limit: int) -> ReadAges:
        """Ages of the latest `limit` reads for which the log has a time and the publisher gave the article's."""
        query = (
            select((events.c.at - articles.c.published_at) / float(_HOUR), articles.c.category)
            .join(articles, articles.c.article_id == events.c.article_id)
            .where(_counts(bounce_seconds), events.c.at >= articles.c.published_at)
            .order_by(events.c.at.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return ReadAges(np.array([row[0] for row in rows], dtype=np.float64), [row[1] for row in rows])


def _counts(bounce_seconds: Any, log: Any = events) -> ColumnElement[bool]:
    """Whether an event is a read: a bounce is none."""
    bounce = and_(log.c.kind == "read", log.c.dwell.is_not(None), log.c.dwell < bounce_seconds)
    return and_(or_(*(log.c.kind == kind for kind in _READ)), ~bounce)


def _largest(column: Any) -> Prepared:
    return Prepared(lambda: select(func.coalesce(func.max(column), 0).label("latest")))


_LATEST = (_largest(events.c.seq), _largest(forgotten.c.seq), _largest(events.c.at))


def _hour(log: Any) -> ColumnElement[int]:
    """The hour of an event since 1970; -1 for one without a time."""
    return cast(func.floor(func.coalesce(log.c.at / _MICROS, -1)), Whole)


def _hours_query(ends: bool, timeless: bool, continued: bool) -> Select[Any]:
    hour, counts = _hour(events), _counts(bindparam("bounce"))
    in_time = events.c.at >= bindparam("since")
    if ends:
        in_time = and_(in_time, events.c.at < bindparam("before"))
    where = [or_(events.c.at.is_(None), in_time) if timeless else in_time]
    if continued:
        where.append(events.c.seq > bindparam("after"))
        counts = and_(counts, ~_counted_before(bindparam("after"), bindparam("bounce")))
    readers = func.count(events.c.user_id.distinct()).filter(counts)
    shown = func.count().filter(events.c.kind == "impression")
    query = select(events.c.article_id, hour.label("hour"), readers.label("readers"), shown.label("shown"))
    return query.where(*where).group_by(events.c.article_id, hour).order_by(events.c.article_id, hour)


def _counted_before(seq: Any, bounce_seconds: Any) -> ColumnElement[bool]:
    """Whether the reader of an event had been counted for its article and hour by a change number."""
    earlier = events.alias("earlier")
    return exists().where(
        earlier.c.user_id == events.c.user_id,
        earlier.c.article_id == events.c.article_id,
        _hour(earlier) == _hour(events),
        earlier.c.seq <= seq,
        _counts(bounce_seconds, earlier),
    )


_BETWEEN = Prepared(
    lambda: select(events.c.at).where(events.c.at >= bindparam("since"), events.c.at < bindparam("before")).limit(1)
)
_HOURS = {kind: Prepared(partial(_hours_query, *kind)) for kind in product((False, True), repeat=3)}
