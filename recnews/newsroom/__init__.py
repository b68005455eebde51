"""The one public class: opens a home and offers the use cases. The command line and every later face go through it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recnews.audience import Audiences
from recnews.config import FeedSettings, RetentionSettings, Settings
from recnews.errors import RecnewsError, RowError, UsageError
from recnews.generation import Generation
from recnews.newsroom.archive import Archive
from recnews.newsroom.editors import Editors
from recnews.newsroom.given import Reading, aware, read_options, writable
from recnews.newsroom.home import Home
from recnews.newsroom.maps import Maps
from recnews.newsroom.readers import Readers
from recnews.newsroom.rejects import RejectedRows
from recnews.newsroom.words import Words
from recnews.recommend import FeedRequest, Recommender
from recnews.records import Article, Cut, EventDraft, EventKind, Float32, Neighbors, Recommendation, Taste
from recnews.reports import EventsReport, IngestReport, Segment
from recnews.servable import Filter
from recnews.store import ArticleCard, ArticleText

if TYPE_CHECKING:
    from recnews.backup import Backed
    from recnews.embed.base import Progress
    from recnews.explore import Explorer
    from recnews.ingest import BytesRead, Given, OnError
    from recnews.migrate import Migrated
    from recnews.newsroom.status import Status
    from recnews.prune import Pruned
    from recnews.repair import Repaired
    from recnews.reports import Polled, Watched
    from recnews.store import Told
    from recnews.text import UserDictionary
    from recnews.verify import Problem

__all__ = ["Newsroom", "Reading"]


class Newsroom(Home):
    """An open home: a folder with `corpora/` (what is stored) and `indexes/` (what was learned from it).

    Use it as a context manager, one in each thread. `now` and `at` default to the present; pass a time to ask what
    would have been answered then. What concerns one side only has a place of its own: `editors`, `readers`,
    `archive`, `maps`, `words`, `rejected`, `generations`, `dictionary`, and `serving`, by which a service changes what
    answers.
    """

    def __init__(self, home: Path, settings: Settings) -> None:
        """Use `Newsroom.open`."""
        super().__init__(home, settings)
        self.editors, self.readers = Editors(self.store), Readers(self)
        self.archive, self.rejected, self.maps = Archive(self), RejectedRows(self), Maps(self)
        self.words = Words(self)
        self._audiences = Audiences(self.store)

    @property
    def dictionary(self) -> "UserDictionary":
        """Words the tokenizer keeps whole, from the next generation on."""
        from recnews.text import UserDictionary

        return UserDictionary(self.corpora / "dictionary.txt")

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
        from recnews.newsroom.intake import take_articles

        rows, files = open_articles(articles, read_options(reading, self.settings.ingest), progress)
        return take_articles(self, rows, files, on_error=on_error, dry_run=dry_run, now=aware(now))

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
        from recnews.newsroom.intake import take_articles
        from recnews.watch import Watcher

        moment = aware(now)
        take = partial(take_articles, self, on_error="quarantine", dry_run=False, now=moment)
        watcher = Watcher(
            self.store, take, read_options(reading, self.settings.ingest), self.settings.watch,
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
        from recnews.ingest import open_events
        from recnews.newsroom.intake import take_events

        options = read_options(reading, self.settings.ingest)
        rows, files = open_events(events, options, progress)
        return take_events(self, rows, files, options, on_error=on_error, dry_run=dry_run, now=aware(None))

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

    def delete(self, keys: Sequence[str]) -> None:
        """Remove articles for good; events about them stay. Raises `UnknownArticleError`, nothing changed."""
        self.store.articles.delete(keys)

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
            cluster=self.cluster,
            progress=progress or (lambda _stage, _share: None),
        )

    def reindex(self, progress: "Progress | None" = None) -> int:
        """Encode all articles anew with the live generation; how many. One that was stopped goes on where it was.

        Raises `NoGenerationError`.
        """
        from recnews.newsroom.upkeep import encode_all_again

        return encode_all_again(self, progress or (lambda _stage, _share: None))

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
        feed: FeedSettings | None = None,
    ) -> list[Recommendation]:
        """A reader's feed: at most `k` articles, best first, each with its reasons.

        `exclude` names keys; `since` is the earliest publication, as a time or an age; `among` names the only articles
        to rank, such as those another system proposes. `history` stands in for what is stored of the reader, and is not
        stored. An unknown reader gets fresh and popular articles, labelled. Without `explain` reasons name no articles
        and no words. `feed` stands in for the settings of that section, to see what others would do.

        For more of a feed, ask with a larger `k`, the same `at`, the first `k` as `page`, and as `newest` what
        `serving.newest_article` was then: what came meanwhile moves nothing. Raises `NoGenerationError` before the
        first training.
        """
        if k < 1:
            raise UsageError(f"a feed has at least one place, not {k}")
        writable(user_id, *exclude, *(among or ()))
        now = aware(at)
        try:
            earliest = now - since if isinstance(since, timedelta) else since and aware(since)
        except OverflowError as error:
            raise UsageError(f"{since} before {now.isoformat()} is before all time") from error
        wanted = Filter(tuple(categories), tuple(langs), tuple(sources), earliest)
        request = FeedRequest(user_id, k, now, wanted, tuple(exclude), page=page, newest=newest, explain=explain)
        request = request if among is None else replace(request, among=tuple(among))
        request = request if history is None else replace(request, history=tuple(history))
        with self.store.one_view():
            return self._recommender(feed).recommend(request)

    def feed_settings(self) -> FeedSettings:
        """What feeds are put together with: the settings, and where they are silent what the log has taught. Raises
        `NoGenerationError`."""
        manifest = self.serving.generation(prepared=False).manifest
        return self.settings.feed.learned(manifest.ageing, bool(manifest.behaviour))

    def tastes(self, user_id: str, *, at: datetime | None = None) -> list[Taste]:
        """What a reader is interested in, in words; nothing for an unknown one. Raises `NoGenerationError`."""
        writable(user_id)
        with self.store.one_view():
            return self._recommender().tastes(user_id, aware(at))

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
        writable(*(given for given in (word, article, user, text, *minus) if given is not None))
        explorer, now = self.explorer(), aware(at)
        if word is not None:
            return explorer.word(word, tuple(minus), k, now)
        if article is not None:
            return explorer.article(article, k, now)
        if user is not None:
            return explorer.user(self._recommender().interests(user, now), k, now)
        return explorer.text(str(text), k, now)

    def cut(self, text: str) -> Cut:
        """How the live generation cuts a text, and which words it does not know. Raises `NoGenerationError`."""
        writable(text)
        return self.explorer().cut(text)

    def embed(self, texts: Sequence[str]) -> Float32:
        """(n, dim) float32 vectors of texts in the live article space: rows of unit length, zero for unknown text."""
        generation = self.serving.generation(prepared=True)
        generation.refresh(self.store)
        encoded, _ = generation.encode([ArticleText(0, "", "", text) for text in texts])  # type: ignore[arg-type]
        return encoded.vectors

    def duplicates(self, limit: int = 20) -> list[list[ArticleCard]]:
        """Stories that are told by more than one article, the latest first; within a story the oldest first."""
        return self.store.stories.groups(limit)

    def article(self, key: str) -> Article:
        """A stored article. Raises `UnknownArticleError`."""
        writable(key)
        return self.store.articles.get(key, self._predicting())

    def articles(
        self, limit: int = 20, contains: str = "", category: str = "", hidden: bool | None = None
    ) -> list[Article]:
        """The newest articles; `contains` is looked for in titles and keys."""
        return self.store.articles.newest(limit, contains, category, hidden, self._predicting())

    # The operator's day

    def status(self) -> "Status":
        """The home in figures."""
        from recnews.newsroom.status import status_of

        return status_of(self)

    def prune(
        self, retention: RetentionSettings | None = None, *, dry_run: bool = False, now: datetime | None = None
    ) -> "Pruned":
        """Remove what has outlived its keeping, as the settings have it or `retention`, while others read and write:
        expired articles, old events, old generations; with `dry_run`, only count it. Killed and run again, it goes on.

        Raises `BusyError` during a training when there are generations to remove.
        """
        from recnews.newsroom.upkeep import prune

        return prune(self, retention or self.settings.retention, aware(now), dry_run)

    def verify(self) -> "list[Problem]":
        """What is wrong with this home; empty when store, generations and index agree."""
        from recnews.newsroom.upkeep import archive_settings
        from recnews.verify import verify

        return verify(self.store, self.generations, archive_settings(self.settings))

    def repair(self) -> "Repaired":
        """Make again what is a view of the store and is wrong, and say what is wrong still; articles, events, editors'
        work and what was learned are never touched. Raises `BusyError` during a training."""
        from recnews.newsroom.upkeep import archive_settings
        from recnews.repair import repair

        return repair(self.store, self.generations, self.settings, archive_settings(self.settings))

    def seal(self, now: datetime | None = None) -> list[Segment]:
        """Seal the vectors of older articles into segments, as the settings of the index ask for; those there are then,
        the oldest first. The feed service does it by itself.

        Raises `NoGenerationError`, and `SealError` when no segment that fits the memory finds what is asked for.
        """
        from recnews.newsroom.upkeep import seal

        return seal(self, aware(now))

    def backup(
        self, target: str | Path, *, keep: int | None = None, quick: bool = False, now: datetime | None = None
    ) -> "Backed":
        """Add a backup of this home, while it is in use, to a folder of backups, and write it out to see that it is
        whole; not so with `quick`. With `keep`, only the latest so many stay. Raises `UsageError`, `StorageError`,
        `BusyError`."""
        from recnews.backup import backup

        return backup(self.home, self.store, Path(target).absolute(), aware(now), keep=keep, quick=quick)

    def migrate(self, settings_file: str | Path, told: "Told | None" = None) -> "Migrated":
        """Copy all that this home holds into the store that a settings file names, and into the folder of that file
        where it is another one; this home stays as it is. Raises `UsageError`, `SettingsError`, `StorageError`,
        `BusyError` during a training or while others write."""
        from recnews.migrate import migrate

        with self.generations.training():
            return migrate(self.home, self.store, Path(settings_file), told)

    # Inside

    def _recommender(self, feed: FeedSettings | None = None) -> Recommender:
        generation, catalog = self.serving.current()
        return Recommender(self.store, catalog, self._learned(generation, feed), self._audiences)

    def _learned(self, generation: Generation, feed: FeedSettings | None = None) -> FeedSettings:
        return (feed or self.settings.feed).learned(generation.manifest.ageing, bool(generation.manifest.behaviour))

    def _predicting(self) -> str:
        """The generation whose predictions are shown; none where none serves, which must not keep editors from work."""
        try:
            return self.serving.generation(prepared=False).id
        except RecnewsError:
            return ""

    def explorer(self) -> "Explorer":
        """What answers analysts, over the live generation. Raises `NoGenerationError`."""
        from recnews.explore import Explorer

        self.serving.generation(prepared=True).refresh(self.store)
        generation, catalog = self.serving.current()
        return Explorer(self.store, generation, catalog)
