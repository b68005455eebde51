"""What every embedder must do. These tests know the protocol and nothing of what is behind it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pytest

from recnews.config import EmbeddingSettings
from recnews.embed import doc2vec, word2vec
from recnews.embed.base import Embedder, Progress, TokenFile
from recnews.embed.continuing import Start
from recnews.errors import TrainingError
from recnews.records import Encoded, Tokens
from tests.worlds import TOPICS, articles, small

EMBEDDERS = ("word2vec", "continued", "doc2vec")
"""Every implementation; `continued` is Word2Vec that goes on from a training on a part of our world."""


class Fit(Protocol):
    """How an embedder is trained."""

    def __call__(
        self, corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress
    ) -> Embedder: ...


def continued(corpus: TokenFile, settings: EmbeddingSettings, workers: int, progress: Progress) -> Embedder:
    """Half of the topics are learned first; their articles may be gone and words of the others new."""
    first = TokenFile.write(corpus.path.with_name("first.txt"), iter(CORPUS[: len(CORPUS) // 2]))
    made = word2vec.fit(first, settings, workers, lambda _stage, _share: None)
    assert made.learned is not None
    start = Start(made.vocabulary, made.words, made._space, made.learned)
    return word2vec.fit(corpus, settings, workers, progress, start)


FITS: dict[str, Fit] = {"word2vec": word2vec.fit, "continued": continued, "doc2vec": doc2vec.fit}


def small_for(name: str, **given: int) -> EmbeddingSettings:
    """Settings that train one of `EMBEDDERS` in a moment."""
    values = {"continue_epochs": 40, **given}
    return small("doc2vec" if name == "doc2vec" else "word2vec", **values)


def load(name: str, folder: Path, settings: EmbeddingSettings) -> Embedder:
    if name == "doc2vec":
        return doc2vec.Doc2VecEmbedder.load(folder, settings)
    return word2vec.Word2VecEmbedder.load(folder, settings)


def cut(topics: Sequence[str], each: int) -> list[Tokens]:
    """Our worlds' articles, cut where the words were put together."""
    texts = articles(topics, each)
    return [Tokens(t.title.replace("，", " ").split(), t.body.replace("，", " ").split()) for t in texts]


CORPUS = cut(tuple(TOPICS), 8)
UNKNOWN = Tokens(["nowhere"], ["unheard", "未见"])
EMPTY = Tokens([], [])


def fit(
    folder: Path, name: str, texts: Sequence[Tokens] = CORPUS, seen: list[tuple[str, float]] | None = None, **given: int
) -> Embedder:
    corpus = TokenFile.write(folder / "tokens.txt", iter(texts))
    progress: Progress = (lambda _stage, _share: None) if seen is None else lambda *told: seen.append(told)
    return FITS[name](corpus, small_for(name, **given), 1, progress)


