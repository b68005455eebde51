"""What a map shows: where articles lie, their topics, how often they are read, and what rises."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np

from recnews.atlas import Atlas, Points
from recnews.config import MapSettings
from recnews.maps.trends import Rise, rising
from recnews.records import Int64
from recnews.store import Store, to_micros

WEEK = timedelta(days=7)
_MOST = 2**16 - 1
_WORDS_TOLD = 12
_TOPICS_TOLD = 6


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic on the map: `number` as points name it, its most telling words, its articles, and the middle of where
    they lie."""

    number: int
    words: tuple[str, ...]
    articles: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Rising:
    """What rises: a topic by its number, or a word (`topic` -1). `counts` are its articles week by week, copies of one
    story counted once, this week last; `factor` its share this week by that of the weeks before; `z` how sure that
    is, in standard deviations."""

    topic: int
    words: tuple[str, ...]
    counts: tuple[int, ...]
    factor: float
    z: float


@dataclass(frozen=True, slots=True)
class Trends:
    """What rises in the seven days before `at`. `totals` are all articles week by week, this one last."""

    at: datetime
    totals: tuple[int, ...]
    topics: tuple[Rising, ...]
    words: tuple[Rising, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which articles to list: of a topic and a category by their numbers (-1: of any), published in
    `since <= t < until`."""

    topic: int = -1
    category: int = -1
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A map, asked as of some time. Hidden, expired and unpublished articles are not on it."""

    store: Store
    atlas: Atlas
    settings: MapSettings

    def points(self, now: datetime) -> Points:
        """All articles that readers may see."""
        return self.atlas.points.servable(to_micros(now))

    @property
    def categories(self) -> list[str]:
        """Names of categories, by the numbers that points bear; the empty one is none."""
        return self.atlas.names

    def topics(self, now: datetime) -> list[Topic]:
        """The topics that have articles, the largest first."""
        points = self.points(now)
        sizes = np.bincount(points.topics, minlength=len(self.atlas.map.words))
        found = []
        for number in np.argsort(-sizes, kind="stable").tolist():
            if not sizes[number]:
                break
            x, y = np.median(points.places[points.topics == number], axis=0).tolist()
            found.append(Topic(number, self.atlas.map.words[number], int(sizes[number]), x, y))
        return found

    def listed(self, wanted: Wanted, now: datetime, limit: int) -> tuple[list[int], int]:
        """Ids of the latest articles that are wanted, at most `limit`, and how many there are."""
        points = self.points(now)
        rows = np.ones(len(points.ids), dtype=bool)
        if wanted.topic >= 0:
            rows &= points.topics == wanted.topic
        if wanted.category >= 0:
            rows &= points.categories == wanted.category
        if wanted.since is not None:
            rows &= points.published >= to_micros(wanted.since)
        if wanted.until is not None:
            rows &= points.published < to_micros(wanted.until)
        chosen = points.some(rows)
        order = np.lexsort((-chosen.ids, -chosen.published))[:limit]
        return chosen.ids[order].tolist(), len(chosen.ids)

    def trends(self, now: datetime, generation: str) -> Trends:
        """What rises in the seven days before `now`, against as many weeks before them as the settings say."""
        weeks = self.settings.weeks + 1
        points, which = self._of_weeks(now, weeks)
        totals = np.bincount(which, minlength=weeks)
        by_topic = np.zeros((len(self.atlas.map.words), weeks), dtype=np.int64)
        np.add.at(by_topic, (points.topics, which), 1)
        topics = [
            _told(it, by_topic, it.row, self.atlas.map.words[it.row]) for it in rising(by_topic, totals)[:_TOPICS_TOLD]
        ]
        vocabulary, by_word = self._words(points, which, weeks, generation)
        words = [_told(it, by_word, -1, (vocabulary[it.row],)) for it in rising(by_word, totals)[:_WORDS_TOLD]]
        return Trends(now, tuple(totals.tolist()), tuple(topics), tuple(words))

    def _of_weeks(self, now: datetime, weeks: int) -> tuple[Points, Int64]:
        """Articles of the last weeks, one of each story and week, and (n,) the week of each, 0 the earliest."""
        end, length = to_micros(now), WEEK // timedelta(microseconds=1)
        points = self.points(now)
        points = points.some((points.published > end - weeks * length) & (points.published <= end))
        which = weeks - 1 - (end - points.published) // length
        _, first = np.unique(np.stack([points.stories, which], axis=1), axis=0, return_index=True)
        return points.some(np.sort(first)), which[np.sort(first)]

    def _words(self, points: Points, which: Int64, weeks: int, generation: str) -> tuple[list[str], Int64]:
        """Words, and (n, weeks) how many articles have each among their most telling."""
        found = self.store.vectors.keywords(generation, points.ids.tolist())
        numbers: dict[str, int] = {}
        held = [  # of each article; a character alone says too little
            [numbers.setdefault(word, len(numbers)) for word in found.get(article_id, ()) if len(word) > 1]
            for article_id in points.ids.tolist()
        ]
        cells = np.fromiter(chain.from_iterable(held), dtype=np.int64) * weeks
        cells += np.repeat(which, [len(words) for words in held])
        counts = np.bincount(cells, minlength=len(numbers) * weeks).reshape(-1, weeks)
        names = list(numbers)
        rows = sorted(np.flatnonzero(counts.sum(axis=1) > 1).tolist(), key=names.__getitem__)
        return [names[row] for row in rows], counts[rows].astype(np.int64)


def packed(points: Points, reads: Int64, now: datetime) -> bytes:
    """Points for a browser, little-endian: how many (32 bits), their ids (32 bits each), then, 16 bits each, x and y
    from 0 to 65,535, topics, categories, days before `now` and `reads`, one column after the other."""
    days = (to_micros(now) - points.published) // (WEEK // timedelta(microseconds=7))
    across = np.rint((np.clip(points.places.T, -1, 1) + 1) / 2 * _MOST)
    columns = (across[0], across[1], points.topics, points.categories, days, reads)
    head = np.array([len(points.ids)], dtype="<u4").tobytes() + points.ids.astype("<u4").tobytes()
    return head + b"".join(np.clip(column, 0, _MOST).astype("<u2").tobytes() for column in columns)


def _told(rise: Rise, counts: Int64, topic: int, words: tuple[str, ...]) -> Rising:
    return Rising(topic, words, tuple(counts[rise.row].tolist()), rise.factor, rise.z)
