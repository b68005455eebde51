"""Charts: lines over time, what the service counts as such, and two evaluations side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from recnews import drawing
from recnews.evaluate.figures import shown
from recnews.evaluate.runs import Run
from recnews.metrics import Figure
from recnews.service.history import Steps
from recnews.service.pages.visit import Visit


@dataclass(frozen=True, slots=True)
class Column:
    """Values over time, NaN for none, and how they are written. What is `told` of them stands beside the name of a
    line; a column without is in the table only."""

    name: str
    values: Sequence[float]
    form: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time as a page shows them: a table, from which the browser draws. `name` is the only one of its page,
    `moments` ascend, `head` is what they are called, `form` how they are written in `zone`."""

    name: str
    title: str
    unit: str
    head: str
    moments: Sequence[datetime]
    columns: Sequence[Column]
    zone: ZoneInfo
    form: str = "%Y-%m-%d"

    @property
    def lines(self) -> list[Column]:
        """What is drawn."""
        return [it for it in self.columns if it.told]

    @property
    def rows(self) -> list[tuple[datetime, list[tuple[float | None, str]]]]:
        """The table, the latest first: values as numbers and as text."""
        made = [
            (at, [_cell(it.values[place], it.form) for it in self.columns]) for place, at in enumerate(self.moments)
        ]
        return made[::-1]


@dataclass(frozen=True, slots=True)
class Pair:
    """One measure of one method in two runs: figures as text and as bars."""

    method: str
    measure: str
    figures: list[str]
    bars: list[Markup]
    difference: str


def over_time(visit: Visit, steps: Steps, zone: ZoneInfo) -> list[Chart]:
    """What the service counts; nothing before there are two notes."""
    if not steps.ends:
        return []
    moments = [datetime.fromtimestamp(it, UTC) for it in steps.ends]
    given: Mapping[str, tuple[str, str, Mapping[str, Sequence[float]]]] = {
        "rates": ("/s", "{:.2f}", {"requests": steps.requests, "rows": steps.rows, "failures": steps.failures}),
        "latencies": ("ms", "{:,g}", {"all": steps.request_most, "feeds": steps.feed_most}),
    }
    return [
        Chart(
            name, visit.text(f"chart.{name}"), unit, visit.text("chart.until"), moments,
            [_column(visit, line, values, form, unit) for line, values in series.items()], zone, "%m-%d %H:%M:%S",
        )
        for name, (unit, form, series) in given.items()
    ]  # fmt: skip


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


def _column(visit: Visit, line: str, values: Sequence[float], form: str, unit: str) -> Column:
    known = [it for it in values if not math.isnan(it)]
    most, last = (form.format(max(known)), form.format(known[-1])) if known else ("–", "–")
    return Column(
        visit.text(f"chart.{line}"), values, form, visit.text("chart.told", most=most, last=last, unit=unit)
    )  # fmt: skip


def _cell(value: float, form: str) -> tuple[float | None, str]:
    return (None, "–") if math.isnan(value) else (round(value, 4), form.format(value))
