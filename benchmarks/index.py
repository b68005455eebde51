"""How the index grows: exact search, sealed segments, and neighbours over everything beside other libraries.

The vectors are real ones of a home trained on Chinese news, grown by noise: a row is a real vector drawn at random, to
whose article part and behaviour part Gaussian noise of `--noise` times the part's length is added, brought back to that
length. Publication times are spread evenly over 400 days. Queries are drawn the same way and not indexed; `real` ones
are articles of which no row was grown. All on one thread. Times are those of the processor, so that other work on the
machine does not count. Other libraries get the links and the construction effort of ours, and the least search effort
with recall@10 of .95 or more; memory is what each adds to the process beside the vectors it is given, which are mapped.

Libraries that are not installed are left out with a notice: `pip install hnswlib usearch`.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data import xwlb, xwlb_path
from grown import FIRST, grown_home
from report import save, table
from rows import Row, not_run

from recnews import Newsroom
from recnews.catalog import Catalog
from recnews.index.base import ANYWHERE, Within
from recnews.index.flat import FlatIndex
from recnews.index.planning import DAY, SegmentSettings
from recnews.index.segments import SegmentedIndex
from recnews.index.upkeep import maintain
from recnews.records import Float32, Int64

ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DAYS = 400
NOW = 20_000 * DAY
QUERIES = 300
TOGETHER = 6  # a feed asks for a reader's interests at once
K = 50
LINKS, CONSTRUCTION = 16, 100
EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
PARTS = ("flat", "sealed", "hnswlib", "usearch", "faiss")
NOISE = 0.5
SEALING = 7000  # bytes a row at the peak of sealing, vectors included
_BLOCK = 50_000

Found = dict[str, Any]


def main() -> None:
    """Measure each size and part in a process of its own, print one table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="20000,200000", help="comma-separated; 1000000 takes 12 GB and half an hour")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--home", type=Path, help="a trained home to take vectors from, instead of training one")
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=10, help="how long to ask one kind of question at most")
    parser.add_argument("--folder", type=Path, help="keep vectors and indexes here, and use those that are there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = asked.folder or Path(spare)
        if not (folder / "real.npy").exists():
            real(asked.home, folder)
        rows: list[tuple[str, ...]] = [("rows", "what", "p50 ms", "p99 ms", "recall@10", "a second", "beside")]
        for size in map(int, asked.rows.split(",")):
            here = folder / f"{size}-{asked.noise}"
            if not (here / "exact.npy").exists():
                here.mkdir(exist_ok=True)
                alone("grow", here, size, asked.noise)
            for part in asked.parts.split(","):
                if part not in ("flat", "sealed") and not importlib.util.find_spec(part):
                    print(f"left out: {part} is not installed")
                    continue
                found = alone(part, here, asked.seconds)
                if part == "sealed":
                    found |= alone("ask", here, asked.seconds)
                save(f"index-{size}-{part}", {"rows": size, "noise": asked.noise, "days": DAYS, "k": K} | found)
                rows += [(f"{size:,}", *row) for row in ROWS[part](found)]
    table(rows)


def rows(articles: int, folder: Path) -> list[Row]:
    """The ten nearest over everything, by recnews and by each other library, with the words and readers of a grown
    home; and what exact search takes."""
    what, memory = f"neighbours over everything, {articles:,} vectors", os.sysconf("SC_PHYS_PAGES") * 4096
    if articles * SEALING > memory:
        return [not_run(what, f"sealing takes some {articles * SEALING / 1e9:.0f} GB, {memory / 1e9:.0f} GB are here")]
    here = folder / "vectors" / f"{articles}-{NOISE}"
    if not (folder / "vectors" / "real.npy").exists():
        real(grown_home(folder, FIRST)[0], folder / "vectors")
    here.mkdir(parents=True, exist_ok=True)
    if not (here / "exact.npy").exists():
        alone("grow", here, articles, NOISE)
    mine = alone("sealed", here, 10) | alone("ask", here, 10)
    return [beside(what, articles, mine, name, here) for name in PARTS[2:]]


def beside(what: str, articles: int, mine: Found, name: str, here: Path) -> Row:
    """Throughput and memory beside one other library, at equal recall."""
    aim = "throughput >= the best of them - 10%"
    if not importlib.util.find_spec(name):
        return not_run(what, f"{name} is not installed", name, aim)
    other = alone(name, here, 10)
    rates = [1000 / it["ten nearest"]["mean"] for it in (mine, other)]
    sealed = sum(it["rows"] * it["bytes a row"] for it in mine["segments"])
    told = f"{rates[0]:,.0f} against {rates[1]:,.0f} a second, recall {mine['recall']:.3f}, {other['recall']:.3f}; "
    told += f"{mine['memory'] / 1e6:,.0f} MB and {sealed / 1e6:,.0f} MB mapped against {other['memory'] / 1e6:,.0f} MB"
    figures = {
        "neighbours p50 ms": mine["ten nearest"]["p50"], "neighbours p99 ms": mine["ten nearest"]["p99"],
        f"{name} p50 ms": other["ten nearest"]["p50"], "seconds to seal": mine["seconds to seal"],
        f"{name}, seconds to build": other["seconds to build"], "peak memory of sealing, MB": mine["peak memory"] / 1e6,
    }  # fmt: skip
    return Row(what, name, aim, told, f"{rates[0] / rates[1]:.2f}", rates[0] >= 0.9 * rates[1], articles, figures)


def real(home: Path | None, folder: Path) -> None:
    """Keep the real vectors of a home."""
    if home is None:
        xwlb_path()
        with tempfile.TemporaryDirectory() as made, Newsroom.open(Path(made)) as room:
            room.ingest(xwlb())
            room.train(room.settings.override("embedding", epochs=1))
            _keep(room, folder)
        return
    with Newsroom.open(home) as room:
        _keep(room, folder)


def _keep(room: Newsroom, folder: Path) -> None:
    room.recommend("nobody")  # brings the snapshot of the index up to date
    generation = room.generations.load(room.generations.names()[-1])
    catalog = Catalog.open(generation.folder, generation.id, generation.layout)
    catalog.refresh(room.store)
    vectors, _ = catalog.index.vectors(np.sort(catalog.index.ids()))
    folder.mkdir(exist_ok=True)
    np.save(folder / "real.npy", vectors[np.linalg.norm(vectors, axis=1) > 0])
    (folder / "layout.json").write_text(json.dumps({"dim": generation.layout.dim}))
    print(f"{len(vectors):,} real vectors of {generation.layout.dim} + {generation.layout.behaviour} numbers")


def alone(step: str, folder: Path, *given: object) -> Found:
    """One step in a process of its own: what it takes of memory is its own, and it has one thread."""
    command = [sys.executable, __file__, "--step", step, str(folder), *map(str, given)]
    subprocess.run(command, check=True, env=os.environ | ONE_CORE)
    answer = folder / f"{step}.json"
    found: Found = json.loads(answer.read_text()) if answer.exists() else {}
    return found


def grow(folder: Path, size: str, noise: str) -> Found:
    """Vectors, queries, and the ten nearest to each query by exact search."""
    draw, found = np.random.default_rng(17), np.load(folder.parent / "real.npy")
    dim = json.loads((folder.parent / "layout.json").read_text())["dim"]
    found = found[draw.permutation(len(found))]
    held, bases = found[:QUERIES], found[QUERIES:]

    def grown(many: int) -> Float32:
        rows = bases[draw.integers(len(bases), size=many)]
        for columns in (slice(dim), slice(dim, None)):
            part = rows[:, columns]
            length = np.linalg.norm(part, axis=1, keepdims=True)
            noisy = draw.standard_normal(part.shape, dtype=np.float32)
            noisy *= float(noise) * length / max(part.shape[1], 1) ** 0.5
            noisy += part
            rows[:, columns] = noisy * (length / np.maximum(np.linalg.norm(noisy, axis=1, keepdims=True), 1e-12))
        return np.asarray(rows, dtype=np.float32)

    total = int(size)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (total, found.shape[1]))
    for start in range(0, total, _BLOCK):
        vectors[start : start + _BLOCK] = grown(min(_BLOCK, total - start))
    queries = np.concatenate([grown(QUERIES), held])
    queries[:, dim:] = 0  # neighbours of a text are asked for without its readers
    np.save(folder / "published.npy", np.sort(NOW - draw.integers(DAYS * DAY, size=total)))
    np.save(folder / "queries.npy", queries)
    best = [(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))]
    for start in range(0, total, _BLOCK):
        products = queries @ vectors[start : start + _BLOCK].T
        places = np.argpartition(products, -10, axis=1)[:, -10:]
        best.append((np.take_along_axis(products, places, axis=1), places + start))
    scores, ids = (np.concatenate([part[side] for part in best], axis=1) for side in (0, 1))
    np.save(folder / "exact.npy", np.take_along_axis(ids, np.argsort(-scores, axis=1)[:, :10], axis=1))
    return {}


