"""What an engine offers that holds the vectors of older articles, and how it is asked.

An archive is a view of the store, filled by one process and searched by many. It may lag behind them or have been put
back to an earlier state: who searches it decides by digests which of its rows are theirs.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol, TypeVar

import numpy as np

from recnews.errors import ArchiveError
from recnews.index.base import VectorIndex, best
from recnews.index.rows import FloatRows, longest, pack, slack
from recnews.records import Bools, Float32, Hits, Int64

_RETRY_SECONDS = 5.0
_Answer = TypeVar("_Answer")
_log = logging.getLogger("recnews")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """Where the vectors of older articles go: `url` of an engine, `prefix` of what belongs to this home in it, the
    `seconds` that a question may take, and the days that stay in memory."""

    url: str = field(repr=False)
    prefix: str = "recnews"
    seconds: float = 2.0
    hot_days: int = 7


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an archive has come: `version` grows with each filling, and what was published before `cut`
    (microseconds) has been taken in."""

    version: int = 0
    cut: int = 0


class Archive(VectorIndex, Protocol):
    """An index in an engine. All raise `ArchiveError` when it does not answer in time.

    `exact_rows`: a search among at most so many `allowed` ids is exact. `most_named`: so many ids may be named in one
    filter.
    """

    exact_rows: int
    most_named: int

    def prepare(self) -> None:
        """Make the place where rows go, unless it is there, and wait until it can be asked: for who fills it, and can
        wait longer than a question."""
        ...

    def digests(self, ids: Int64) -> Int64:
        """(n,) `row_digests` of what is held under ids, 0 where nothing is."""
        ...

    def mark(self) -> Mark:
        """What was published last."""
        ...

    def publish(self, mark: Mark) -> None:
        """Make what was written quick to search, then tell those that follow."""
        ...

    def retain(self, ids: Int64, published: Int64) -> None:
        """Forget all rows but those of ids (n,), published at (n,)."""
        ...

    def drop(self) -> None:
        """Forget all, and the place where it was."""
        ...

    def drop_others(self, generations: Collection[str]) -> list[str]:
        """Forget what this home has left there of generations that are not among those named; what that was."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Breaker:
    """Asks an engine, and leaves it alone for a while after it has failed: who waits for a feed should not wait for an
    engine that is down."""

    def __init__(self, retry_seconds: float = _RETRY_SECONDS) -> None:
        self.retry_seconds = retry_seconds
        self._failed: ArchiveError | None = None
        self._again = 0.0

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """The answer. Raises `ArchiveError` where there is none, or there was none a moment ago."""
        if self._failed is not None and time.monotonic() < self._again:
            raise self._failed
        try:
            answer = question()
        except ArchiveError as error:
            if self._failed is None:
                _log.warning("%s; answers over older articles are partial until it is back", error)
            self._failed, self._again = error, time.monotonic() + self.retry_seconds
            raise
        if self._failed is not None:
            _log.warning("%s is back", self._failed.engine)
        self._failed = None
        return answer


def left_over(names: Iterable[str], prefix: str, generations: Collection[str]) -> list[str]:
    """Names of archives, `<prefix>_<generation>_<numbers a row>`, of other generations than those."""
    mine = re.compile(rf"{prefix}_(g\d+)_\d+")
    return [name for name in names if (found := mine.fullmatch(name)) and found[1] not in generations]


def row_digests(vectors: Float32, published: Int64) -> Int64:
    """(n,) never 0: equal for rows (n, dim) of the same packed numbers and publication time (n,)."""
    numbers, scales = pack(vectors)
    whole = np.empty((len(numbers), numbers.shape[1] * 2 + 12), dtype=np.uint8)
    whole[:, : numbers.shape[1] * 2] = np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), -1)
    whole[:, -12:-8] = np.ascontiguousarray(scales).view(np.uint8).reshape(-1, 4)
    whole[:, -8:] = np.ascontiguousarray(published, dtype=np.int64).view(np.uint8).reshape(-1, 8)
    made = b"".join(blake2b(row, digest_size=8).digest() for row in whole)
    found = np.frombuffer(made, dtype=np.int64).copy()
    found[found == 0] = 1
    return found


def rescored(ids: Int64, vectors: Float32, query: Float32, k: int) -> Hits:
    """The best `k` of candidates (n,) with vectors (n, dim), each id once, by scores in the fixed order."""
    ids, first = np.unique(ids, return_index=True)
    rows = FloatRows(np.ascontiguousarray(vectors[first], dtype=np.float32), 0.0)
    return best([Hits(ids, rows.score(query, np.arange(len(ids))))], k)


def is_settled(vectors: Float32, hits: Hits, query: Float32) -> Bools | bool:
    """Whether candidates, which an engine ranked by products of its own, cannot have missed one of `hits`: the last
    of them, as it gives them, is worse by more than two sums of the same numbers can differ."""
    rows = FloatRows(np.ascontiguousarray(vectors, dtype=np.float32), longest(vectors))
    last = rows.score(query, np.array([len(vectors) - 1], dtype=np.int64))[0]
    return bool(last < hits.scores[-1] - 2 * slack(query, rows))
