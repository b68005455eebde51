"""Whoever follows the store sees every change exactly as it ended, whatever the order of writes and looks."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnews.catalog import Catalog
from recnews.records import Draft, Float32, Layout
from recnews.store import START, Change, Store, to_micros
from recnews.verify import same_catalog
from tests.conftest import new_address
from tests.worlds import DAY, HOUR, NOW, article, articles, read

DIM = 8
GENERATION = "g000001"


Served = tuple[bool, int | None, str, str, bytes]
"""Hidden, expiry, category, source, vector."""


def vector_of(text: str) -> Float32:
    """A direction that belongs to a text, standing in for an embedder's."""
    drawn = np.random.default_rng(list(text.encode())).normal(size=DIM)
    return np.asarray(drawn / np.linalg.norm(drawn), dtype=np.float32)


def encode_pending(store: Store, generation: str = GENERATION, limit: int = 3, live: bool = True) -> int:
    """What `index_pending` does, with `vector_of` for an embedder."""
    encoded = 0
    while True:
        pending = store.vectors.pending(generation, limit)
        matrix = [vector_of(text.title + text.body) for text in pending.texts]
        store.vectors.write(generation, pending, matrix, [text.title for text in pending.texts], live)
        encoded += len(matrix)
        if pending.last:
            return encoded


def all_changes(store: Store, since: str = START, limit: int = 2) -> tuple[list[Change], str]:
    """Everything after a token, a few at a time."""
    found: list[Change] = []
    while True:
        page, since = store.vectors.changes(GENERATION, since, limit)
        found += page
        if len(page) < limit:
            return found, since


def test_a_new_store_has_nothing_to_tell(store: Store) -> None:
    assert store.vectors.changes(GENERATION, START, 10) == ([], START)
    store.events.add([read("ann", "not here yet")])
    assert store.vectors.changes(GENERATION, START, 10) == ([], START)


def test_a_change_is_told_once_as_it_ended(store: Store) -> None:
    draft = replace(article("足球", 0), expires_at=NOW + DAY)
    store.articles.upsert([draft], NOW)
    [change], token = store.vectors.changes(GENERATION, START, 10)
    assert (change.stored, change.hidden, change.vector) == (True, False, None)
    assert (change.category, change.lang, change.source) == ("足球", "zh", "日报")
    assert (change.published_at, change.expires_at) == (to_micros(NOW - HOUR), to_micros(NOW + DAY))
    assert store.vectors.changes(GENERATION, token, 10) == ([], token)

    encode_pending(store)
    store.articles.hide([draft.key], True)
    store.articles.expire([draft.key], NOW)
    [change], token = store.vectors.changes(GENERATION, token, 10)
    assert (change.hidden, change.expires_at) == (True, to_micros(NOW))
    assert change.vector is not None
    np.testing.assert_array_equal(change.vector, vector_of(draft.title + draft.body))

    store.articles.delete([draft.key])
    [change], token = store.vectors.changes(GENERATION, token, 10)
    assert (change.stored, change.vector) == (False, None)
    store.articles.upsert([draft], NOW)
    [change], token = store.vectors.changes(GENERATION, token, 10)
    assert (change.stored, change.hidden, change.vector) == (True, False, None)


def test_what_changes_nothing_tells_nothing(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 3), NOW)
    _, token = all_changes(store)
    store.articles.upsert(articles(["足球"], 3), NOW)
    store.events.add([read("ann", "足球-0")])
    assert all_changes(store, token) == ([], token)


def test_pages_do_not_cut_a_transaction_in_two(store: Store) -> None:
    """Seven articles of one sequence number, read two at a time."""
    store.articles.upsert(articles(["足球"], 7), NOW)
    changes, token = all_changes(store)
    assert len({change.article_id for change in changes}) == len(changes) == 7
    assert token.startswith("1:")


def test_a_generation_in_training_has_no_followers(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 3), NOW)
    _, token = all_changes(store)
    assert encode_pending(store, "g000002", live=False) == 3
    assert all_changes(store, token)[0] == []
    assert encode_pending(store, GENERATION) == 3
    assert len(all_changes(store, token)[0]) == 3


def test_each_generation_has_vectors_of_its_own(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 3), NOW)
    encode_pending(store, "g000001")
    assert (store.vectors.missing("g000001"), store.vectors.missing("g000002")) == (0, 3)
    assert (store.vectors.waiting("g000001"), store.vectors.waiting("g000002")) == (0, 3)
    encode_pending(store, "g000002")
    assert store.vectors.counts() == {"g000001": 3, "g000002": 3}
    store.vectors.drop("g000001")
    assert store.vectors.counts() == {"g000002": 3}
    assert store.vectors.missing("g000001") == 3
    assert encode_pending(store, "g000001") == 3, "a place that is forgotten is at the beginning"


