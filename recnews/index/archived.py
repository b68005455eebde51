"""One index over a hot window, exact and in memory, and an archive engine for what is older.

What is in the archive under an id is searched there only as long as its digest is that of the row that belongs here;
until then, and whenever the engine cannot be asked, the row is in memory. So an answer never shows what was deleted or
an earlier text, however far the archive lags behind.
"""

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from recnews.errors import ArchiveError
from recnews.index.archive import Archive, Breaker, Mark, row_digests
from recnews.index.base import ANYWHERE, Within, best, check_upsert, check_vectors, merged, narrowed
from recnews.index.flat import FlatIndex
from recnews.index.kept import Kept
from recnews.index.rows import rounded
from recnews.index.segments import LIST_FILE, read_list
from recnews.records import Bools, Float32, Hits, Int64

_BLOCK = 5000
_ASK_EVERY = 2.0
_REMEMBERED = 20_000
_WIDER = 4


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in an archive. Ids (n,) of rows that are searched there and are not there (`missing`) or are not
    what they were (`wrong`), and of rows that nobody has any more (`strange`), as there are after a deletion until
    something is handed over. `last` is when the newest of the bad ones was published, in microseconds."""

    missing: Int64
    wrong: Int64
    strange: Int64
    last: int


class ArchivedIndex:
    """Inner-product search over both, with upserts and deletions.

    `hand_over` is for one process at a time, beside those that search; these call `follow` when they look for news.
    """

    def __init__(self, dim: int, archive: Archive, breaker: Breaker | None = None) -> None:
        self.dim = dim
        self._hot, self._kept, self._archive = FlatIndex(dim), Kept(), archive
        self._breaker, self._mark, self._asked = breaker or Breaker(), Mark(), -_ASK_EVERY
        self._remembered: OrderedDict[int, Float32] = OrderedDict()

    @classmethod
    def load(cls, folder: Path, archive: Archive, breaker: Breaker | None = None) -> Self:
        """Map a saved index. Raises `OSError` or `ValueError`, naming the file, when a file is missing, cut short or
        altered, or when rows lie in sealed segments."""
        segments = folder / LIST_FILE  # of a training, or of a time before there was an archive
        if segments.exists() and read_list(segments):
            raise ValueError(f"{segments}: rows lie in sealed segments, not in an archive")
        hot = FlatIndex.load(folder)
        index = cls(hot.dim, archive, breaker)
        index._hot, index._kept = hot, Kept() if segments.exists() else Kept.load(folder)
        return index

    def save(self, folder: Path) -> None:
        """Write the hot window, and which rows of the archive are searched, into an existing folder."""
        self._hot.save(folder)
        self._kept.save(folder)

    def __len__(self) -> int:
        return len(self._hot) + len(self._kept)

    @property
    def archived(self) -> int:
        """How many rows are searched in the archive."""
        return len(self._kept)

    def ids(self) -> Int64:
        """All ids, (n,) int64, in no particular order."""
        return np.concatenate([self._hot.ids(), self._kept.ids[self._kept.alive]])

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        """Add or replace vectors (n, dim) float32, rounded. Raises `ValueError` as the protocol says.

        What the archive holds just so stays there: a state that changed does not move a vector.
        """
        ids = np.asarray(ids, dtype=np.int64)
        times = check_upsert(ids, vectors, published, self.dim)
        if not len(ids):
            return
        vectors = rounded(vectors)
        digests = row_digests(vectors, times)
        there = self._kept.holds(ids, digests)
        old = np.flatnonzero(~there & (times < self._mark.cut))
        taken = old[self._held(ids[old], digests[old])]
        there[taken] = True
        self._hot.remove(ids)
        self._forget(ids[~there])
        self._kept.add(ids[taken], times[taken], digests[taken])
        self._hot.upsert(ids[~there], vectors[~there], times[~there])

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        ids = np.asarray(ids, dtype=np.int64)
        self._hot.remove(ids)
        self._forget(ids)

    def search(
        self, queries: Float32, k: int, allowed: Int64 | None = None, *, within: Within = ANYWHERE
    ) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim); partial where the archive should be asked and cannot be."""
        check_vectors(queries, len(queries), self.dim)
        within = narrowed(within, allowed)
        parts = [self._hot.search(queries, k, within=within)]
        wanted = self._kept.wanted(within)
        if k > 0 and len(queries) and wanted.any():
            parts.append(self._older(queries, k, within, wanted))
        return merged(parts, len(queries), k)

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids, as rounded, and (n,) which of them are indexed; rows of the others, and of those
        that the archive should give and cannot, are zero."""
        ids = np.asarray(ids, dtype=np.int64)
        found, known = self._hot.vectors(ids)
        missing = np.unique(ids[~known & (self._kept.find(ids) >= 0)])
        if len(missing):
            self._remember(missing)
            for row in np.flatnonzero(~known).tolist():
                vector = self._remembered.get(int(ids[row]))
                if vector is not None:
                    found[row], known[row] = vector, True
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return found, known

    def follow(self) -> bool:
        """Leave to the archive what it has taken in since this was asked last; whether that was anything."""
        if time.monotonic() < self._asked + _ASK_EVERY:
            return False
        self._asked = time.monotonic()
        try:
            mark = self._breaker.ask(self._archive.mark)
        except ArchiveError:
            return False
        if mark == self._mark:
            return False
        self._mark = mark
        return self._leave(mark.cut)

    def hand_over(self, cut: int) -> int:
        """Write what was published before `cut` (microseconds) and is in memory into the archive, and clear away there
        what does not belong here; how many rows were written. Nobody else may do this meanwhile.

        Killed at any moment and run again, it goes on where it was. Raises `ArchiveError`.
        """
        self._archive.prepare()
        mark = self._archive.mark()
        self._leave(max(cut, mark.cut))
        ids, times = self._old(cut)
        for start in range(0, len(ids), _BLOCK):
            block, published = ids[start : start + _BLOCK], times[start : start + _BLOCK]
            vectors, _ = self._hot.vectors(block)
            self._archive.upsert(block, vectors, published)
        strays = len(self._archive) != len(self._kept) + len(ids)
        if strays:
            kept = self._kept.alive
            self._archive.retain(
                np.concatenate([self._kept.ids[kept], ids]), np.concatenate([self._kept.published[kept], times])
            )
        if len(ids) or strays or cut != mark.cut:
            self._archive.publish(Mark(mark.version + 1, cut))
            self._leave(cut)
        return len(ids)

    def has_lost(self) -> bool:
        """Whether fewer rows are in the archive than are searched there: it was emptied, or put back to an earlier
        state. Raises `ArchiveError`."""
        return len(self._archive) < len(self._kept)

    def audit(self) -> Audit:
        """Read every row that is searched in the archive. Raises `ArchiveError`."""
        self._archive.prepare()
        ids, published, digests = self._kept.rows()
        known, right = np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
        for start in range(0, len(ids), _BLOCK):
            some = slice(start, start + _BLOCK)
            held = self._archive.digests(ids[some])  # first: no read after it is of an earlier state
            vectors, _ = self._archive.vectors(ids[some])
            known[some] = held != 0
            right[some] = (held == digests[some]) & (row_digests(vectors, published[some]) == digests[some])
        bad = ~right
        last = int(published[bad].max()) if bad.any() else 0
        return Audit(ids[~known], ids[known & ~right], np.setdiff1d(self._archive.ids(), self.ids()), last)

    def clear(self, ids: Int64) -> None:
        """Remove rows from the archive that are no good there. Raises `ArchiveError`."""
        self._archive.remove(ids)

    def drop_others(self, generations: Collection[str]) -> list[str]:
        """Forget in the engine what is left of generations that are not among those named. Raises `ArchiveError`."""
        return self._archive.drop_others(generations)

    def close(self) -> None:
        """Give connections back."""
        self._archive.close()

    def _old(self, cut: int) -> tuple[Int64, Int64]:
        """(n,) ids in memory that were published before `cut`, and when."""
        ids = self._hot.ids()
        times = self._hot.published(ids)
        return ids[times < cut], times[times < cut]

    def _leave(self, cut: int) -> bool:
        """Leave those rows to the archive that it holds as they are; whether there were any."""
        ids, times = self._old(cut)
        before = len(self._kept)
        for start in range(0, len(ids), _BLOCK):
            block, published = ids[start : start + _BLOCK], times[start : start + _BLOCK]
            digests = row_digests(self._hot.vectors(block)[0], published)
            held = self._held(block, digests)
            self._kept.add(block[held], published[held], digests[held])
            self._hot.remove(block[held])
        self._hot.compact()
        return len(self._kept) > before

    def _held(self, ids: Int64, digests: Int64) -> Bools:
        """(n,) which rows the archive holds; none where it cannot be asked."""
        if not len(ids):
            return np.zeros(0, dtype=bool)
        try:
            return np.asarray(self._breaker.ask(lambda: self._archive.digests(ids)) == digests)
        except ArchiveError:
            return np.zeros(len(ids), dtype=bool)

    def _forget(self, ids: Int64) -> None:
        self._kept.remove(ids)
        for article_id in ids.tolist():
            self._remembered.pop(article_id, None)

    def _remember(self, ids: Int64) -> None:
        """Have the vectors of rows of the archive at hand, as far as it gives them."""
        asked = np.array([i for i in ids.tolist() if i not in self._remembered], dtype=np.int64)
        if len(asked):
            try:
                vectors, known = self._breaker.ask(lambda: self._archive.vectors(asked))
            except ArchiveError:
                return
            self._remembered.update(zip(asked[known].tolist(), vectors[known], strict=True))
        for article_id in ids.tolist():
            if article_id in self._remembered:
                self._remembered.move_to_end(article_id)

    def _older(self, queries: Float32, k: int, within: Within, wanted: Bools) -> list[Hits]:
        """The best `k` of the wanted rows of the archive for each query."""
        most = int(np.count_nonzero(wanted))
        asked, count = self._named(within, wanted, most, k)
        enough = min(k, most)
        try:
            while True:
                answers = self._breaker.ask(partial(self._archive.search, queries, count, within=asked))
                found = [self._passing(hits, wanted) for hits in answers]
                if min(len(hits.ids) for hits in found) >= enough or all(len(hits.ids) < count for hits in answers):
                    return [replace(best([hits], k), partial=len(hits.ids) < enough) for hits in found]
                count *= _WIDER
        except ArchiveError:
            return [Hits(np.empty(0, np.int64), np.empty(0, np.float32), partial=True) for _ in queries]

    def _named(self, within: Within, wanted: Bools, most: int, k: int) -> tuple[Within, int]:
        """What to ask the engine, and for how many: which rows are wanted is told in the shortest way it takes, else
        more are asked for than are wanted."""
        in_time = self._kept.in_time(within)
        others = int(np.count_nonzero(in_time)) - most
        if most <= self._archive.exact_rows or (most < others and most <= self._archive.most_named):
            return Within(self._kept.ids[wanted]), k
        if others <= self._archive.most_named:
            exclude = self._kept.ids[in_time & ~wanted] if others else None
            return Within(None, exclude, within.since, within.until), k
        return Within(None, None, within.since, within.until), int(np.ceil(k * (1 + others / most)))

    def _passing(self, hits: Hits, wanted: Bools) -> Hits:
        """Those that are wanted: the archive may hold what was deleted or has changed since."""
        rows = self._kept.find(hits.ids)
        passing = (rows >= 0) & wanted[rows]
        return Hits(hits.ids[passing], hits.scores[passing])
