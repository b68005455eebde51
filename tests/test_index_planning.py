"""What is sealed, merged and dropped when, and within which memory. A row of 100 numbers takes, beside 25 bytes for
id, time and so on: 53 as rabitq (13 + 20, and 4 x 100 / 400 = 1 for centres: 34), 109 as ivf-sq8, 240 as hnsw, 200 as
flat; in the newest part 421."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.index.base import EARLIEST, LATEST
from recnews.index.planning import DAY, Part, Plan, Rewrite, SegmentSettings, plan
from recnews.index.structures import KINDS, Kind, bytes_a_row
from recnews.records import Int64

NOW = 100 * DAY + 5
SMALL = SegmentSettings(least=100, most=1000, flat=150, hot_days=7)
ALL: tuple[Kind, ...] = ("hnsw", "ivf-sq8", "rabitq")


def days(*counts: tuple[int, int]) -> Int64:
    """`count` rows on each day."""
    return np.repeat(np.array([day * DAY for day, _ in counts], dtype=np.int64), [count for _, count in counts])


NONE = days()


def test_bytes() -> None:
    assert [bytes_a_row(kind, 100) for kind in KINDS] == [200, 34, 137, 268], "8 bits for 128 numbers"


def test_nothing_to_do() -> None:
    assert plan(NONE, [], 100, NOW, SMALL) == Plan((), (), 0)
    assert not plan(days((99, 500)), [], 100, NOW, SMALL)
    assert not plan(days((10, 99)), [], 100, NOW, SMALL), "too few are old enough"


def test_what_is_a_week_old_is_sealed() -> None:
    found = plan(days((92, 100), (93, 50)), [], 100, NOW, SMALL)
    assert found.rewrites == (Rewrite((), EARLIEST, 93 * DAY, 100, ("flat",)),)
    assert found.bytes == 50 * 421 + 100 * 225


def test_many_are_cut_by_time() -> None:
    found = plan(days((1, 900), (2, 900), (3, 900)), [], 100, NOW, SMALL)
    assert [(r.since, r.until, r.rows) for r in found.rewrites] == [
        (EARLIEST, 2 * DAY, 900),
        (2 * DAY, 3 * DAY, 900),
        (3 * DAY, 93 * DAY, 900),
    ]
    assert all(rewrite.kinds == ALL for rewrite in found.rewrites)


def test_a_single_instant_is_one_segment() -> None:
    found = plan(days((1, 2500)), [], 100, NOW, SMALL)
    assert [(r.since, r.until, r.rows) for r in found.rewrites] == [(EARLIEST, 93 * DAY, 2500)]


def test_neighbours_are_merged_while_the_older_is_not_much_larger() -> None:
    parts = [Part("a", 0, 700, 700, "rabitq"), Part("b", DAY, 300, 300, "rabitq"), Part("c", 2 * DAY, 100, 100, "flat")]
    assert not plan(NONE, parts, 100, NOW, SMALL)
    found = plan(days((50, 100)), parts, 100, NOW, SMALL)
    assert found.rewrites == (Rewrite(("b", "c"), EARLIEST, 93 * DAY, 500, ALL),)
    assert found.bytes == 700 * 59 + 500 * 293


def test_late_comers_go_to_the_segment_of_their_time_or_beside_it() -> None:
    parts = [Part("a", 0, 300, 300, "rabitq"), Part("b", 50 * DAY, 120, 120, "flat")]
    [rewrite] = plan(days((1, 130)), parts, 100, NOW, SMALL).rewrites
    assert rewrite.replaces == ("a", "b")


@pytest.mark.parametrize(("alive", "rewritten"), [(800, False), (750, False), (749, True)])
def test_a_quarter_of_dead_rows_is_cleared_away(alive: int, rewritten: bool) -> None:
    found = plan(NONE, [Part("a", 0, 1000, alive, "rabitq")], 100, NOW, SMALL)
    assert found.rewrites == ((Rewrite(("a",), LATEST, LATEST, alive, ("rabitq",)),) if rewritten else ())


def test_a_segment_without_a_living_row_is_dropped() -> None:
    found = plan(NONE, [Part("a", 0, 1000, 0, "rabitq")], 100, NOW, SMALL)
    assert found == Plan((), ("a",), 0)


@pytest.mark.parametrize(
    ("memory", "kinds"),
    [(None, ALL), (293_000, ALL), (292_999, ALL[1:]), (162_000, ALL[1:]), (161_999, ALL[2:]), (0, ALL[2:])],
)
def test_kinds_are_those_that_fit(memory: int | None, kinds: tuple[str, ...]) -> None:
    settings = SegmentSettings(least=100, most=1000, flat=150, memory=memory)
    found = plan(days((1, 1000)), [], 100, NOW, settings)
    assert [rewrite.kinds for rewrite in found.rewrites] == [kinds]
    assert found.bytes == {"hnsw": 293_000, "ivf-sq8": 162_000, "rabitq": 59_000}[kinds[0]]


def test_the_newest_part_takes_of_the_memory() -> None:
    settings = SegmentSettings(least=100, most=1000, flat=150, memory=162_000 + 420)
    assert plan(days((1, 1000), (99, 1)), [], 100, NOW, settings).rewrites[0].kinds == ALL[2:]


def test_a_segment_stays_what_it_is_while_there_is_room() -> None:
    part = Part("a", 0, 1000, 1000, "hnsw")
    assert not plan(NONE, [part], 100, NOW, SegmentSettings(flat=150, memory=293_000))
    found = plan(NONE, [part], 100, NOW, SegmentSettings(flat=150, memory=292_999))
    assert found.rewrites == (Rewrite(("a",), LATEST, LATEST, 1000, ("ivf-sq8", "rabitq")),)


history = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 400)), max_size=12)


@given(history=history, memory=st.none() | st.integers(0, 10**6), lost=st.integers(0, 100))
def test_a_plan_carried_out_leaves_nothing_to_do(history: list[tuple[int, int]], memory: int | None, lost: int) -> None:
    """Each rewrite keeps every row, segments become few, and the sealed rows of a day are in one of them."""
    settings = SegmentSettings(least=50, most=1000, flat=100, memory=memory)
    parts: list[Part] = []
    newest, total = NONE, 0
    for turn, (day, count) in enumerate(history):
        newest, total = np.concatenate([newest, days((day, count))]), total + count
        now = (turn * 5 + 10) * DAY
        for step in range(20):
            todo = plan(newest, parts, 64, now, settings)
            if not todo:
                break
            assert step < 19
            rewrite = todo.rewrites[0]
            taken = (newest >= rewrite.since) & (newest < rewrite.until)
            old = [part for part in parts if part.name in rewrite.replaces]
            assert rewrite.rows == int(taken.sum()) + sum(part.alive for part in old)
            first = min([part.first for part in old] + newest[taken].tolist())
            parts = [part for part in parts if part.name not in rewrite.replaces]
            parts.append(Part(f"{turn}-{step}", first, rewrite.rows, rewrite.rows, rewrite.kinds[-1]))
            newest = newest[~taken]
        assert len(newest) + sum(part.alive for part in parts) == total
        rows = [part.alive for part in parts]
        assert len(rows) <= 2 + 2 * total / settings.most + np.log2(max(total, 2))
    if parts:
        dying = parts[0]
        parts[0] = Part(dying.name, dying.first, dying.rows, max(dying.rows - lost, 0), dying.kind)
        plan(newest, parts, 64, NOW, settings)
