"""Two evaluations of feeds side by side: what changed, reader by reader, with intervals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recnews import metrics
from recnews.errors import UsageError
from recnews.evaluate.figures import plain, shown
from recnews.evaluate.summary import measured, measures
from recnews.metrics import Figure, Float64

_SAME = ("view", "reader", "at", "right", "candidates")
_ASKED = ("evaluation", "protocol", "k", "whole")


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` of one measure, and `difference`, after minus before, over the same readers."""

    before: Figure
    after: Figure
    difference: Figure


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes by view, method and measure, of two files."""

    files: tuple[str, str]
    about: str
    changes: Mapping[str, Mapping[str, Mapping[str, Change]]]

    def table(self, view: str) -> list[list[str]]:
        """A row for each method and measure."""
        rows = [
            [method, name, shown(it.before), shown(it.after), shown(it.difference, " to ")]
            for method, found in self.changes[view].items()
            for name, it in found.items()
        ]
        return [["method", "measure", "before", "after", "after minus before"], *rows]

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        parts = ("before", "after", "difference")
        return {
            "comparison": "feeds",
            "files": list(self.files),
            "about": self.about,
            "views": [
                {
                    "name": view,
                    "methods": [
                        {
                            "method": method,
                            **{
                                part: plain({name: getattr(change, part) for name, change in found.items()})
                                for part in parts
                            },
                        }
                        for method, found in methods.items()
                    ],
                }
                for view, methods in self.changes.items()
            ],
        }


def compare(before: str | Path, after: str | Path) -> Comparison:
    """What changed between two files that `recnews evaluate feeds --json` wrote, for each method that both have.

    Raises `UsageError` unless both asked the same questions of the same readers.
    """
    one, two = _read(before), _read(after)
    for name in _ASKED:
        if one[name] != two[name]:
            raise _unlike(before, after, f"{name} is {one[name]!r} in one and {two[name]!r} in the other")
    if _views(one) != _views(two):
        raise _unlike(before, after, "they tell different views")
    for name in _SAME:
        if one["questions"][name] != two["questions"][name]:
            lengths = [len(it["questions"][name]) for it in (one, two)]
            detail = f"{lengths[0]:,} questions and {lengths[1]:,}" if lengths[0] != lengths[1] else "of other " + name
            raise _unlike(before, after, f"the questions are not the same ({detail})")
    ranks = one["questions"]["ranks"], two["questions"]["ranks"]
    methods = [name for name in ranks[0] if name in ranks[1]]
    if not methods:
        raise _unlike(before, after, "no method is in both")
    changes: dict[str, dict[str, dict[str, Change]]] = {}
    for place, view in enumerate(_views(one)):
        rows = np.flatnonzero(np.array(one["questions"]["view"]) == place)
        changes[view] = {name: _changes(one, two, name, rows) for name in methods}
    return Comparison((str(before), str(after)), str(one["about"]), changes)


def _changes(one: Mapping[str, Any], two: Mapping[str, Any], method: str, rows: Any) -> dict[str, Change]:
    values = [_values(it, method)[rows] for it in (one, two)]
    readers = np.array(one["questions"]["reader"])[rows]
    _, units = np.unique(readers, return_inverse=True)
    given = (*values, values[1] - values[0])
    figures = [metrics.bootstrap_means(it, units, one["resamples"], one["seed"]) for it in given]
    names = measures(one["k"], one["whole"])
    return {name: Change(*(it[place] for it in figures)) for place, name in enumerate(names)}


def _values(document: Mapping[str, Any], method: str) -> Float64:
    asked = document["questions"]
    right, candidates = np.array(asked["right"]), np.array(asked["candidates"])
    return measured(asked["ranks"][method], right, candidates, document["k"], document["whole"])


def _views(document: Mapping[str, Any]) -> list[str]:
    return [view["name"] for view in document["views"]]


def _read(file: str | Path) -> dict[str, Any]:
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not JSON"
        raise UsageError(f"{file}: cannot be read ({reason}); name files that `--json FILE` wrote") from error
    needed = (*_ASKED, "views", "questions", "about", "resamples", "seed")
    if not isinstance(found, dict) or found.get("evaluation") != "feeds" or any(name not in found for name in needed):
        raise UsageError(f"{file}: holds no evaluation of feeds; name files that `evaluate feeds --json FILE` wrote")
    return found


def _unlike(before: str | Path, after: str | Path, why: str) -> UsageError:
    return UsageError(
        f"{before} and {after} cannot be compared: {why}; run both with the same articles, events and options"
    )
