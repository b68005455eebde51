"""One story, told once: syndicated copies and light rewrites are kept as articles and grouped."""

from collections import defaultdict, deque
from dataclasses import replace

import numpy as np

from recnews.config import StorySettings
from recnews.near import Grams, bands, grams, likeness
from recnews.records import Float32
from recnews.store import Store
from recnews.store.stories import StoryChoice, StoryText

_BATCH = 1000
_MICROS_A_DAY = 86_400_000_000
_COMPARED = 20
_SHARING = 200
"""So many articles that share a band are looked at, those that were stored last: a text that a house prints again and
again would else be looked at in all its copies for each new one."""


def group_pending(store: Store, generation: str | None, settings: StorySettings) -> int:
    """Find the story of every article whose text has not been compared yet, and that `generation` has encoded, if any;
    returns how many that were.

    An article joins the story of the most alike one published within `days` of it, when the share of common character
    5-grams is at least `likeness` and, where `generation` has vectors of both, their cosine at least `cosine`; else it
    starts a story of its own. Compared are the 20 nearest in time of the articles that share a band of MinHash with it,
    of each band the 200 that were stored last. Killed at any moment and run again, it goes on where it was.
    """
    grouped = 0
    while texts := store.stories.ungrouped(_BATCH, generation):
        store.stories.assign(texts, _choose(store, generation, settings, texts))
        grouped += len(texts)
    return grouped


def _choose(store: Store, generation: str | None, settings: StorySettings, texts: list[StoryText]) -> list[StoryChoice]:
    own_grams = grams([f"{text.title}\n{text.body}" for text in texts])
    hashed = dict(zip([text.article_id for text in texts], own_grams, strict=True))
    banded = bands(list(hashed.values()))
    sharing: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=_SHARING))
    for band, article_id in store.stories.sharing(banded, _SHARING):
        sharing[band].append(article_id)
    values, counts = np.unique(banded, return_counts=True)
    repeated = {*sharing, *values[counts > 1].tolist()}  # the other bands, nearly all, lead to nobody
    known = store.stories.texts({other for others in sharing.values() for other in others})
    comparer = _Comparer(store, generation, settings, hashed, known)
    choices = []
    for text, own_bands in zip(texts, banded, strict=True):
        shared = repeated.intersection(own_bands.tolist())
        others = {other for band in shared for other in sharing[band]} - {text.article_id}
        story = comparer.story_of(text, others)
        choices.append(StoryChoice(text.article_id, story, own_bands))
        known[text.article_id] = replace(text, story_id=story)
        for band in shared:
            sharing[band].append(text.article_id)
    return choices


class _Comparer:
    """Compares one article with those that share a band with it."""

    def __init__(
        self,
        store: Store,
        generation: str | None,
        settings: StorySettings,
        hashed: dict[int, Grams],
        known: dict[int, StoryText],
    ) -> None:
        self._store, self._generation, self._settings = store, generation, settings
        self._hashed, self._known = hashed, known

    def story_of(self, text: StoryText, others: set[int]) -> int:
        """The story of the most alike of `others`, or one of its own, named by the article's id."""
        window = self._settings.days * _MICROS_A_DAY
        near = [
            self._known[other]
            for other in sorted(others)
            if other in self._known and abs(self._known[other].published_at - text.published_at) <= window
        ]
        near.sort(key=lambda other: abs(other.published_at - text.published_at))
        alike = [(likeness(self._hashed[text.article_id], self._grams(other)), other) for other in near[:_COMPARED]]
        for share, other in sorted(alike, key=lambda pair: (-pair[0], pair[1].article_id)):
            if share >= self._settings.likeness and self._confirmed(text.article_id, other.article_id):
                return other.story_id or other.article_id
        return text.article_id

    def _grams(self, other: StoryText) -> Grams:
        if other.article_id not in self._hashed:
            [self._hashed[other.article_id]] = grams([f"{other.title}\n{other.body}"])
        return self._hashed[other.article_id]

    def _confirmed(self, one: int, other: int) -> bool:
        if self._generation is None:
            return True
        vectors: dict[int, Float32] = self._store.vectors.of(self._generation, [one, other])
        if len(vectors) < 2 or not vectors[one].any() or not vectors[other].any():
            return True
        return float(np.dot(vectors[one], vectors[other])) >= self._settings.cosine