def test_only_changed_texts_are_encoded_again(store: Store) -> None:
    one, two, three = articles(["足球"], 3)
    store.articles.upsert([one, two, three], NOW)
    assert encode_pending(store) == 3
    assert encode_pending(store) == 0
    store.articles.hide([one.key], True)
    store.articles.upsert([replace(two, category="新"), replace(three, body="新")], NOW)
    assert store.vectors.missing(GENERATION) == 1
    pending = store.vectors.pending(GENERATION, 10)
    assert [text.body for text in pending.texts] == ["新"]
    assert encode_pending(store) == 1
    store.vectors.restart(GENERATION)
    assert encode_pending(store) == 0, "vectors that fit are kept"


def test_an_article_deleted_while_it_is_encoded_stays_deleted(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 2), NOW)
    pending = store.vectors.pending(GENERATION, 10)
    store.articles.delete(["足球-0"])
    store.vectors.write(GENERATION, pending, [vector_of("a"), vector_of("b")], ["a", "b"])
    assert store.vectors.counts() == {GENERATION: 1}
    assert store.check() == []


def test_an_article_changed_while_it_is_encoded_is_encoded_again(store: Store) -> None:
    draft = article("足球", 0)
    store.articles.upsert([draft], NOW)
    pending = store.vectors.pending(GENERATION, 10)
    store.articles.upsert([replace(draft, body="新")], NOW)
    store.vectors.write(GENERATION, pending, [vector_of("old")], ["old"])
    assert encode_pending(store) == 1
    assert store.vectors.missing(GENERATION) == 0


def test_a_slow_encoder_does_not_overwrite_a_quicker_ones_newer_vector(store: Store) -> None:
    """Two processes encode; the first looks, the article changes, the second looks and writes, the first writes."""
    draft = article("足球", 0)
    store.articles.upsert([draft], NOW)
    slow = store.vectors.pending(GENERATION, 10)
    store.articles.upsert([replace(draft, title="新", body="新")], NOW)
    encode_pending(store)
    store.vectors.write(GENERATION, slow, [vector_of("old")], ["old"])
    assert store.vectors.missing(GENERATION) == 0
    [change] = all_changes(store)[0]
    assert change.vector is not None
    np.testing.assert_array_equal(change.vector, vector_of("新新"))


def test_keywords_and_a_sample(store: Store) -> None:
    store.articles.upsert([Draft("a", "股市 央行"), Draft("b", "利率"), Draft("c", "基金")], NOW)
    encode_pending(store)
    store.articles.upsert([Draft("b", "汇率")], NOW)
    ids = store.articles.ids(["a", "b", "c"])
    assert store.vectors.keywords(GENERATION, [ids["a"], 99]) == {ids["a"]: ("股市", "央行")}
    sample = store.vectors.sample(GENERATION, 10)
    assert {text.title for text, _ in sample} == {"股市 央行", "基金"}, "b has another text than its vector"
    for found, vector in sample:
        np.testing.assert_array_equal(vector, vector_of(found.title))
    assert len(store.vectors.sample(GENERATION, 1)) == 1


class World:
    """What the store should hold, in a dict, and the operations on both."""

    def __init__(self, store: Store) -> None:
        self.store, self.held = store, dict[str, Draft]()
        self.hidden: set[str] = set()
        self.expires: dict[str, int] = {}
        self.encoded: dict[str, Draft] = {}

    def do(self, verb: str, numbers: Sequence[int], value: int) -> None:
        keys = [f"k{number}" for number in dict.fromkeys(numbers)]
        known = [key for key in keys if key in self.held]
        match verb:
            case "put":
                drafts = [Draft(key, f"{key} {value}", category=f"c{value % 2}", published_at=NOW) for key in keys]
                self.store.articles.upsert(drafts, NOW)
                self.held |= {draft.key: draft for draft in drafts}
            case "recategorise":
                drafts = [replace(self.held[key], category=f"c{value}", source=f"s{value}") for key in known]
                self.store.articles.upsert(drafts, NOW)
                self.held |= {draft.key: draft for draft in drafts}
            case "delete":
                self.store.articles.delete(known)
                for key in known:
                    self.encoded.pop(key, None)
                    self.expires.pop(key, None)
                    self.hidden.discard(key)
                    del self.held[key]
            case "hide" | "show":
                self.store.articles.hide(known, verb == "hide")
                self.hidden = self.hidden | set(known) if verb == "hide" else self.hidden - set(known)
            case "expire":
                moment = NOW + value * HOUR
                self.store.articles.expire(known, moment)
                self.expires |= dict.fromkeys(known, to_micros(moment))
            case "encode":
                encode_pending(self.store, limit=value + 1)
                self.encoded = dict(self.held)
            case "events":
                self.store.events.add([read("ann", key) for key in keys])

    def served(self) -> dict[int, Served]:
        """What a follower must end up with: every article that has a vector, of its text or of an earlier one."""
        ids = self.store.articles.ids(list(self.encoded))
        return {
            ids[key]: (
                key in self.hidden, self.expires.get(key), self.held[key].category, self.held[key].source,
                vector_of(old.title).tobytes(),
            )
            for key, old in self.encoded.items()
        }  # fmt: skip


