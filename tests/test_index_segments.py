"""Sealed segments: what is found in them, what is refused, and how an index goes from one set of them to another."""

import re
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.errors import SealError
from recnews.index.base import VectorIndex, Within
from recnews.index.engine import faiss, one_thread
from recnews.index.exact import search_exactly
from recnews.index.planning import DAY, SegmentSettings
from recnews.index.rows import rounded
from recnews.index.sealed import SealedSegment, SegmentManifest
from recnews.index.sealing import SealSettings, seal
from recnews.index.segments import SegmentedIndex
from recnews.index.structures import KINDS, Kind
from recnews.index.upkeep import maintain, prune, upkeep_plan
from recnews.records import Float32, Hits, Int64
from tests.index_world import agree, brute, ints, sealed, units

WIDTH = 32
STRUCTURED = tuple(kind for kind in KINDS if kind != "flat")
NOW = 100 * DAY


def stories(n: int, seed: int = 0, dim: int = WIDTH) -> Float32:
    """Vectors about 40 directions, as articles are about stories."""
    draw = np.random.default_rng(seed)
    near = units(40, 99, dim)[draw.integers(0, 40, n)] + 0.6 * units(n, seed, dim)
    return rounded(np.ascontiguousarray(near / np.linalg.norm(near, axis=1, keepdims=True), dtype=np.float32))


def bits(answers: list[Hits]) -> bytes:
    return b"".join(hits.ids.tobytes() + hits.scores.tobytes() for hits in answers)


