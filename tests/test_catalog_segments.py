"""Sealed segments under a catalog: searched by whoever follows, the same answers, and never needed."""

import logging
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recnews import Newsroom
from recnews.catalog import SEALED, Catalog, snapshots
from recnews.index.planning import SegmentSettings
from recnews.records import Draft, Layout
from recnews.servable import Filter
from recnews.store import Store
from recnews.verify import same_catalog
from tests.cli_world import run
from tests.test_vectors_follow import DIM, GENERATION, encode_pending, vector_of
from tests.worlds import DAY, NOW, small_settings

SMALL = SegmentSettings(least=100, flat=50, most=300, hot_days=7)
"""Of 600 articles, 20 a day, those since midnight a week ago, 151, stay in memory."""


def draft(number: int, **given: object) -> Draft:
    return replace(Draft(f"{number}", f"{number} 号", published_at=NOW - timedelta(hours=1.2 * number)), **given)  # type: ignore[arg-type]


@pytest.fixture
def filled(store: Store) -> Store:
    put(store, *(draft(number) for number in range(600)))
    return store


def put(store: Store, *drafts: Draft) -> None:
    store.articles.upsert(drafts, NOW)
    encode_pending(store)


def following(store: Store, folder: Path) -> Catalog:
    catalog = Catalog.open(folder, GENERATION, Layout(DIM))
    catalog.refresh(store)
    return catalog


def fresh(store: Store) -> Catalog:
    """One that has never heard of segments."""
    catalog = Catalog(GENERATION, Layout(DIM))
    catalog.refresh(store)
    return catalog


def assert_same_answers(store: Store, catalog: Catalog) -> None:
    plain = fresh(store)
    assert same_catalog(catalog, plain)
    queries = np.stack([vector_of(word) for word in ("3 号", "七", "590")])
    for since in (None, NOW - 3 * DAY, NOW - 20 * DAY):
        allowed = plain.servable(NOW, Filter(since=since)).within()
        for here, there in zip(*(it.search(queries, None, 12, allowed) for it in (catalog, plain)), strict=True):
            assert here.ids.tolist() == there.ids.tolist()
            assert here.scores.tobytes() == there.scores.tobytes()


def test_who_follows_searches_what_another_has_sealed(filled: Store, tmp_path: Path) -> None:
    follower = following(filled, tmp_path)
    assert follower.segments() == []
    sealer = following(filled, tmp_path)
    sealer.seal(NOW, SMALL)
    told = sealer.segments()
    assert [(it.rows, it.alive) for it in told] == [(it.rows, it.rows) for it in told]
    assert sum(it.rows for it in told) == 600 - 151
    assert {it.kind for it in told} != {"flat"}
    assert all(it.last < NOW - 6 * DAY and it.recall >= 0.95 for it in told)
    follower.refresh(filled)
    assert follower.segments() == told
    assert_same_answers(filled, follower)


def test_what_changes_leaves_its_segment(filled: Store, tmp_path: Path) -> None:
    sealer = following(filled, tmp_path)
    sealer.seal(NOW, SMALL)
    put(filled, draft(300, title="新的题目"), draft(301, published_at=NOW))
    filled.articles.delete(["302", "303"])
    filled.articles.hide(["304"], True)
    sealer.refresh(filled)
    assert_same_answers(filled, sealer)
    assert sum(it.rows - it.alive for it in sealer.segments()) == 4, "a hidden one keeps its vector"
    put(filled, *(draft(number, title=f"{number} 改") for number in range(310, 500)))
    sealer.refresh(filled)
    sealer.seal(NOW, SMALL)
    assert all(it.alive > 0.75 * it.rows for it in sealer.segments()), "compacted"
    assert_same_answers(filled, sealer)
    assert sorted(it.name for it in (tmp_path / SEALED).iterdir() if it.is_dir()) == sorted(
        it.name for it in sealer.segments()
    ), "what is no longer used is cleared away"


def test_a_snapshot_names_its_segments(filled: Store, tmp_path: Path) -> None:
    following(filled, tmp_path).seal(NOW, SMALL)
    opened = Catalog.open(tmp_path, GENERATION, Layout(DIM))
    assert len(opened) == 600
    assert sum(it.rows for it in opened.segments()) == 449
    assert_same_answers(filled, opened)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_without_a_segment_all_is_read_from_the_store(
    filled: Store, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    following(filled, tmp_path).seal(NOW, SMALL)
    file = next((tmp_path / SEALED).glob("*/rows.npy"))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING, "recnews"):
        catalog = following(filled, tmp_path)
    assert "going on without the segment" in caplog.text
    assert_same_answers(filled, catalog)
    shutil.rmtree(tmp_path / SEALED)
    assert_same_answers(filled, following(filled, tmp_path))


def test_a_mapped_segment_may_be_removed(filled: Store, tmp_path: Path) -> None:
    catalog = following(filled, tmp_path)
    catalog.seal(NOW, SMALL)
    shutil.rmtree(tmp_path / SEALED)
    shutil.rmtree(snapshots(tmp_path)[0])
    assert_same_answers(filled, catalog)


@pytest.mark.engines("faiss")
def test_sealing_from_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing is sealed" in run(home, "seal").output
    monkeypatch.setenv("RECNEWS_INDEX__LEAST", "10")
    assert "recall@10" in run(home, "seal").output
    with Newsroom.open(home, small_settings()) as room:
        segments = room.seal()
        assert sum(it.rows for it in segments) >= 10
        feed = [it.key for it in room.recommend("ann", 10, at=NOW)]
        assert room.verify() == []
        manifest = next(home.glob(f"indexes/*/{SEALED}/*/ids.npy"))
        manifest.write_bytes(manifest.read_bytes()[:-1] + b"x")
        assert any("altered" in problem.what for problem in room.verify())
    shutil.rmtree(manifest.parent.parent)
    with Newsroom.open(home, small_settings()) as room:
        assert [it.key for it in room.recommend("ann", 10, at=NOW)] == feed
        assert room.verify() == []


@pytest.mark.engines("faiss")
def test_a_memory_that_is_none(home: Path) -> None:
    assert "index.memory" in run(home, "seal", "--index-memory", "much", code=2).output
