"""Training: what goes into a generation, and that it comes out the same."""

import hashlib
import json
from pathlib import Path

import pytest

from recnews.errors import TrainingError
from recnews.generation import Generation
from recnews.newsroom import Newsroom
from recnews.records import Draft
from recnews.text import DictionaryWord
from recnews.train import check
from tests.worlds import articles, corpus, small_settings

TOPICS = ("足球", "金融", "sailing")


def train(home: Path, embedder: str = "word2vec", **given: object) -> Generation:
    used = small_settings(embedder).override("embedding", **given)
    with Newsroom.open(home, used) as newsroom:
        newsroom.ingest(articles(TOPICS, 6))
        return newsroom.train()


def digests(generation: Generation) -> dict[str, str]:
    return {name: str(record["sha256"]) for name, record in generation.manifest.files.items()}


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path) as newsroom:
        with pytest.raises(TrainingError, match="there are no articles to learn from; run `recnews ingest` first"):
            newsroom.train()
        newsroom.ingest(corpus(["2024 12.5", "the of and", "！？"]))
        with pytest.raises(TrainingError, match="the 3 stored articles hold no words to learn from"):
            newsroom.train()
        assert newsroom.generations.names() == ()
        assert newsroom.status().live is None


@pytest.mark.parametrize("embedder", ["word2vec", "doc2vec"])
def test_one_worker_gives_the_same_bytes(tmp_path: Path, embedder: str) -> None:
    one, two = (train(tmp_path / name, embedder) for name in ("one", "two"))
    assert digests(one) == digests(two)
    vectors = []
    for name in ("one", "two"):
        with Newsroom.open(tmp_path / name) as newsroom:
            ids = newsroom.store.articles.ids([draft.key for draft in articles(TOPICS, 6)])
            _, catalog = newsroom.serving.current()
            vectors.append(catalog.index.vectors(sorted(ids.values()))[0].tobytes())  # type: ignore[arg-type]
    assert vectors[0] == vectors[1]
    assert digests(train(tmp_path / "three", embedder, seed=2)) != digests(one)


def test_the_manifest_says_what_it_is(tmp_path: Path) -> None:
    generation = train(tmp_path)
    manifest = generation.manifest
    assert (manifest.generation, manifest.embedder, manifest.articles) == ("g000001", "word2vec", 18)
    assert manifest.dim == generation.embedder.dim
    assert manifest.tokens == 18 * (24 + 3)
    assert manifest.vocabulary == 16 + 16 + 14
    assert manifest.settings["seed"] == 1
    assert set(manifest.libraries) >= {"gensim", "rjieba", "faiss-cpu"}
    assert manifest.quality["sampled"] == 18
    assert 0 <= manifest.quality["title_to_article"] <= 1
    assert manifest.promote
    on_disk = {str(file.relative_to(generation.folder)) for file in generation.folder.rglob("*") if file.is_file()}
    assert {name for name in on_disk if not name.startswith("catalog-")} == {"manifest.json", *manifest.files}
    for name, record in manifest.files.items():
        content = (generation.folder / name).read_bytes()
        assert record == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    generation.verify()


def test_no_text_of_an_article_is_left_lying_about(tmp_path: Path) -> None:
    """The corpus, cut into tokens, is a working file."""
    train(tmp_path)
    assert list(tmp_path.rglob("tokens.txt")) == []


def test_the_dictionary_is_frozen_into_a_generation(tmp_path: Path) -> None:
    drafts = [Draft(f"{n}", "云边协同平台", "云边协同，股市，银行") for n in range(5)]
    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        newsroom.ingest(drafts)
        before = newsroom.train()
        newsroom.dictionary.add(DictionaryWord("云边协同"))
        assert "云边协同" not in before.tokenizer("云边协同平台")
        after = newsroom.train()
        assert "云边协同" in after.tokenizer("云边协同平台")
        assert "云边协同" in after.embedder.vocabulary.ids
        assert "云边协同" not in newsroom.generations.load(before.id).tokenizer("云边协同平台")
        state = json.loads((after.folder / "tokenizer.json").read_text(encoding="utf-8"))
        assert state["dictionary"] == ["云边协同"]


def test_a_bad_dictionary_is_told_before_anything_is_done(tmp_path: Path) -> None:
    from recnews.errors import UsageError

    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        newsroom.ingest(articles(TOPICS, 2))
        newsroom.dictionary.path.write_text("good\na b c d\n", encoding="utf-8")
        with pytest.raises(UsageError, match=r"dictionary\.txt:2"):
            newsroom.train()
        assert list((tmp_path / "indexes").glob("*g0*")) == []


def test_a_generation_keeps_the_settings_it_was_trained_with(tmp_path: Path) -> None:
    """Settings of the home may change; what is encoded must not."""
    generation = train(tmp_path, lexical_weight=3.0)
    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        assert newsroom.settings.embedding.lexical_weight != 3.0
        assert newsroom.serving.generation(prepared=True).settings.lexical_weight == 3.0
        assert newsroom.verify() == []
    assert generation.settings.lexical_weight == 3.0


def test_progress_is_told_by_stage(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    with Newsroom.open(tmp_path, small_settings()) as newsroom:
        newsroom.ingest(articles(TOPICS, 6))
        newsroom.train(progress=lambda *stage: told.append(stage))
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["tokens", "words", "space", "articles", "readers"]
    for stage in stages:
        shares = [share for name, share in told if name == stage]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_a_generation_that_does_not_give_what_is_stored_fails_its_check(newsroom: Newsroom) -> None:
    generation = newsroom.serving.generation(prepared=True)
    assert check(newsroom.store, generation)["sampled"] == 48
    pending = newsroom.store.vectors.pending(generation.id, 500)
    assert pending.texts == ()
    newsroom.store.vectors.restart(generation.id)
    with newsroom.store._database.write() as connection:
        connection.exec_driver_sql("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE article_id = 7")
    with pytest.raises(TrainingError, match="encodes the same article differently"):
        check(newsroom.store, generation)


@pytest.mark.parametrize("embedder", ["word2vec", "doc2vec"])
def test_the_smallest_home(tmp_path: Path, embedder: str) -> None:
    """One article, or none with a word beside it: trained, or said why not; never a broken home."""
    with Newsroom.open(tmp_path, small_settings(embedder)) as newsroom:
        newsroom.ingest(corpus(["股市，银行，股市", "12345"]))
        try:
            newsroom.train()
        except TrainingError:
            assert newsroom.status().live is None
            return
        assert newsroom.verify() == []
        assert len(newsroom.recommend("ann", 5)) == 2
