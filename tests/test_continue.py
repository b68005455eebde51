"""Training that goes on from the live generation, and how far a new one drifts from the one before."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recnews.config import Settings
from recnews.embed.continuing import rotation
from recnews.errors import DamagedGenerationError, TrainingError
from recnews.generation import Generation, write_manifest
from recnews.metrics import neighbour_overlap
from recnews.newsroom import Newsroom
from recnews.records import Draft
from recnews.train import drift
from tests.conftest import EACH, WORLD
from tests.worlds import NOW, TOPICS, article, articles, small_settings

ONE, TWO = "g000001", "g000002"
ROOT = Path(__file__).parent.parent
ROBOTS = ("机器人", "芯片", "算法", "传感器", "半导体")
NEW = [
    Draft(f"new-{n}", ROBOTS[n % 5], "，".join(random.Random(n).choices(ROBOTS, k=24)), published_at=NOW)
    for n in range(12)
]
"""Articles about what the world of `trained` has no word for."""


def settings(**embedding: object) -> Settings:
    return small_settings().override("embedding", **embedding)


def digests(generation: Generation) -> dict[str, str]:
    return {name: str(record["sha256"]) for name, record in generation.manifest.files.items()}


# The arithmetic


def random_orthogonal(d: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return np.asarray(q)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rotation_is_found_again(mirrored: bool) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    turn = random_orthogonal(8, 2)
    turn[:, 0] *= -1 if mirrored == (np.linalg.det(turn) > 0) else 1
    found = rotation(rows, (rows @ turn).astype(np.float32), np.ones(50))
    np.testing.assert_allclose(found, turn, atol=1e-5)


def test_a_rotation_is_orthogonal_whatever_it_is_given() -> None:
    """Neighbours within a generation are as they were before alignment: nothing is stretched."""
    draw = np.random.default_rng(1)
    for n in (0, 1, 5, 100):
        rows, onto = (draw.normal(size=(n, 8)).astype(np.float32) for _ in range(2))
        found = rotation(rows, onto, draw.random(n))
        np.testing.assert_allclose(found @ found.T, np.eye(8), atol=1e-10)


def test_heavier_words_decide() -> None:
    """In the plane: one word turned by 90 degrees, one not; the heavy one is right."""
    rows = np.array([[1, 0], [1, 0]], dtype=np.float32)
    onto = np.array([[1, 0], [0, 1]], dtype=np.float32)
    np.testing.assert_allclose(rows[0] @ rotation(rows, onto, np.array([1e6, 1.0])), [1, 0], atol=1e-5)
    np.testing.assert_allclose(rows[0] @ rotation(rows, onto, np.array([1.0, 1e6])), [0, 1], atol=1e-5)


def test_overlap_of_neighbours() -> None:
    """On a circle. Nearest two of 0: before 1 and 2; after 1 and 3. Of 1: before 0 and 2; after 0 and 3. Of 2: before 1
    and 0; after 3 and 1."""

    def at(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        turns = np.radians(degrees)
        return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    before, after = at(0, 10, 25, 90), at(0, 10, 90, 40)
    assert neighbour_overlap(before, after, 3, 2).tolist() == [0.5, 0.5, 0.5]
    assert neighbour_overlap(before, before, 4, 2).tolist() == [1, 1, 1, 1]
    draw = np.random.default_rng(1).normal(size=(300, 5)).astype(np.float32)
    draw /= np.linalg.norm(draw, axis=1, keepdims=True)
    assert neighbour_overlap(draw, (draw @ random_orthogonal(5, 1)).astype(np.float32), 300, 7).mean() > 0.999


# What it gives


def test_neighbours_stay_where_a_full_training_moves_them(newsroom: Newsroom) -> None:
    full = newsroom.train(settings(seed=2), promote=False)
    going_on = newsroom.train(settings(seed=2), continued=True)
    assert (full.manifest.continued_from, full.manifest.drift_from) == (None, ONE)
    assert (going_on.manifest.continued_from, going_on.manifest.drift_from) == (ONE, ONE)
    assert going_on.manifest.drift["overlap"] > full.manifest.drift["overlap"]
    assert going_on.manifest.drift["cosine"] > 0.95 > full.manifest.drift["cosine"]
    assert going_on.manifest.drift["sampled"] == going_on.manifest.drift["among"] == len(WORLD) * EACH
    assert newsroom.generations.current().live == going_on.id
    assert newsroom.verify() == []


def test_what_is_new_is_learned_and_what_is_old_stays(newsroom: Newsroom) -> None:
    old = newsroom.generations.load(ONE).embedder
    newsroom.ingest([*NEW, article("足球", 50, NOW)])
    made = newsroom.train(settings(continue_epochs=10), continued=True).embedder
    assert "机器人" in made.vocabulary.ids
    near = [found.word for found in newsroom.neighbors(word="机器人", k=4).words]
    assert len(set(near) & set(ROBOTS)) >= 3
    found = [found.key for found in newsroom.neighbors(article="new-0", k=5, at=NOW).articles]
    assert all(key.startswith("new-") for key in found)
    for topic in WORLD:
        words = [word for word in TOPICS[topic] if word in made.vocabulary.ids]
        rows = [made.vocabulary.ids[word] for word in words]
        likeness = made.words[rows] @ made.words.T
        nearest = np.argsort(-likeness, axis=1)[:, 1:6]
        own = np.isin(nearest, rows).mean()
        assert own > 0.8, topic
        before = old.words[[old.vocabulary.ids[word] for word in words]]
        assert np.einsum("ij,ij->i", made.words[rows], before).mean() > 0.7, "the axes are those of the old space"


def test_words_that_are_gone_do_not_hinder(newsroom: Newsroom) -> None:
    newsroom.delete([f"航天-{n}" for n in range(EACH)])
    made = newsroom.train(settings(), continued=True)
    assert "航天员" not in made.embedder.vocabulary.ids
    assert made.manifest.drift["among"] == (len(WORLD) - 1) * EACH
    assert newsroom.verify() == []


def test_a_world_all_new_is_learned_too(newsroom: Newsroom) -> None:
    """No word is shared: there is nothing to align by."""
    newsroom.delete([draft.key for draft in articles(WORLD, EACH)])
    newsroom.ingest(NEW)
    made = newsroom.train(settings(), continued=True)
    assert set(made.embedder.vocabulary.ids) >= {"机器人", "芯片"}
    assert made.manifest.continued_from == ONE
    assert newsroom.verify() == []


def test_it_goes_on_again_and_again(newsroom: Newsroom) -> None:
    for number in range(2, 5):
        made = newsroom.train(settings(), continued=True)
        assert made.manifest.continued_from == f"g00000{number - 1}"
        assert made.manifest.drift["overlap"] > 0.5


def test_one_worker_gives_the_same_bytes(home: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(home, tmp_path / "other"))
    made = []
    for folder in (home, other):
        with Newsroom.open(folder, small_settings()) as newsroom:
            newsroom.ingest(NEW)
            made.append(newsroom.train(continued=True))
    assert digests(made[0]) == digests(made[1])
    assert made[0].manifest.drift == made[1].manifest.drift
    with Newsroom.open(home, small_settings()) as newsroom:
        assert digests(newsroom.train()) != digests(made[0])


TRAINER = """
import os, signal, sys
from recnews import Newsroom
from tests.worlds import small_settings
def killed(stage, share):
    if stage == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
