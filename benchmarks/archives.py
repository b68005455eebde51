"""What an archive costs and finds: the same vectors in sealed FAISS segments, in pgvector and in Milvus.

Vectors are those of a home of 20,000 real Chinese articles, each further one a real one with Gaussian noise of half its
length (see grown.py), published over 400 days. Queries are others of the same kind. Recall@10 is against exact search.

    python benchmarks/archives.py --rows 50000 --engines faiss,pgvector,milvus

`pgvector-float32` is pgvector with an index over `vector` in place of `halfvec`.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from grown import DAYS, FIRST, NOISE, grown_home
from report import save, table

from recnews import Newsroom
from recnews.config import Settings
from recnews.index.archive import ArchiveSettings
from recnews.index.archived import ArchivedIndex
from recnews.index.base import Within
from recnews.index.engines import open_archive
from recnews.index.exact import search_exactly
from recnews.index.planning import SegmentSettings
from recnews.index.rows import FloatRows, longest, rounded
from recnews.index.segments import SegmentedIndex
from recnews.index.upkeep import maintain
from recnews.records import Bools, Float32, Int64
from tests.scale.servers import SERVERS, missing

K, QUERIES, DAY = 10, 100, 86_400_000_000
SHARES = (0.5, 0.1, 0.01)
ENGINES = ("faiss", "pgvector", "milvus")


def grown_vectors(folder: Path, rows: int) -> tuple[Float32, Float32]:
    """(rows, dim) to index, and (QUERIES, dim) to ask with."""
    home, _ = grown_home(folder, FIRST)
    with Newsroom.open(home, Settings()) as room:
        catalog = room.serving.current()[1]
        real = catalog.index.vectors(np.sort(catalog.index.ids()))[0]
    draw = np.random.default_rng(8)
    many = rows + QUERIES
    made = real[draw.integers(len(real), size=many)] if many > len(real) else real[draw.permutation(len(real))[:many]]
    made[: min(len(real), rows)] = real[: min(len(real), rows)]
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    noise = draw.standard_normal(made.shape, dtype=np.float32) * (NOISE * lengths / made.shape[1] ** 0.5)
    noise[: min(len(real), rows)] = 0
    made += noise
    made *= lengths / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return rounded(made[:rows]), np.ascontiguousarray(made[rows:])


@contextmanager
def faiss_index(vectors: Float32, ids: Int64, times: Int64) -> Iterator[tuple[Any, float, int]]:
    """An index, the seconds it took to fill, and its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        index, start = SegmentedIndex(vectors.shape[1]), time.perf_counter()
        index.upsert(ids, vectors, times)
        maintain(index, Path(folder), int(times.max()) + 30 * DAY, SegmentSettings())
        yield index, time.perf_counter() - start, sum(segment.manifest.bytes for segment in index.sealed)


@contextmanager
def archived_index(engine: str, vectors: Float32, ids: Int64, times: Int64) -> Iterator[tuple[Any, float, int]]:
    """The same over a server that is started for it."""
    engine, _, numbers = engine.partition("-")
    folder = Path(tempfile.mkdtemp(prefix=f"recnews-{engine}-"))
    server = SERVERS[engine](folder)
    try:
        server.start()
        before = folder_bytes(folder)
        archive = open_archive(ArchiveSettings(server.url, "bench", seconds=30), "g1", vectors.shape[1])
        if numbers == "float32":
            archive.numbers = "vector"  # type: ignore[attr-defined]
        index = ArchivedIndex(vectors.shape[1], archive)
        index.upsert(ids, vectors, times)
        start = time.perf_counter()
        index.hand_over(int(times.max()) + 1)
        _wait_for_indexes(archive)
        seconds = time.perf_counter() - start
        print(f"{engine} {numbers}: index of {_index_bytes(archive):,} bytes", file=sys.stderr)
        yield index, seconds, _table_bytes(archive) or folder_bytes(folder) - before
        index.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_indexes(archive: Any) -> None:
    """Milvus makes its indexes by itself after a flush: what is measured is what it settles to."""
    client = getattr(archive, "_client", None)
    if client is None:
        return
    client.flush(archive._name, timeout=600)
    while True:
        told = client.describe_index(archive._name, "embedding")
        if int(told["pending_index_rows"]) == 0 and int(told["indexed_rows"]) > 0:
            return
        time.sleep(0.5)


