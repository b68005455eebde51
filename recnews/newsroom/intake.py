"""Rows taken into a home: stored, searchable, and what is rejected kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Literal

from recnews.formats import ReadOptions
from recnews.ingest import Intake, OnError, Sieve, ingest_articles, ingest_events, seldom_collected
from recnews.newsroom.beside import Beside
from recnews.newsroom.home import Home
from recnews.newsroom.upkeep import count_events, save_snapshot
from recnews.quarantine import Quarantine
from recnews.records import Draft, EventDraft, Reject
from recnews.reports import EventsReport, IngestReport


def take_articles(
    home: Home, rows: Iterator[Draft | Reject], files: list[str], wanted: Callable[[Reject], bool] | None = None,
    *, on_error: OnError, dry_run: bool, now: datetime, heed: Callable[[], None] = lambda: None,
) -> IngestReport:  # fmt: skip
    """Take articles in that come from `files`; of the rejected rows, those that are `wanted` go into the quarantine,
    or all. `heed` is called while what was stored is encoded and may raise what ends that; the next ingest goes on."""
    with _intake(home, "articles", files, on_error=on_error, dry_run=dry_run, now=now, heed=heed) as intake:
        kept = intake.quarantine
        sifted = replace(intake, quarantine=Sieve(kept, wanted)) if kept and wanted else intake
        report = ingest_articles(home.store, rows, sifted)
    searchable = not dry_run and home.generations.current().live is not None
    if searchable:
        save_snapshot(home)
    return replace(report, quarantine=intake.files(), pending=0 if searchable else report.pending)


def take_events(
    home: Home, rows: Iterator[EventDraft | Reject], files: list[str], options: ReadOptions,
    *, on_error: OnError, dry_run: bool, now: datetime,
) -> EventsReport:  # fmt: skip
    """Take events in that come from `files` and were read with `options`, and count what they say."""
    if home.settings.privacy.hash_ids:
        from recnews.privacy import with_hashed_rejects

        rows = with_hashed_rejects(rows, home.store.readers, options)
    with _intake(home, "events", files, on_error=on_error, dry_run=dry_run, now=now) as intake:
        report = ingest_events(home.store, rows, intake)
    if report.added and not dry_run:
        count_events(home)
    return replace(report, quarantine=intake.files())


@contextmanager
def _intake(
    home: Home, kind: Literal["articles", "events"], files: list[str],
    *, on_error: OnError, dry_run: bool, now: datetime, heed: Callable[[], None] = lambda: None,
) -> Iterator[Intake]:  # fmt: skip
    batch = home.settings.ingest.batch
    if dry_run:
        yield Intake(now, batch, on_error, dry_run, None)
        return
    kept = Quarantine(home.corpora / "quarantine", kind, now.date(), files)
    with seldom_collected(), kept as quarantine, Beside(home, heed) as beside:
        yield Intake(now, batch, on_error, dry_run, quarantine, beside)
