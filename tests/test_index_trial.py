"""Recall when sealing: of questions like those that will come, with what nearly answers itself left out."""

from pathlib import Path

import numpy as np
import pytest

from recnews.index.rows import PackedRows, longest, pack
from recnews.index.sealing import SealSettings, seal
from recnews.index.structures import Effort, Structure
from recnews.index.trial import Trial
from recnews.records import Float32, Int64
from tests.index_world import units

DIM, TAIL = 48, 16
"""64 together, of which FAISS multiplies 8 bits by 8 bits."""


def rows_of(vectors: Float32) -> PackedRows:
    return PackedRows(*pack(vectors), longest(vectors))


def articles(many: int, seed: int = 0) -> Float32:
    """Directions of texts, and behind them of readers, twice as long."""
    return np.hstack([units(many, seed, DIM), 2 * units(many, seed + 1, TAIL)])


def copied(vectors: Float32, times: int) -> Float32:
    """Each row so many times, with a little noise."""
    noise = units(len(vectors) * times, 9, vectors.shape[1])
    return np.asarray(np.repeat(vectors, times, axis=0) + 0.1 * noise, dtype=np.float32)


def test_rows_that_are_asked_about_are_held_out_with_their_copies() -> None:
    rows = rows_of(copied(articles(500), 8))
    trial = Trial.of(rows, DIM, np.random.default_rng(0))
    kept = np.setdiff1d(np.arange(4000), trial.held)
    assert len(trial.held) <= 400
    assert set(trial.questions) == set(trial.answers) == {"article", "reader"}
    asked = trial.questions["article"]
    assert asked.shape == (128, DIM + TAIL)
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
    assert not asked[:, DIM:].any(), "who asks for neighbours says nothing of readers"
    for question, right in zip(asked, trial.answers["article"], strict=True):
        products = rows.take(kept) @ question
        best = kept[np.argsort(-products, kind="stable")[:10]]
        assert len(right) == 10
        np.testing.assert_allclose(np.sort(rows.take(right) @ question), np.sort(rows.take(best) @ question), atol=1e-5)


def test_few_copies_are_all_held_out() -> None:
    rows = rows_of(np.concatenate([articles(20_000), copied(articles(40, 7), 5)]))
    trial = Trial.of(rows, DIM, np.random.default_rng(2))
    held = trial.held[trial.held >= 20_000]
    for group in np.unique((held - 20_000) // 5).tolist():
        assert set(range(20_000 + 5 * group, 20_005 + 5 * group)) <= set(held.tolist())


def test_readers_are_sums_of_articles() -> None:
    trial = Trial.of(rows_of(articles(3000)), DIM, np.random.default_rng(0))
    asked = trial.questions["reader"]
    for part in (asked[:, :DIM], asked[:, DIM:]):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)
    assert not np.isclose(asked @ trial.questions["article"].T, 1, atol=1e-3).any()


def test_recall_is_the_share_of_right_answers_that_are_found() -> None:
    vectors = articles(3000)
    rows = rows_of(vectors)
    trial = Trial.of(rows, DIM, np.random.default_rng(0))
    structure = Structure.train("ivf-sq8", DIM, 3000, vectors, 0)
    kept = np.setdiff1d(np.arange(3000), trial.held)
    structure.add(kept, rows.take(kept))
    for kind in ("article", "reader"):
        assert trial.recall(structure, Effort(structure.widest(), 100), kind)[0] >= 0.99
        few, error = trial.recall(structure, Effort(1, 0), kind)
        assert few < 0.7, "one cell of 54"
        assert 0 < error < 0.05


@pytest.mark.parametrize("kind", ["hnsw", "ivf-sq8", "rabitq"])
def test_what_is_promised_holds_for_questions_nobody_measured(kind: str, tmp_path: Path) -> None:
    """Texts without readers behind them, of articles that are not in the segment: the recall asked for, and no more
    than a tenth of it for luck."""
    vectors, ids = articles(6000, 3), np.arange(6000)

    def fetch(asked: Int64) -> Float32:
        return vectors[asked]

    segment = seal(tmp_path, ids, ids, fetch, SealSettings(kind, recall=0.95, content=DIM))  # type: ignore[arg-type]
    manifest = segment.manifest
    assert set(manifest.recalls) == {"article", "reader"}
    assert manifest.recall == min(manifest.recalls.values()) >= 0.95
    queries = np.hstack([units(200, 77, DIM), np.zeros((200, TAIL), np.float32)])
    products = queries @ segment.rows.take(ids).T
    right = np.argsort(-products, axis=1)[:, :10]
    found = segment.search_nearly(queries, 10, manifest.effort(queries))
    recall = np.mean([np.isin(hits.ids, best).mean() for hits, best in zip(found, right, strict=True)])
    assert recall >= 0.92


@pytest.mark.parametrize("kind", ["hnsw", "ivf-sq8"])
def test_texts_are_found_where_the_numbers_of_readers_are_much_larger(kind: str, tmp_path: Path) -> None:
    """Counted in one step for both, texts would be two or three values, and linked by their readers."""
    vectors, ids = articles(6000, 5), np.arange(6000)
    vectors[:, DIM:] *= 20

    def fetch(asked: Int64) -> Float32:
        return vectors[asked]

    segment = seal(tmp_path, ids, ids, fetch, SealSettings(kind, recall=0.95, content=DIM))  # type: ignore[arg-type]
    assert min(segment.manifest.recalls.values()) >= 0.95
    asked = np.hstack([units(5, 8, DIM), np.zeros((5, TAIL), np.float32)])
    least = segment.manifest.effort(asked)
    assert least == Effort(*segment.manifest.efforts["article"]), "no more than questions without readers need"
    asked[0, -1] = 1
    assert segment.manifest.effort(asked) == max(least, Effort(*segment.manifest.efforts["reader"]))
    (width, text), (more, readers) = segment.manifest.steps
    assert (width, more) == (DIM, TAIL)
    assert readers > 15 * text


@pytest.mark.parametrize("dim", [20, 64, 100])
def test_rows_of_any_length_are_found(dim: int, tmp_path: Path) -> None:
    vectors, ids = units(3000, 6, dim), np.arange(3000)

    def fetch(asked: Int64) -> Float32:
        return vectors[asked]

    for kind in ("hnsw", "ivf-sq8"):
        segment = seal(tmp_path, ids, ids, fetch, SealSettings(kind, recall=0.95))
        found = segment.search_nearly(vectors[:50], 10, segment.manifest.effort(vectors))
        assert [int(hits.ids[0]) for hits in found] == list(range(50))


@pytest.mark.parametrize("kind", ["hnsw", "ivf-sq8", "rabitq"])
def test_too_few_rows_to_ask_about_are_sealed_and_found(kind: str, tmp_path: Path) -> None:
    vectors, ids = articles(20), np.arange(20)
    segment = seal(tmp_path, ids, ids, lambda asked: vectors[asked], SealSettings(kind, content=DIM))  # type: ignore[arg-type]
    assert segment.manifest.efforts == {}
    [found] = segment.search_nearly(vectors[:1], 5, segment.manifest.effort(vectors[:1]))
    assert len(found.ids) == 5
    assert found.ids[0] == 0
