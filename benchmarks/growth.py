"""Draws how ingest, query, memory and disk grow with the number of articles, from what `python benchmarks` has kept.

`python benchmarks/growth.py` writes `docs/growth.svg`. A measurement that was not run is not in the picture. What
`benchmarks/index.py` kept of an index by itself is in it, too.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from report import RESULTS
from rows import KEPT

mpl.use("svg")
TARGET = Path(__file__).parent.parent / "docs" / "growth.svg"


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the pictures: figures by their name in the kept rows, and what their lines are called."""

    title: str
    unit: str
    lines: dict[str, str]


PANELS = (
    Panel("Ingest", "articles/s", {
        "ingest, articles/s": "2,000 into a home of that size", "rebuild, articles/s": "index rebuilt from the store",
    }),
    Panel("Query", "ms", {
        "feed of the last 7 days, p50 ms": "feed, 7 days, p50", "feed of the last 7 days, p99 ms": "feed, 7 days, p99",
        "feed of everything, p50 ms": "feed, everything, p50", "feed of everything, p99 ms": "feed, everything, p99",
        "index, last 7 days, 6": "index, six queries, 7 days, p50",
        "index, everything, 6": "index, six queries, everything, p50", "index, ten nearest": "index, ten nearest, p50",
        "FAISS flat search alone, p50 ms": "FAISS flat, six queries, p50",
    }),
    Panel("Memory", "MB", {
        "memory, one worker, MB": "service, one worker", "memory, further worker, MB": "each further",
        "index, peak memory, MB": "sealing, at its peak",
    }),
    Panel("Disk", "bytes an article", {
        "disk, store, bytes/article": "store", "disk, generation, bytes/article": "generation with its index",
    }),
)  # fmt: skip


def main() -> None:
    """Draw what is kept."""
    found = points()
    if not found:
        raise SystemExit(f"nothing is kept in {KEPT}: run python benchmarks first")
    draw(found)
    print(TARGET)


def points() -> dict[str, dict[int, float]]:
    """Of each figure, its value by number of articles."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted(KEPT.glob("*.json")):
        for row in json.loads(file.read_text(encoding="utf-8"))["rows"]:
            if row["articles"] is not None:
                for name, value in row["figures"].items():
                    if isinstance(value, int | float):
                        found[name][row["articles"]] = float(value)
    for file in RESULTS.glob("index-*-sealed.json"):
        figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
        for name in ("last 7 days, 6", "everything, 6", "ten nearest"):
            found[f"index, {name}"][figures["rows"]] = figures[name]["p50"]
        found["index, peak memory, MB"][figures["rows"]] = figures["peak memory"] / 1e6
    return found


def draw(found: dict[str, dict[int, float]]) -> None:
    """Four panels, both axes logarithmic; the same bytes for the same figures."""
    from matplotlib import pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "recnews", "svg.fonttype": "none", "font.size": 8}
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for panel, ax in zip(PANELS, axes.flat, strict=True):
        _panel(ax, panel, found)
    figure.savefig(TARGET, metadata={"Date": None})


def _panel(ax: Any, panel: Panel, found: dict[str, dict[int, float]]) -> None:
    for name, label in panel.lines.items():
        if found.get(name):
            sizes = sorted(found[name])
            ax.plot(sizes, [found[name][size] for size in sizes], marker="o", markersize=3, label=label)
    ax.set(
        title=panel.title, xlabel="articles", ylabel=panel.unit, xscale="log", yscale="log", xlim=(15_000, 13_000_000)
    )
    ax.grid(visible=True, which="major", alpha=0.3)
    ax.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2, frameon=False)


if __name__ == "__main__":
    main()
