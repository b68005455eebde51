"""Text to searchable: `recnews ingest` beside the loop a user of jieba, gensim and FAISS would write.

Both are trained on the same articles first (not timed), then take in the same 2,000 others, in turn, several times.
`rjieba` alone, cutting the same text, is what no pipeline around it can beat.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import jieba
import numpy as np
import rjieba
from data import xwlb
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from report import save, spread, table
from rows import Row, compared, not_run

from recnews import Newsroom
from recnews.config import EmbeddingSettings

DIM = 256


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=17_594, help="articles to train on")
    parser.add_argument("--new", type=int, default=2000, help="articles to take in")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    show(asked.new, measure(asked.train, asked.new, asked.runs))


def rows(articles: int, folder: Path) -> list[Row]:  # noqa: ARG001
    """Articles a second beside the naive loop, and beside cutting alone on as many cores as an ingest has."""
    new, cores = 2000, len(os.sched_getaffinity(0))
    rates = {way: [new / taken for taken in runs] for way, runs in measure(17_594, new, 3).items()}
    limit = [rate * cores for rate in rates["rjieba alone"]]
    what, mine = f"ingest {new:,} articles, text to searchable", rates["recnews"]
    return [
        compared(what, "jieba, Doc2Vec and FAISS by hand", ">= 25 x", mine=mine, other=rates["naive"], least=25),
        compared(what, f"rjieba alone, {cores} cores (one measured)", ">= 1/3", mine=mine, other=limit, least=1 / 3),
        not_run(what, "txtai needs torch and transformers, gigabytes that nothing else here does", "txtai", "given"),
    ]


def measure(train: int, count: int, runs: int) -> dict[str, list[float]]:
    """Seconds of each way, run by run, to take in the latest `count` articles after training on the `train` before."""
    rows = xwlb()[-train - count :]
    old, new = rows[:train], rows[train:]
    faiss.omp_set_num_threads(1)
    naive = naive_loop(old)
    with tempfile.TemporaryDirectory() as folder:
        room = Newsroom.open(Path(folder))
        room.ingest(old)
        room.train(room.settings.override("embedding", epochs=1))
        seconds: dict[str, list[float]] = {"naive": [], "recnews": [], "rjieba alone": []}
        for _ in range(runs):
            seconds["naive"].append(timed(lambda: naive(new)))
            seconds["recnews"].append(timed(lambda: take_in(room, new)))
            seconds["rjieba alone"].append(timed(lambda: cut(new)))
            room.delete([row["id"] for row in new])
        room.close()
    return seconds


def naive_loop(old: list[dict[str, Any]]) -> Callable[[list[dict[str, Any]]], None]:
    """`jieba.lcut`, `Doc2Vec.infer_vector` (256 dimensions, 20 passes) and a flat FAISS index."""
    documents = [TaggedDocument(jieba.lcut(f"{row['title']}\n{row['body']}"), [i]) for i, row in enumerate(old)]
    model = Doc2Vec(documents, vector_size=DIM, workers=2, epochs=5)
    model.epochs = EmbeddingSettings().infer_epochs  # the passes that recnews' own Doc2Vec takes, for a steady vector

    def take(new: list[dict[str, Any]]) -> None:
        index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIM))
        for number, row in enumerate(new):
            vector = model.infer_vector(jieba.lcut(f"{row['title']}\n{row['body']}"))
            vector /= np.linalg.norm(vector)
            index.add_with_ids(vector[None, :], np.array([number]))
        assert index.ntotal == len(new)

    return take


def take_in(room: Newsroom, new: list[dict[str, Any]]) -> None:
    """All of `recnews ingest`: check, store, index, and a feed's view brought up to date."""
    report = room.ingest(new)
    assert report.added == report.indexed == len(new), report


def cut(new: list[dict[str, Any]]) -> None:
    """Nothing but cutting."""
    for row in new:
        rjieba.cut(f"{row['title']}\n{row['body']}")


def timed(work: Callable[[], None]) -> float:
    """Seconds a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(count: int, seconds: dict[str, list[float]]) -> None:
    """A row for each way, with how many times faster than the naive one it was, run by run."""
    rows = [("way", "articles a second", "times naive, run by run")]
    for way, taken in seconds.items():
        ratios = [naive / mine for naive, mine in zip(seconds["naive"], taken, strict=True)]
        rows.append((way, spread([count / s for s in taken], 0), spread(ratios, 1)))
    table(rows)
    save("ingest", {"articles": count, "seconds": seconds})


if __name__ == "__main__":
    main()