class Grown:
    """What `grow` left."""

    def __init__(self, folder: Path) -> None:
        self.vectors: Float32 = np.load(folder / "vectors.npy", mmap_mode="r")
        self.published: Int64 = np.load(folder / "published.npy")
        self.queries: Float32 = np.load(folder / "queries.npy")
        self.exact: Int64 = np.load(folder / "exact.npy")
        self.alike, self.real = range(QUERIES), range(QUERIES, len(self.queries))

    def fill(self, index: FlatIndex | SegmentedIndex) -> None:
        """Take in all rows."""
        for start in range(0, len(self.vectors), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(self.vectors)))
            index.upsert(rows, np.array(self.vectors[rows]), self.published[rows])

    def recall(self, ask: Callable[[Float32], Any], which: range) -> float:
        """The share of the ten nearest that are found."""
        same = [len(np.intersect1d(ask(self.queries[row : row + 1]), self.exact[row])) for row in which]
        return sum(same) / (10 * len(same))

    def times(self, ask: Callable[[Float32], object], together: int, seconds: float) -> Found:
        """Milliseconds of questions of so many queries."""
        taken: list[float] = []
        ask(self.queries[:together])
        end = time.monotonic() + seconds
        for start in range(QUERIES - together + 1):
            began = time.process_time()
            ask(self.queries[start : start + together])
            taken.append(time.process_time() - began)
            if time.monotonic() > end and len(taken) >= 5:
                break
        p50, p99 = (float(np.quantile(taken, part)) * 1000 for part in (0.5, 0.99))
        return {"p50": p50, "p99": p99, "mean": float(np.mean(taken)) * 1000, "questions": len(taken)}


