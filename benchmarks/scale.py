"""One machine or many engines: the same articles on SQLite + FAISS, PostgreSQL + FAISS, PostgreSQL + pgvector and
PostgreSQL + Milvus, through the whole of recnews.

The first 20,000 articles are real Chinese news, ingested and trained on; the others are copies under other ids and
titles whose vectors are drawn (see grown.py), written as an ingest writes them. Readers read real articles of the last
30 days; feeds are of the last seven. A node is a process of its own that answers feeds as fast as it can.

    python benchmarks/scale.py --articles 200000 --stacks sqlite+faiss,postgresql+pgvector
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from archives import QUERIES, K, asked, folder_bytes
from grown import FIRST, READERS, copies, draw_vectors, reads
from report import save, table

from recnews import Newsroom
from recnews.config import load_settings
from recnews.formats import articles_from_rows
from recnews.index.base import Within
from recnews.index.exact import search_exactly
from recnews.index.rows import FloatRows, longest
from recnews.records import Draft
from tests.scale.servers import SERVERS, Server, missing

STACKS = ("sqlite+faiss", "postgresql+faiss", "postgresql+pgvector", "postgresql+milvus")
FEEDS, NODES = 60, (1, 3)


def settings_of(store: str, archive: str, running: dict[str, Server]) -> dict[str, Any]:
    """What `recnews.toml` says on a stack."""
    where = running[archive].url if archive != "faiss" else "faiss"
    said: dict[str, Any] = {"index": {"archive": where, "hot_days": 7}, "feed": {"window_days": 7}}
    if store == "postgresql":
        said["store"] = running["pgvector"].url
    return said


def filled(home: Path, articles: int, now: datetime) -> dict[str, float]:
    """Ingest, train, grow and hand over; articles a second of each."""
    rows = sorted(copies(0, min(FIRST, articles), now), key=lambda row: row["published_at"])
    took = {}
    with Newsroom.open(home) as room:
        half = len(rows) // 2
        room.ingest(rows[:half], now=now)
        room.train(load_settings(home).override("embedding", epochs=1))
        start = time.perf_counter()
        report = room.ingest(rows[half:], now=now)
        took["ingest, articles/s"] = report.indexed / (time.perf_counter() - start)
        room.record_many(list(reads(rows, now)))
        live = room.generations.current().live
        assert live is not None
        generation = room.generations.load(live)
        real = np.stack([vector for _, vector in room.store.vectors.page(live, 0, FIRST)])
        drafts = (
            it for it in articles_from_rows(copies(FIRST, max(articles - FIRST, 0), now)) if isinstance(it, Draft)
        )
        while batch := list(islice(drafts, 1000)):
            room.store.articles.upsert(batch, now)
            draw_vectors(room, generation, real)
        start = time.perf_counter()
        room.seal(now)
        took["older articles handed over/s"] = articles / (time.perf_counter() - start)
    return took


def node(home: Path, seed: int, now: datetime) -> None:
    """Answer feeds and print the milliseconds each took: what a process of its own does."""
    draw, took = random.Random(seed), []
    with Newsroom.open(home) as room:
        for number in range(FEEDS + 10):
            user = f"reader-{draw.randrange(READERS)}"
            start = time.perf_counter()
            assert room.recommend(user, K, at=now)
            if number >= 10:
                took.append(1000 * (time.perf_counter() - start))
    json.dump(took, sys.stdout)


def feeds(home: Path, nodes: int, now: datetime) -> dict[str, float]:
    """Milliseconds of a feed while so many nodes answer at once."""
    command = [sys.executable, __file__, "--node", str(home), "--at", now.isoformat(), "--seed"]
    running = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(nodes)]
    took = [value for process in running for value in json.loads(process.communicate()[0])]
    low, high = np.percentile(took, [50, 99])
    return {f"feed p50 ms, {nodes} nodes": float(low), f"feed p99 ms, {nodes} nodes": float(high)}


def everything(home: Path) -> dict[str, float]:
    """Neighbours over everything: how quickly, and how many of the true ten."""
    with Newsroom.open(home) as room:
        catalog = room.serving.current()[1]
        live, dim = catalog.generation, catalog.layout.dim
        stored = room.store.vectors.page(live, 0, 10**9)
        ids = np.array([article_id for article_id, _ in stored], dtype=np.int64)
        rows = np.zeros((len(ids), catalog.layout.width), np.float32)
        rows[:, :dim] = np.stack([vector for _, vector in stored])
        draw = np.random.default_rng(6)
        queries = rows[draw.choice(len(ids), QUERIES, replace=False)]
        queries[:, :dim] += draw.normal(0, 0.02, (QUERIES, dim)).astype(np.float32)
        exact = search_exactly(FloatRows(rows, longest(rows)), ids, queries, K)
        found = asked(catalog.index, queries, Within(), [set(hits.ids.tolist()) for hits in exact])
    return {f"neighbours, {name}": value for name, value in found.items()}


def measured(stack: str, articles: int, folder: Path) -> dict[str, float]:
    """All figures of one stack; its servers are started for it and stopped."""
    store, archive = stack.split("+")
    with ExitStack() as stopped:
        running: dict[str, Server] = {}
        for name in _engines(stack):
            place = Path(tempfile.mkdtemp(prefix=f"recnews-{name}-"))
            stopped.callback(shutil.rmtree, place, ignore_errors=True)
            running[name] = SERVERS[name](place)
            running[name].start()
            stopped.callback(running[name].stop)
        home = folder / stack.replace("+", "-")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "recnews.toml").write_text(_toml(settings_of(store, archive, running)), encoding="utf-8")
        before = sum(folder_bytes(server.folder) for server in running.values())
        now = datetime.now(UTC)
        figures = filled(home, articles, now)
        for nodes in NODES:
            figures |= feeds(home, nodes, now)
        figures |= everything(home)
        size = folder_bytes(home) + sum(folder_bytes(server.folder) for server in running.values()) - before
        return figures | {"bytes/article": size / articles}


def _engines(stack: str) -> list[str]:
    """The servers that a stack needs."""
    store, archive = stack.split("+")
    return sorted({archive, "pgvector" if store == "postgresql" else archive} - {"faiss"})


def _toml(said: dict[str, Any]) -> str:
    above = [f"{name} = {json.dumps(value)}" for name, value in said.items() if not isinstance(value, dict)]
    for section, values in said.items():
        if isinstance(values, dict):
            above += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(above) + "\n"


def _names(figures: dict[str, dict[str, float]]) -> Iterator[str]:
    yield from next(iter(figures.values()), {})


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=200_000)
    parser.add_argument("--stacks", default=",".join(STACKS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "recnews-scale")
    parser.add_argument("--node", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--at", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.node:
        node(given.node, given.seed, datetime.fromisoformat(given.at))
        return
    found: dict[str, dict[str, float]] = {}
    for stack in given.stacks.split(","):
        absent = [why for engine in _engines(stack) if (why := missing(engine))]
        if absent:
            print(f"{stack}: {'; '.join(absent)}", file=sys.stderr)
            continue
        found[stack] = measured(stack, given.articles, given.folder)
        print(stack, json.dumps(found[stack]), file=sys.stderr)
    table([("", *found), *((name, *(f"{it[name]:,.3f}" for it in found.values())) for name in _names(found))])
    save(f"scale-{given.articles}", {"articles": given.articles, "stacks": found})


if __name__ == "__main__":
    main()