verbs = st.sampled_from(
    ["put", "put", "recategorise", "delete", "hide", "show", "expire", "encode", "encode", "events", "look", "save"]
)
steps = st.lists(st.tuples(verbs, st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 3)), max_size=30)


@settings(max_examples=35)
@given(steps=steps)
def test_followers_and_a_dict_agree(
    request: pytest.FixtureRequest, engine: str, steps: list[tuple[str, list[int], int]]
) -> None:
    """One follower applies changes to a dict, one to a catalog that is saved and reopened now and then."""
    folder = request.getfixturevalue("tmp_path_factory").mktemp("follow")
    with new_address(engine, request) as address:
        followers_and_a_dict_agree(folder, address, steps)


def followers_and_a_dict_agree(folder: Path, address: str, steps: list[tuple[str, list[int], int]]) -> None:
    store = Store(folder, address=address)
    world, catalog = World(store), Catalog(GENERATION, Layout(DIM))
    follower: dict[int, Served] = {}
    token = START

    def look() -> str:
        changes, new = all_changes(store, token)
        for change in changes:
            if change.stored and change.vector is not None:
                follower[change.article_id] = (
                    change.hidden, change.expires_at, change.category, change.source, change.vector.tobytes(),
                )  # fmt: skip
            else:
                follower.pop(change.article_id, None)
        return new

    for verb, numbers, value in steps:
        if verb == "look":
            token = look()
            catalog.refresh(store)
        elif verb == "save":
            catalog.save(folder)
            catalog = Catalog.open(folder, GENERATION, Layout(DIM))
        else:
            world.do(verb, numbers, value)
    token = look()
    catalog.refresh(store)
    assert follower == world.served()
    fresh = Catalog(GENERATION, Layout(DIM))
    fresh.refresh(store)
    assert same_catalog(catalog, fresh)
    for moment in (NOW, NOW + HOUR, NOW + 2 * HOUR):
        end = to_micros(moment)
        shown = {
            i for i, (hidden, expires, *_) in follower.items() if not hidden and (expires is None or expires > end)
        }
        assert set(catalog.servable(moment).ids().tolist()) == shown
    store.close()


WRITER = """
import sys
from pathlib import Path
from recnews.store import Store
from tests.test_vectors_follow import encode_pending
from tests.conftest import new_address
from tests.worlds import NOW
from recnews.records import Draft, Layout
who, folder = sys.argv[1], Path(sys.argv[2])
store = Store(folder, address=sys.argv[3])
for turn in range(15):
    store.articles.upsert([Draft(f"{who} {turn}", f"{who} {turn}"), Draft("shared", f"{who} {turn}")], NOW)
    encode_pending(store)
    store.articles.hide([f"{who} {turn}"], turn % 2 == 0)
    if turn % 5 == 4:
        store.articles.delete([f"{who} {turn - 1}"])
"""


def test_a_follower_among_writing_processes_misses_nothing(tmp_path: Path, address: str) -> None:
    """Tokens taken while two processes write lead to the state that a look from the beginning gives."""
    store = Store(tmp_path, address=address)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, who, str(tmp_path), address], cwd=Path(__file__).parent.parent,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        for who in ("one", "two")
    ]  # fmt: skip
    catalog = Catalog(GENERATION, Layout(DIM))
    while any(writer.poll() is None for writer in writers):
        catalog.refresh(store)
    assert [writer.wait() for writer in writers] == [0, 0]
    encode_pending(store)
    catalog.refresh(store)
    fresh = Catalog(GENERATION, Layout(DIM))
    fresh.refresh(store)
    assert len(fresh) == 2 * (15 - 3) + 1
    assert same_catalog(catalog, fresh)
    assert store.vectors.missing(GENERATION) == 0
    store.close()