def flat(folder: Path, seconds: str) -> Found:
    """Exact search beside FAISS alone."""
    import faiss

    grown = Grown(folder)
    index, bare = FlatIndex(grown.vectors.shape[1]), faiss.IndexFlatIP(grown.vectors.shape[1])
    grown.fill(index)
    for start in range(0, len(grown.vectors), _BLOCK):
        bare.add(np.array(grown.vectors[start : start + _BLOCK]))
    ways: dict[str, Callable[[Float32], object]] = {
        "FlatIndex": lambda queries: index.search(queries, K),
        "faiss.IndexFlatIP": lambda queries: bare.search(queries, K),
    }
    return {
        f"{name}, {together}": grown.times(ask, together, float(seconds))
        for together in (1, TOGETHER)
        for name, ask in ways.items()
    }


def sealed(folder: Path, _: str) -> Found:
    """Seal, and save."""
    grown = Grown(folder)
    index, target = SegmentedIndex(grown.vectors.shape[1]), folder / "sealed"
    grown.fill(index)
    began = time.process_time()
    content = json.loads((folder.parent / "layout.json").read_text())["dim"]
    maintain(index, target, NOW, SegmentSettings(content=content))
    seconds = time.process_time() - began
    (folder / "saved").mkdir(exist_ok=True)
    index.save(folder / "saved")
    return {
        "seconds to seal": seconds,
        "peak memory": _status("VmHWM"),
        "segments": [
            {
                "kind": it.manifest.kind, "rows": it.manifest.rows, "bytes a row": it.manifest.bytes / it.manifest.rows,
                "structure, bytes a row": sum(
                    size for name, (size, _) in it.manifest.files.items() if name in ("structure.faiss", "numbers.npy")
                ) / it.manifest.rows,
                "recall when sealed": it.manifest.recall, "efforts": dict(it.manifest.efforts),
            }
            for it in index.sealed
        ],
    }  # fmt: skip


def ask(folder: Path, seconds: str) -> Found:
    """Open what was sealed, as a service does, and ask."""
    grown, before = Grown(folder), _status("RssAnon")
    index = SegmentedIndex.load(folder / "saved", folder / "sealed")
    opened = _status("RssAnon") - before
    week = Within(since=NOW - 7 * DAY)
    found: Found = {
        f"{name}, {together}": grown.times(lambda it, w=within: index.search(it, K, within=w), together, float(seconds))
        for name, within in (("last 7 days", week), ("everything", ANYWHERE))
        for together in (1, TOGETHER)
    }
    found["ten nearest"] = grown.times(lambda it: index.search(it, 10), 1, float(seconds))
    for name, which in (("recall", grown.alike), ("recall, real queries", grown.real)):
        found[name] = grown.recall(lambda it: index.search(it, 10)[0].ids, which)
    return found | {"memory opened": opened, "memory": _status("RssAnon") - before, "mapped": _status("RssFile")}


