"""A reader's feed: from their events to explained recommendations. The same code serves and is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from recnews import explain, rank
from recnews.catalog import Catalog, Filter
from recnews.config import FeedSettings
from recnews.interests import event_weights, from_history
from recnews.records import Event, FeedSource, Float32, Int64, Reason, Recommendation
from recnews.store import Store, to_micros


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """What is asked: `k` places of a feed at `now`, within a filter, without the articles named by `exclude`; where
    `among` is given, of the articles it names only."""

    user_id: str
    k: int
    now: datetime
    filter: Filter = field(default_factory=Filter)
    exclude: tuple[str, ...] = ()
    among: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _History:
    """What a reader has read, as far as it has vectors: rows newest first."""

    ids: Int64
    vectors: Float32
    weights: Float32


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Articles to rank: the parts of each score, (n,)."""

    ids: Int64
    similarity: Float32
    freshness: Float32
    popularity: Float32

    @property
    def scores(self) -> Float32:
        """(n,) the sum of the parts."""
        return self.similarity + self.freshness + self.popularity


@dataclass(frozen=True, slots=True)
class _Place:
    """One place of a feed before it is explained; `because` is the row of the nearest read article."""

    article_id: int
    source: FeedSource
    similarity: float
    freshness: float
    popularity: float
    because: int | None = None


class Recommender:
    """Feeds from one store, one catalog and one set of settings."""

    def __init__(self, store: Store, catalog: Catalog, settings: FeedSettings) -> None:
        self._store, self._catalog, self._settings = store, catalog, settings

    def recommend(self, request: FeedRequest) -> list[Recommendation]:
        """At most `k` recommendations, best first: never read, hidden, expired or excluded ones, none twice.

        A reader with a known history gets neighbours of their interests, filled up with fresh and popular articles;
        any other gets fresh and popular ones, labelled as such. Fewer than `k` only when no more may be shown.
        """
        seen = self._store.events.articles_seen(request.user_id, request.now)
        excluded = self._store.articles.ids(request.exclude).values() if request.exclude else ()
        servable = self._catalog.servable(request.now, request.filter, [*seen, *excluded])
        if request.among is not None:
            named = self._store.articles.ids(request.among).values()
            servable = servable[np.isin(servable, np.fromiter(named, dtype=np.int64))]
        history = self._history(request.user_id, request.now)
        readers = self._store.events.reader_counts(
            request.now - timedelta(days=self._settings.popularity_days), request.now
        )
        near = self._near(history, servable, readers, request)
        places = self._nearest(near, history, request.k)
        if len(places) < request.k:
            taken = self._catalog.stories(np.array([place.article_id for place in places], dtype=np.int64))
            rest = servable[~np.isin(self._catalog.stories(servable), taken)]
            places += self._fallback(rest, readers, request.now, request.k - len(places))
        return self._explained(places, history)

    def interests(self, user_id: str, now: datetime) -> Float32:
        """(m, dim) vectors of what a reader is interested in at `now`; none for an unknown reader."""
        history = self._history(user_id, now)
        return from_history(history.vectors, history.weights).vectors

    def _history(self, user_id: str, now: datetime) -> _History:
        events: Sequence[Event] = self._store.events.of_user(user_id, now, self._settings.history)
        ids = np.array([event.article_id for event in events], dtype=np.int64)
        vectors, known = self._catalog.vectors(ids)
        weights = event_weights(events, now, self._settings)
        return _History(ids[known], vectors[known], weights[known])

    def _near(self, history: _History, servable: Int64, readers: dict[int, int], request: FeedRequest) -> _Candidates:
        """Candidates near each interest, every one with its best similarity; none that points away."""
        interests = from_history(history.vectors, history.weights)
        wanted = max(self._settings.candidates, 2 * request.k)
        hits = self._catalog.index.search(interests.vectors, wanted, servable)
        best: dict[int, float] = {}
        for hit, importance in zip(hits, interests.importance, strict=True):
            for article_id, score in zip(hit.ids.tolist(), hit.scores.tolist(), strict=True):
                if score > 0:
                    best[article_id] = max(best.get(article_id, 0.0), score * float(importance))
        ids = np.fromiter(best, dtype=np.int64, count=len(best))
        similarity = np.fromiter(best.values(), dtype=np.float32, count=len(best))
        return self._parts(ids, similarity, readers, request.now)

    def _parts(self, ids: Int64, similarity: Float32, readers: dict[int, int], now: datetime) -> _Candidates:
        settings = self._settings
        fresh = rank.freshness(self._catalog.published(ids), to_micros(now), settings.freshness_half_life_hours)
        counts = np.array([readers.get(article_id, 0) for article_id in ids.tolist()], dtype=np.int64)
        popular = rank.popularity(counts, max(readers.values(), default=0))
        return _Candidates(
            ids, similarity, np.float32(settings.freshness) * fresh, np.float32(settings.popularity) * popular
        )

    def _nearest(self, near: _Candidates, history: _History, k: int) -> list[_Place]:
        """The best candidates, unlike each other, each with the read article that speaks most for it."""
        vectors, _ = self._catalog.vectors(near.ids)
        stories = self._catalog.stories(near.ids)
        return [
            _Place(
                int(near.ids[row]),
                "interests",
                float(near.similarity[row]),
                float(near.freshness[row]),
                float(near.popularity[row]),
                explain.nearest_read(vectors[row], history.vectors, history.weights),
            )
            for row in rank.diversify(near.scores, vectors, k, self._settings.diversity, stories).tolist()
        ]

    def _fallback(self, ids: Int64, readers: dict[int, int], now: datetime, k: int) -> list[_Place]:
        """What anybody may be shown, one of a story: by freshness and popularity, then by date, then the latest id."""
        parts = self._parts(ids, np.zeros(len(ids), np.float32), readers, now)
        order = np.lexsort((-parts.ids, -self._catalog.published(parts.ids), -parts.scores))
        _, firsts = np.unique(self._catalog.stories(parts.ids)[order], return_index=True)
        return [
            _Place(
                int(parts.ids[row]),
                "popular" if parts.popularity[row] > parts.freshness[row] else "fresh",
                0.0,
                float(parts.freshness[row]),
                float(parts.popularity[row]),
            )
            for row in order[np.sort(firsts)[:k]].tolist()
        ]

    def _explained(self, places: list[_Place], history: _History) -> list[Recommendation]:
        """Only what is shown is explained: two reads of the store, whatever the number of candidates."""
        read = {int(history.ids[place.because]) for place in places if place.because is not None}
        ids = [*(place.article_id for place in places), *read]
        cards = self._store.articles.cards(ids)
        words = self._store.vectors.keywords(self._catalog.generation, ids)
        feed = []
        for place in places:
            card = cards.get(place.article_id)
            if card is None:  # deleted by another process since the search
                continue
            reasons = [Reason("freshness", place.freshness), Reason("popularity", place.popularity)]
            if place.source == "interests":
                because = None if place.because is None else int(history.ids[place.because])
                nearest = cards.get(because) if because is not None else None
                shared = explain.shared_words(words.get(place.article_id, ()), words.get(because or -1, ()))
                reasons.insert(
                    0,
                    Reason(
                        "similarity",
                        place.similarity,
                        nearest.key if nearest else "",
                        nearest.title if nearest else "",
                        shared,
                    ),
                )
            score = sum(reason.value for reason in reasons)
            feed.append(
                Recommendation(
                    card.key, card.title, score, place.source, tuple(reasons), card.url, card.category,
                    card.published_at,
                )
            )  # fmt: skip
        return feed
