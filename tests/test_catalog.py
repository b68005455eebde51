"""The live view: what may be served when, and snapshots that only ever save time."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recnews.catalog import Catalog, snapshots
from recnews.records import Draft, Layout
from recnews.servable import Filter
from recnews.store import Store
from recnews.verify import same_catalog
from tests.test_vectors_follow import DIM, GENERATION, encode_pending, vector_of
from tests.worlds import DAY, HOUR, NOW, articles

MICROSECOND = timedelta(microseconds=1)


def catalog_of(store: Store) -> Catalog:
    catalog = Catalog(GENERATION, Layout(DIM))
    catalog.refresh(store)
    return catalog


def put(store: Store, *drafts: Draft) -> None:
    store.articles.upsert(drafts, NOW)
    encode_pending(store)


def keys(store: Store, catalog: Catalog, *args: object, **given: object) -> list[str]:
    """Keys of what may be served."""
    names = {card.article_id: card.key for card in store.articles.cards(range(1, 100)).values()}
    return sorted(names[i] for i in catalog.servable(*args, **given).ids().tolist())  # type: ignore[arg-type]


def test_nothing_is_served_from_an_empty_store(store: Store) -> None:
    catalog = catalog_of(store)
    assert catalog.servable(NOW).ids().tolist() == []
    assert catalog.servable(NOW, Filter(("足球",)), [1]).ids().tolist() == []
    assert len(catalog) == 0


def test_published_and_expired_are_half_open(store: Store) -> None:
    put(
        store,
        Draft("just published", "a", published_at=NOW),
        Draft("not yet", "b", published_at=NOW + MICROSECOND),
        Draft("just expired", "c", published_at=NOW - DAY, expires_at=NOW),
        Draft("last moment", "d", published_at=NOW - DAY, expires_at=NOW + MICROSECOND),
    )
    catalog = catalog_of(store)
    assert keys(store, catalog, NOW) == ["just published", "last moment"]
    assert keys(store, catalog, NOW + MICROSECOND) == ["just published", "not yet"]
    assert keys(store, catalog, NOW - HOUR) == ["just expired", "last moment"]


def test_filters(store: Store) -> None:
    put(store, *articles(["足球", "sailing"], 4))
    catalog = catalog_of(store)
    assert keys(store, catalog, NOW, Filter(categories=("足球",))) == [f"足球-{n}" for n in range(4)]
    assert keys(store, catalog, NOW, Filter(categories=("足球", "sailing"), sources=("晚报",))) == [
        "sailing-1", "sailing-3", "足球-1", "足球-3",
    ]  # fmt: skip
    assert keys(store, catalog, NOW, Filter(langs=("en",), since=NOW - 2 * HOUR)) == ["sailing-0", "sailing-1"]
    assert keys(store, catalog, NOW, Filter(categories=("nobody's",))) == []
    assert keys(store, catalog, NOW, Filter(categories=("",))) == []
    first = store.articles.ids(["足球-0", "足球-1"]).values()
    assert keys(store, catalog, NOW, Filter(categories=("足球",)), first) == ["足球-2", "足球-3"]


def test_editors_are_obeyed_at_the_next_look(store: Store) -> None:
    put(store, *articles(["足球"], 4))
    catalog = catalog_of(store)
    store.articles.hide(["足球-0"], True)
    store.articles.expire(["足球-1"], NOW)
    store.articles.delete(["足球-2"])
    assert catalog.refresh(store) == 3
    assert catalog.refresh(store) == 0
    assert keys(store, catalog, NOW) == ["足球-3"]
    store.articles.hide(["足球-0"], False)
    store.articles.expire(["足球-1"], None)
    catalog.refresh(store)
    assert keys(store, catalog, NOW) == ["足球-0", "足球-1", "足球-3"]


def test_an_article_that_changes_again_and_again_is_served_as_it_is(store: Store) -> None:
    draft = articles(["足球"], 1)[0]
    put(store, *articles(["金融"], 3))
    catalog = catalog_of(store)
    for turn in range(5):
        put(store, replace(draft, title=f"{turn}", body=""))
        catalog.refresh(store)
        servable = catalog.servable(NOW)
        [hits] = catalog.index.search(vector_of(f"{turn}")[None], 10, within=servable.within())
        assert len(hits.ids) == len(servable.ids()) == 4
        assert hits.ids[0] == store.articles.get(draft.key).article_id
        assert hits.scores[0] == pytest.approx(1, abs=1e-4)


def test_columns_of_ids(store: Store) -> None:
    put(store, *articles(["足球"], 3))
    catalog = catalog_of(store)
    ids = np.array(list(store.articles.ids(["足球-2", "足球-0"]).values()), dtype=np.int64)
    names = [store.articles.cards([i])[i].published_at for i in ids.tolist()]
    assert [NOW - HOUR * n for n in (1, 3)] == sorted(names, reverse=True)
    from recnews.store import to_micros

    assert catalog.published(ids).tolist() == [to_micros(moment) for moment in names]
    vectors, known = catalog.vectors(np.array([ids[0], 999], dtype=np.int64))
    assert known.tolist() == [True, False]
    assert not vectors[1].any()


def test_a_zero_vector_is_served_but_has_no_direction(store: Store) -> None:
    """An article without a known word: an ordinary case."""
    store.articles.upsert([Draft("a", "t", published_at=NOW)], NOW)
    store.vectors.write(GENERATION, store.vectors.pending(GENERATION, 5), np.zeros((1, DIM), np.float32), [""])
    catalog = catalog_of(store)
    assert catalog.servable(NOW).ids().tolist() == [1]
    assert catalog.vectors(np.array([1]))[1].tolist() == [False]


def test_a_snapshot_is_where_it_was_saved_and_goes_on(store: Store, tmp_path: Path) -> None:
    put(store, *articles(["足球", "金融"], 4))
    catalog = catalog_of(store)
    catalog.save(tmp_path)
    assert catalog.changed_since_snapshot == 0
    opened = Catalog.open(tmp_path, GENERATION, Layout(DIM))
    assert opened.token == catalog.token
    assert same_catalog(opened, catalog)
    put(store, *articles(["航天"], 4))
    store.articles.delete(["足球-0"])
    assert opened.refresh(store) == 5
    assert same_catalog(opened, catalog_of(store))


def test_only_the_latest_snapshot_stays(store: Store, tmp_path: Path) -> None:
    for turn in range(12):  # past 9, where names in alphabetical order would go wrong
        put(store, Draft(f"{turn}", "t"))
        catalog_of(store).save(tmp_path)
    assert len(snapshots(tmp_path)) == 1
    assert len(Catalog.open(tmp_path, GENERATION, Layout(DIM))) == 12


def test_saving_the_same_snapshot_twice_is_no_matter(store: Store, tmp_path: Path) -> None:
    put(store, Draft("a", "t"))
    catalog_of(store).save(tmp_path)
    catalog_of(store).save(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*catalog*")) == [snapshots(tmp_path)[0].name]


def test_a_snapshot_that_is_mapped_may_be_removed(store: Store, tmp_path: Path) -> None:
    put(store, *articles(["足球"], 4))
    catalog_of(store).save(tmp_path)
    opened = Catalog.open(tmp_path, GENERATION, Layout(DIM))
    shutil.rmtree(snapshots(tmp_path)[0])
    assert same_catalog(opened, catalog_of(store))


@pytest.mark.parametrize("name", ["vectors.npy", "ids.npy", "columns.npz", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_a_snapshot_that_cannot_be_read_is_passed_over(store: Store, tmp_path: Path, name: str, damage: str) -> None:
    put(store, *articles(["足球"], 4))
    catalog_of(store).save(tmp_path)
    file = snapshots(tmp_path)[0] / name
    content = file.read_bytes()
    match damage:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(content[: len(content) * 2 // 3])
        case "garbage":
            file.write_bytes(bytes(reversed(content)))
    opened = Catalog.open(tmp_path, GENERATION, Layout(DIM))
    opened.refresh(store)
    assert same_catalog(opened, catalog_of(store))


@pytest.mark.parametrize("state", ["[]", "{}", '{"token": 5}', "null"])
def test_a_snapshot_whose_state_is_something_else_is_passed_over(store: Store, tmp_path: Path, state: str) -> None:
    put(store, *articles(["足球"], 4))
    catalog_of(store).save(tmp_path)
    (snapshots(tmp_path)[0] / "state.json").write_text(state)
    assert len(Catalog.open(tmp_path, GENERATION, Layout(DIM))) == 0


@pytest.mark.parametrize(("generation", "dim"), [("g000009", DIM), (GENERATION, DIM + 1)])
def test_a_snapshot_of_another_generation_is_passed_over(
    store: Store, tmp_path: Path, generation: str, dim: int
) -> None:
    put(store, *articles(["足球"], 4))
    catalog_of(store).save(tmp_path)
    opened = Catalog.open(tmp_path, generation, Layout(dim))
    assert (len(opened), opened.token) == (0, "0:0")


def test_a_store_put_back_to_an_earlier_state_is_followed(tmp_path: Path) -> None:
    """A backup is restored under a running follower: what came after it must go."""
    store = Store(tmp_path / "corpora")
    put(store, *articles(["足球"], 4))
    kept = {table: list(store.rows.lines(table, [GENERATION])) for table in store.rows.tables}
    put(store, *articles(["金融"], 4))
    store.articles.hide(["足球-0"], True)
    catalog = catalog_of(store)
    store.close()
    for leftover in (tmp_path / "corpora").iterdir():
        leftover.unlink()
    restored = Store(tmp_path / "corpora")
    restored.rows.fill((table, line) for table, lines in kept.items() for line in lines)
    catalog.refresh(restored)
    assert same_catalog(catalog, catalog_of(restored))
    restored.close()


def test_state_is_readable_by_people(store: Store, tmp_path: Path) -> None:
    put(store, *articles(["足球"], 1))
    catalog_of(store).save(tmp_path)
    state = json.loads((snapshots(tmp_path)[0] / "state.json").read_text(encoding="utf-8"))
    assert state["generation"] == GENERATION
    assert "足球" in state["names"]