Newsroom.open(sys.argv[1], small_settings()).train(continued=True, progress=killed)
"""


@pytest.mark.parametrize("stage", ["words", "articles"])
def test_killed_and_run_again_it_is_as_if_undisturbed(home: Path, tmp_path: Path, stage: str) -> None:
    other = Path(shutil.copytree(home, tmp_path / "other"))
    killed = subprocess.run([sys.executable, "-c", TRAINER, str(other), stage], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    made = []
    for folder in (home, other):
        with Newsroom.open(folder, small_settings()) as newsroom:
            made.append(newsroom.train(continued=True))
            assert newsroom.generations.names() == (ONE, TWO)
            assert newsroom.verify() == []
    assert digests(made[0]) == digests(made[1])


# Drift


def test_the_first_generation_has_nothing_to_drift_from(home: Path) -> None:
    with Newsroom.open(home) as newsroom:
        manifest = newsroom.generations.load(ONE).manifest
    assert (manifest.drift, manifest.drift_from, manifest.continued_from) == ({}, None, None)


def test_the_same_training_again_drifts_nowhere(newsroom: Newsroom) -> None:
    assert newsroom.train().manifest.drift == {"overlap": 1.0, "cosine": 1.0, "sampled": 48.0, "among": 48.0}


def test_generations_of_other_dimensions_are_compared_by_neighbours(newsroom: Newsroom) -> None:
    found = newsroom.train(settings(lexical_dim=128)).manifest.drift
    assert "cosine" not in found
    assert 0 < found["overlap"] <= 1


def test_a_rewritten_article_does_not_count(newsroom: Newsroom) -> None:
    """What moved it is its text, not the training."""
    newsroom.train(promote=False)
    with newsroom.store._database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE vectors SET text_digest = x'00' WHERE article_id < 11 AND generation = 'g000002'"
        )
    assert drift(newsroom.store, ONE, TWO)["among"] == 38


def test_too_few_articles_to_have_neighbours(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        newsroom.ingest([article("足球", 1)])
        newsroom.train()
        assert newsroom.train(continued=True).manifest.drift == {}
        newsroom.ingest([article("足球", 2)])
        assert newsroom.train(continued=True).manifest.drift == {
            "overlap": 1.0, "cosine": pytest.approx(1, abs=0.5), "sampled": 2.0, "among": 2.0,
        }  # fmt: skip


# What is refused


def test_there_must_be_something_to_go_on_from(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        newsroom.ingest(articles(("足球",), 3))
        with pytest.raises(TrainingError, match="no live generation to go on from; run `recnews train` first"):
            newsroom.train(continued=True)
        assert newsroom.generations.names() == ()


@pytest.mark.parametrize(("name", "value", "live"), [("dim", 24, 16), ("semantic_dim", 8, 16), ("lexical_dim", 32, 64)])
def test_a_setting_that_fixes_shapes_must_be_the_same(newsroom: Newsroom, name: str, value: int, live: int) -> None:
    with pytest.raises(
        TrainingError, match=rf"embedding\.{name} is {value}, but {ONE} was trained with {live}; set it"
    ):
        newsroom.train(settings(**{name: value}), continued=True)
    assert newsroom.generations.names() == (ONE,)
    assert list((newsroom.home / "indexes").glob(".building*")) == []


def test_doc2vec_is_trained_whole(newsroom: Newsroom) -> None:
    with pytest.raises(TrainingError, match="from word2vec only, and doc2vec is asked for"):
        newsroom.train(settings(embedder="doc2vec"), continued=True)
    newsroom.train(settings(embedder="doc2vec", epochs=2, infer_epochs=2))
    with pytest.raises(TrainingError, match=f"from word2vec only, and doc2vec is what {TWO} is"):
        newsroom.train(continued=True)


def test_a_generation_without_its_weights_serves_and_is_not_gone_on_from(newsroom: Newsroom) -> None:
    """One of before there was such a training."""
    found = newsroom.generations.load(ONE)
    shutil.rmtree(found.folder / "learned")
    write_manifest(found.folder, found.manifest)
    with Newsroom.open(newsroom.home, small_settings()) as again:
        assert again.ingest(NEW).indexed == len(NEW)
        with pytest.raises(TrainingError, match=f"generation {ONE} did not keep what it takes to go on from it"):
            again.train(continued=True)
        assert again.train().id == TWO


def test_weights_are_checked_when_used_and_not_before(newsroom: Newsroom) -> None:
    file = newsroom.generations.load(ONE).folder / "learned" / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert newsroom.ingest(NEW).indexed == len(NEW), "encoding does not read them"
    with pytest.raises(DamagedGenerationError, match=r"learned/vectors\.npy: its content has changed"):
        newsroom.train(continued=True)
    assert newsroom.generations.names() == (ONE,)
    assert newsroom.train().id == TWO, "the remedy"


# The command


def test_the_command(home: Path) -> None:
    toml = small_settings().embedding.model_dump()
    lines = [f"{name} = {json.dumps(value)}" for name, value in toml.items()]
    (home / "recnews.toml").write_text("[embedding]\n" + "\n".join(lines) + "\n", encoding="utf-8")

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "recnews", "--home", str(home), *words],
            capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return done.stdout

    answer = json.loads(run("train", "--continue", "--epochs", "5", "--seed", "2", "--json"))
    assert (answer["continued_from"], answer["drift_from"]) == (ONE, ONE)
    assert answer["settings"]["continue_epochs"] == 5
    assert answer["settings"]["epochs"] == toml["epochs"]
    share = f"{answer['drift']['overlap']:.0%}"
    told = run("generations", "show", TWO)
    assert f"of each article's nearest ten, {share} are those of {ONE}" in told
    assert f"went on from {ONE}" in told
    assert json.loads(run("generations", "show", TWO, "--json"))["drift"] == answer["drift"]
    assert "are those of g000002" in run("train", "--continue")
