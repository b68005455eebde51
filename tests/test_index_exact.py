"""Exact search in two passes gives what scoring every row gives, to the bit; packing loses what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.index.exact import search_exactly
from recnews.index.rows import FloatRows, PackedRows, Rows, longest, pack, rounded, slack, unpack
from recnews.records import Float32, Hits, Int64

SHAPES = ("spread", "equal", "near ties", "zero", "of many lengths", "huge")


def vectors(shape: str, n: int, dim: int, seed: int) -> Float32:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, dim)).astype(np.float32)
    match shape:
        case "equal":
            rows = rows[draw.integers(0, 3, n) % n]
        case "near ties":
            rows = rows[draw.integers(0, 3, n) % n] + 1e-7 * rows
        case "zero":
            rows = rows * (draw.random((n, 1)) < 0.3)
        case "of many lengths":
            rows = rows * 10.0 ** draw.integers(-6, 6, (n, 1))
        case "huge":
            rows = rows * 1e19
    return rounded(np.ascontiguousarray(rows, dtype=np.float32))


def every_row(rows: Rows, ids: Int64, query: Float32, k: int, chosen: Int64) -> Hits:
    """The definition."""
    scores = rows.score(query, chosen)
    order = np.lexsort((ids[chosen], -scores))[:k]
    return Hits(ids[chosen][order], scores[order])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("packed", [False, True], ids=["float32", "packed"])
@given(
    size=st.tuples(st.integers(1, 400), st.integers(1, 70)),
    seed=st.integers(0, 99),
    asked=st.tuples(st.integers(1, 50), st.integers(1, 9)),
)
def test_two_passes_are_one(shape: str, packed: bool, size: tuple[int, int], seed: int, asked: tuple[int, int]) -> None:
    (n, dim), (k, part) = size, asked
    held, queries = vectors(shape, n, dim, seed), vectors(shape, 3, dim, seed + 1)
    rows: Rows = PackedRows(*pack(held), longest(held)) if packed else FloatRows(held, longest(held))
    draw = np.random.default_rng(seed)
    ids = draw.permutation(n).astype(np.int64)
    start, wanted = n // 5, draw.random(n - n // 5) < part / 9
    for mask in (wanted, None):
        chosen = start + np.flatnonzero(np.ones(n - start, bool) if mask is None else mask)
        with np.errstate(over="ignore", invalid="ignore"):
            found = search_exactly(rows, ids, queries, k, mask, start=start)
            expected = [every_row(rows, ids, query, k, chosen) for query in queries]
        for one, other in zip(found, expected, strict=True):
            assert one.ids.tobytes() == other.ids.tobytes()
            assert one.scores.tobytes() == other.scores.tobytes()


@given(shape=st.sampled_from(SHAPES), n=st.integers(1, 60), dim=st.integers(1, 70), seed=st.integers(0, 99))
def test_packed_rows_score_to_the_bit_like_what_they_unpack_to(shape: str, n: int, dim: int, seed: int) -> None:
    held, [query] = vectors(shape, n, dim, seed), vectors("spread", 1, dim, seed + 1)
    packed, plain, all_rows = PackedRows(*pack(held), 1), FloatRows(held, 1), np.arange(n)
    assert packed.score(query, all_rows).tobytes() == plain.score(query, all_rows).tobytes()
    assert packed.take(all_rows[::-1]).tobytes() == plain.take(all_rows[::-1]).tobytes() == held[::-1].tobytes()


@given(values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
def test_packing_loses_at_most_half_a_step_and_only_once(values: list[float]) -> None:
    row = np.array([values], dtype=np.float32)
    numbers, scales = pack(row)
    once = unpack(numbers, scales)
    largest = float(np.abs(row).max())
    assert np.abs(once - row).max() <= max(largest * 2.0**-15, 2.0**-115)
    assert rounded(once).tobytes() == once.tobytes()
    assert np.frexp(scales)[0].tolist() == [0.5], "a power of two"


@given(seed=st.integers(0, 99), dim=st.integers(1, 700), threads=st.integers(1, 16))
def test_quick_products_stay_within_the_slack(seed: int, dim: int, threads: int) -> None:
    held, queries = vectors("spread", 40, dim, seed), vectors("spread", threads, dim, seed + 1)
    rows = FloatRows(held, longest(held))
    for query, line in zip(queries, rows.products(queries, slice(0, 40)), strict=True):
        assert np.abs(line - rows.score(query, np.arange(40))).max() <= slack(query, rows)
