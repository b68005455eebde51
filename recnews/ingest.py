"""Taking in articles and reading events: every row ends somewhere, and the counts add up."""

import gc
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from recnews import formats
from recnews.errors import RowError
from recnews.formats import Frame, ReadOptions
from recnews.records import Draft, EventDraft, Reject
from recnews.reports import EventsReport, IngestReport
from recnews.store import SeenKeys, Store

OnError = Literal["quarantine", "abort"]
Row = TypeVar("Row", Draft, EventDraft)
Paths = str | Path | Sequence[str | Path]
Given = Paths | Iterable[Mapping[str, Any]] | Iterable[Draft] | Iterable[EventDraft] | Frame
"""What the use cases take: a path, a list of paths, or rows in memory."""
BytesRead = Callable[[int, int], None]
_SHOWN_REJECTS = 20


class Keeps(Protocol):
    """What rejected rows are handed to: the quarantine, or a sieve before it."""

    @property
    def files(self) -> tuple[str, ...]: ...

    def add(self, reject: Reject) -> None: ...


class Indexing(Protocol):
    """What makes stored articles searchable, here or beside; each tells how many have become so since it last did."""

    def coming(self, batch: Sequence[Draft]) -> None:
        """These rows are about to be stored."""
        ...

    def more(self, rows: int) -> int:
        """So many rows more were stored."""
        ...

    def finish(self) -> int:
        """Nothing more will be; returns once all is searchable."""
        ...


@dataclass(frozen=True, slots=True)
class Sieve:
    """Keeps only the rejected rows that `wanted` lets through; the others are counted all the same."""

    quarantine: Keeps
    wanted: Callable[[Reject], bool]

    @property
    def files(self) -> tuple[str, ...]:
        """Where the rejected rows are."""
        return self.quarantine.files

    def add(self, reject: Reject) -> None:
        """Keep a row, if it is wanted."""
        if self.wanted(reject):
            self.quarantine.add(reject)


@dataclass(frozen=True, slots=True)
class Intake:
    """How rows are taken in: `batch` rows a transaction; `dry_run` looks and writes nothing; `quarantine` is None then.

    `indexing` makes searchable what is stored and is not; there is none for events, nor when nothing is written.
    """

    now: datetime
    batch: int
    on_error: OnError
    dry_run: bool
    quarantine: Keeps | None
    indexing: Indexing | None = None

    def files(self) -> tuple[str, ...]:
        """Where the rejected rows are, once the quarantine is closed."""
        return self.quarantine.files if self.quarantine else ()


def open_articles(
    given: Given, options: ReadOptions, progress: BytesRead | None
) -> tuple[Iterator[Draft | Reject], list[str]]:
    """The rows of what was given, and the names of the files they come from."""
    paths = _as_paths(given)
    if paths is None:
        return formats.articles_from_rows(given, options), []  # type: ignore[arg-type]
    return formats.read_articles(paths, options, progress), _names(paths, options)


def open_events(
    given: Given, options: ReadOptions, progress: BytesRead | None
) -> tuple[Iterator[EventDraft | Reject], list[str]]:
    """As `open_articles`, for reading logs."""
    paths = _as_paths(given)
    if paths is None:
        return formats.events_from_rows(given, options), []  # type: ignore[arg-type]
    return formats.read_events(paths, options, progress), _names(paths, options, articles=False)


