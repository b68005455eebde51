"""What every vector index must do, against brute force. Another implementation joins `INDEXES`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recnews.index.base import Within
from recnews.records import Float32
from tests.index_world import DIM, INDEXES, Kind, SavedIndex, agree, brute, ints, units


@pytest.fixture(params=INDEXES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return cast("Kind", request.param)


@pytest.fixture
def index(kind: Kind) -> SavedIndex:
    return kind(DIM)


def filled(index: SavedIndex, n: int, seed: int = 0, first: int = 100, step: int = 3) -> dict[int, Float32]:
    """`n` vectors under ids 100, 103, 106 … given in no order."""
    vectors = units(n, seed)
    ids = np.arange(first, first + n * step, step, dtype=np.int64)
    order = np.random.default_rng(seed).permutation(n)
    index.upsert(ids[order], vectors[order])
    return dict(zip(ids.tolist(), vectors, strict=True))


@pytest.mark.parametrize("k", [1, 10, 200, 1000])
def test_search_is_brute_force(index: SavedIndex, k: int) -> None:
    held = filled(index, 200)
    for query, hits in zip(units(20, 9), index.search(units(20, 9), k), strict=True):
        agree(hits, brute(held, query, k), held, query)


def test_equal_scores_go_to_the_lower_id(index: SavedIndex) -> None:
    row = np.eye(1, DIM, dtype=np.float32)
    index.upsert(ints(9, 4, 7, 5), np.repeat(row, 4, axis=0))
    assert index.search(row, 3)[0].ids.tolist() == [4, 5, 7]
    assert index.search(row, 3, ints(9, 7, 5))[0].ids.tolist() == [5, 7, 9]


def test_equal_scores_go_to_the_lower_id_across_a_saved_part(kind: Kind, tmp_path: Path) -> None:
    first, row = kind(DIM), np.eye(1, DIM, dtype=np.float32)
    first.upsert(ints(9, 4), np.repeat(row, 2, axis=0))
    first.save(tmp_path)
    index = kind.load(tmp_path)
    index.upsert(ints(7, 5), np.repeat(row, 2, axis=0))
    assert index.search(row, 3)[0].ids.tolist() == [4, 5, 7]


def test_excluded_and_out_of_the_times_asked_for(index: SavedIndex) -> None:
    vectors, ids = units(60), np.arange(60)
    index.upsert(ids, vectors, published=1000 * (ids % 20))
    held = dict(enumerate(vectors))
    [query] = units(1, 5)
    for since, until, exclude, allowed in (
        (0, 20_000, [], None),
        (3000, 7000, [3, 4, 999, -1], None),
        (3001, 7001, [], [4, 5, 7, 8, 23]),
        (5000, 5000, [], None),
        (20_000, 10**18, [], None),
    ):
        passing = {i for i in held if since <= 1000 * (i % 20) < until and i not in exclude}
        passing &= held.keys() if allowed is None else set(allowed)
        narrow = None if allowed is None else ints(*allowed)
        for within in (Within(narrow, ints(*exclude), since, until), Within(None, ints(*exclude), since, until)):
            [hits] = index.search(query[None], 30, narrow, within=within)
            agree(hits, brute(held, query, 30, passing), held, query)


def test_publication_times_follow_an_upsert(index: SavedIndex) -> None:
    row = np.eye(1, DIM, dtype=np.float32)
    index.upsert(ints(1), row, published=ints(10))
    index.upsert(ints(1), row, published=ints(20))
    assert not len(index.search(row, 1, within=Within(since=10, until=20))[0].ids)
    assert index.search(row, 1, within=Within(since=20, until=21))[0].ids.tolist() == [1]


@pytest.mark.parametrize("allowed", [[], [100], [103, 100, 103], [101, 102], list(range(100, 400)), [-1, 100, 10**15]])
def test_only_what_is_allowed(index: SavedIndex, allowed: list[int]) -> None:
    held = filled(index, 60)
    [query] = units(1, 5)
    [hits] = index.search(query[None], 10, np.array(allowed, dtype=np.int64))
    agree(hits, brute(held, query, 10, set(allowed)), held, query)


@pytest.mark.parametrize("k", [0, 1, 5])
def test_nothing_in_it(index: SavedIndex, k: int) -> None:
    for hits in index.search(units(3), k):
        assert hits.ids.shape == hits.scores.shape == (0,)
        assert hits.ids.dtype == np.int64
        assert hits.scores.dtype == np.float32
    found, known = index.vectors(ints(1, 2))
    assert not found.any()
    assert known.tolist() == [False, False]
    assert len(index) == 0


def test_no_query(index: SavedIndex) -> None:
    filled(index, 5)
    assert index.search(np.zeros((0, DIM), np.float32), 5) == []


def test_nothing_to_put_in(index: SavedIndex) -> None:
    index.upsert(ints(), np.zeros((0, DIM), np.float32))
    index.remove(ints())
    assert len(index) == 0


def test_an_upsert_replaces(index: SavedIndex) -> None:
    held = filled(index, 30)
    moved = units(2, 77)
    index.upsert(ints(103, 1), moved)
    held |= {103: moved[0], 1: moved[1]}
    assert len(index) == 31
    for query in (moved[0], *units(5, 8)):
        [hits] = index.search(query[None], 100)
        assert hits.ids.tolist().count(103) == 1
        agree(hits, brute(held, query, 100), held, query)


def test_removed_and_put_back(index: SavedIndex) -> None:
    held = filled(index, 30)
    [query] = units(1, 5)
    index.remove(ints(100, 106, 106, 5))
    gone = {100: held.pop(100), 106: held.pop(106)}
    agree(index.search(query[None], 100)[0], brute(held, query, 100), held, query)
    assert index.vectors(ints(100, 103))[1].tolist() == [False, True]
    index.remove(ints(100))
    assert len(index) == 28
    index.upsert(ints(106), gone[106][None])
    held[106] = gone[106]
    agree(index.search(query[None], 100)[0], brute(held, query, 100), held, query)


def test_vectors_come_back_to_the_byte_in_the_order_asked_for(index: SavedIndex) -> None:
    held = filled(index, 10)
    found, known = index.vectors(ints(106, 5, 100, 106))
    assert known.tolist() == [True, False, True, True]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [held[106], np.zeros(DIM), held[100], held[106]])


def test_what_is_put_in_is_copied(index: SavedIndex) -> None:
    vectors = units(1)
    index.upsert(ints(1), vectors)
    before = vectors.copy()
    vectors[:] = 0
    np.testing.assert_array_equal(index.vectors(ints(1))[0], before)


BAD: dict[str, Callable[[], tuple[NDArray[np.int64], Float32]]] = {
    "another length": lambda: (ints(1), units(1, dim=DIM + 1)),
    "one row too few": lambda: (ints(1, 2), units(1)),
    "one row too many": lambda: (ints(1), units(2)),
    "a single row, flat": lambda: (ints(1), units(1)[0]),
    "float64": lambda: (ints(1), cast("Float32", units(1).astype(np.float64))),
    "not a number": lambda: (ints(1), units(1) * np.float32("nan")),
    "infinite": lambda: (ints(1), np.full((1, DIM), np.inf, np.float32)),
    "an id twice": lambda: (ints(3, 3), units(2)),
    "a negative id": lambda: (ints(-1), units(1)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_changes_nothing(index: SavedIndex, case: str) -> None:
    filled(index, 5)
    ids, vectors = BAD[case]()
    with pytest.raises(ValueError, match=r"expected|finite|unique"):
        index.upsert(ids, vectors)
    assert len(index) == 5


@pytest.mark.parametrize("case", ["another length", "a single row, flat", "float64", "not a number"])
def test_a_bad_query_is_refused(index: SavedIndex, case: str) -> None:
    filled(index, 5)
    with pytest.raises(ValueError, match=r"expected|finite"):
        index.search(BAD[case]()[1], 3)


def test_rows_that_do_not_lie_together_are_taken(index: SavedIndex) -> None:
    strided = units(6, dim=2 * DIM)[::2, ::2]
    assert not strided.flags.c_contiguous
    index.upsert(ints(1, 2, 3), strided)
    np.testing.assert_array_equal(index.vectors(ints(1, 2, 3))[0], strided)
    held = dict(zip((1, 2, 3), strided, strict=True))
    agree(index.search(strided, 3)[1], brute(held, strided[1], 3), held, strided[1])


@pytest.mark.parametrize("restrict", [False, True], ids=["all", "allowed"])
@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "mapped"])
def test_a_query_alone_gives_the_bits_it_gives_in_a_batch(
    kind: Kind, tmp_path: Path, restrict: bool, saved: bool
) -> None:
    """64 dimensions and 100 queries: enough for FAISS to go another way for many queries than for one."""
    index = kind(64)
    vectors = units(500, dim=64)
    index.upsert(np.arange(500), vectors)
    if saved:
        index.save(tmp_path)
        index = kind.load(tmp_path)
    allowed = np.arange(0, 500, 3) if restrict else None
    queries = units(100, 4, dim=64)
    together = index.search(queries, 20, allowed)
    assert len(together) == 100
    for query, batched in zip(queries, together, strict=True):
        [alone] = index.search(query[None], 20, allowed)
        assert alone.ids.tobytes() == batched.ids.tobytes()
        assert alone.scores.tobytes() == batched.scores.tobytes()


def test_a_score_does_not_depend_on_what_else_is_there(index: SavedIndex, kind: Kind) -> None:
    held = filled(index, 200)
    lonely = kind(DIM)
    lonely.upsert(ints(151), held[151][None])
    [query] = units(1, 3)
    [alone], [among] = lonely.search(query[None], 1), index.search(query[None], 1, ints(151))
    assert alone.scores.tobytes() == among.scores.tobytes()


def test_saved_and_mapped(kind: Kind, tmp_path: Path) -> None:
    index = kind(DIM)
    held = filled(index, 100)
    index.remove(ints(100, 103))
    del held[100], held[103]
    index.save(tmp_path)
    mapped = kind.load(tmp_path)
    assert (len(mapped), mapped.dim) == (98, DIM)
    moved = units(2, 50)
    mapped.upsert(ints(106, 100), moved)
    mapped.remove(ints(109))
    held |= {106: moved[0], 100: moved[1]}
    del held[109]
    assert len(mapped) == len(held)
    for query in units(10, 6):
        agree(mapped.search(query[None], 20)[0], brute(held, query, 20), held, query)
    again = tmp_path / "again"
    again.mkdir()
    mapped.save(again)
    reread = kind.load(again)
    for query in units(10, 6):
        agree(reread.search(query[None], 20)[0], brute(held, query, 20), held, query)
    assert len(kind.load(tmp_path)) == 98, "what was saved first is as it was"


def test_an_empty_index_is_saved_too(kind: Kind, tmp_path: Path) -> None:
    kind(DIM).save(tmp_path)
    mapped = kind.load(tmp_path)
    mapped.upsert(ints(1), units(1))
    assert mapped.search(units(1), 5)[0].ids.tolist() == [1]


@pytest.mark.parametrize("keep", [0, 1, 20, 0.5, 0.999])
def test_a_spoilt_file_is_refused(kind: Kind, tmp_path: Path, keep: float) -> None:
    index = kind(DIM)
    filled(index, 50)
    index.save(tmp_path)
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        content = file.read_bytes()
        file.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
        if file.read_bytes().strip() != content.strip():  # a list without its last line break is whole
            with pytest.raises((OSError, ValueError), match=re.escape(file.name)):
                kind.load(tmp_path)
        file.write_bytes(content)
    assert len(kind.load(tmp_path)) == 50


def test_a_missing_file_is_named(kind: Kind, tmp_path: Path) -> None:
    index = kind(DIM)
    filled(index, 50)
    index.save(tmp_path)
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(OSError, match=re.escape(file.name)):
            kind.load(tmp_path)
        file.write_bytes(content)


@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "over a mapped part"])
def test_thousands_of_dead_rows(kind: Kind, tmp_path: Path, saved: bool) -> None:
    """Replacing 300 vectors 12 times leaves 3,300 dead rows, so they are cleared away on the way, several times."""
    index, held = kind(DIM), dict[int, Float32]()
    for turn in range(12):
        held |= filled(index, 300, seed=turn)
        if saved and turn == 0:
            index.save(tmp_path)
            index = kind.load(tmp_path)
        index.remove(ints(100 + 3 * turn))
        held.pop(100 + 3 * turn)
        assert len(index) == len(held)
        found, known = index.vectors(np.array(sorted(held), dtype=np.int64))
        assert known.all()
        np.testing.assert_array_equal(found, [held[i] for i in sorted(held)])
        for query in units(3, turn):
            agree(index.search(query[None], 50)[0], brute(held, query, 50), held, query)


few_ids = st.lists(st.integers(0, 12), max_size=6, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), few_ids, st.integers(0, 999)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 15), max_size=6), st.just(0)),
        st.tuples(st.just("search"), few_ids, st.integers(0, 14)),
        st.tuples(st.just("save"), st.just([]), st.just(0)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", INDEXES, ids=lambda kind: kind.name)
@given(steps=steps)
def test_any_course_of_events(
    kind: Kind, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]
) -> None:
    follows(kind, tmp_path_factory, steps)


def follows(kind: Kind, folders: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]) -> None:
    """Whether an index goes through some steps as brute force does."""
    index, held = kind(DIM), dict[int, Float32]()
    for verb, ids, number in steps:
        match verb:
            case "upsert":
                vectors = units(len(ids), number)
                index.upsert(ints(*ids), vectors)
                held |= dict(zip(ids, vectors, strict=True))
            case "remove":
                index.remove(ints(*ids))
                held = {i: vector for i, vector in held.items() if i not in ids}
            case "search":
                [query] = units(1, number)
                agree(index.search(query[None], number)[0], brute(held, query, number), held, query)
                some = index.search(query[None], number, ints(*ids))[0]
                agree(some, brute(held, query, number, set(ids)), held, query)
            case "save":
                folder = folders.mktemp("index")
                index.save(folder)
                index = kind.load(folder)
        assert len(index) == len(held)
    found, known = index.vectors(np.arange(16))
    assert known.tolist() == [i in held for i in range(16)]
    np.testing.assert_array_equal(found, [held.get(i, np.zeros(DIM, np.float32)) for i in range(16)])


@given(order=st.permutations(range(12)), k=st.integers(1, 12), cut=st.integers(0, 12))
@pytest.mark.parametrize("kind", INDEXES, ids=lambda kind: kind.name)
def test_ties_do_not_depend_on_the_order_of_arrival(kind: Kind, order: list[int], k: int, cut: int) -> None:
    """Syndicated articles have the same text, so the same vector: three kinds of four articles each."""
    rows = np.eye(3, DIM, dtype=np.float32)
    index = kind(DIM)
    for ids in (order[:cut], order[cut:], order[:3]):
        index.upsert(ints(*ids), rows[[i % 3 for i in ids]])
    query = np.array([[0.5, 1.0, 0.25, 0, 0, 0, 0, 0]], dtype=np.float32)
    expected = [1, 4, 7, 10, 0, 3, 6, 9, 2, 5, 8, 11]
    assert index.search(query, k)[0].ids.tolist() == expected[:k]
    assert index.search(query, k, np.arange(0, 12, 2))[0].ids.tolist() == [i for i in expected if i % 2 == 0][:k]
