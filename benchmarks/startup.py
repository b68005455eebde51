"""`recnews recommend --user X` as a whole process, beside what a script on jieba, gensim, FAISS and pandas pays before
its first line of work: the imports, jieba's dictionary and a load of the model.

The home holds 20,000 articles and a reader with 50 reads. The two run in turn; the ratio is taken pair by pair.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data import xwlb
from gensim.models import Word2Vec
from grown import grown_home
from report import save, spread, table
from rows import Row

from recnews import Newsroom
from recnews.generation import Generation

ARTICLES = 20_000
BASELINE = """
import sys
import gensim, jieba, faiss, pandas
jieba.setLogLevel(60)
jieba.initialize()
gensim.models.Word2Vec.load(sys.argv[1])
"""


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, model = Path(folder) / "home", Path(folder) / "model"
        prepare(home, model)
        show(measure(home, model, asked.runs))


def rows(articles: int, folder: Path) -> list[Row]:
    """Seconds of the command, beside importing NumPy and FAISS."""
    home, _ = grown_home(folder, articles)
    with tempfile.TemporaryDirectory() as spare:
        model = Path(spare) / "model"
        with Newsroom.open(home) as room:
            keep_model(room.serving.generation(prepared=True), model)
        seconds = measure(home, model, 9)
    mine = seconds["recnews recommend"]
    made = []
    for beside, aim, most in (("numpy and faiss", "<= 2 x", 2.0), ("imports and a model", "given", None)):
        ratios = [m / t for m, t in zip(mine, seconds[beside], strict=True)]
        told = f"{statistics.median(mine):.2f} s against {statistics.median(seconds[beside]):.2f} s"
        ratio = statistics.median(ratios)
        made.append(Row("recnews recommend as a process", beside, aim, told, f"{ratio:.2f}",
                        None if most is None else ratio <= most, articles, {"seconds": seconds}))  # fmt: skip
    return made


def measure(home: Path, model: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of each process, run by run, in turn."""
    mine = [sys.executable, "-m", "recnews", "--home", str(home), "recommend", "--user", "reader-1"]
    baseline = [sys.executable, "-c", BASELINE, str(model)]
    floor = [sys.executable, "-c", "import numpy, faiss"]
    seconds: dict[str, list[float]] = {"recnews recommend": [], "imports and a model": [], "numpy and faiss": []}
    for _ in range(runs + 1):
        for taken, command in zip(seconds.values(), (mine, baseline, floor), strict=True):
            taken.append(timed(command))
    return {name: taken[1:] for name, taken in seconds.items()}  # the first run warms the disk's cache


def prepare(home: Path, model: Path) -> None:
    """A trained home, and a gensim model with words of the same number and length."""
    rows = xwlb()
    copies = [row | {"id": f"copy-{row['id']}"} for row in rows[: ARTICLES - len(rows)]]
    with Newsroom.open(home) as room:
        room.ingest(rows + copies)
        generation = room.train(room.settings.override("embedding", epochs=1))
        room.record_many([{"user": "reader-1", "article": row["id"], "at": row["published_at"]} for row in rows[-50:]])
    keep_model(generation, model)


def keep_model(generation: Generation, model: Path) -> None:
    """A gensim model with the words of a generation."""
    words = generation.embedder.vocabulary.words
    gensim = Word2Vec(vector_size=generation.dim, min_count=1)
    gensim.build_vocab([words])
    gensim.save(str(model))


def timed(command: list[str]) -> float:
    """Seconds from start to end of a process that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def show(seconds: dict[str, list[float]]) -> None:
    """A row for each process, with recnews as a share of it, pair by pair."""
    mine = seconds["recnews recommend"]
    rows = [("process", "seconds", "recnews as a share of it")]
    for name, taken in seconds.items():
        rows.append((name, spread(taken, 3), spread([m / t for m, t in zip(mine, taken, strict=True)], 3)))
    table(rows)
    save("startup", {"articles": ARTICLES, "seconds": seconds})


if __name__ == "__main__":
    main()
