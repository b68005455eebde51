"""The one public class: opens a home and offers the use cases. The command line and every later face go through it."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from recnews.catalog import Catalog, Filter
from recnews.config import Settings, home_folder, load_settings
from recnews.errors import NoGenerationError, RowError, UsageError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.recommend import FeedRequest, Recommender
from recnews.records import (
    Article,
    EventKind,
    EventsReport,
    Float32,
    IngestReport,
    Neighbors,
    Recommendation,
)
from recnews.store import ArticleCard, ArticleText, Store

if TYPE_CHECKING:
    from recnews.embed.base import Progress
    from recnews.explore import Explorer
    from recnews.formats import ReadOptions
    from recnews.ingest import BytesRead, Given, Intake, OnError
    from recnews.text import UserDictionary
    from recnews.verify import Problem

_SNAPSHOT_AFTER = 1000
_log = logging.getLogger("recnews")


@dataclass(frozen=True, slots=True)
class Reading:
    """How input is read.

    `rename` maps a field to the column that holds it; `timezone`, such as `Asia/Shanghai`, is for dates without an
    offset; `format` and `encoding` are found out where empty.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    timezone: str = ""
    format: str = ""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A home in figures. `pending` articles wait to be encoded by the live generation; `waiting` events for their
    article."""

    home: str
    articles: int
    hidden: int
    events: int
    readers: int
    waiting: int
    pending: int
    live: str | None
    previous: tuple[str, ...]
    generations: tuple[str, ...]
    quarantine: tuple[str, ...]
    store_bytes: int
    index_bytes: int
    free_bytes: int


class Newsroom:
    """An open home: a folder with `corpora/` (what is stored) and `indexes/` (what was learned from it).

    Use it as a context manager, one in each thread. `now` and `at` default to the present; pass a time to ask what
    would have been answered then.
    """

    def __init__(self, home: Path, settings: Settings) -> None:
        """Use `Newsroom.open`."""
        self.home, self.settings = home, settings
        self.store = Store(home / "corpora")
        self.generations = Generations(home / "indexes")
        self._catalog: Catalog | None = None
        self._kept: _Kept | None = None

    @classmethod
    def open(cls, home: str | Path | None = None, settings: Settings | None = None) -> Self:
        """Open a home, creating it when absent: `home`, else `RECNEWS_HOME`, else the current folder.

        Raises `SettingsError` for a setting that is not one, `StorageError` when the folder cannot be used.
        """
        folder = home_folder(home)
        return cls(folder, load_settings(folder) if settings is None else settings)

    def close(self) -> None:
        """Give files and processes back."""
        if self._kept is not None:
            self._kept.generation.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What comes in

    def ingest(
        self,
        articles: "Given",
        reading: Reading | None = None,
        *,
        on_error: "OnError" = "quarantine",
        dry_run: bool = False,
        now: datetime | None = None,
        progress: "BytesRead | None" = None,
    ) -> IngestReport:
        """Store articles and make them searchable: a path, a list of paths (files, folders, `-`), or rows in memory
        (mappings, `Draft`s, a pandas DataFrame).

        Rows that cannot be taken go to `corpora/quarantine/`; with `on_error="abort"` the first of them raises
        `RowError` and nothing is written. `dry_run` reports and writes nothing. `progress` gets bytes read and total.
        Raises `UsageError` for a path that is not there, `StorageError` when the disk refuses.
        """
        from recnews.ingest import ingest_articles, open_articles

        rows, files = open_articles(articles, self._options(reading), progress)
        with self._intake("articles", files, on_error, dry_run, now) as intake:
            report = ingest_articles(self.store, rows, intake)
        searchable = not dry_run and self.generations.current().live is not None
        if searchable:
            self._snapshot()
        return replace(report, quarantine=intake.files(), pending=0 if searchable else report.pending)

    def record_many(
        self,
        events: "Given",
        reading: Reading | None = None,
        *,
        on_error: "OnError" = "quarantine",
        dry_run: bool = False,
        progress: "BytesRead | None" = None,
    ) -> EventsReport:
        """Store a reading log, given as `ingest` takes articles. Events for articles that have not come yet wait."""
        from recnews.ingest import ingest_events, open_events

        rows, files = open_events(events, self._options(reading), progress)
        with self._intake("events", files, on_error, dry_run, None) as intake:
            report = ingest_events(self.store, rows, intake)
        return replace(report, quarantine=intake.files())

    def record(
        self,
        user_id: str,
        key: str,
        kind: EventKind = "read",
        *,
        at: datetime | None = None,
        weight: float = 1.0,
        dwell: float | None = None,
    ) -> bool:
        """Store one event, by the publisher's key of the article; False when it was there already.

        `at` defaults to the present. Raises `UsageError` for a value that cannot be taken.
        """
        row = {"user": user_id, "article": key, "kind": kind, "at": at or datetime.now(UTC), "weight": weight}
        if not math.isfinite(weight):  # in a table, NaN means that there is none
            raise UsageError(f"event field 'weight': is not a finite number above 0: {weight}")
        try:
            report = self.record_many([row if dwell is None else row | {"dwell": dwell}], on_error="abort")
        except RowError as error:
            raise UsageError(f"event field {error.field!r}: {error.reason}") from error
        return report.added == 1

    # What is learned

    def train(
        self,
        settings: Settings | None = None,
        *,
        continued: bool = False,
        promote: bool = True,
        progress: "Progress | None" = None,
    ) -> Generation:
        """Fit a new generation on the stored articles, encode all of them, check it, and switch to it.

        `continued` goes on from the live generation: new words and articles are learned, and what was near stays near.
        `promote=False` leaves the live one in place. Raises `TrainingError`, `BusyError` when another training runs.
        """
        from recnews.train import train

        return train(
            self.store,
            self.generations,
            settings=settings or self.settings,
            dictionary=self.dictionary.words(),
            now=datetime.now(UTC),
            promote=promote,
            continued=continued,
            progress=progress or (lambda _stage, _share: None),
        )

    def promote(self, generation: str) -> None:
        """Make a generation live. What was ingested since it was trained is encoded first."""
        with self.generations.training():
            chosen = self.generations.load(generation)
            chosen.verify()
            self._catch_up(chosen)
            self.generations.promote(generation)
            self._catch_up(chosen)  # what another process ingested between the two

    def rollback(self) -> str:
        """Make the generation before the live one live again; returns its id."""
        with self.generations.training():
            name = self.generations.before_live()
            chosen = self.generations.load(name)
            self._catch_up(chosen)
            self.generations.rollback(name)
            self._catch_up(chosen)  # as in `promote`
        return name

    def prune(self, keep: int = 2) -> list[str]:
        """Remove all generations but the live one and the latest `keep - 1` others, with their vectors; their ids."""
        with self.generations.training():
            removed = self.generations.prune(keep)
            self.store.vectors.retain(self.generations.names())
        return removed

    # What goes out

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        *,
        at: datetime | None = None,
        exclude: Sequence[str] = (),
        categories: Sequence[str] = (),
        langs: Sequence[str] = (),
        sources: Sequence[str] = (),
        since: datetime | timedelta | None = None,
        among: Sequence[str] | None = None,
    ) -> list[Recommendation]:
        """A reader's feed: at most `k` articles, best first, each with its reasons.

        `exclude` names keys; `since` is the earliest publication, as a time or an age; `among` names the only articles
        to rank, such as those another system proposes. An unknown reader gets fresh and popular articles, labelled.
        Raises `NoGenerationError` before the first training.
        """
        if k < 1:
            raise UsageError(f"a feed has at least one place, not {k}")
        _writable(user_id, *exclude, *(among or ()))
        now = _aware(at)
        try:
            earliest = now - since if isinstance(since, timedelta) else since and _aware(since)
        except OverflowError as error:
            raise UsageError(f"{since} before {now.isoformat()} is before all time") from error
        wanted = Filter(tuple(categories), tuple(langs), tuple(sources), earliest)
        _, catalog = self._serving()
        recommender = Recommender(self.store, catalog, self.settings.feed)
        return recommender.recommend(
            FeedRequest(user_id, k, now, wanted, tuple(exclude), None if among is None else tuple(among))
        )

    def neighbors(
        self,
        *,
        word: str | None = None,
        article: str | None = None,
        user: str | None = None,
        text: str | None = None,
        minus: Sequence[str] = (),
        k: int = 10,
        at: datetime | None = None,
    ) -> Neighbors:
        """Words and articles near a word, an article (by key), a reader or a text; give exactly one of them.

        `minus` takes words away from a word. Raises `UnknownWordError`, `UnknownArticleError`, `NoGenerationError`.
        """
        if sum(given is not None for given in (word, article, user, text)) != 1 or k < 1:
            raise UsageError("neighbors takes exactly one of word, article, user and text, and at least one neighbour")
        if minus and word is None:
            raise UsageError("minus goes with a word")
        _writable(*(given for given in (word, article, user, text, *minus) if given is not None))
        explorer, now = self._explorer(), _aware(at)
        if word is not None:
            return explorer.word(word, tuple(minus), k, now)
        if article is not None:
            return explorer.article(article, k, now)
        if user is not None:
            return explorer.user(user, k, now, self.settings.feed)
        return explorer.text(str(text), k, now)

    def embed(self, texts: Sequence[str]) -> Float32:
        """(n, dim) float32 vectors of texts in the live article space: rows of unit length, zero for unknown text."""
        generation = self._live(prepared=True)
        generation.refresh(self.store)
        encoded, _ = generation.encode([ArticleText(0, "", "", text) for text in texts])  # type: ignore[arg-type]
        return encoded.vectors

    def duplicates(self, limit: int = 20) -> list[list[ArticleCard]]:
        """Stories that are told by more than one article, the latest first; within a story the oldest first."""
        return self.store.stories.groups(limit)

    # The editors' hand

    def article(self, key: str) -> Article:
        """A stored article. Raises `UnknownArticleError`."""
        _writable(key)
        return self.store.articles.get(key)

    def articles(
        self, limit: int = 20, contains: str = "", category: str = "", hidden: bool | None = None
    ) -> list[Article]:
        """The newest articles; `contains` is looked for in titles and keys."""
        return self.store.articles.newest(limit, contains, category, hidden)

    def hide(self, keys: Sequence[str], hidden: bool = True) -> None:
        """Take articles out of every feed at once, or put them back. Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.hide(keys, hidden)

    def expire(self, keys: Sequence[str], at: datetime | None = None) -> None:
        """Serve articles no longer than `at` (now by default). Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.expire(keys, _aware(at))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove articles for good; events about them stay. Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.delete(keys)

    @property
    def dictionary(self) -> "UserDictionary":
        """Words the tokenizer keeps whole, from the next generation on."""
        from recnews.text import UserDictionary

        return UserDictionary(self.home / "corpora" / "dictionary.txt")

    # The operator's day

    def status(self) -> Status:
        """The home in figures."""
        events, readers, waiting = self.store.events.counts()
        current, names = self.generations.current(), self.generations.names()
        articles = self.store.articles.count()
        folder = self.home / "corpora" / "quarantine"
        return Status(
            home=str(self.home),
            articles=articles,
            hidden=self.store.articles.count(hidden=True),
            events=events,
            readers=readers,
            waiting=waiting,
            pending=articles if current.live is None else self.store.vectors.missing(current.live),
            live=current.live,
            previous=current.previous,
            generations=names,
            quarantine=tuple(sorted(str(file) for file in folder.glob("*.jsonl"))),
            store_bytes=self.store.disk_bytes(),
            index_bytes=self.generations.disk_bytes(),
            free_bytes=self.store.free_bytes(),
        )

    def verify(self) -> "list[Problem]":
        """What is wrong with this home; empty when store, generations and index agree."""
        from recnews.verify import verify

        return verify(self.store, self.generations)

    def backup(self, target: str | Path) -> "list[Problem]":
        """Copy this home into a new folder while it is in use; what is wrong with the copy."""
        from recnews.backup import backup

        return backup(self.home, self.store, Path(target).absolute())

    # Inside

    def _options(self, reading: Reading | None) -> "ReadOptions":
        from recnews.formats import ReadOptions

        reading = reading or Reading()
        name = reading.timezone or self.settings.ingest.timezone
        try:
            zone = ZoneInfo(name) if name else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UsageError(f"{name!r} is not a time zone; use a name such as Asia/Shanghai or UTC") from error
        limit = self.settings.ingest.max_row_bytes
        return ReadOptions(reading.rename, zone, limit, reading.format, reading.encoding)

    @contextmanager
    def _intake(
        self, kind: Literal["articles", "events"], files: list[str], on_error: "OnError", dry_run: bool,
        now: datetime | None,
    ) -> "Iterator[Intake]":  # fmt: skip
        from recnews.ingest import Intake, seldom_collected
        from recnews.quarantine import Quarantine

        moment, batch = _aware(now), self.settings.ingest.batch
        if dry_run:
            yield Intake(moment, batch, on_error, dry_run, None, lambda: 0)
            return
        folder = self.home / "corpora" / "quarantine"
        with seldom_collected(), Quarantine(folder, kind, moment.date(), files) as quarantine:
            yield Intake(moment, batch, on_error, dry_run, quarantine, self._index)

    def _index(self) -> int:
        """Encode what is stored and not searchable (nothing before the first training), and find its stories."""
        from recnews.stories import group_pending

        indexed = self._index_live()
        group_pending(self.store, self.generations.current().live, self.settings.stories)
        return indexed

    def _index_live(self) -> int:
        indexed = 0
        while (live := self.generations.current().live) is not None:
            indexed += self._catch_up(self._live(prepared=True))
            if self.generations.current().live == live:
                break  # else another process switched meanwhile, and may not have seen what was just stored
        return indexed

    def _catch_up(self, generation: Generation) -> int:
        from recnews.indexing import index_pending

        return index_pending(self.store, generation)

    def _live(self, prepared: bool) -> Generation:
        """The generation that serves, kept until another goes live. Raises `NoGenerationError`."""
        live = self.generations.current().live
        if self._kept is not None and self._kept.asked == live and (self._kept.prepared or not prepared):
            return self._kept.generation
        generation, damages = self.generations.live(prepared)
        if generation is None or live is None:
            raise NoGenerationError(self.home)
        for damage in damages:
            _log.warning("%s; %s serves instead", damage, generation.id)
        self._kept = _Kept(live, prepared, generation)
        return generation

    def _serving(self) -> tuple[Generation, Catalog]:
        """The generation that serves, and its catalog as of now."""
        generation = self._live(prepared=False)
        if self._catalog is None or self._catalog.generation != generation.id:
            self._catalog = Catalog.open(generation.folder, generation.id, generation.dim)
        self._catalog.refresh(self.store)
        return generation, self._catalog

    def _explorer(self) -> "Explorer":
        from recnews.explore import Explorer

        self._live(prepared=True).refresh(self.store)
        generation, catalog = self._serving()
        return Explorer(self.store, generation, catalog)

    def _snapshot(self) -> None:
        """Spare the next process from reading what this one has added."""
        generation, catalog = self._serving()
        if catalog.changed_since_snapshot >= _SNAPSHOT_AFTER:
            catalog.save(generation.folder)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A generation in use, and which one was live when it was opened."""

    asked: str
    prepared: bool
    generation: Generation


def _writable(*texts: str) -> None:
    """Refuse halves of characters, which no store and no vocabulary can hold."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{text!r} is not text: it holds half a character") from error


def _aware(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone; give an aware time")
    return moment
