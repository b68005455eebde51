"""All of `make bench`: each measurement beside its peers, in one table, kept as JSON in `benchmarks/results/bench/`.

A measurement is a module with `rows(articles, folder) -> list[Row]` and runs in a process of its own: what it takes of
memory and how many threads it has is its own, and when it fails the table says so and the others go on. `folder` is one
for the whole run; homes that were grown to a size stay in it for the measurements after.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from report import table
from rows import Row, keep, kept, not_run

QUICK = 20_000
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A module of this folder, and the numbers of articles it is asked for; the first is all that `--quick` takes. With
    `one_thread` arithmetic has one, so that processor times do not hold threads that wait for each other."""

    module: str
    articles: tuple[int, ...] = (QUICK,)
    one_thread: bool = False


MEASUREMENTS = {
    "ingest": Measurement("ingest"),
    "encode": Measurement("encode"),
    "train": Measurement("training"),
    "feed": Measurement("feed", (QUICK, 200_000, 1_000_000), one_thread=True),
    "neighbours": Measurement("index", (QUICK, 200_000, 1_000_000, 10_000_000)),
    "home": Measurement("home", (QUICK, 200_000, 1_000_000)),
    "startup": Measurement("startup"),
    "pages": Measurement("pages", (QUICK, 100_000)),
}


def main() -> None:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} articles only: a few minutes")
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help=f"of {', '.join(MEASUREMENTS)}; comma-separated")
    parser.add_argument("--articles", help="of the numbers of articles, only these; comma-separated")
    parser.add_argument("--kept", action="store_true", help="measure nothing: the table of what was kept")
    parser.add_argument("--folder", type=Path, help="keep grown homes here, and use those that are there (gigabytes)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        measure(asked.child[0], int(asked.child[1]), asked.folder)
        return
    wanted = list(plan(asked.only.split(","), _sizes(parser, asked)))
    with tempfile.TemporaryDirectory() as spare:
        found = [
            row
            for name, articles in wanted
            for row in (kept(name, articles) if asked.kept else run(name, articles, asked.folder or Path(spare)))
        ]
    show(found)


def plan(names: Sequence[str], sizes: Sequence[int] | None) -> Iterator[tuple[str, int]]:
    """What to measure at which size; without `sizes` all of each."""
    for name in names:
        if name not in MEASUREMENTS:
            sys.exit(f"there is no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
        yield from ((name, size) for size in MEASUREMENTS[name].articles if sizes is None or size in sizes)


def run(name: str, articles: int, folder: Path) -> list[Row]:
    """One measurement in a process of its own; a row that says why where it gave none."""
    print(f"{name}, {articles:,} articles ...", file=sys.stderr, flush=True)
    words = [sys.executable, str(Path(__file__).parent), "--child", name, str(articles), "--folder", str(folder)]
    before = kept(name, articles)
    env = os.environ | (ONE_THREAD if MEASUREMENTS[name].one_thread else {})
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    told = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    sys.stderr.write(done.stderr)
    if done.returncode == 0 and not (told and told[-1].startswith("skipped: ")):
        return kept(name, articles)
    why = told[-1] if told else f"it ended with {done.returncode}"
    note = f" ({len(before)} rows of an earlier run are kept)" if before else ""
    return [not_run(f"{name}, {articles:,} articles", why.removeprefix("skipped: ") + note)]


def measure(name: str, articles: int, folder: Path) -> None:
    """What the process of one measurement does."""
    module = importlib.import_module(MEASUREMENTS[name].module)
    keep(name, articles, module.rows(articles, folder))


def show(found: Sequence[Row]) -> None:
    """The table."""
    marks = {True: "yes", False: "NO", None: ""}
    lines = [(row.what, row.beside, row.aim, row.measured, row.ratio, marks[row.met]) for row in found]
    table([("what", "beside", "aim", "measured", "ratio", "met?"), *lines])


def _sizes(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> list[int] | None:
    if asked.quick:
        return [QUICK]
    try:
        return [int(size) for size in asked.articles.split(",")] if asked.articles else None
    except ValueError:
        parser.error(f"--articles {asked.articles}: numbers, such as 20000,200000")


if __name__ == "__main__":
    main()
