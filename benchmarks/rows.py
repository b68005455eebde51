"""What a measurement hands to `python benchmarks`: rows of its one table, kept as JSON beside what they depend on."""

import json
import os
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from report import RESULTS, machine

KEPT = RESULTS / "bench"
LIBRARIES = (
    "recnews", "numpy", "faiss-cpu", "gensim", "jieba", "rjieba", "scikit-learn", "sqlalchemy", "hnswlib", "usearch",
    "qdrant-client", "txtai", "dask",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `measured` and `ratio` are texts with their units; `met` says whether the aim was reached, None where there is none
    or nothing was measured. `figures` are the numbers behind them, by name and unit (`p50 ms`, `articles/s`), from
    which the growth is drawn; `articles` is what they grow with.
    """

    what: str
    beside: str
    aim: str
    measured: str
    ratio: str = ""
    met: bool | None = None
    articles: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


def not_run(what: str, why: str, beside: str = "", aim: str = "") -> Row:
    """A row that says why there is no figure."""
    return Row(what, beside, aim, f"not run: {why}")


def compared(
    what: str, beside: str, aim: str, *, mine: Sequence[float], other: Sequence[float], least: float | None = None
) -> Row:
    """How many times the other's rate ours is, run by run, beside the least that is asked for. Both are rates, of runs
    that took turns."""
    ratios = [ours / theirs for ours, theirs in zip(mine, other, strict=True)]
    ratio = statistics.median(ratios)
    return Row(
        what, beside, aim, f"{statistics.median(mine):,.0f} against {statistics.median(other):,.0f} a second",
        f"{ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})", None if least is None else ratio >= least,
        figures={"a second": list(mine), "beside, a second": list(other)},
    )  # fmt: skip


def keep(name: str, articles: int, rows: Iterable[Row]) -> None:
    """Keep rows as JSON with the machine, the versions, the commit and the day they were measured on."""
    KEPT.mkdir(parents=True, exist_ok=True)
    document = {"measurement": name, "articles": articles, **circumstances(), "rows": [asdict(row) for row in rows]}
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    (KEPT / f"{name}-{articles}.json").write_text(text, encoding="utf-8")


def kept(name: str, articles: int) -> list[Row]:
    """What was kept; empty when nothing was."""
    file = KEPT / f"{name}-{articles}.json"
    if not file.exists():
        return []
    return [Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]


def circumstances() -> dict[str, Any]:
    """What figures depend on."""
    return {
        "machine": machine() | {"memory GB": round(_total_memory() / 1e9, 1)},
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    words = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12")
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
