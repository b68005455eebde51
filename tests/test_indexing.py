"""The one way into an index: whatever is pending is encoded, once."""

from dataclasses import replace

import numpy as np
import pytest

from recnews.index.rows import rounded
from recnews.indexing import index_pending
from recnews.newsroom import Newsroom
from recnews.records import Draft
from tests.worlds import NOW, article

pytestmark = pytest.mark.engines


def test_only_what_is_pending_is_encoded(newsroom: Newsroom) -> None:
    generation, store = newsroom.serving.generation(prepared=True), newsroom.store
    told: list[int] = []
    assert index_pending(store, generation, progress=told.append) == 0
    store.articles.upsert([article("足球", n, NOW) for n in range(50, 53)], NOW)
    store.articles.hide(["金融-0"], True)
    assert store.vectors.missing(generation.id) == store.vectors.waiting(generation.id) == 3
    assert index_pending(store, generation, progress=told.append) == 3
    assert store.vectors.missing(generation.id) == store.vectors.waiting(generation.id) == 0
    assert told == [0, 3, 3, 3], "the articles, the hidden one, and the vectors that were written"
    assert index_pending(store, generation) == 0


def test_more_than_a_batch(newsroom: Newsroom) -> None:
    generation, store = newsroom.serving.generation(prepared=True), newsroom.store
    store.articles.upsert([Draft(f"{n}", f"股市 {n}") for n in range(1203)], NOW)
    assert index_pending(store, generation) == 1203
    assert store.vectors.missing(generation.id) == 0


def test_a_vector_is_what_the_generation_gives(newsroom: Newsroom) -> None:
    generation, store = newsroom.serving.generation(prepared=True), newsroom.store
    draft = replace(article("足球", 50, NOW), summary="守门员")
    store.articles.upsert([draft], NOW)
    index_pending(store, generation)
    _, catalog = newsroom.serving.current()
    [vector], [known] = catalog.vectors(np.array([store.articles.get(draft.key).article_id]))
    assert known
    expected, keywords = generation.encode([draft])
    assert vector.tobytes() == rounded(expected.vectors)[0].tobytes(), "as an index keeps it, in 16 bits a number"
    assert store.vectors.keywords(generation.id, [store.articles.get(draft.key).article_id]) == {
        store.articles.get(draft.key).article_id: tuple(keywords[0].split())
    }


def test_an_article_without_a_known_word_is_indexed_and_served(newsroom: Newsroom) -> None:
    report = newsroom.ingest([Draft("odd", "zzyzx", published_at=NOW)])
    assert (report.indexed, report.pending) == (1, 0)
    [item] = [item for item in newsroom.recommend("x", 100, at=NOW) if item.key == "odd"]
    assert item.source == "fresh"