@pytest.fixture(scope="module", params=EMBEDDERS)
def name(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture(scope="module")
def embedder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return fit(tmp_path_factory.mktemp(name), name)


def well_formed(encoded: Encoded, n: int, dim: int) -> None:
    """Section 6 of the design: float32, C-contiguous, unit length or zero, zero meaning nothing known."""
    assert encoded.vectors.shape == (n, dim)
    assert encoded.vectors.dtype == np.float32
    assert encoded.vectors.flags.c_contiguous
    assert encoded.known.shape == (n,)
    assert encoded.known.dtype == np.bool_
    lengths = np.linalg.norm(encoded.vectors, axis=1)
    np.testing.assert_allclose(lengths, encoded.known.astype(float), atol=1e-5)
    assert not encoded.vectors[~encoded.known].any()


def test_what_comes_out(embedder: Embedder) -> None:
    encoded = embedder.encode(CORPUS)
    well_formed(encoded, len(CORPUS), embedder.dim)
    assert encoded.known.all()


def test_no_texts(embedder: Embedder) -> None:
    well_formed(embedder.encode([]), 0, embedder.dim)


@pytest.mark.parametrize("text", [EMPTY, UNKNOWN, Tokens(["nowhere"], [])], ids=["empty", "unknown", "title only"])
def test_nothing_known_is_a_zero_row(embedder: Embedder, text: Tokens) -> None:
    encoded = embedder.encode([CORPUS[0], text, CORPUS[1]])
    well_formed(encoded, 3, embedder.dim)
    assert encoded.known.tolist() == [True, False, True]


def test_unknown_words_among_known_ones_do_not_drown_them(embedder: Embedder) -> None:
    mixed = [Tokens([*UNKNOWN.title, *text.title], [*text.body, *UNKNOWN.body]) for text in CORPUS]
    encoded = embedder.encode(mixed)
    well_formed(encoded, len(mixed), embedder.dim)
    assert encoded.known.all()
    plain = embedder.encode(CORPUS).vectors
    assert (np.einsum("ij,ij->i", encoded.vectors, plain) > 0.5).all()


def test_one_known_word_is_enough(embedder: Embedder) -> None:
    encoded = embedder.encode([Tokens([], ["股市"]), Tokens(["股市"], [])])
    assert encoded.known.all()


def test_a_batch_changes_no_byte(embedder: Embedder) -> None:
    """More than 64 texts in one go, among them empty and unknown ones; alone, in any order, in parts."""
    texts = [*CORPUS, EMPTY, UNKNOWN, *CORPUS[:30]]
    together = embedder.encode(texts).vectors
    order = np.random.default_rng(0).permutation(len(texts))
    assert embedder.encode([texts[row] for row in order]).vectors.tobytes() == together[order].tobytes()
    for row, text in enumerate(texts):
        assert embedder.encode([text]).vectors.tobytes() == together[row].tobytes(), f"text {row}"
    parts = [embedder.encode(texts[start : start + 7]).vectors for start in range(0, len(texts), 7)]
    assert np.concatenate(parts).tobytes() == together.tobytes()


def test_articles_of_a_topic_are_nearer_to_each_other_than_to_any_other(embedder: Embedder) -> None:
    vectors = embedder.encode(CORPUS).vectors
    likeness = vectors @ vectors.T
    same = np.kron(np.eye(len(TOPICS)), np.ones((8, 8))).astype(bool)
    np.fill_diagonal(likeness, np.nan)
    for row in range(len(CORPUS)):
        assert np.nanmean(likeness[row][same[row]]) > np.nanmean(likeness[row][~same[row]]) + 0.1


def test_what_is_learned_knows_a_short_text(embedder: Embedder) -> None:
    """Titles alone, in the learned part alone: nearer to the articles of their topic than to any others."""
    learned = embedder.dim - small().lexical_dim
    topics = embedder.encode(CORPUS).vectors[:, :learned].reshape(len(TOPICS), 8, learned).mean(axis=1)
    titles = embedder.encode([Tokens(text.title, []) for text in CORPUS]).vectors[:, :learned]
    nearest = (titles @ topics.T).argmax(axis=1)
    assert (nearest == np.repeat(np.arange(len(TOPICS)), 8)).mean() > 0.7  # by chance a sixth


def test_a_long_text(embedder: Embedder) -> None:
    well_formed(embedder.encode([Tokens([], CORPUS[0].body * 2000)]), 1, embedder.dim)


def test_vocabulary_and_words(embedder: Embedder) -> None:
    vocabulary = embedder.vocabulary
    assert set(vocabulary.words) == {word for text in CORPUS for word in (*text.title, *text.body)}
    assert [vocabulary.ids[word] for word in vocabulary.words] == list(range(len(vocabulary)))
    assert (np.diff(vocabulary.counts) <= 0).all(), "most frequent first"
    assert vocabulary.total_articles == len(CORPUS)
    for word in ("股市", "yacht"):
        row = vocabulary.ids[word]
        assert vocabulary.counts[row] == sum((*text.title, *text.body).count(word) for text in CORPUS)
        assert vocabulary.articles[row] == sum(word in (*text.title, *text.body) for text in CORPUS)
    assert len(embedder.words) == len(vocabulary)
    assert embedder.words.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedder.words, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(embedder.words_at([3, 0]), embedder.words[[3, 0]])
    np.testing.assert_allclose(embedder.likeness(embedder.words[3]), embedder.words @ embedder.words[3], atol=1e-6)


def test_progress_is_told(name: str, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    fit(tmp_path, name, seen=seen)
    assert ("words", 1.0) in seen
    assert seen[-1] == ("space", 1.0)
    assert all(0 < share <= 1 for _, share in seen)


def test_saved_and_loaded_gives_the_same_bytes(name: str, embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path)
    loaded = load(name, tmp_path, small_for(name))
    assert loaded.dim == embedder.dim
    assert loaded.name == embedder.name == small_for(name).embedder
    assert loaded.vocabulary.words == embedder.vocabulary.words
    assert loaded.vocabulary.total_articles == embedder.vocabulary.total_articles
    assert loaded.vocabulary.counts.tolist() == embedder.vocabulary.counts.tolist()
    assert np.asarray(loaded.words).tobytes() == np.asarray(embedder.words).tobytes()
    texts = [*CORPUS, EMPTY, UNKNOWN]
    assert loaded.encode(texts).vectors.tobytes() == embedder.encode(texts).vectors.tobytes()
    assert loaded.encode(texts).known.tolist() == embedder.encode(texts).known.tolist()


def test_nothing_that_is_saved_can_run_code(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path)
    for file in tmp_path.iterdir():
        if file.suffix in {".npy", ".npz"}:
            np.load(file, allow_pickle=False)
        else:
            file.read_text(encoding="utf-8")


def test_a_missing_or_cut_file_is_refused(name: str, embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path)
    for file in sorted(tmp_path.iterdir()):
        if file.suffix != ".npy":
            continue
        content = file.read_bytes()
        file.write_bytes(content[:-16])
        with pytest.raises((OSError, ValueError)):
            load(name, tmp_path, small_for(name)).encode(CORPUS)
        file.unlink()
        with pytest.raises(OSError, match=file.name):
            load(name, tmp_path, small_for(name))
        file.write_bytes(content)


PROGRAM = """
import sys
from pathlib import Path
from tests.test_embed import digests
print(digests(sys.argv[1], Path(sys.argv[2])))
"""


def digests(name: str, folder: Path) -> str:
    """What training from nothing gives, and what a saved embedder gives, as hashes."""
    fresh = folder / f"fresh-{os.getpid()}"
    fresh.mkdir()
    trained = fit(fresh, name).encode([*CORPUS, UNKNOWN]).vectors
    loaded = load(name, folder, small_for(name)).encode([*CORPUS, UNKNOWN]).vectors
    return " ".join(hashlib.sha256(vectors.tobytes()).hexdigest() for vectors in (trained, loaded))


def test_another_process_gives_the_same_bytes(name: str, embedder: Embedder, tmp_path: Path) -> None:
    """Training again, and encoding with what was saved, under other hashes of strings."""
    embedder.save(tmp_path)
    here = digests(name, tmp_path).split()
    assert here[0] == here[1]
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(tmp_path)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "4242"},
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert there.stdout.split() == here


def test_training_again_gives_the_same_bytes_and_another_seed_does_not(name: str, tmp_path: Path) -> None:
    one, two, other = (fit(tmp_path, name, seed=seed).encode(CORPUS).vectors for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


DEGENERATE: dict[str, list[Tokens]] = {
    "twenty articles": CORPUS[:20],
    "one article": CORPUS[:1],
    "two articles": CORPUS[:2],
    "all the same": CORPUS[:1] * 20,
    "one word": [Tokens(["股市"], ["股市"] * 5)] * 20,
    "one word in all": [Tokens([], ["股市"])],
    "a word each": [Tokens([], [word]) for word in TOPICS["足球"]],
    "some without tokens": [EMPTY, *CORPUS[:10], EMPTY, EMPTY, *CORPUS[10:20], EMPTY],
    "only titles": [Tokens(text.title, []) for text in CORPUS],
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_a_degenerate_corpus_gives_finite_vectors_or_says_why_not(name: str, case: str, tmp_path: Path) -> None:
    texts = DEGENERATE[case]
    try:
        embedder = fit(tmp_path, name, texts)
    except TrainingError as error:
        assert "articles" in str(error)  # noqa: PT017 - either outcome is right
        return
    encoded = embedder.encode([*texts, UNKNOWN])
    well_formed(encoded, len(texts) + 1, embedder.dim)
    assert np.isfinite(embedder.words).all()


@pytest.mark.parametrize("texts", [[EMPTY] * 20, []], ids=["empty", "none"])
def test_a_corpus_without_a_word_is_a_training_error(name: str, texts: list[Tokens], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"{len(texts)} articles"):
        fit(tmp_path, name, texts)


def test_words_that_are_too_rare_are_a_training_error(name: str, tmp_path: Path) -> None:
    texts = [Tokens([], [f"w{number}"]) for number in range(250)]
    with pytest.raises(TrainingError, match=r"occurs \d+ times.*min-count"):
        fit(tmp_path, name, texts, min_count=3)


def test_a_word_is_learned_from_its_minimum_on(name: str, tmp_path: Path) -> None:
    """From 1,000 articles on, the minimum is the one asked for."""
    texts = [Tokens([], ["股市", "银行"]) for _ in range(996)] + [Tokens([], ["三次"])] * 3 + [Tokens([], ["两次"] * 2)]
    embedder = fit(tmp_path, name, texts, min_count=3, epochs=1)
    assert sorted(embedder.vocabulary.words) == sorted(["股市", "银行", "三次"])
    assert embedder.vocabulary.words[-1] == "三次"
    assert embedder.vocabulary.articles.tolist() == [996, 996, 3]