def _table_bytes(archive: Any) -> int:
    """Of the table and its indexes in PostgreSQL, without the write-ahead log; 0 elsewhere."""
    connection = getattr(archive, "_connection", None)
    if connection is None:
        return 0
    query = "SELECT pg_total_relation_size(%s::regclass)"
    return int(connection.execute(query, [f"{archive._name}_vectors"]).fetchone()[0])


def _index_bytes(archive: Any) -> int:
    """Of the HNSW index in PostgreSQL; 0 elsewhere."""
    connection = getattr(archive, "_connection", None)
    if connection is None:
        return 0
    return int(connection.execute("SELECT pg_relation_size(%s::regclass)", [f"{archive._name}_near"]).fetchone()[0])


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def asked(index: Any, queries: Float32, within: Within, truth: list[set[int]]) -> dict[str, float]:
    """Milliseconds a query, one by one, and the share of the true ten that was found."""
    for query in queries[:10]:
        index.search(query[None], K, within=within)
    took, found = [], 0
    for query, right in zip(queries, truth, strict=True):
        start = time.perf_counter()
        [hits] = index.search(query[None], K, within=within)
        took.append(1000 * (time.perf_counter() - start))
        assert not hits.partial
        found += len(right & set(hits.ids.tolist()))
    low, high = np.percentile(took, [50, 99])
    return {"p50 ms": float(low), "p99 ms": float(high), "recall@10": found / sum(map(len, truth))}


def questions(ids: Int64, times: Int64) -> dict[str, tuple[Within, Bools]]:
    """What is asked: everything, a tenth by time, and random shares of the ids."""
    cut = int(np.quantile(times, 0.9))
    asked = {"everything": (Within(), np.ones(len(ids), bool)), "last tenth": (Within(since=cut), times >= cut)}
    draw = np.random.default_rng(3)
    for share in SHARES:
        chosen = draw.random(len(ids)) < share
        asked[f"{share:.0%} of ids"] = (Within(ids[chosen]), chosen)
    return asked


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "recnews-grown")
    given = parser.parse_args()
    vectors, queries = grown_vectors(given.folder, given.rows)
    ids = np.arange(1, len(vectors) + 1, dtype=np.int64)
    times = (np.random.default_rng(4).random(len(ids)) * DAYS * DAY).astype(np.int64) + 20_000 * DAY
    rows, exact = FloatRows(vectors, longest(vectors)), dict[str, list[set[int]]]()
    wanted = questions(ids, times)
    for name, (_, passing) in wanted.items():
        exact[name] = [set(hits.ids.tolist()) for hits in search_exactly(rows, ids, queries, K, passing)]
    shown = [("engine", "question", "p50 ms", "p99 ms", "recall@10", "rows/s filled", "bytes/row")]
    figures: dict[str, Any] = {"rows": len(ids), "dim": vectors.shape[1]}
    for engine in given.engines.split(","):
        if engine != "faiss" and (why := missing(engine.partition("-")[0])):
            print(f"{engine}: {why}", file=sys.stderr)
            continue
        opened: Callable[..., Any] = faiss_index if engine == "faiss" else archived_index
        given_to = (vectors, ids, times) if engine == "faiss" else (engine, vectors, ids, times)
        with opened(*given_to) as (index, seconds, size):
            kept = figures[engine] = {"filled rows/s": len(ids) / seconds, "bytes/row": size / len(ids)}
            for name, (within, _) in wanted.items():
                kept[name] = asked(index, queries, within, exact[name])
                row = [f"{kept[name][part]:.3f}" for part in ("p50 ms", "p99 ms", "recall@10")]
                shown.append((engine, name, *row, f"{len(ids) / seconds:,.0f}", f"{size / len(ids):,.0f}"))
    table(shown)
    save(f"archives-{len(ids)}", figures)


if __name__ == "__main__":
    main()
