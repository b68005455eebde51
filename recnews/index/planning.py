"""What to seal, merge, compact and drop now, and as what: a pure function of sizes, times and a memory budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recnews.index.base import EARLIEST, LATEST
from recnews.index.structures import Kind, bytes_a_row
from recnews.records import Int64

DAY = 86_400_000_000
"""Microseconds."""

_COLUMNS = 8 + 8 + 4 + 1 + 4  # id, time, scale, alive, place
_NEWEST_EXTRA = 8 + 8 + 1 + 4
_STRUCTURED: tuple[Kind, ...] = ("hnsw", "ivf-sq8", "rabitq")
"""The quickest first, which is the largest (docs/performance.md)."""
_SMALLEST: Kind = "rabitq"
_FEW, _PART = 2000, 200


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """How an index is cut into segments.

    `memory`: bytes that ids, structures and the newest vectors may take, None for no limit; vectors of sealed segments
    come on top as mapped pages, which processes share and the system takes back when it needs them. `hot_days`: what
    is younger stays in the newest, exact part. `least` rows are sealed at once, or fewer once many are sealed: a 200th
    of those, 2,000 or more. A segment has at most `most`, and is exact up to `flat`. `dead`: the share of dead rows
    from which a segment is written again. `recall`, `seed`, `content`: see `SealSettings`.
    """

    memory: int | None = None
    hot_days: int = 1
    least: int = 20_000
    most: int = 2_000_000
    flat: int = 2000
    dead: float = 0.25
    recall: float = 0.95
    seed: int = 0
    content: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A sealed segment as planning sees it; `first` is the earliest publication time in microseconds."""

    name: str
    first: int
    rows: int
    alive: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Seal what is alive in the segments `replaces`, and the newest rows of since <= published < until, as one segment
    of about `rows` rows, of the first of `kinds` that reaches the recall asked for."""

    replaces: tuple[str, ...]
    since: int
    until: int
    rows: int
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and the bytes of memory once it is done, with the first of the kinds; more than the budget where no
    kind is small enough."""

    rewrites: tuple[Rewrite, ...]
    drops: tuple[str, ...]
    bytes: int

    def __bool__(self) -> bool:
        return bool(self.rewrites or self.drops)


@dataclass(frozen=True, slots=True)
class _Piece:
    first: int
    rows: int
    part: Part | None = None
    since: int = LATEST
    until: int = LATEST


def plan(newest: Int64, parts: Sequence[Part], dim: int, now: int, settings: SegmentSettings) -> Plan:
    """What to do at `now`, for the publication times `newest` (n,) of rows not sealed and the segments there are.

    Segments grow by powers of two, the older the larger, so that there are few and a row is written again only when
    what it lies with has grown threefold (O'Neil et al., The Log-Structured Merge-Tree, 1996).
    """
    times = np.sort(newest)
    drops = tuple(part.name for part in parts if not part.alive)
    pieces = [_Piece(part.first, part.alive, part) for part in parts if part.alive]
    pieces += _ripe(times, now, settings, sum(part.alive for part in parts))
    groups = _groups(sorted(pieces, key=lambda piece: (piece.first, piece.rows)), settings.most)
    left = len(times) - sum(piece.rows for piece in pieces if piece.part is None)
    bare = left * (4 * dim + _NEWEST_EXTRA)
    kinds = _kinds(groups, dim, None if settings.memory is None else settings.memory - bare, settings.flat)
    rewrites = [
        _rewrite(group, some) for group, some in zip(groups, kinds, strict=True) if _stale(group, some, settings.dead)
    ]
    return Plan(
        tuple(rewrites),
        drops,
        bare + sum(_bytes(group, some[0], dim) for group, some in zip(groups, kinds, strict=True)),
    )


