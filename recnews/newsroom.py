"""The one public class: opens a home and offers the use cases. The command line and every later face go through it."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from recnews.audience import Audiences
from recnews.catalog import Catalog, Filter
from recnews.config import Settings, given_reader_key, home_folder, load_settings
from recnews.errors import NoGenerationError, RecnewsError, RowError, UsageError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.recommend import FeedRequest, Recommender
from recnews.records import (
    Article,
    ArticleEdit,
    EventDraft,
    EventKind,
    EventsReport,
    Float32,
    Forgotten,
    Held,
    IngestReport,
    Neighbors,
    Pin,
    Recommendation,
    Rules,
)
from recnews.serving import Serving, open_serving
from recnews.store import ArticleCard, ArticleText, ReaderIds, Store

if TYPE_CHECKING:
    from recnews.accept import Outcome
    from recnews.embed.base import Progress
    from recnews.explore import Explorer
    from recnews.formats import ReadOptions
    from recnews.ingest import BytesRead, Given, Intake, OnError
    from recnews.records import Draft, Polled, Reject, Watched
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
    article; `forgotten` readers for a training without them."""

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
    forgotten: int
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
        self.store = Store(home / "corpora", _readers(home, settings))
        self._adopt_readers()
        self.generations = Generations(home / "indexes")
        self._kept: Serving | None = None
        self._held = False
        self._audiences = Audiences(self.store)

    @classmethod
    def open(cls, home: str | Path | None = None, settings: Settings | None = None) -> Self:
        """Open a home, creating it when absent: `home`, else `RECNEWS_HOME`, else the current folder.

        Raises `SettingsError` for a setting that is not one, or when ids of readers are hashed in this home and the
        settings do not say so with the same key; `StorageError` when the folder cannot be used.
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
        from recnews.ingest import open_articles

        rows, files = open_articles(articles, self._options(reading), progress)
        return self._take(rows, files, None, on_error=on_error, dry_run=dry_run, now=now)

    def watch_once(
        self,
        sources: Sequence[str] = (),
        reading: Reading | None = None,
        *,
        full_text: bool = False,
        allow_private: bool = False,
        now: datetime | None = None,
    ) -> "Iterator[Polled]":
        """One round over feeds (http or https addresses) and folders (paths, relative to the home; a file will do):
        what is new or changed is stored and searchable as it is yielded. Without `sources`, those of the settings.

        A feed that fails is left alone for a while, longer each time; the others are polled. `full_text` fetches the
        pages of entries that have no text; `allow_private` lets addresses be asked that are not of the open internet.
        Raises `UsageError` for an address that cannot be one, `BusyError` while another process watches this home.
        """
        from recnews.watch import Watcher

        moment = _aware(now)
        take = partial(self._take, on_error="quarantine", dry_run=False, now=moment)
        watcher = Watcher(
            self.store, take, self._options(reading), self.settings.watch,
            full_text=full_text, allow_private=allow_private,
        )  # fmt: skip
        return watcher.round(list(sources) or self.settings.watch.feeds, self.home, moment)

    def watched(self) -> "list[Watched]":
        """Every source that was ever watched, and how it fares."""
        from recnews.watch import watched

        return watched(self.store)

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
        if self.settings.privacy.hash_ids:
            from recnews.privacy import with_hashed_rejects

            rows = with_hashed_rejects(rows, self.store.readers, self._options(reading))
        with self._intake("events", files, on_error, dry_run, None) as intake:
            report = ingest_events(self.store, rows, intake)
        if report.added and not dry_run:
            self._count_events()
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

    def accept(self, articles: Sequence[Mapping[str, Any]], *, now: datetime | None = None) -> "list[Outcome]":
        """Store articles for a caller who waits, and make them searchable; what became of each row, in order.

        All that is taken is on the disk when this returns. A row that cannot be taken is told and not kept.
        """
        from recnews.accept import accept_articles

        outcomes = accept_articles(self.store, articles, self._options(None), _aware(now))
        if any(it.became in {"added", "changed"} for it in outcomes):
            self._index(count=False)
        return outcomes

    def accept_events(self, events: Sequence[Mapping[str, Any]]) -> "list[Outcome]":
        """As `accept`, for events. They are in the next feed; `keep_house` learns from them."""
        from recnews.accept import accept_events

        return accept_events(self.store, events, self._options(None))

    def keep_house(self) -> int:
        """Do what `accept` has left: encode what a killed process did not, take in what the reading log says by now,
        save a snapshot of the catalog; how many articles were encoded. Nothing before the first training."""
        indexed = self._index()
        if self.generations.current().live is not None:
            self._snapshot()
        return indexed

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
        history: Sequence[EventDraft] | None = None,
        page: int = 0,
        newest: int | None = None,
        explain: bool = True,
    ) -> list[Recommendation]:
        """A reader's feed: at most `k` articles, best first, each with its reasons.

        `exclude` names keys; `since` is the earliest publication, as a time or an age; `among` names the only articles
        to rank, such as those another system proposes. `history` stands in for what is stored of the reader, and is not
        stored. An unknown reader gets fresh and popular articles, labelled. Without `explain` reasons name no articles
        and no words.

        For more of a feed, ask with a larger `k`, the same `at`, the first `k` as `page`, and as `newest` what
        `newest_article` was then: what came meanwhile moves nothing. Raises `NoGenerationError` before the first
        training.
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
        request = FeedRequest(user_id, k, now, wanted, tuple(exclude), page=page, newest=newest, explain=explain)
        request = request if among is None else replace(request, among=tuple(among))
        request = request if history is None else replace(request, history=tuple(history))
        with self.store.one_view():
            return self._recommender().recommend(request)

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
            return explorer.user(self._recommender().interests(user, now), k, now)
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
        return self.store.articles.get(key, self._predicting())

    def articles(
        self, limit: int = 20, contains: str = "", category: str = "", hidden: bool | None = None
    ) -> list[Article]:
        """The newest articles; `contains` is looked for in titles and keys."""
        return self.store.articles.newest(limit, contains, category, hidden, self._predicting())

    def hide(self, keys: Sequence[str], hidden: bool = True) -> None:
        """Take articles out of every feed at once, or put them back. Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.hide(keys, hidden)

    def expire(self, keys: Sequence[str], at: datetime | None = None) -> None:
        """Serve articles no longer than `at` (now by default). Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.expire(keys, _aware(at))

    def categorize(self, keys: Sequence[str], category: str | None) -> None:
        """Put articles under a category by hand: it holds at once, in every feed, and goes over what their publisher or
        a prediction says, also when they are ingested again; None takes that back. The next training learns from it.

        Raises `UnknownArticleError`, nothing changed; `UsageError` for a category without a name.
        """
        name = None if category is None else " ".join(category.split())
        if name == "":
            raise UsageError("a category needs a name; give None to take back what was set by hand")
        _writable(*keys, name or "")
        self.store.articles.categorize(keys, name)

    def edit(self, key: str, change: ArticleEdit) -> None:
        """Do what `hide`, `expire` and `categorize` do to one article, all or nothing. Raises `UnknownArticleError`."""
        _writable(key)
        self.store.articles.edit([key], change)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove articles for good; events about them stay. Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.delete(keys)

    def pin(
        self,
        key: str,
        slot: int = 1,
        *,
        starts_at: datetime | None = None,
        until: datetime | None = None,
        now: datetime | None = None,
    ) -> None:
        """Put an article into place `slot` (from 1) of every feed while `starts_at <= time < until`; None does not
        restrict. It replaces an earlier pin of the article; of two in one place the newer one comes first.

        Raises `UnknownArticleError`; `UsageError` for a slot below 1 or a time that would never come.
        """
        _writable(key)
        starts, ends = (moment and _aware(moment) for moment in (starts_at, until))
        self.store.editorial.pin(key, slot, starts, ends, _aware(now))

    def unpin(self, keys: Sequence[str]) -> int:
        """Take pins away; how many there were. Raises `UnknownArticleError`, nothing changed."""
        _writable(*keys)
        return self.store.editorial.unpin(keys)

    def pins(self, at: datetime | None = None) -> list[Pin]:
        """Pins by slot, for one slot the newest first: those that hold at a time, or all there are."""
        return self.store.editorial.pins(at and _aware(at))

    def block(self, *, categories: Sequence[str] = (), sources: Sequence[str] = ()) -> int:
        """Keep articles of these categories and sources out of every feed, from now on; how many rules are new.

        Raises `UsageError` for a name that is empty.
        """
        _writable(*categories, *sources)
        add = self.store.editorial.add_rules
        return add("block", "category", categories) + add("block", "source", sources)

    def unblock(self, *, categories: Sequence[str] = (), sources: Sequence[str] = ()) -> int:
        """Take `block` back; how many rules there were."""
        _writable(*categories, *sources)
        remove = self.store.editorial.remove_rules
        return remove("block", "category", categories) + remove("block", "source", sources)

    def impersonal(self, categories: Sequence[str]) -> int:
        """Never choose articles of these categories for a reader by what they have read: they come into feeds as fresh
        or popular only. How many rules are new. Raises `UsageError` for a name that is empty."""
        _writable(*categories)
        return self.store.editorial.add_rules("impersonal", "category", categories)

    def personal(self, categories: Sequence[str]) -> int:
        """Take `impersonal` back; how many rules there were."""
        _writable(*categories)
        return self.store.editorial.remove_rules("impersonal", "category", categories)

    def rules(self) -> Rules:
        """What is blocked, and what is impersonal."""
        return self.store.editorial.rules()

    @property
    def dictionary(self) -> "UserDictionary":
        """Words the tokenizer keeps whole, from the next generation on."""
        from recnews.text import UserDictionary

        return UserDictionary(self.home / "corpora" / "dictionary.txt")

    # What a reader may ask for

    def export(self, user_id: str) -> Held:
        """All that is held on a reader, in an order that does not change."""
        from recnews.privacy import export

        _writable(user_id)
        return export(self.store, self.home / "corpora", user_id)

    def forget(self, user_id: str, *, now: datetime | None = None) -> Forgotten:
        """Remove all that is held on a reader, to the last byte: events, article keys that only these named, rejected
        rows with their id. The store is written anew for it. `Status.forgotten` counts it until the next training.

        A reader who is not known is forgotten already. Killed at any moment and run again, all is gone. Raises
        `StorageError`; `BusyError` while another process reads an older state of the store.
        """
        from recnews.privacy import forget

        _writable(user_id)
        forgotten = forget(self.store, self.home / "corpora", user_id, _aware(now))
        if self.generations.current().live is not None:
            self._count(self._live(prepared=False))
        return forgotten

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
            forgotten=self._forgotten(),
            quarantine=tuple(sorted(str(file) for file in folder.glob("*.jsonl"))),
            store_bytes=self.store.disk_bytes(),
            index_bytes=self.generations.disk_bytes(),
            free_bytes=self.store.free_bytes(),
        )

    def open_beside(self, prepared: bool = False) -> Serving | None:
        """What is live by now, opened as a whole beside what this newsroom answers from; None when that is the same.

        Another thread may call this while this newsroom answers; then hand the result to `take_over`. `prepared` reads
        all it takes to encode, too. Raises `DamagedGenerationError` when no generation is whole.
        """
        if not self.behind() and self._kept is not None and (self._kept.prepared or not prepared):
            return None
        opened = open_serving(self.generations, prepared)
        if opened is not None:
            opened.current(self.store)
        return opened

    def take_over(self, opened: Serving, hold: bool) -> None:
        """Answer from this from now on; with `hold`, whatever goes live meanwhile, until another is taken over."""
        self._use(opened)
        self._held = hold

    @property
    def newest_article(self) -> int:
        """The highest id among the articles that the latest answer knew of; 0 without any."""
        return self._kept.catalog.newest if self._kept and self._kept.catalog else 0

    @property
    def serves(self) -> str | None:
        """The generation that this newsroom answers from; None before it was first asked."""
        return self._kept.generation.id if self._kept else None

    def behind(self) -> bool:
        """Whether another generation is live than the one this newsroom answers from."""
        return self._kept is None or self._kept.asked != self.generations.current().live

    def misses_articles(self, opened: Serving | None = None) -> bool:
        """Whether articles are stored that a generation has not encoded: the one that was opened beside, else the one
        this newsroom answers from."""
        serving = opened or self._kept
        return serving is not None and self.store.vectors.lacks(serving.generation.id)

    def lag(self) -> int:
        """How many changed articles this newsroom has not taken over; it will for the next question."""
        catalog = self._kept.catalog if self._kept else None
        return 0 if catalog is None else self.store.vectors.distance(catalog.token)

    def verify(self) -> "list[Problem]":
        """What is wrong with this home; empty when store, generations and index agree."""
        from recnews.verify import verify

        return verify(self.store, self.generations)

    def backup(self, target: str | Path) -> "list[Problem]":
        """Copy this home into a new folder while it is in use; what is wrong with the copy."""
        from recnews.backup import backup

        return backup(self.home, self.store, Path(target).absolute())

    # Inside

    def _adopt_readers(self) -> None:
        try:
            if self.store.privacy.adopt():
                from recnews.privacy import hash_what_is_stored

                hash_what_is_stored(self.store, self.home / "corpora")
        except BaseException:
            self.store.close()
            raise

    def _forgotten(self) -> int:
        """How many readers were forgotten since what serves was trained; 0 when nothing can serve."""
        try:
            live, _ = self.generations.live(prepared=False)
        except RecnewsError:
            return 0
        moment = live and datetime.fromisoformat(live.manifest.created_at)
        return self.store.privacy.forgotten_since(moment) if moment else 0

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

    def _take(
        self, rows: "Iterator[Draft | Reject]", files: list[str], wanted: "Callable[[Reject], bool] | None",
        *, on_error: "OnError", dry_run: bool, now: datetime | None,
    ) -> IngestReport:  # fmt: skip
        """Take articles in; of the rejected rows, those that are `wanted` go into the quarantine."""
        from recnews.ingest import Sieve, ingest_articles

        with self._intake("articles", files, on_error, dry_run, now) as intake:
            kept = intake.quarantine
            sifted = replace(intake, quarantine=Sieve(kept, wanted)) if kept and wanted else intake
            report = ingest_articles(self.store, rows, sifted)
        searchable = not dry_run and self.generations.current().live is not None
        if searchable:
            self._snapshot()
        return replace(report, quarantine=intake.files(), pending=0 if searchable else report.pending)

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

    def _index(self, count: bool = True) -> int:
        """Encode what is stored and not searchable (nothing before the first training), and find its stories."""
        from recnews.stories import group_pending

        indexed = self._index_live(count)
        group_pending(self.store, self.generations.current().live, self.settings.stories)
        return indexed

    def _index_live(self, count: bool) -> int:
        indexed = 0
        while (live := self.generations.current().live) is not None:
            indexed += self._catch_up(self._live(prepared=True), count)
            if self.generations.current().live == live:
                break  # else another process switched meanwhile, and may not have seen what was just stored
        return indexed

    def _catch_up(self, generation: Generation, count: bool = True) -> int:
        from recnews.indexing import index_pending

        indexed = index_pending(self.store, generation)
        if count:
            self._count(generation)
        return indexed

    def _count_events(self) -> None:
        """What was read is stored whatever state the generations are in; the next training counts it anyway."""
        try:
            if self.generations.current().live is not None:
                self._count(self._live(prepared=False))
        except RecnewsError as error:
            _log.warning("%s; the reading log is not counted", error)

    def _count(self, generation: Generation) -> None:
        """Take in what the reading log says by now, once it has grown enough."""
        if generation.manifest.behaviour:
            from recnews.readership import count_if_due

            count_if_due(self.store, generation, self.settings)

    def _live(self, prepared: bool) -> Generation:
        """The generation that serves. Raises `NoGenerationError`."""
        return self._opened(prepared).generation

    def _opened(self, prepared: bool) -> Serving:
        """What serves, kept until another goes live, or one is taken over. Raises `NoGenerationError`."""
        kept = self._kept
        fits = kept is not None and (kept.prepared or not prepared)
        if kept is not None and fits and (self._held or kept.asked == self.generations.current().live):
            return kept
        opened = open_serving(self.generations, prepared)
        if opened is None:
            raise NoGenerationError(self.home)
        return self._use(opened)

    def _use(self, opened: Serving) -> Serving:
        for damage in opened.damages:
            _log.warning("%s; %s serves instead", damage, opened.generation.id)
        if self._kept is not None and opened.catalog is None and self._kept.generation.id == opened.generation.id:
            opened.catalog = self._kept.catalog
        self._kept = opened
        return opened

    def _recommender(self) -> Recommender:
        generation, catalog = self._serving()
        settings = self.settings.feed.learned(generation.manifest.ageing, bool(generation.manifest.behaviour))
        return Recommender(self.store, catalog, settings, self._audiences)

    def _serving(self) -> tuple[Generation, Catalog]:
        """The generation that serves, and its catalog as of now."""
        serving = self._opened(prepared=False)
        return serving.generation, serving.current(self.store)

    def _predicting(self) -> str:
        """The generation whose predictions are shown; none where none serves, which must not keep editors from work."""
        try:
            return self._live(prepared=False).id
        except RecnewsError:
            return ""

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


def _readers(home: Path, settings: Settings) -> ReaderIds:
    """How ids of readers are kept."""
    if not settings.privacy.hash_ids:
        return ReaderIds()
    from recnews.privacy import reader_key

    return ReaderIds(reader_key(home / "corpora", given_reader_key()))


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
