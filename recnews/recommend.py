"""A reader's feed: from their events to explained recommendations. The same code serves and is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from recnews import explain, rank
from recnews.audience import Audiences, Lately
from recnews.catalog import Catalog
from recnews.config import FeedSettings
from recnews.interests import event_weights, from_history, in_session
from recnews.records import (
    Bools,
    Event,
    EventDraft,
    FeedSource,
    Float32,
    Int64,
    Interests,
    Pin,
    Reason,
    Recommendation,
    Rules,
    Taste,
)
from recnews.servable import Filter, Servable
from recnews.store import ArticleCard, Store, to_micros
from recnews.threads import one_blas_thread

_HOUR = 3_600_000_000
_LEADING = 50
_NEWEST = 500
_Cap = tuple[Callable[[Int64], Int64], int]
"""What gives articles the numbers that are counted, and how many of one number there may be."""


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """What is asked: `k` places of a feed at `now`, within a filter, without the articles named by `exclude`; where
    `among` is given, of the articles it names only.

    `history` stands in for what the store knows of the reader. `page` is the `k` of the first page that this feed
    continues: it decides how many candidates are ranked, so that a longer feed begins with the shorter one. Articles
    with an id above `newest` had not come then. Without `explain` reasons name no articles and no words.
    """

    user_id: str
    k: int
    now: datetime
    filter: Filter = field(default_factory=Filter)
    exclude: tuple[str, ...] = ()
    among: tuple[str, ...] | None = None
    history: tuple[EventDraft, ...] | None = None
    page: int = 0
    newest: int | None = None
    explain: bool = True


@dataclass(frozen=True, slots=True)
class _History:
    """What a reader has read, as far as anything is known of it: rows newest first. `vectors` are article vectors,
    `inner` behaviour vectors, both (n, ·); `profile` is the direction of the latter's weighted sum, if any."""

    ids: Int64
    vectors: Float32
    inner: Float32
    weights: Float32
    recent: Bools
    interests: Interests
    profile: Float32 | None
    explain: bool = True


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Articles to rank: the parts of each score, (n,), and the interest that each is for."""

    ids: Int64
    vectors: Float32
    outer: Float32
    interest: Int64
    similarity: Float32
    behaviour: Float32
    freshness: Float32
    popularity: Float32
    exploration: Float32

    @property
    def liking(self) -> Float32:
        """(n,) the parts that are the reader's own."""
        return self.similarity + self.behaviour

    @property
    def scores(self) -> Float32:
        """(n,) the sum of the parts."""
        return self.liking + self.freshness + self.popularity + self.exploration

    def some(self, rows: Int64) -> "_Candidates":
        """Some of them."""
        return _Candidates(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class _Place:
    """One place of a feed before it is told: `because` and `also` are the rows of the read articles that speak most for
    it by text and by behaviour."""

    article_id: int
    source: FeedSource
    parts: tuple[tuple[str, float], ...]
    because: int | None = None
    also: int | None = None


class Recommender:
    """Feeds from one store, one catalog and one set of settings."""

    def __init__(self, store: Store, catalog: Catalog, settings: FeedSettings, audiences: Audiences) -> None:
        """`settings` are those that `FeedSettings.learned` gives."""
        self._store, self._catalog, self._settings, self._audiences = store, catalog, settings, audiences

    def recommend(self, request: FeedRequest) -> list[Recommendation]:
        """At most `k` recommendations, best first: never read, hidden, blocked, expired or excluded ones, none twice.

        A reader with a known history gets neighbours of their interests, filled up with fresh and popular articles;
        any other gets fresh and popular ones, labelled as such. Pinned articles stand in their places. Fewer than `k`
        only when no more may be shown.
        """
        with one_blas_thread():
            return self._recommend(request)

    def _recommend(self, request: FeedRequest) -> list[Recommendation]:
        pins, rules = self._store.editorial.current(request.now)
        events, seen = self._read_by(request)
        history = self._history(events, request.now, rules)
        if not request.explain:
            history = replace(history, explain=False)
        lately = self._audiences.at(request.now, self._settings)
        servable = partial(self._servable, request, seen, rules)
        pinned = self._pinned(pins, servable()) if pins else []
        taken = np.array([pin.article_id for pin in pinned], dtype=np.int64)
        pinned = [pin for pin in pinned if pin.slot <= request.k]
        window = servable(self._window_start(request.now)).beside(taken)
        wanted = request.k - len(pinned)
        places: list[_Place] = []
        near = self._near(history, window.outside(rules.impersonal_categories), lately, request) if wanted else None
        for caps in (self._caps(), []):  # without them once nothing else is left
            if near is not None and len(places) < wanted:
                places += self._nearest(near, history, places, wanted, caps)
                places += self._fallback(window, places, lately, request, wanted, caps)
            if len(places) < wanted and self._settings.window_days:
                places += self._fallback(servable().beside(taken), places, lately, request, wanted, caps)
        for pin in pinned:
            places.insert(min(pin.slot - 1, len(places)), self._pin(pin, history, lately, request))
        return self._explained(places, history)

    def interests(self, user_id: str, now: datetime) -> Float32:
        """(m, dim) vectors of what a reader is interested in at `now`; none for an unknown reader."""
        events = self._store.events.of_user(user_id, now, self._settings.history)
        return self._history(events, now, self._store.editorial.current(now)[1]).interests.vectors

    def tastes(self, user_id: str, now: datetime, words: int = 6) -> list[Taste]:
        """What a reader is interested in at `now`, in at most so many words each, the most important first."""
        events = self._store.events.of_user(user_id, now, self._settings.history)
        history = self._history(events, now, self._store.editorial.current(now)[1])
        known = self._store.vectors.keywords(self._catalog.generation, history.ids.tolist())
        keywords = [known.get(article_id, ()) for article_id in history.ids.tolist()]
        found = []
        for number, importance in enumerate(history.interests.importance.tolist()):
            members = history.interests.of_read == number
            if not members.any():  # as in `_speaking`
                members = history.recent & (history.weights > 0)
            told = explain.telling(keywords, history.weights * members, words)
            found.append(Taste(importance, told, int(members.sum())))
        return sorted(found, key=lambda taste: -taste.importance)

    # Who asks

    def _read_by(self, request: FeedRequest) -> tuple[Sequence[Event], Sequence[int]]:
        """The latest acts of who asks, newest first, and all articles they did anything with."""
        if request.history is None:
            events = self._store.events.of_user(request.user_id, request.now, self._settings.history)
            return events, self._store.events.articles_seen(request.user_id, request.now)
        ids = self._store.articles.ids([draft.key for draft in request.history])
        told = [
            Event(draft.user_id, ids[draft.key], draft.kind, draft.weight, draft.dwell, draft.at)
            for draft in request.history
            if draft.key in ids and draft.kind != "impression" and (draft.at is None or draft.at < request.now)
        ]
        told.sort(key=lambda event: (event.at is not None, event.at or request.now), reverse=True)
        return told[: self._settings.history], [event.article_id for event in told]

    def _servable(
        self, request: FeedRequest, seen: Sequence[int], rules: Rules, start: datetime | None = None
    ) -> Servable:
        """What may be shown to who asks, published at `start` or later."""
        excluded = self._store.articles.ids(request.exclude).values() if request.exclude else ()
        since = max((time for time in (request.filter.since, start) if time is not None), default=None)
        wanted = replace(
            request.filter, since=since, no_categories=rules.blocked_categories, no_sources=rules.blocked_sources
        )
        servable = self._catalog.servable(request.now, wanted, [*seen, *excluded])
        only = None
        if request.among is not None:
            only = np.fromiter(self._store.articles.ids(request.among).values(), dtype=np.int64)
        return replace(servable, only=only, newest=request.newest)

    def _history(self, events: Sequence[Event], now: datetime, rules: Rules) -> _History:
        ids = np.array([event.article_id for event in events], dtype=np.int64)
        vectors, known = self._catalog.vectors(ids)
        inner = np.zeros((len(ids), self._catalog.layout.behaviour), dtype=np.float32)
        if self._catalog.layout.behaviour and len(ids):
            found = self._store.behaviours.inner(self._catalog.generation, set(ids.tolist()))
            for row, article_id in enumerate(ids.tolist()):
                if article_id in found:
                    inner[row] = found[article_id]
        weights, recent = event_weights(events, now, self._settings), in_session(events, now, self._settings)
        known |= inner.any(axis=1) & self._catalog.holds(ids)
        if rules.impersonal_categories:
            known &= self._allowed(ids, known, rules)
        ids, vectors, inner, weights = ids[known], vectors[known], inner[known], weights[known]
        recent = recent[known]
        interests = from_history(vectors, weights, recent, self._settings)
        return _History(ids, vectors, inner, weights, recent, interests, _direction(inner, weights))

    def _allowed(self, ids: Int64, known: Bools, rules: Rules) -> Bools:
        """(n,) which articles may say something about a reader."""
        allowed = np.ones(len(ids), dtype=bool)
        numbers = self._catalog.category_numbers(rules.impersonal_categories)
        allowed[known] = ~np.isin(self._catalog.categories(ids[known]), numbers)
        return allowed

    # What there is

    def _without_stories_of(self, ids: Int64, taken: Int64) -> Int64:
        if not len(taken):
            return ids
        return ids[~np.isin(self._catalog.stories(ids), self._catalog.stories(taken))]

    def _window_start(self, now: datetime) -> datetime | None:
        return now - timedelta(days=self._settings.window_days) if self._settings.window_days else None

    def _near(self, history: _History, servable: Servable, lately: Lately, request: FeedRequest) -> _Candidates:
        """Candidates near each interest, and what most read lately; none that points away."""
        queries = history.interests.vectors
        if not len(queries) and history.profile is not None:  # read, and read by others, but no text is known of it
            queries = np.zeros((1, self._catalog.layout.dim), dtype=np.float32)
        if not len(queries):
            return self._candidates(np.empty(0, dtype=np.int64), history, lately, request)
        each = max(-(-self._settings.candidates // len(queries)), _LEADING, 2 * (request.page or request.k))
        hits = self._catalog.search(queries, history.profile, each, servable.within())
        found = np.unique(np.concatenate([*(hit.ids for hit in hits), lately.leading(servable.holds, _LEADING)]))
        near = self._candidates(found, history, lately, request)
        return near.some(np.flatnonzero(near.liking > 0))

    def _candidates(self, ids: Int64, history: _History, lately: Lately, request: FeedRequest) -> _Candidates:
        """The parts of the scores of articles."""
        settings, share = self._settings, np.float32(self._catalog.layout.content)
        vectors, outer = self._catalog.parts(ids)
        interest, similarity = np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=np.float32)
        if len(history.interests.vectors):
            likeness = vectors @ history.interests.vectors.T
            interest = likeness.argmax(axis=1)
            similarity = likeness.max(axis=1)
        behaviour = np.zeros(len(ids), np.float32) if history.profile is None else outer @ history.profile
        audience, hour = lately.of(ids), to_micros(request.now) // _HOUR
        explored = np.zeros(len(ids), np.float32)
        if settings.exploration:
            explored = rank.exploration(ids, audience, lately.rate, request.user_id, hour)
        return _Candidates(
            ids, vectors, outer, interest, share * similarity, share * behaviour,
            np.float32(settings.freshness) * self._fresh(ids, request.now),
            np.float32(settings.popularity) * rank.popularity(audience, lately.most),
            np.float32(settings.exploration) * explored,
        )  # fmt: skip

    def _fresh(self, ids: Int64, now: datetime) -> Float32:
        half_lives = np.full(len(ids), self._settings.freshness_half_life_hours, dtype=np.float32)
        own = self._settings.freshness_half_lives
        if own:
            categories = self._catalog.categories(ids)
            for number, hours in zip(self._catalog.category_numbers(own).tolist(), own.values(), strict=True):
                half_lives[categories == number] = hours
        return rank.freshness(self._catalog.published(ids), to_micros(now), half_lives)

    # What is chosen

    def _nearest(
        self, near: _Candidates, history: _History, before: list[_Place], k: int, caps: list[_Cap]
    ) -> list[_Place]:
        """The best candidates, unlike each other, spread over the reader's interests: as many as fill up to `k`."""
        settings = self._settings
        taken = np.array([place.article_id for place in before], dtype=np.int64)
        if len(taken):
            near = near.some(np.flatnonzero(np.isin(near.ids, self._without_stories_of(near.ids, taken))))
        several = len(history.interests.importance) > 1
        spread = rank.Spread(
            settings.diversity, self._catalog.stories(near.ids), [(labels(near.ids), cap) for labels, cap in caps],
            settings.coverage if several else 0.0, near.interest if several else None,
            history.interests.importance if several else None,
        )  # fmt: skip
        rows = rank.diversify(near.scores, near.vectors, k - len(before), spread)
        return [
            self._place(near, row, history, "behaviour" if near.behaviour[row] > near.similarity[row] else "interests")
            for row in rows.tolist()
        ]

    def _place(self, near: _Candidates, row: int, history: _History, source: FeedSource) -> _Place:
        """A place with the parts of its score, and where that is asked for the read articles that speak most for it."""
        parts = [("similarity", near.similarity[row])] if near.similarity[row] else []
        parts += [(name, getattr(near, name)[row]) for name in ("behaviour",) if self._catalog.layout.behaviour]
        parts += [(name, getattr(near, name)[row]) for name in ("freshness", "popularity")]
        parts += [("exploration", near.exploration[row])] if near.exploration[row] else []
        because, also = self._speaking(near, row, history) if history.explain else (None, None)
        told = tuple((name, float(value)) for name, value in parts)
        return _Place(int(near.ids[row]), source, told, because, also)

    def _speaking(self, near: _Candidates, row: int, history: _History) -> tuple[int | None, int | None]:
        """Rows of the read articles that speak most for a candidate, by text and by behaviour."""
        share, own = self._catalog.layout.content, history.interests.vectors
        text, crowd = np.zeros(len(history.ids), np.float32), np.zeros(len(history.ids), np.float32)
        members = np.zeros(len(history.ids), dtype=bool)
        if len(own):
            members = history.interests.of_read == near.interest[row]
            if not members.any():  # the visit that is going on: its articles belong to other interests, too
                members = history.recent & (history.weights > 0)
            others = np.delete(own @ near.vectors[row], near.interest[row])
            text[members] = share * explain.losses(
                near.vectors[row], history.vectors[members], history.weights[members], others
            )
        if history.profile is not None:
            crowd = share * explain.losses(near.outer[row], history.inner, history.weights)
        both = text + crowd
        return (
            explain.heaviest(text, both, history.weights * members),
            None if history.profile is None else explain.heaviest(crowd, both, history.weights),
        )

    def _fallback(  # noqa: PLR0917
        self, pool: Servable, before: list[_Place], lately: Lately, request: FeedRequest, k: int, caps: list[_Cap]
    ) -> list[_Place]:
        """What anybody may be shown, one of a story, as many as fill up to `k`: by freshness and popularity, then by
        date, then the latest id.

        The newest are looked at first, and all that somebody read: once those that nothing older can come before are
        enough, the others are left alone.
        """
        taken = np.array([place.article_id for place in before], dtype=np.int64)
        pool, lacking = pool.beside(taken), k - len(before)
        read = lately.ids[pool.holds(lately.ids)] if lacking > 0 else taken[:0]
        newest, places = read[:0], list[_Place]()
        for more in pool.newest_first(_NEWEST) if lacking > 0 else ():
            newest = np.concatenate([newest, more])
            places, settled = self._filling(newest, read, lately, request, lacking, taken, caps)
            if settled:
                break
        return places

    def _filling(  # noqa: PLR0917
        self, newest: Int64, read: Int64, lately: Lately, request: FeedRequest, k: int, taken: Int64, caps: list[_Cap]
    ) -> tuple[list[_Place], bool]:
        """Places for the first `k` of the `newest` articles and those that were `read`, and whether they are the same
        whatever older articles there are that nobody read."""
        ids = np.union1d(newest, read)
        published = self._catalog.published(ids)
        fresh = np.float32(self._settings.freshness) * self._fresh(ids, request.now)
        popular = np.float32(self._settings.fallback_popularity) * rank.popularity(lately.of(ids), lately.most)
        order = np.lexsort((-ids, -published, -(fresh + popular)))
        _, firsts = np.unique(self._catalog.stories(ids)[order], return_index=True)
        order = order[np.sort(firsts)]
        counted = [(labels(ids[order]), labels(taken), cap) for labels, cap in caps]
        rows = order[rank.within_caps(len(order), k, counted)]
        places = [
            _Place(
                int(ids[row]),
                "popular" if popular[row] > fresh[row] else "fresh",
                (("freshness", float(fresh[row])), ("popularity", float(popular[row]))),
            )
            for row in rows.tolist()
        ]
        if len(rows) < k or not len(newest):
            return places, False
        half_lives = [self._settings.freshness_half_life_hours, *self._settings.freshness_half_lives.values()]
        longest = np.array([max(hours for hours in half_lives if hours is not None)], dtype=np.float32)
        oldest = self._catalog.published(newest[-1:])
        older = np.float32(self._settings.freshness) * rank.freshness(oldest, to_micros(request.now), longest)
        last = (fresh + popular)[rows[-1]]
        # Where nothing is left of freshness the date decides.
        by_date = older[0] == 0 and published[rows[-1]] >= oldest[0]
        return places, bool(by_date or last > np.nextafter(older[0], np.float32(np.inf)))

    def _caps(self) -> list[_Cap]:
        """The caps that are set."""
        settings = self._settings
        caps = (
            (self._catalog.sources, settings.most_of_source),
            (self._catalog.categories, settings.most_of_category),
        )
        return [(labels, cap) for labels, cap in caps if cap]

    def _pinned(self, pins: Sequence[Pin], servable: Servable) -> list[Pin]:
        """Pins with a place in a feed of any length, by place: of two that want one the newer has it, the other the
        next."""
        stories, kept = set[int](), list[Pin]()
        shown = servable.holds(np.array([pin.article_id for pin in pins], dtype=np.int64))
        for pin, may_be in zip(pins, shown.tolist(), strict=True):
            if not may_be:
                continue
            slot = max(pin.slot, kept[-1].slot + 1 if kept else 1)
            [story] = self._catalog.stories(np.array([pin.article_id], dtype=np.int64)).tolist()
            if story not in stories:
                kept.append(replace(pin, slot=slot))
                stories.add(story)
        return kept

    def _pin(self, pin: Pin, history: _History, lately: Lately, request: FeedRequest) -> _Place:
        found = self._candidates(np.array([pin.article_id], dtype=np.int64), history, lately, request)
        return self._place(found, 0, history, "pinned")

    # What is told

    def _explained(self, places: list[_Place], history: _History) -> list[Recommendation]:
        """Only what is shown is explained: two reads of the store, whatever the number of candidates."""
        named = {row for place in places for row in (place.because, place.also) if row is not None}
        ids = [*(place.article_id for place in places), *(int(history.ids[row]) for row in named)]
        cards = self._store.articles.cards(ids, self._catalog.generation)
        words = self._store.vectors.keywords(self._catalog.generation, ids) if history.explain else {}
        feed = []
        for place in places:
            card = cards.get(place.article_id)
            if card is None:  # deleted by another process since the search
                continue
            reasons = []
            for part, value in place.parts:
                row = {"similarity": place.because, "behaviour": place.also}.get(part)
                because = None if row is None else cards.get(int(history.ids[row]))
                shared: tuple[str, ...] = ()
                if because and part == "similarity":
                    shared = explain.shared_words(words.get(place.article_id, ()), words.get(because.article_id, ()))
                reasons.append(_reason(part, value, because, shared))
            score = sum(reason.value for reason in reasons)
            feed.append(
                Recommendation(
                    card.key, card.title, score, place.source, tuple(reasons), card.url, card.category,
                    card.published_at, card.category_probability,
                )
            )  # fmt: skip
        return feed


def _reason(part: str, value: float, because: ArticleCard | None, words: tuple[str, ...]) -> Reason:
    return Reason(part, value, because.key if because else "", because.title if because else "", words)  # type: ignore[arg-type]


def _direction(rows: Float32, weights: Float32) -> Float32 | None:
    """(d,) unit direction of the weighted sum of rows (n, d); None when there is none."""
    heaviest = float(np.abs(weights).max(initial=0.0))
    total = np.einsum("i,ij->j", weights / (heaviest or 1), rows)
    length = float(np.sqrt(np.einsum("i,i->", total, total)))
    if length < 1e-6 or not (weights > 0).any():
        return None
    return np.asarray(total / length, dtype=np.float32)
