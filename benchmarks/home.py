"""A home of so many articles: what a service takes of memory, what an article takes of disk, how long the index takes
to be built again from the store, and how fast articles come in."""

import random
import shutil
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

from grown import READERS, copies, grown_home
from rows import Row
from serve import memory, serving

from recnews import Newsroom
from recnews.catalog import Catalog
from recnews.config import Settings
from recnews.index.planning import SegmentSettings

NEW = 2000
RUNS = 3
WARM = 300
FIRST_WORKER, FURTHER = 1200, 150


def rows(articles: int, folder: Path) -> list[Row]:
    """All of it; intake comes last, as it changes the home."""
    home, now = grown_home(folder, articles)
    return [*disk(home, articles), rebuilt(home, now, articles), *service(home, articles), intake(home, now, articles)]


def disk(home: Path, articles: int) -> list[Row]:
    """Bytes of each article in the store, and in the generation (the index, and tables of words that do not grow)."""
    made = []
    with Newsroom.open(home, Settings()) as room:
        found = {"store": room.store.disk_bytes(), "generation": room.generations.disk_bytes()}
    for name, size in found.items():
        told = f"{size / articles:,.0f} bytes an article, {size / 1e9:.2f} GB"
        figures = {f"disk, {name}, bytes/article": size / articles}
        made.append(
            Row(f"disk of the {name}, {articles:,} articles", "-", "given", told, articles=articles, figures=figures)
        )
    return made


def rebuilt(home: Path, now: datetime, articles: int) -> Row:
    """Read all vectors from the store, seal, and save a snapshot, as if the index had been deleted."""
    with Newsroom.open(home, Settings()) as room, tempfile.TemporaryDirectory(dir=home.parent) as spare:
        live = room.generations.current().live
        assert live is not None
        generation = room.generations.load(live)
        start = time.perf_counter()
        catalog = Catalog(live, generation.layout, Path(spare))
        catalog.refresh(room.store)
        read = time.perf_counter() - start
        catalog.seal(now, SegmentSettings())
        catalog.save(Path(spare))
        whole = time.perf_counter() - start
        assert len(catalog) == articles, len(catalog)
    told = f"{whole:.1f} s, of which {read:.1f} s read the store"
    figures = {"rebuild s": whole, "rebuild, articles/s": articles / whole}
    return Row(f"index rebuilt from the store, {articles:,} articles", "-", "given", told, "", None, articles, figures)


def service(home: Path, articles: int) -> list[Row]:
    """Resident memory of a service that has answered some hundred feeds, and what a further worker adds."""
    alone, both = held(home, 1), held(home, 2)
    first = alone["rss"]
    further = both["pss"] - alone["pss"]
    what, at_million = f"memory of a service, {articles:,} articles", articles == 1_000_000
    figures = {"memory, one worker, MB": first, "memory, further worker, MB": further}
    return [
        Row(f"{what}, one worker", "-", f"<= {FIRST_WORKER:,} MB at 1M", f"{first:,} MB resident",
            f"{first / FIRST_WORKER:.2f}", first <= FIRST_WORKER if at_million else None, articles, figures),
        Row(f"{what}, each further", "-", f"<= {FURTHER} MB at 1M", f"{further:,} MB, and what starts them",
            f"{further / FURTHER:.2f}", further <= FURTHER if at_million else None, articles, {}),
    ]  # fmt: skip


def held(home: Path, workers: int) -> dict[str, int]:
    """MB of a service's processes together: resident, and with shared pages counted once."""
    draw = random.Random(workers)
    with serving(home, workers) as (port, pids):
        for _ in range(WARM * workers):
            urlopen(f"http://127.0.0.1:{port}/v1/users/reader-{draw.randrange(READERS)}/feed").read()
        found = [memory(pid) for pid in pids()]
    return {kind: sum(each[kind] for each in found) for kind in ("rss", "pss")}


def intake(home: Path, now: datetime, articles: int) -> Row:
    """Articles that come into a home of this size: real ones under other ids, two thousand at a time."""
    rates = []
    with tempfile.TemporaryDirectory(dir=home.parent) as spare:
        there = Path(shutil.copytree(home, Path(spare) / "home"))
        with Newsroom.open(there, Settings()) as room:
            for run in range(RUNS):
                new = list(copies(run * NEW, NEW, now, "new"))
                start = time.perf_counter()
                report = room.ingest(new)
                rates.append(NEW / (time.perf_counter() - start))
                assert report.added == report.indexed == NEW, report
    rate = statistics.median(rates)
    told = f"{rate:,.0f} articles/s ({min(rates):,.0f}-{max(rates):,.0f})"
    figures = {"ingest, articles/s": rate}
    return Row(f"{NEW:,} articles into a home of {articles:,}", "-", "given", told, "", None, articles, figures)