def peer(build: Callable[[Float32], tuple[Callable[[Float32], Any], Callable[[int], None]]]) -> Callable[..., Found]:
    """Measure another library: it gives how to ask for the ten nearest, and how to set the effort."""

    def measured(folder: Path, seconds: str) -> Found:
        grown, before, began = Grown(folder), _status("RssAnon"), time.process_time()
        nearest, set_effort = build(grown.vectors)
        found = {"seconds to build": time.process_time() - began, "memory": _status("RssAnon") - before}
        for effort in EFFORTS:
            set_effort(effort)
            recall, of_real = (grown.recall(nearest, which) for which in (grown.alike, grown.real))
            if min(recall, of_real) >= 0.95:
                break
        times = grown.times(nearest, 1, float(seconds))
        return found | {
            "effort": effort, "recall": recall, "recall, real queries": of_real,
            "ten nearest": times,
        }  # fmt: skip

    return measured


@peer
def hnswlib(vectors: Float32) -> Any:
    """A graph of hnswlib."""
    from hnswlib import Index

    index = Index("ip", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=CONSTRUCTION, M=LINKS)
    index.set_num_threads(1)
    for start in range(0, len(vectors), _BLOCK):
        index.add_items(vectors[start : start + _BLOCK], num_threads=1)
    return lambda query: index.knn_query(query, 10, num_threads=1)[0], index.set_ef


@peer
def usearch(vectors: Float32) -> Any:
    """A graph of usearch."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=LINKS, expansion_add=CONSTRUCTION)
    for start in range(0, len(vectors), _BLOCK):
        block = np.array(vectors[start : start + _BLOCK])
        index.add(np.arange(start, start + len(block)), block, threads=1)

    def set_effort(effort: int) -> None:
        index.expansion_search = effort

    return lambda query: index.search(query[0], 10, threads=1).keys, set_effort


@peer
def faiss(vectors: Float32) -> Any:
    """A graph of FAISS."""
    import faiss as library

    index = library.IndexHNSWFlat(vectors.shape[1], LINKS, library.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CONSTRUCTION
    for start in range(0, len(vectors), _BLOCK):
        index.add(np.array(vectors[start : start + _BLOCK]))

    def set_effort(effort: int) -> None:
        index.hnsw.efSearch = effort

    return lambda query: index.search(query, 10)[1][0], set_effort


def _status(name: str) -> int:
    """Bytes, of this process, by the name of a line in its status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _timed(name: str, it: Found, recall: str = "", beside: str = "") -> tuple[str, ...]:
    return name, f"{it['p50']:.2f}", f"{it['p99']:.2f}", recall, f"{1000 / it['mean']:.0f}", beside


def flat_rows(found: Found) -> list[tuple[str, ...]]:
    """Exact search, of 1 query and of 6 at once."""
    return [_timed(f"exact, {name}", it) for name, it in found.items()]


def sealed_rows(found: Found) -> list[tuple[str, ...]]:
    """Sealed segments."""
    recall = f"{found['recall']:.3f} (real {found['recall, real queries']:.3f})"
    timed = [(name, it) for name, it in found.items() if name.endswith((", 1", f", {TOGETHER}"))]
    rows = [_timed(f"segments, {name}", it) for name, it in timed]
    kinds = ", ".join(f"{it['kind']} {it['bytes a row']:.0f} bytes a row" for it in found["segments"]) or "none sealed"
    beside = f"{kinds}; {found['seconds to seal']:.0f} s to seal; {found['memory'] / 1e6:.0f} MB"
    return [*rows, _timed("ten nearest, recnews", found["ten nearest"], recall, beside)]


def peer_rows(name: str) -> Callable[[Found], list[tuple[str, ...]]]:
    """Another library."""

    def rows(found: Found) -> list[tuple[str, ...]]:
        recall = f"{found['recall']:.3f} (real {found['recall, real queries']:.3f})"
        beside = f"{found['seconds to build']:.0f} s to build; {found['memory'] / 1e6:.0f} MB; ef {found['effort']}"
        return [_timed(f"ten nearest, {name}", found["ten nearest"], recall, beside)]

    return rows


ROWS: dict[str, Callable[[Found], list[tuple[str, ...]]]] = {
    "flat": flat_rows,
    "sealed": sealed_rows,
    "hnswlib": peer_rows("hnswlib"),
    "usearch": peer_rows("usearch"),
    "faiss": peer_rows("FAISS HNSW"),
}
STEPS: dict[str, Callable[..., Found]] = {
    "grow": grow, "flat": flat, "sealed": sealed, "ask": ask, "hnswlib": hnswlib, "usearch": usearch, "faiss": faiss,
}  # fmt: skip

if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        place = Path(sys.argv[3])
        (place / f"{sys.argv[2]}.json").write_text(json.dumps(STEPS[sys.argv[2]](place, *sys.argv[4:])))
    else:
        main()
