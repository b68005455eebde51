"""The space of article vectors, from the inside: these oracles change when the space does."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recnews.config import EmbeddingSettings
from recnews.embed.base import TokenFile, Vocabulary, effective_min_count
from recnews.embed.lexical import Lexical, word_codes
from recnews.embed.space import Space, fit_space, fit_whitening, to_unit
from recnews.embed.word2vec import Word2VecEmbedder
from recnews.records import Float32, Tokens
from tests.test_embed import CORPUS, fit
from tests.worlds import small

Float64 = NDArray[np.float64]


def vocabulary() -> Vocabulary:
    """Of ten articles: `a` is in 9 of them, `b` in 4, `c` in 1."""
    return Vocabulary(["a", "b", "c"], np.array([20, 5, 1]), np.array([9, 4, 1]), 10)


A, B, C, UNSEEN = math.log(11 / 9), math.log(11 / 4), math.log(11 / 1), math.log(11)
"""The idf of each word."""


def unit(*values: float) -> list[float]:
    return [value / math.hypot(*values) for value in values]


def test_idf() -> None:
    words = vocabulary()
    assert words.idf.tolist() == pytest.approx([A, B, C])
    assert words.idf_of(np.array([2, 3, 0, 7])).tolist() == pytest.approx([C, UNSEEN, A, UNSEEN])


def test_weights_fall_with_the_place_and_rise_with_idf() -> None:
    """With position 2: a token at place 0, 1, 2 adds 2/2, 2/3, 2/4; the places go on from title to body."""
    texts = [Tokens(["b"], ["a", "b"]), Tokens([], ["c"]), Tokens(["z", "a"], ["y"]), Tokens([], []), Tokens(["z"], [])]
    weighed = vocabulary().weigh(texts, position=2.0)
    assert weighed.unseen == ("y", "z")
    assert weighed.known.tolist() == [True, True, True, False, False]
    assert weighed.matrix.dtype == np.float32
    a, y, z = unit(math.sqrt(2 / 3 * A), math.sqrt(2 / 4 * UNSEEN), math.sqrt(2 / 2 * UNSEEN))
    ba, bb = unit(math.sqrt(2 / 3 * A), math.sqrt((2 / 2 + 2 / 4) * B))
    expected = [[ba, bb, 0, 0, 0], [0, 0, 1, 0, 0], [a, 0, 0, y, z], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]
    np.testing.assert_allclose(weighed.matrix.toarray(), np.array(expected), rtol=1e-6)


def test_keywords_are_the_heaviest_words_unseen_ones_among_them() -> None:
    words = vocabulary()
    weighed = words.weigh([Tokens([], ["a", "b", "c"]), Tokens(["z"], ["a", "a"]), Tokens([], [])], 100.0)
    assert words.keywords(weighed, 2) == [("c", "b"), ("z", "a"), ()]
    assert words.keywords(weighed, 9)[0] == ("c", "b", "a")


def test_a_vocabulary_is_saved_whole(tmp_path: Path) -> None:
    vocabulary().save(tmp_path)
    loaded = Vocabulary.load(tmp_path)
    assert (loaded.words, loaded.total_articles) == (["a", "b", "c"], 10)
    assert loaded.counts.tolist() == [20, 5, 1]
    assert loaded.articles.tolist() == [9, 4, 1]


def test_a_token_file_reads_back_as_written(tmp_path: Path) -> None:
    texts = [Tokens(["股市"], ["央行", "利率"]), Tokens([], []), Tokens(["a"], []), Tokens([], ["b"])]
    file = TokenFile.write(tmp_path / "tokens.txt", iter(texts))
    assert (file.articles, file.tokens) == (4, 5)
    assert list(file) == texts
    assert list(file.batches(4)) == [texts]
    assert list(file.batches(2)) == [[texts[0], texts[2]]], "spread evenly"


@pytest.mark.parametrize(
    ("asked", "articles", "expected"), [(3, 199, 1), (3, 200, 3), (1, 5000, 1), (1, 50, 1), (10, 1000, 10)]
)
def test_a_small_corpus_keeps_its_rare_words(asked: int, articles: int, expected: int) -> None:
    assert effective_min_count(asked, articles) == expected


@pytest.mark.parametrize(("tokens", "expected"), [(0, 1e-3), (100_000, 30 / 100_000), (10**9, 1e-5), (1, 1e-3)])
def test_subsampling_is_by_occurrences(tokens: int, expected: float) -> None:
    assert EmbeddingSettings(subsample_above=30).subsampling(tokens) == pytest.approx(expected)


def rows(n: int, dim: int, seed: int = 0) -> Float32:
    """Correlated rows, far from the origin."""
    draw = np.random.default_rng(seed)
    return np.asarray(draw.normal(size=(n, dim)) @ draw.normal(size=(dim, dim)) + 5, dtype=np.float32)


def test_full_whitening_takes_away_mean_and_correlation() -> None:
    """With 20,000 rows for 4 directions, next to nothing is shrunk: the covariance becomes the identity."""
    given = rows(20_000, 4)
    whitening = fit_whitening([given[:7000], given[7000:]], 4, power=1.0)
    white = whitening.apply(given)
    np.testing.assert_allclose(white.mean(axis=0), np.zeros(4), atol=1e-3)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=0.02)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_each_direction_is_divided_by_its_deviation_to_a_power(power: float) -> None:
    """40,000 rows of deviations 3, 1, 0.5 along the axes: what is left are the deviations to 1 - power."""
    given = np.random.default_rng(0).normal(size=(40_000, 3)) * [1.0, 3.0, 0.5]
    white = fit_whitening([given.astype(np.float32)], 3, power).apply(given.astype(np.float32))
    np.testing.assert_allclose(white.std(axis=0), np.array([3.0, 1.0, 0.5]) ** (1 - power), rtol=0.02)


def test_few_rows_are_trusted_little() -> None:
    """Two rows apart in one of four directions: trust 2 / (2 + 4), the covariance diag(4, 0, 0, 0) with mean 1."""
    given = np.array([[2, 0, 0, 0], [-2, 0, 0, 0]], dtype=np.float32)
    whitening = fit_whitening([given], 4, power=1.0)
    trust = 2 / 6
    expected = [1 / math.sqrt(trust * 4 + (1 - trust) * 1), *[1 / math.sqrt((1 - trust) * 1)] * 3]
    np.testing.assert_allclose(np.linalg.norm(whitening.directions, axis=0), np.array(expected), atol=1e-6)


@pytest.mark.parametrize(
    "batches", [[], [np.zeros((0, 3), np.float32)], [np.ones((5, 3), np.float32)]], ids=["none", "no rows", "all alike"]
)
def test_a_space_fitted_on_nothing_is_finite(batches: list[Float32]) -> None:
    space = fit_space(lambda: batches, 3, 2, 0.5)
    assert space.dim == 2
    assert np.isfinite(space.center).all()
    assert np.isfinite(space.matrix).all()


def test_a_space_is_centred_on_its_articles() -> None:
    given = rows(200, 6)
    space = fit_space(lambda: [given[:90], given[90:]], 6, 4, 0.5)
    projected = to_unit(space.project(given)).vectors
    np.testing.assert_allclose(projected.mean(axis=0), space.center, atol=1e-5)


def test_the_two_parts_are_joined_by_weight() -> None:
    """unit(3, 4) less the centre (0.6, 0) is (0, 0.8), of unit length (0, 1); beside it 0.75 * (1, 0)."""
    space = Space(np.eye(2, dtype=np.float32), np.array([0.6, 0], np.float32))
    lexical = np.array([[1, 0], [1, 0], [0, 0]], np.float32)
    projected = np.array([[3, 4], [3, 4], [3, 4]], np.float32)
    joined = space.join(projected, lexical, 0.75, np.array([True, False, True]))
    expected = [unit(0, 1, 0.75, 0), [0, 0, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_allclose(joined.vectors, np.array(expected), atol=1e-6)
    assert joined.known.tolist() == [True, False, True]


def test_a_space_is_saved_whole(tmp_path: Path) -> None:
    given = rows(50, 3)
    space = fit_space(lambda: [given], 3, 3, 0.5)
    space.save(tmp_path)
    loaded = Space.load(tmp_path)
    np.testing.assert_array_equal(loaded.center, space.center)
    np.testing.assert_array_equal(loaded.matrix, space.matrix)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_a_projection_row_by_row(n: int) -> None:
    given = rows(n, 32) if n else np.zeros((0, 32), np.float32)
    space = Space(rows(32, 8, 1), np.zeros(8, np.float32))
    product = space.project(given)
    np.testing.assert_allclose(product, given @ space.matrix, rtol=1e-4)
    for row in range(n):
        assert space.project(given[row : row + 1]).tobytes() == product[row].tobytes()


def test_unit_rows_or_zero() -> None:
    given = np.array([[3, 4], [1e-9, 0], [5, 5], [np.inf, 0]], np.float32)
    encoded = to_unit(given, np.array([True, True, False, True]))
    np.testing.assert_allclose(encoded.vectors, np.array([[0.6, 0.8], [0, 0], [0, 0], [0, 0]]), rtol=1e-6)
    assert encoded.known.tolist() == [True, False, False, False]
    assert to_unit(given).known.tolist() == [True, False, True, False]


def signs(word: str, dim: int) -> Float64:
    """The code of a word as +1 and -1: the first bits of its BLAKE2b, 512 at a time under another salt."""
    bits = ""
    for block in range(-(-dim // 512)):
        digest = hashlib.blake2b(word.encode(), digest_size=64, salt=bytes([block])).digest()
        bits += "".join(f"{byte:08b}" for byte in digest)
    return np.array([1.0 if bit == "1" else -1.0 for bit in bits[:dim]])


@pytest.mark.parametrize("dim", [8, 12, 256, 300, 600])
def test_word_codes(dim: int) -> None:
    words = ["火箭", "yacht", "c919"]
    codes = np.unpackbits(word_codes(words, dim), axis=1, count=dim).astype(float) * 2 - 1
    np.testing.assert_array_equal(codes, np.stack([signs(word, dim) for word in words]))
    assert word_codes([], dim).shape == (0, -(-dim // 8))


def test_a_lexical_part_is_the_sum_of_its_words_codes() -> None:
    words = vocabulary()
    texts = [Tokens(["b"], ["a", "z"]), Tokens([], []), Tokens([], ["z"])]
    block = Lexical.of(words, 32, 0.75).block(words.weigh(texts, 2.0))
    total = sum(
        math.sqrt(count * idf) * idf**0.25 * signs(word, 32)
        for word, count, idf in (("b", 2 / 2, B), ("a", 2 / 3, A), ("z", 2 / 4, UNSEEN))
    )
    np.testing.assert_allclose(block[0], total / np.linalg.norm(total), atol=1e-6)
    assert not block[1].any()
    np.testing.assert_allclose(block[2], signs("z", 32) / math.sqrt(32), atol=1e-6)


def slow_encode(embedder: Word2VecEmbedder, settings: EmbeddingSettings, text: Tokens) -> Float64:
    """One text in float64, word by word: both parts, weighted, of unit length."""
    words = embedder.vocabulary
    counts: dict[str, float] = {}
    for place, token in enumerate(text.title + text.body):
        counts[token] = counts.get(token, 0.0) + settings.position / (settings.position + place)
    semantic, lexical = np.zeros(embedder._space.dim), np.zeros(settings.lexical_dim)
    for word, count in counts.items():
        row = words.ids.get(word)
        idf = math.log((1 + words.total_articles) / (1 if row is None else words.articles[row]))
        if row is not None:
            semantic += math.sqrt(count * idf) * embedder._table[row].astype(np.float64)
        lexical += math.sqrt(count * idf) * idf ** (settings.lexical_idf - 0.5) * signs(word, settings.lexical_dim)
    if not any(word in words.ids for word in counts):
        return np.zeros(embedder.dim)
    centred = semantic / np.linalg.norm(semantic) - embedder._space.center
    parts = [centred / np.linalg.norm(centred), settings.lexical_weight * lexical / np.linalg.norm(lexical)]
    return np.asarray(np.concatenate(parts) / math.hypot(1.0, settings.lexical_weight))


@pytest.mark.parametrize("given", [{}, {"position": 3.0}, {"lexical_weight": 2.0, "lexical_idf": 1.5}], ids=str)
def test_word2vec_encodes_as_the_slow_way_does(tmp_path: Path, given: dict[str, Any]) -> None:
    embedder = fit(tmp_path, "word2vec", **given)
    assert isinstance(embedder, Word2VecEmbedder)
    texts = [*CORPUS, Tokens(["股市"], []), Tokens(["nowhere"], ["股市", "yacht", "yacht"]), Tokens(["nowhere"], [])]
    expected = np.stack([slow_encode(embedder, small(**given), text) for text in texts])
    np.testing.assert_allclose(embedder.encode(texts).vectors, expected, atol=2e-5)


def test_a_word_nobody_has_learned_finds_the_text_that_has_it(tmp_path: Path) -> None:
    embedder = fit(tmp_path, "word2vec")
    with_it, without = Tokens(["歼二十"], ["火箭", "发射"]), Tokens([], ["火箭", "发射"])
    asked, here, there = embedder.encode([Tokens(["歼二十"], ["卫星"]), with_it, without]).vectors
    assert asked @ here > asked @ there + 0.1
