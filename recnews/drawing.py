"""Small drawings as SVG: bars with intervals, and words as a graph. Pure: values in, text out.

What is drawn has classes instead of colours, so that a page's own style sheet decides and no policy against inline
styles is in its way. Numbers and names that people read stand beside a chart as text, where they can be copied, spoken
and set in any size; only the graph has its names inside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
from numpy.typing import NDArray

_WIDE, _HIGH = 640, 460
_NODE, _LONGEST = 22, 16


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval; an interval of NaN is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


def bar(found: Bar, longest: float, kind: str = "") -> str:
    """One bar from 0 to `longest`, with its interval as a line over it. Hidden from readers of screens: its figures
    stand beside it."""
    svg = Element("svg", {"class": "bar-chart", "viewBox": "0 0 100 12", "preserveAspectRatio": "none"})
    svg.set("aria-hidden", "true")
    scale = 100 / longest if longest > 0 else 0.0
    SubElement(svg, "rect", {"class": "ground", "width": "100", "height": "12"})
    width = _number(min(max(found.value, 0.0) * scale, 100))
    SubElement(svg, "rect", {"class": f"value {kind}".strip(), "width": width, "y": "2", "height": "8"})
    if math.isfinite(found.low) and math.isfinite(found.high):
        low, high = (_number(min(max(it, 0.0) * scale, 100)) for it in (found.low, found.high))
        SubElement(svg, "path", {"class": "interval", "d": f"M{low} 6H{high}M{low} 3V9M{high} 3V9"})
    return _text(svg)


def words(
    centre: str, near: Sequence[str], scores: Sequence[float], likeness: NDArray[np.float32], *,
    links: Sequence[str], about: str,
) -> str:  # fmt: skip
    """A word with its neighbours around it: the nearer the more alike, those that are alike side by side and joined.

    `scores` (n,) is how like each of `near` is to `centre`, `likeness` (n, n) how like they are to each other; `links`
    (n,) are their addresses.
    """
    svg = Element("svg", {"class": "graph", "viewBox": f"0 0 {_WIDE} {_HIGH}", "aria-label": about})
    svg.set("role", "group")  # its words are links, which a picture would hide
    middle = (_WIDE / 2, _HIGH / 2)
    places = _apart([middle, *_ring(scores, likeness)], [_half(word) for word in (centre, *near)])[1:]
    joined = _joined(likeness)
    for one, two in joined:
        SubElement(svg, "path", {"class": "tie", "d": _path(places[one], places[two])})
    for place, score in zip(places, scores, strict=True):
        strong = " strong" if score >= 0.6 else ""
        SubElement(svg, "path", {"class": f"tie own{strong}", "d": _path(middle, place)})
    _node(svg, centre, middle, "", "centre")
    for word, place, address in zip(near, places, links, strict=True):
        _node(svg, word, place, address, "near")
    return _text(svg)


def _ring(scores: Sequence[float], likeness: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Places around the middle: each word next to the one most like it, the most alike to the middle the nearest."""
    left, order = list(range(len(scores))), list[int]()
    while left:
        best = max(left, key=lambda it: float(likeness[order[-1], it])) if order else left[0]
        left.remove(best)
        order.append(best)
    high, low = max(scores, default=1.0), min(scores, default=0.0)
    places = [(0.0, 0.0)] * len(order)
    for turn, row in enumerate(order):
        angle = 2 * math.pi * turn / len(order) - math.pi / 2
        # Every other one stands a little further out, so that names side by side do not run into each other.
        far = 0.62 + 0.2 * ((high - scores[row]) / (high - low) if high > low else 0.0) + 0.14 * (turn % 2)
        x = _WIDE / 2 + far * (_WIDE / 2 - 46) * math.cos(angle)
        y = _HIGH / 2 + far * (_HIGH / 2 - _NODE) * math.sin(angle)
        places[row] = (x, y)
    return places


def _apart(places: list[tuple[float, float]], halves: list[float]) -> list[tuple[float, float]]:
    """The places with boxes that overlap pushed apart, the way that is shorter; the first one stays where it is."""
    found = np.array(places)
    for _ in range(200):
        moved = False
        for one in range(len(found)):
            for two in range(one + 1, len(found)):
                away = found[two] - found[one]
                over = np.array([halves[one] + halves[two] + 8, 2 * _NODE + 8]) - np.abs(away)
                if (over <= 0).any():
                    continue
                moved, axis = True, int(over.argmin())
                push = (over[axis] / 2 + 0.1) * (1 if away[axis] >= 0 else -1)
                found[two, axis] += push if one else 2 * push
                found[one, axis] -= push if one else 0
        edges = np.array(halves[1:]) + 2
        found[1:, 0] = np.clip(found[1:, 0], edges, _WIDE - edges)
        found[1:, 1] = np.clip(found[1:, 1], _NODE + 2, _HIGH - _NODE - 2)
        if not moved:
            break
    return [(float(x), float(y)) for x, y in found]


def _half(word: str) -> float:
    """Half the width of a word's box: a Chinese character is about as wide as it is high, a Latin letter half that."""
    return sum(11.5 if ord(char) > 0x2E80 else 6.5 for char in _shown(word)) + 10


def _shown(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"


def _joined(likeness: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs that are most alike, about one for each word."""
    size = len(likeness)
    pairs = [(float(likeness[one, two]), one, two) for one in range(size) for two in range(one + 1, size)]
    return [(one, two) for score, one, two in sorted(pairs, reverse=True)[: size + 2] if score > 0.35]


def _node(svg: Element, word: str, place: tuple[float, float], address: str, kind: str) -> None:
    parent = SubElement(svg, "a", {"href": address, "class": "node"}) if address else svg
    x, y = place
    half = _half(word)
    box = {"x": _number(x - half), "y": _number(y - _NODE), "width": _number(2 * half), "height": _number(2 * _NODE)}
    SubElement(parent, "rect", {"class": kind, "rx": "8", **box})
    told = SubElement(parent, "text", {"class": kind, "x": _number(x), "y": _number(y), "text-anchor": "middle"})
    told.set("dominant-baseline", "central")
    told.text = _shown(word)


def _path(one: tuple[float, float], two: tuple[float, float]) -> str:
    return f"M{_number(one[0])} {_number(one[1])}L{_number(two[0])} {_number(two[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(svg: Element) -> str:
    return tostring(svg, encoding="unicode")
