"""`recnews ingest --cluster` with one, two and three workers beside plain ingest: the same articles into the same home.

Scheduler and workers are processes of this machine. Each worker is used once before it is timed, so that it has the
generation; starting the cluster is not timed either.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from data import xwlb
from report import save, spread, table

from recnews import Newsroom
from recnews.config import Settings
from tests.cluster_world import dask_world

WARM = 256


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", choices=("word2vec", "doc2vec"), default="word2vec")
    parser.add_argument("--train", type=int, default=6000, help="articles to train on")
    parser.add_argument("--new", type=int, default=2000, help="articles to take in")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", default="1,2,3")
    parser.add_argument("--home", type=Path, help="trained there at the first run, and used again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = asked.home or Path(spare) / "home"
        seconds = measure(asked, folder, Path(spare))
    rows: list[tuple[str, ...]] = [("way", "seconds", "articles a second", "times plain")]
    plain = min(seconds["plain"])
    for way, taken in seconds.items():
        rows.append((way, spread(taken), spread([asked.new / it for it in taken], 0), f"{plain / min(taken):.2f}"))
    table(rows)
    save(f"cluster-{asked.embedder}", {"articles": asked.new, "seconds": seconds})


def measure(asked: argparse.Namespace, folder: Path, spare: Path) -> dict[str, list[float]]:
    """Seconds of each way to take in the latest articles, run by run, the ways in turn."""
    rows = xwlb()[-asked.train - asked.new - WARM :]
    old, warm, new = rows[: asked.train], rows[asked.train : asked.train + WARM], rows[-asked.new :]
    settings = Settings().override("embedding", embedder=asked.embedder, epochs=1)
    seconds: dict[str, list[float]] = {}
    with Newsroom.open(folder, settings) as room:
        if room.generations.current().live is None:
            room.ingest(old)
            room.train()
        for run in range(asked.runs):
            alone = settings.override("ingest", processes=1)
            for way, chosen in (("plain", settings), ("plain, one process", alone)):
                room.settings = chosen
                seconds.setdefault(way, []).append(timed(room, new))
            room.settings = settings
            for workers in map(int, asked.workers.split(",")):
                with dask_world(spare / f"{run}-{workers}", workers) as world, room.on_cluster(world.address):
                    take(room, warm)
                    room.delete([row["id"] for row in warm])
                    taken = timed(room, new)
                seconds.setdefault(f"cluster, {workers}", []).append(taken)
    return seconds


def timed(room: Newsroom, rows: list[dict[str, Any]]) -> float:
    """Seconds to take articles in; they are removed again."""
    start = time.perf_counter()
    take(room, rows)
    taken = time.perf_counter() - start
    room.delete([row["id"] for row in rows])
    return taken


def take(room: Newsroom, rows: list[dict[str, Any]]) -> None:
    """All of `recnews ingest`."""
    report = room.ingest(rows)
    assert report.added == report.indexed == len(rows), report


if __name__ == "__main__":
    main()
