"""Charts of the operator's room: what the service counts over time, and two evaluations side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recnews import drawing
from recnews.evaluate.figures import shown
from recnews.evaluate.runs import Run
from recnews.metrics import Figure
from recnews.service.history import Steps
from recnews.service.pages.visit import Visit


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of lines, with their names, the highest and the last value of each as text, and its unit."""

    name: str
    lines: list[tuple[str, str, str]]
    unit: str
    drawn: Markup


@dataclass(frozen=True, slots=True)
class Pair:
    """One measure of one method in two runs: figures as text and as bars."""

    method: str
    measure: str
    figures: list[str]
    bars: list[Markup]
    difference: str


def over_time(visit: Visit, steps: Steps) -> list[Chart]:
    """What the service counts; nothing before there are two notes."""
    if len(steps.requests) < 2:
        return []
    given: Mapping[str, tuple[str, Mapping[str, Sequence[float]]]] = {
        "rates": ("/s", {"requests": steps.requests, "rows": steps.rows, "failures": steps.failures}),
        "latencies": ("ms", {"all": steps.request_most, "feeds": steps.feed_most}),
    }
    return [_chart(visit, name, unit, series) for name, (unit, series) in given.items()]


def side_by_side(runs: Sequence[Run]) -> dict[str, list[Pair]]:
    """The figures that both of two runs have, by view or task."""
    one, two = (run.parts() for run in runs)
    return {part: found for part in one if part in two and (found := _pairs(one[part], two[part]))}


def _pairs(one: Mapping[str, Mapping[str, Figure]], two: Mapping[str, Mapping[str, Figure]]) -> list[Pair]:
    made = list[Pair]()
    for method in (it for it in one if it in two):
        for measure in (it for it in one[method] if it in two[method]):
            figures = [one[method][measure], two[method][measure]]
            if any(math.isnan(it.value) for it in figures):
                continue
            longest = max(it.value if math.isnan(it.high) else it.high for it in figures)
            bars = [
                Markup(drawing.bar(drawing.Bar(it.value, it.low, it.high), longest, kind))  # noqa: S704 - built as XML
                for it, kind in zip(figures, ("", "own"), strict=True)
            ]
            difference = f"{figures[1].value - figures[0].value:+.3f}"
            made.append(Pair(method, measure, [shown(it) for it in figures], bars, difference))
    return made


def _chart(visit: Visit, name: str, unit: str, series: Mapping[str, Sequence[float]]) -> Chart:
    known = {line: [it for it in values if not math.isnan(it)] for line, values in series.items()}
    told = [(visit.text(f"chart.{line}"), *_told(values)) for line, values in known.items()]
    top = max((max(values) for values in known.values() if values), default=0.0)
    about = visit.text(f"chart.{name}")
    drawn = Markup(drawing.lines(list(series.values()), top, about))  # noqa: S704 - built and escaped as XML
    return Chart(about, told, unit, drawn)


def _told(values: Sequence[float]) -> tuple[str, str]:
    return (f"{max(values):.1f}", f"{values[-1]:.1f}") if values else ("–", "–")
