"""What is known of readers while an evaluation runs: the reading log as the plain methods see it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy import sparse

from recnews.records import Bools, Draft, EventDraft, Int64
from recnews.splits import Question, counts, in_order


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All articles of an evaluation, by column: their keys, texts, times of publication in seconds, and which of them
    training sees."""

    articles: Sequence[Draft]
    columns: Mapping[str, int]
    published: np.ndarray[tuple[int], np.dtype[np.float64]]
    trained: Bools

    @classmethod
    def of(cls, articles: Sequence[Draft], hidden: frozenset[str]) -> "Catalogue":
        """Columns in the order of the articles; without a date they count as old."""
        times = [-np.inf if it.published_at is None else it.published_at.timestamp() for it in articles]
        return cls(
            articles,
            {article.key: column for column, article in enumerate(articles)},
            np.array(times),
            np.array([article.key not in hidden for article in articles], dtype=bool),
        )

    def __len__(self) -> int:
        return len(self.articles)


class Log:
    """Who has read what, as far as it is recorded; an article is read once, when a reader first comes to it."""

    def __init__(self, catalogue: Catalogue, bounce_seconds: float) -> None:
        self.catalogue, self._bounce = catalogue, bounce_seconds
        self.readers: Int64 = np.zeros(len(catalogue), dtype=np.int64)
        """(articles,) how many have read each."""
        self._reads: dict[str, dict[int, datetime | None]] = defaultdict(dict)
        self._seen: dict[str, dict[int, datetime | None]] = defaultdict(dict)
        self._times: list[float] = []
        self._read_then: list[int] = []

    def record(self, events: Iterable[EventDraft]) -> None:
        """Take in events."""
        for event in in_order(events):
            column = self.catalogue.columns[event.key]
            if event.kind != "impression":
                self._seen[event.user_id].setdefault(column, event.at)
            if counts(event, self._bounce) and column not in self._reads[event.user_id]:
                self._reads[event.user_id][column] = event.at
                self.readers[column] += 1
                if event.at is not None:
                    self._note(event.at.timestamp(), column)

    def history(self, question: Question) -> Int64:
        """(n,) columns that the reader of a question has read by then, oldest first."""
        return _before(self._reads.get(question.user, {}), question.at)

    def seen(self, question: Question) -> Int64:
        """(n,) columns that the reader did anything with by then; a feed shows none of them."""
        return _before(self._seen.get(question.user, {}), question.at)

    def candidates(self, question: Question) -> Int64:
        """(c,) columns, ascending, that an answer may name: published by then and not seen."""
        shown = np.ones(len(self.catalogue), dtype=bool)
        if question.among is not None:
            shown[:] = False
            shown[[self.catalogue.columns[key] for key in question.among]] = True
        if question.at is not None:
            shown &= self.catalogue.published <= question.at.timestamp()
        shown[self.seen(question)] = False
        return np.flatnonzero(shown)

    def read_since(self, at: datetime, days: float) -> Int64:
        """(articles,) how many have read each in the last `days` before `at`."""
        now = at.timestamp()
        start, end = (bisect_left(self._times, moment) for moment in (now - days * 86_400, now))
        return np.bincount(np.array(self._read_then[start:end], dtype=np.int64), minlength=len(self.catalogue))

    @property
    def has_times(self) -> bool:
        """Whether any read has a time."""
        return bool(self._times)

    def matrix(self) -> sparse.csr_array:
        """(readers, articles) float32, 1 where a reader has read an article."""
        rows = [list(reads) for reads in self._reads.values() if reads]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        flat = np.array([column for row in rows for column in sorted(row)], dtype=np.int32)
        shape = (len(rows), len(self.catalogue))
        return sparse.csr_array((np.ones(len(flat), dtype=np.float32), flat, indptr), shape=shape)

    def __len__(self) -> int:
        """How many readers have read anything."""
        return sum(bool(reads) for reads in self._reads.values())

    def _note(self, moment: float, column: int) -> None:
        place = len(self._times)
        if self._times and moment < self._times[-1]:
            place = bisect_left(self._times, moment)
        self._times.insert(place, moment)
        self._read_then.insert(place, column)


def _before(reads: Mapping[int, datetime | None], at: datetime | None) -> Int64:
    return np.array(
        [column for column, then in reads.items() if at is None or then is None or then < at], dtype=np.int64
    )
