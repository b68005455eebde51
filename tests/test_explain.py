"""Why an article is recommended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.explain import heaviest, losses, shared_words
from recnews.records import Float32

HISTORY = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)


def without(row: int, item: Float32, history: Float32, weights: Float32) -> float:
    """By how much the likeness falls when one article is left out, the long way."""

    def likeness(rows: list[int]) -> float:
        total = (weights[rows, None].astype(np.float64) * history[rows]).sum(axis=0)
        length = float(np.linalg.norm(total))
        return float(total @ item) / length if length > 1e-4 else 0.0

    everything = list(range(len(weights)))
    return likeness(everything) - likeness([other for other in everything if other != row])


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_losses_are_what_is_lost(count: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    history = draw.normal(size=(count, 5)).astype(np.float32)
    history /= np.linalg.norm(history, axis=1, keepdims=True)
    weights = draw.uniform(-0.3, 2, count).astype(np.float32)
    item = history[0] if seed % 2 else draw.normal(size=5).astype(np.float32)
    expected = [without(row, item, history, weights) for row in range(count)]
    assert losses(item, history, weights).tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("factor", [1e-25, 1e-8, 1e25, 1e30])
def test_only_the_proportions_of_weights_count(factor: float) -> None:
    item, weights = np.array([1, 0], np.float32), np.array([1, 0.5, 0.5], np.float32)
    expected = losses(item, HISTORY, weights).tolist()
    assert expected[0] > 0.01
    assert losses(item, HISTORY, weights * np.float32(factor)).tolist() == pytest.approx(expected, rel=1e-4)


def test_the_only_read_has_done_it_all() -> None:
    item = np.array([0.6, 0.8], np.float32)
    assert losses(item, HISTORY[:1], np.ones(1, np.float32)).tolist() == pytest.approx([0.6])


def test_another_interest_stands_in() -> None:
    """Without row 0 the direction is that of row 2, unlike the item; another interest is .25 like it."""
    item, weights = np.array([1, 0], np.float32), np.array([1, 0, 1], np.float32)
    whole = 1 / 2**0.5
    for others, expected in (([], whole), ([0.25, -1], whole - 0.25), ([-0.5], whole)):
        found = losses(item, HISTORY, weights, np.array(others, np.float32))
        assert found[0] == pytest.approx(expected)


def test_an_interest_disliked_as_much_as_liked_is_gone() -> None:
    item, weights = np.array([1, 0], np.float32), np.array([1, 0, -1], np.float32)
    whole = 1 / 2**0.5
    assert losses(item, HISTORY, weights)[0] == pytest.approx(whole)
    assert losses(np.array([0, -1], np.float32), HISTORY, weights)[0] == pytest.approx(whole - 1)
    none = np.zeros(0, np.float32)
    assert losses(np.array([0, -1], np.float32), HISTORY, weights, none)[0] == pytest.approx(whole), "not turned round"


def test_nothing_read() -> None:
    none = np.zeros(0, np.float32)
    assert losses(np.array([1, 0], np.float32), np.zeros((0, 2), np.float32), none).tolist() == []
    assert losses(np.array([1, 0], np.float32), HISTORY, np.zeros(3, np.float32)).tolist() == [0, 0, 0]
    assert heaviest(none, none, none) is None


@pytest.mark.parametrize(
    ("loss", "total", "weights", "expected"),
    [
        ([0.1, 0.3, 0.2], [1, 1, 1], [1, 1, 1], 1),
        ([0.1, 0.3, 0.2], [1, 1, 1], [1, -1, 1], 2),  # what was disliked speaks for nothing
        ([0.1, 0.3, 0.2], [1, -0.1, 1], [1, 1, 1], 2),  # without it the score would be higher
        ([-0.1, -0.05, -0.2], [1, 1, 1], [1, 1, 1], None),
        ([0.1, 0.3, 0.2], [-0.1, -0.1, -0.1], [1, 1, 1], None),
        ([1e-7, 0, -1e-7], [0, 0, 0], [1, 1, 1], 0),  # all three say the same: none of them can be missed
        ([0.1, 0.3, 0.2], [1, 1, 1], [0, 0, 0], None),
        ([0.2, 0.2, 0.2], [1, 1, 1], [1, 1, 1], 0),
    ],
)
def test_the_read_that_speaks_most(
    loss: list[float], total: list[float], weights: list[float], expected: int | None
) -> None:
    assert heaviest(*(np.array(values, np.float32) for values in (loss, total, weights))) == expected


def test_shared_words_come_in_the_order_of_how_telling_they_are_for_both() -> None:
    """Places add up: 股市 0 + 2, 央行 1 + 0, 基金 3 + 1; 利率 stands in one list only."""
    assert shared_words(["股市", "央行", "利率", "基金"], ["央行", "基金", "股市"]) == ("央行", "股市", "基金")


def test_at_most_five_shared_words() -> None:
    words = list("abcdefg")
    assert shared_words(words, words) == ("a", "b", "c", "d", "e")


def test_no_shared_words() -> None:
    assert shared_words([], ["a"]) == shared_words(["a"], []) == shared_words(["a"], ["b"]) == ()
