"""Why an article is recommended."""

import numpy as np
import pytest

from recnews.explain import nearest_read, shared_words

HISTORY = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)


@pytest.mark.parametrize(
    ("item", "weights", "expected"),
    [
        ([1, 0], [1, 1, 1], 0),
        ([0, 1], [1, 1, 1], 2),
        ([0.6, 0.8], [1, 1, 1], 1),
        ([1, 0], [0.5, 1, 1], 1),  # 0.5 * 1.0 < 1.0 * 0.6
        ([1, 0], [0.7, 1, 1], 0),  # 0.7 * 1.0 > 1.0 * 0.6
        ([1, 0], [-1, 1, 1], 1),  # what was disliked speaks for nothing
        ([1, 0], [-1, 0, 1], None),
        ([-1, 0], [1, 1, 1], None),
        ([1, 0], [0, 0, 0], None),
    ],
)
def test_the_read_that_speaks_most(item: list[float], weights: list[float], expected: int | None) -> None:
    assert nearest_read(np.array(item, np.float32), HISTORY, np.array(weights, np.float32)) == expected


def test_nothing_read() -> None:
    assert nearest_read(np.array([1, 0], np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.float32)) is None


def test_shared_words_come_in_the_order_of_how_telling_they_are_for_both() -> None:
    """Places add up: 股市 0 + 2, 央行 1 + 0, 基金 3 + 1; 利率 stands in one list only."""
    assert shared_words(["股市", "央行", "利率", "基金"], ["央行", "基金", "股市"]) == ("央行", "股市", "基金")


def test_at_most_five_shared_words() -> None:
    words = list("abcdefg")
    assert shared_words(words, words) == ("a", "b", "c", "d", "e")


def test_no_shared_words() -> None:
    assert shared_words([], ["a"]) == shared_words(["a"], []) == shared_words(["a"], ["b"]) == ()