def _ripe(times: Int64, now: int, settings: SegmentSettings, sealed: int) -> list[_Piece]:
    """Newest rows old enough to be sealed, cut by time; none while they are few beside those that are `sealed`."""
    cut = (now // DAY - settings.hot_days) * DAY
    ripe = int(np.searchsorted(times, cut))
    enough = min(settings.least, max(sealed // _PART, _FEW)) if sealed else settings.least
    if ripe < max(enough, 1):
        return []
    # Cut where times differ: a boundary within one instant would belong to both sides.
    bounds = sorted({int(times[start]) for start in range(0, ripe, settings.most)} - {int(times[0])})
    pieces = []
    for since, until in zip([EARLIEST, *bounds], [*bounds, cut], strict=True):
        first, stop = (int(np.searchsorted(times, time)) for time in (since, until))
        pieces.append(_Piece(int(times[first]), stop - first, None, since, until))
    return pieces


def _groups(pieces: list[_Piece], most: int) -> list[list[_Piece]]:
    """Neighbours in time to be one segment, oldest first."""
    groups: list[list[_Piece]] = []
    for piece in reversed(pieces):
        run = groups[-1] if groups else []
        if run and piece.rows <= 2 * _rows(run) and piece.rows + _rows(run) <= most:
            run.append(piece)
        else:
            groups.append([piece])
    return [group[::-1] for group in reversed(groups)]


def _kinds(groups: list[list[_Piece]], dim: int, memory: int | None, flat: int) -> list[tuple[Kind, ...]]:
    """The kinds to try for each group, in order: those that fit into what the others leave of the memory."""
    smallest: list[Kind] = ["flat" if _rows(group) <= flat else _SMALLEST for group in groups]
    spent = sum(_bytes(group, kind, dim) for group, kind in zip(groups, smallest, strict=True))
    held = list[Kind]()
    for group, kind in zip(groups, smallest, strict=True):  # what is sealed stays before anything new takes memory
        held.append(_held(group, kind, None if memory is None else memory - spent, dim))
        spent += _bytes(group, held[-1], dim) - _bytes(group, kind, dim)
    found = list[tuple[Kind, ...]]()
    for group, kind in zip(groups, held, strict=True):
        if kind == "flat" or _is_sealed(group, kind):
            found.append((kind,))
            continue
        room = None if memory is None else memory - spent + _bytes(group, kind, dim)
        fitting = tuple(it for it in _STRUCTURED if room is None or _bytes(group, it, dim) <= room) or (kind,)
        found.append(fitting)
        spent += _bytes(group, fitting[0], dim) - _bytes(group, kind, dim)
    return found


def _held(group: list[_Piece], smallest: Kind, room: int | None, dim: int) -> Kind:
    """What a segment is already, where there is room for what that takes more; else the smallest kind."""
    part = group[0].part
    if len(group) > 1 or part is None or smallest == "flat" or part.kind == "flat":
        return smallest
    more = _bytes(group, part.kind, dim) - _bytes(group, smallest, dim)
    return part.kind if room is None or more <= room else smallest


def _is_sealed(group: list[_Piece], kind: Kind) -> bool:
    return len(group) == 1 and group[0].part is not None and group[0].part.kind == kind


def _bytes(group: list[_Piece], kind: Kind, dim: int) -> int:
    return _rows(group) * (bytes_a_row(kind, dim) + _COLUMNS)


def _stale(group: list[_Piece], kinds: tuple[Kind, ...], dead: float) -> bool:
    part = group[0].part
    return len(group) > 1 or part is None or part.kind != kinds[0] or part.alive < (1 - dead) * part.rows


def _rewrite(group: list[_Piece], kinds: tuple[Kind, ...]) -> Rewrite:
    fresh = [piece for piece in group if piece.part is None]
    replaces = tuple(piece.part.name for piece in group if piece.part)
    since = min((piece.since for piece in fresh), default=LATEST)
    until = max((piece.until for piece in fresh), default=LATEST)
    return Rewrite(replaces, since, until, _rows(group), kinds)


def _rows(group: list[_Piece]) -> int:
    return sum(piece.rows for piece in group)