def segment_of(folder: Path, vectors: Float32, kind: Kind, recall: float = 0.0) -> SealedSegment:
    """Row i has id i + 7 and is published at second i // 2."""
    ids = np.arange(len(vectors)) + 7
    return seal(folder, ids, (ids - 7) // 2 * 10**6, lambda ids: vectors[ids - 7], SealSettings(kind, recall))


@pytest.fixture(scope="module", params=STRUCTURED)
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SealedSegment:
    """4,000 rows with a structure."""
    return segment_of(tmp_path_factory.mktemp("large"), stories(4000), cast("Kind", request.param), 0.95)


def recall_at_10(segment: SealedSegment, queries: Float32, within: Within) -> float:
    near = segment.search(queries, 10, within, exact_rows=0)
    exact = segment.search(queries, 10, within, exact_rows=10**9)
    return float(np.mean([np.isin(a.ids, b.ids).mean() for a, b in zip(exact, near, strict=True)]))


def test_a_structure_finds_nearly_all(large: SealedSegment) -> None:
    manifest, queries = large.manifest, stories(100, seed=5)
    assert (manifest.rows, manifest.dim, manifest.first, manifest.last) == (4000, WIDTH, 0, 1999 * 10**6)
    assert manifest.recall >= manifest.recall_asked == 0.95
    assert manifest.queries == 256
    assert recall_at_10(large, queries, Within()) >= 0.9


@pytest.mark.parametrize("every", [2, 10])
def test_filters_and_exclusion_work_inside_the_search(large: SealedSegment, every: int) -> None:
    queries, some = stories(50, seed=6), large.ids[::every]
    for within in (Within(some), Within(exclude=np.setdiff1d(large.ids, some))):
        assert recall_at_10(large, queries, within) >= 0.9
        for hits in large.search(queries, 10, within, exact_rows=0):
            assert len(hits.ids) == 10
            assert np.isin(hits.ids, some).all()


def test_times_are_half_open_inside_the_search(large: SealedSegment) -> None:
    within = Within(since=100 * 10**6, until=1900 * 10**6)
    assert recall_at_10(large, stories(50, seed=7), within) >= 0.9
    for exact_rows in (0, 10**9):
        for hits in large.search(stories(50, seed=7), 10, within, exact_rows):
            assert ((hits.ids - 7 >= 200) & (hits.ids - 7 < 3800)).all()


def test_scores_are_those_of_the_rows_at_rest_to_the_bit(large: SealedSegment) -> None:
    queries = stories(20, seed=8)
    for near, exact in zip(
        large.search(queries, 50, Within(), exact_rows=0),
        large.search(queries, 4000, Within(), exact_rows=10**9),
        strict=True,
    ):
        by_id = dict(zip(exact.ids.tolist(), exact.scores.tolist(), strict=True))
        assert [by_id[i] for i in near.ids.tolist()] == near.scores.tolist()


def test_a_query_alone_gives_the_bits_it_gives_in_a_batch(large: SealedSegment) -> None:
    queries = stories(60, seed=9)
    for within in (Within(), Within(exclude=large.ids[::3])):
        together = large.search(queries, 20, within, exact_rows=0)
        alone = [large.search(query[None], 20, within, exact_rows=0)[0] for query in queries]
        assert bits(together) == bits(alone)


def test_as_many_as_asked_for_are_found_however_few_pass(large: SealedSegment) -> None:
    some = large.ids[5:4000:370]
    [hits] = large.search(stories(1, seed=3), 10, Within(some), exact_rows=0)
    assert len(hits.ids) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_bytes_on_any_number_of_threads(kind: Kind, tmp_path: Path) -> None:
    vectors, before = stories(2000), faiss.omp_get_max_threads()
    found = []
    for threads in (1, 2, 4):
        faiss.omp_set_num_threads(threads)
        try:
            found.append(segment_of(tmp_path / str(threads), vectors, kind))
            assert faiss.omp_get_max_threads() == threads
        finally:
            faiss.omp_set_num_threads(before)
    assert len({segment.name for segment in found}) == 1
    assert len({tuple(segment.manifest.files.items()) for segment in found}) == 1
    assert len({bits(segment.search(stories(9, 4), 10, Within(), exact_rows=0)) for segment in found}) == 1


def test_sealing_again_takes_what_is_there(tmp_path: Path) -> None:
    first = segment_of(tmp_path, stories(300), "rabitq")
    written = first.manifest.seconds, (first.folder / "rows.npy").stat().st_mtime_ns
    again = segment_of(tmp_path, stories(300), "rabitq")
    assert (again.manifest.seconds, (again.folder / "rows.npy").stat().st_mtime_ns) == written
    assert [folder.name for folder in tmp_path.iterdir()] == [first.name]


@pytest.mark.parametrize("kind", STRUCTURED)
def test_a_seal_that_misses_the_recall_asked_for_is_refused(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(SealError, match=rf"{kind} reaches recall@10 [01]\.\d+ at most, 1.01 was asked for"):
        segment_of(tmp_path, stories(500), kind, recall=1.01)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_not_sealed(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="no rows"):
        segment_of(tmp_path, stories(0), "flat")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [1, 2, 11, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_small_segments(kind: Kind, rows: int, tmp_path: Path) -> None:
    vectors = stories(rows)
    segment = segment_of(tmp_path, vectors, kind)
    held = {i + 7: vector for i, vector in enumerate(vectors)}
    for query in stories(5, 3):
        [hits] = segment.search(query[None], 200, Within(), exact_rows=0)
        agree(hits, brute(held, query, 200), held, query)


@pytest.mark.parametrize("kind", KINDS)
def test_an_altered_byte_is_noticed(kind: Kind, tmp_path: Path) -> None:
    segment = segment_of(tmp_path, stories(200), kind)
    segment.verify()
    for name in segment.manifest.files:
        file = segment.folder / name
        content = file.read_bytes()
        file.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        with pytest.raises(ValueError, match=re.escape(str(file))):
            SealedSegment(segment.folder).verify()
        file.write_bytes(content)


@pytest.mark.parametrize("change", ['"format": 3', '"kind": "flat"', '"rows": 20'])
def test_a_manifest_of_another_kind_is_refused(change: str, tmp_path: Path) -> None:
    segment = segment_of(tmp_path, stories(20), "flat")
    file = segment.folder / "manifest.json"
    other = {'"format": 3': '"format": 2', '"kind": "flat"': '"kind": "tree"', '"rows": 20': '"rows": 21'}[change]
    file.write_text(file.read_text().replace(change, other))
    with pytest.raises(ValueError, match=re.escape(str(segment.folder))):
        SealedSegment(segment.folder)


def test_a_manifest_reads_as_written(tmp_path: Path) -> None:
    segment = segment_of(tmp_path, stories(20), "flat")
    assert SegmentManifest.read(segment.folder) == segment.manifest
    assert segment.manifest.bytes == sum(f.stat().st_size for f in segment.folder.iterdir() if f.suffix != ".json")


def answers(index: VectorIndex, seed: int = 1) -> bytes:
    return bits(index.search(stories(10, seed), 30))


def filled(n: int = 300) -> SegmentedIndex:
    index = SegmentedIndex(WIDTH)
    index.upsert(np.arange(n), stories(n), published=np.arange(n) * DAY // 10)
    return index


def seal_first(index: SegmentedIndex, folder: Path, n: int, kind: Kind = "flat") -> SealedSegment:
    return sealed(folder, np.arange(n), index.published(np.arange(n)), index, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_row_lies_changes_no_answer(kind: Kind, tmp_path: Path) -> None:
    index = filled()
    before = answers(index)
    segment = seal_first(index, tmp_path, 200, kind)
    index.adopt(segment)
    assert (int(segment.alive.sum()), len(index), len(index.newest_times())) == (200, 300, 100)
    assert answers(index) == before
    index.release(segment.name)
    assert (len(index), len(index.newest_times()), index.segment_names()) == (300, 300, [])
    assert answers(index) == before


def test_a_segment_takes_over_only_what_is_still_so(tmp_path: Path) -> None:
    index = filled()
    segment = seal_first(index, tmp_path, 200)
    index.remove(ints(3))
    index.upsert(ints(4), stories(1, 70), published=index.published(ints(4)))
    index.upsert(ints(5), index.vectors(ints(5))[0], published=ints(12345))
    before = answers(index)
    index.adopt(segment)
    assert np.flatnonzero(~segment.alive).tolist() == [3, 4, 5]
    assert (answers(index), len(index)) == (before, 299)
    assert index.published(ints(5)).tolist() == [12345]


def test_what_comes_as_it_lies_sealed_stays_there(tmp_path: Path) -> None:
    index = filled()
    segment = seal_first(index, tmp_path, 200)
    index.adopt(segment)
    vectors, _ = index.vectors(np.arange(50))
    before = answers(index)
    index.upsert(np.arange(50), vectors, published=index.published(np.arange(50)))
    assert len(index.newest_times()) == 100
    index.remove(np.arange(50))
    assert len(index) == 250
    index.upsert(np.arange(50), vectors, published=np.arange(50) * DAY // 10)
    assert (len(index.newest_times()), len(index), answers(index)) == (100, 300, before)


def test_a_segment_of_other_vectors_is_refused(tmp_path: Path) -> None:
    segment = segment_of(tmp_path, stories(20, dim=16), "flat")
    with pytest.raises(ValueError, match="16 numbers"):
        filled().adopt(segment)


def test_segments_outside_the_times_are_not_touched(tmp_path: Path) -> None:
    class Untouchable(SealedSegment):
        def search(self, queries: Float32, k: int, within: Within, exact_rows: int = 0) -> list[Hits]:
            raise AssertionError("touched")

    index = filled()
    segment = seal_first(index, tmp_path, 200)
    index.adopt(Untouchable(segment.folder))
    last = 199 * DAY // 10
    assert len(index.search(stories(1), 300, within=Within(since=last + 1))[0].ids) == 100
    for within in (Within(since=last), Within(until=1)):
        with pytest.raises(AssertionError, match="touched"):
            index.search(stories(1), 300, within=within)
    assert not len(index.search(stories(1), 300, within=Within(until=0))[0].ids)


def test_upkeep_of_an_archive(tmp_path: Path) -> None:
    """6,000 articles over 100 days; those of the last week stay in memory."""
    index, settings = (
        SegmentedIndex(WIDTH, exact_rows=0),
        SegmentSettings(least=500, most=4000, flat=1000, recall=0.9, hot_days=7),
    )
    reader = SegmentedIndex(WIDTH, exact_rows=0)
    ids, vectors = np.arange(6000), stories(6000)
    for one in (index, reader):
        one.upsert(ids, vectors, published=ids * NOW // 6000)
    steps: list[str] = []
    maintain(index, tmp_path, NOW, settings, lambda _, segment: steps.append(segment.manifest.kind))
    assert len(index.newest_times()) == 420
    assert (index.newest_times() >= 93 * DAY).all()
    assert [part.rows for part in index.parts()] == [4000, 1580]
    assert steps == ["hnsw", "hnsw"]
    assert not upkeep_plan(index, NOW, settings)
    assert reader.follow(tmp_path)
    assert not reader.follow(tmp_path)
    assert answers(reader) == answers(index)
    everything = search_exactly_of(vectors, stories(30, 2))
    found = [hits.ids for hits in index.search(stories(30, 2), 10)]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(everything, found, strict=True)]) > 0.85

    index.remove(np.arange(1500))  # expired
    dropped = index.segment_names()[0]
    maintain(index, tmp_path, NOW, settings)
    assert [part.rows for part in index.parts()] == [2500, 1580]
    assert (tmp_path / dropped).exists()
    assert prune(tmp_path, in_use=[dropped]) == []
    assert prune(tmp_path) == [dropped]
    assert reader.follow(tmp_path), "the reader had it mapped"
    assert len(reader) == 6000
    assert len(reader.newest_times()) == 420 + 1500
    reader.remove(np.arange(1500))
    assert answers(reader) == answers(index)

    index.remove(ids)
    maintain(index, tmp_path, NOW, settings)
    assert (index.segment_names(), len(index)) == ([], 0)


def search_exactly_of(vectors: Float32, queries: Float32) -> list[Int64]:
    return list(np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10])


def test_upkeep_tries_the_kinds_that_fit(tmp_path: Path) -> None:
    """A recall above 1 is out of reach for all of them."""
    index = SegmentedIndex(WIDTH)
    index.upsert(np.arange(3000), stories(3000))
    kinds: list[str] = []
    settings = SegmentSettings(least=1, flat=0, recall=1.01)
    with pytest.raises(SealError, match="rabitq reaches"):
        maintain(index, tmp_path, NOW, settings)
    with pytest.raises(SealError, match="rabitq reaches"):
        maintain(index, tmp_path, NOW, SegmentSettings(least=1, flat=0, recall=1.01, memory=1000))
    assert (index.segment_names(), len(index.newest_times())) == ([], 3000)
    maintain(index, tmp_path, NOW, SegmentSettings(least=1, flat=0), lambda _, s: kinds.append(s.manifest.kind))
    assert kinds == ["hnsw"]


def test_a_damaged_segment_leaves_a_follower_as_it_was(tmp_path: Path) -> None:
    index, follower = filled(), filled()
    maintain(index, tmp_path, NOW, SegmentSettings(least=1))
    [name] = index.segment_names()
    (tmp_path / name / "ids.npy").write_bytes(b"")
    before = answers(follower)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / name / "ids.npy"))):
        follower.follow(tmp_path)
    assert (answers(follower), follower.segment_names()) == (before, [])


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    assert not filled().follow(tmp_path)
    for content in ("", "[]", "{}", '{"format": 2, "segments": []}', '{"format": 1, "segments": [3]}'):
        (tmp_path / "sealed.json").write_text(content)
        with pytest.raises(ValueError, match=re.escape(str(tmp_path / "sealed.json"))):
            filled().follow(tmp_path)


few = st.lists(st.integers(0, 11), max_size=5, unique=True)
course = st.lists(st.tuples(st.sampled_from(["upsert", "remove", "upkeep", "follow", "save"]), few, st.integers(0, 9)))


@given(steps=course)
def test_any_course_of_segments(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]
) -> None:
    """Two followers of the same changes, one of which seals, answer like one that never does."""
    folder = tmp_path_factory.mktemp("course")
    settings = SegmentSettings(least=1, flat=3, recall=0, dead=0.1)
    sealing, following, plain = SegmentedIndex(8), SegmentedIndex(8), SegmentedIndex(8)
    (folder / "sealed").mkdir()
    for verb, ids, number in steps:
        match verb:
            case "upsert":
                for index in (sealing, following, plain):
                    index.upsert(ints(*ids), units(len(ids), number), published=ints(*ids) // 3 * DAY)
            case "remove":
                for index in (sealing, following, plain):
                    index.remove(ints(*ids))
            case "upkeep":
                maintain(sealing, folder / "sealed", (number + 3) * DAY, settings)
                prune(folder / "sealed")
            case "follow":
                following.follow(folder / "sealed")
            case "save":
                sealing.save(folder)
                sealing = SegmentedIndex.load(folder, folder / "sealed")
        queries = units(3, number + 50)
        for within in (Within(), Within(exclude=ints(1, 2), since=DAY, until=3 * DAY)):
            expected = bits(plain.search(queries, 8, within=within))
            assert bits(sealing.search(queries, 8, within=within)) == expected
            assert bits(following.search(queries, 8, within=within)) == expected
        assert len(sealing) == len(following) == len(plain)


def test_one_thread_is_taken_back() -> None:
    before = faiss.omp_get_max_threads()
    with one_thread():
        assert faiss.omp_get_max_threads() == 1
    assert faiss.omp_get_max_threads() == before


def test_exact_search_of_a_segment_is_that_of_its_rows(tmp_path: Path) -> None:
    segment = segment_of(tmp_path, stories(500), "flat")
    wanted = np.arange(500) % 3 == 0
    direct = search_exactly(segment.rows, segment.ids, stories(4, 2), 20, wanted)
    assert bits(segment.search(stories(4, 2), 20, Within(segment.ids[wanted]))) == bits(direct)
