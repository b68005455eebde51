"""recnews behind the questions of an evaluation: a home of its own, filled, trained and asked as users do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

from recnews.config import FeedSettings, Settings
from recnews.errors import RowError
from recnews.newsroom import Newsroom
from recnews.records import Draft, EventDraft, Reject
from recnews.splits import Question, Split
from recnews.text import DictionaryWord

RANKER = (
    "freshness", "popularity", "exploration", "diversity", "coverage", "window_days", "most_of_source",
    "most_of_category",
)  # fmt: skip
"""The weights and limits of all that stands between the nearest neighbours and the feed."""


def search_only(settings: Settings) -> Settings:
    """The same settings with all of the ranker at 0: feeds are the nearest neighbours, in their order."""
    return settings.override("feed", **{name: 0 for name in RANKER if name in FeedSettings.model_fields})


class Served:
    """A home in a folder, and the feeds it serves under one or several settings."""

    def __init__(self, folder: Path, settings: Settings, dictionary: Sequence[DictionaryWord]) -> None:
        self._folder, self._settings = folder, settings
        self._room = Newsroom.open(folder, settings)
        self._feeds: dict[str, Newsroom] = {}
        self._named: dict[int, tuple[frozenset[str], tuple[str, ...]]] = {}
        for word in dictionary:
            self._room.dictionary.add(word)

    def prepare(self, articles: Sequence[Draft], split: Split) -> None:
        """Take in what training sees, train, then take in the articles that come after."""
        dated = with_dates(articles, split)
        self._ingest([article for article in dated if article.key not in split.hidden])
        self.record(split.training)
        self._room.train()
        self._ingest([article for article in dated if article.key in split.hidden])

    def record(self, events: Sequence[EventDraft]) -> None:
        """Store events."""
        if events:
            report = self._room.record_many(events)
            _refuse(report.rejects)

    def serve(self, feeds: Mapping[str, Settings]) -> None:
        """From now on, feeds can be asked for under these settings, by these names."""
        for room in self._feeds.values():
            room.close()
        self._feeds = {name: Newsroom.open(self._folder, settings) for name, settings in feeds.items()}

    def feed(self, name: str, question: Question, k: int) -> list[str]:
        """The keys of a reader's feed, best first."""
        found = self._feeds[name].recommend(question.user, k, at=question.at, among=self._among(question.among))
        return [place.key for place in found]

    def _among(self, keys: frozenset[str] | None) -> tuple[str, ...] | None:
        """The same tuple for the same set: it is sorted once, not for each reader."""
        if keys is None:
            return None
        kept = self._named.get(id(keys))
        if kept is None or kept[0] is not keys:
            kept = self._named[id(keys)] = keys, tuple(sorted(keys))
        return kept[1]

    def close(self) -> None:
        """Give files back."""
        for room in (*self._feeds.values(), self._room):
            room.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ingest(self, articles: Sequence[Draft]) -> None:
        if articles:
            _refuse(self._room.ingest(articles).rejects)


def with_dates(articles: Sequence[Draft], split: Split) -> list[Draft]:
    """The articles; where the log has times, those without a date are given that of the log's beginning, as they would
    otherwise count as published now, after everything that is asked."""
    events = [*split.training, *(event for step in split.steps for event in step.record)]
    times = [event.at for event in events if event.at is not None]
    times += [question.at for step in split.steps for question in step.questions if question.at is not None]
    if not times:
        return list(articles)
    start: datetime = min(times)
    return [article if article.published_at else replace(article, published_at=start) for article in articles]


def _refuse(rejects: Sequence[Reject]) -> None:
    if rejects:
        first = rejects[0]
        raise RowError(first.where.file, first.where.line, first.field, first.reason, first.remedy)