class _Rejects:
    """Counts rejected rows, keeps the first few for the report and all of them in the quarantine."""

    def __init__(self, intake: Intake) -> None:
        self._quarantine = intake.quarantine
        self.first: list[Reject] = []
        self.count = 0

    def add(self, reject: Reject) -> None:
        self.count += 1
        if len(self.first) < _SHOWN_REJECTS:
            self.first.append(reject)
        if self._quarantine is not None:
            self._quarantine.add(reject)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cyclic garbage a hundred times more seldom: batches make millions of rows and tokens and no cycles, and
    looking through them takes a tenth of an ingest. Memory stays bounded; it is still looked for."""
    usual = gc.get_threshold()
    gc.set_threshold(100 * usual[0], *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def ingest_articles(store: Store, rows: Iterable[Draft | Reject], intake: Intake) -> IngestReport:
    """Store articles batch by batch, and index each batch once it is stored.

    Killed at any moment and run again, the outcome is that of an undisturbed run. Raises `RowError` for the first bad
    row, with nothing written, when `on_error` is `abort`.
    """
    rejects, seen, counts = _Rejects(intake), _SeenInFile(), Counter[str]()
    indexing = intake.indexing
    indexed = indexing.more(0) if indexing else 0  # what a killed run has stored and not indexed
    for batch in _batches(_checked(_compared(rows, seen), intake), intake.batch, rejects, counts):
        if intake.dry_run:
            counts.update(store.articles.compare(batch))
        else:
            if indexing:
                indexing.coming(batch)
            outcomes = store.articles.upsert(batch, intake.now)
            counts.update(outcomes)
            indexed += indexing.more(len(batch) - outcomes.count("unchanged")) if indexing else 0
    seen.close()
    indexed += indexing.finish() if indexing else 0
    stored = counts["added"] + counts["changed"]
    return IngestReport(
        read=counts["read"],
        added=counts["added"],
        changed=counts["changed"],
        unchanged=counts["unchanged"],
        duplicate=counts["duplicate"],
        rejected=rejects.count,
        indexed=indexed,
        pending=max(stored - indexed, 0),
        rejects=tuple(rejects.first),
    )


def ingest_events(store: Store, rows: Iterable[EventDraft | Reject], intake: Intake) -> EventsReport:
    """Store events batch by batch; otherwise as `ingest_articles`."""
    rejects, counts = _Rejects(intake), Counter[str]()
    for batch in _batches(_checked(rows, intake), intake.batch, rejects, counts):
        added, waiting = (store.events.compare if intake.dry_run else store.events.add)(batch)
        counts.update(added=added, waiting=waiting, duplicate=len(batch) - added)
    return EventsReport(
        read=counts["read"],
        added=counts["added"],
        duplicate=counts["duplicate"],
        rejected=rejects.count,
        waiting=counts["waiting"],
        rejects=tuple(rejects.first),
    )


class _SeenInFile:
    """Finds ids that one file gives to two rows. Another file of the same run may well bring an update."""

    def __init__(self) -> None:
        self._file, self._seen = "", SeenKeys()

    def look(self, draft: Draft) -> Reject | Literal["new", "duplicate"]:
        file = draft.where.file if draft.where else ""
        if file != self._file:
            self._seen.close()
            self._file, self._seen = file, SeenKeys()
        first = self._seen.first(draft)
        if first is None or draft.where is None:
            return "new" if first is None else "duplicate"
        line, same = first
        if same:
            return "duplicate"
        return Reject(
            draft.where,
            f"the id {draft.key!r} already stands in line {line} with other content",
            "give this row an id of its own, or remove one of the two",
            "id",
            row=formats.to_row(draft),
        )

    def close(self) -> None:
        self._seen.close()


def _compared(rows: Iterable[Draft | Reject], seen: _SeenInFile) -> Iterator[Draft | Reject | None]:
    """The rows; None for one that repeats an earlier one, a reject for one that contradicts it."""
    for row in rows:
        verdict = "new" if isinstance(row, Reject) else seen.look(row)
        if isinstance(verdict, Reject):
            yield verdict
        else:
            yield row if verdict == "new" else None


def _batches(
    rows: Iterable[Row | Reject | None], size: int, rejects: _Rejects, counts: Counter[str]
) -> Iterator[list[Row]]:
    """Good rows in batches; a batch never crosses from one file into the next, so it names no id twice."""
    batch: list[Row] = []
    for row in rows:
        counts["read"] += 1
        if isinstance(row, Reject):
            rejects.add(row)
            continue
        if row is None:
            counts["duplicate"] += 1
            continue
        if batch and (len(batch) == size or _file(batch[-1]) != _file(row)):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _as_paths(given: Given) -> list[str | Path] | None:
    """The paths that were given, or None for rows in memory."""
    if isinstance(given, str | Path):
        return [given]
    if isinstance(given, list | tuple) and given and all(isinstance(item, str | Path) for item in given):
        return list(given)
    return None


def _names(paths: Sequence[str | Path], options: ReadOptions, articles: bool = True) -> list[str]:
    return [source.name for source in formats.find_files(paths, options, articles)]


def _file(row: Draft | EventDraft) -> str:
    return row.where.file if row.where else ""


def _checked(rows: Iterable[Row | Reject | None], intake: Intake) -> Iterator[Row | Reject | None]:
    """The rows; with `abort`, only once all of them are known to be good, kept on disk until then."""
    if intake.on_error == "quarantine":
        yield from rows
        return
    with tempfile.TemporaryFile() as spool:
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            if isinstance(row, Reject):
                raise RowError(row.where.file, row.where.line, row.field, row.reason, row.remedy)
            pickle.dump(row, spool, protocol=pickle.HIGHEST_PROTOCOL)
        spool.seek(0)
        for _ in range(count):
            yield pickle.load(spool)  # noqa: S301 - written by this very function
