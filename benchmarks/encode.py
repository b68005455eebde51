"""Tokens to vectors: `embedder.encode` on one core beside bare sums of the same word vectors; and where a training's
time goes.

Trained on all of xwlb with the default settings. The texts are its latest tokens in pieces of one length: pieces, not
repetitions, which would hold fewer different words than an article does. Seconds are those of the processor, so that
other work on the machine does not count, and all threads do. Stages are told as a user is told them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
from data import xwlb, xwlb_path
from gensim.models import KeyedVectors
from grown import grown_home
from report import RESULTS, save, spread, table
from rows import Row, compared

from recnews import Newsroom
from recnews.records import Tokens

TITLE = 10
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
STAGES = {
    "tokens": "read and cut into words",
    "words": "Word2Vec",
    "space": "vocabulary, space, induction",
    "articles": "encode and store all articles",
    "": "check, switch",
}


def main() -> None:
    """Measure, print tables, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=300, help="of each text")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument(
        "--epochs", type=int, help="passes of the training; the speed of encoding does not depend on it"
    )
    parser.add_argument("--home", type=Path, help="a trained home to encode with, instead of training one")
    asked = parser.parse_args()
    counts = [str(asked.texts), str(asked.tokens), str(asked.runs)]
    if asked.home:
        xwlb_path()
        encode_on_one_core(asked.home, counts)
        return
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder), asked.epochs)
        encode_on_one_core(Path(folder), counts)


def train(home: Path, epochs: int | None) -> None:
    """Ingest and train, and say how long each stage took."""
    ends: dict[str, tuple[float, float]] = {}

    def tell(stage: str, _share: float) -> None:
        ends[stage] = (time.perf_counter(), time.process_time())

    with Newsroom.open(home) as room:
        room.ingest(xwlb())
        settings = room.settings.override("embedding", epochs=epochs)
        begin = (time.perf_counter(), time.process_time())
        made = room.train(settings, progress=tell)
    tell("", 1.0)
    seconds = {}
    for stage, end in ends.items():
        seconds[stage], begin = [after - before for before, after in zip(begin, end, strict=True)], end
    manifest = made.manifest
    print(f"training: {manifest.articles:,} articles, {manifest.tokens:,} tokens, {manifest.vocabulary:,} words")
    rows = [*seconds.items(), ("all", np.sum(list(seconds.values()), axis=0).tolist())]
    header = ("stage", "seconds", "processor seconds")
    table([header, *((STAGES.get(stage, stage), *(f"{it:.1f}" for it in taken)) for stage, taken in rows)])
    print()
    found = {"articles": manifest.articles, "tokens": manifest.tokens, "vocabulary": manifest.vocabulary}
    save("train", found | {"epochs": settings.embedding.epochs, "wall and processor seconds": seconds})


def rows(articles: int, folder: Path) -> list[Row]:
    """Texts a second beside each other way, with the words of a grown home."""
    home, _ = grown_home(folder, articles)
    encode_on_one_core(home, ["2000", "300", "9"])
    rates = json.loads((RESULTS / "encode.json").read_text(encoding="utf-8"))["figures"]["rates"]
    mine = rates.pop("recnews, encode")
    return [
        compared("tokens to vectors, one core", way, "given", mine=mine, other=taken) for way, taken in rates.items()
    ]


def encode_on_one_core(home: Path, counts: list[str]) -> None:
    """In a process of its own: how many threads there are is settled when numpy is imported."""
    command = [sys.executable, __file__, "--encode", str(home), *counts]
    subprocess.run(command, check=True, env=os.environ | ONE_CORE)


def encode(home: str, texts: int, tokens: int, runs: int) -> None:
    """Texts a second, each way in turn."""
    with Newsroom.open(home) as room:
        generation = room.generations.load(room.generations.names()[-1])
    embedder, cut = generation.embedder, generation.tokenizer
    flat = list(chain.from_iterable(cut(f"{row['title']}\n{row['body']}") for row in xwlb()[-3 * texts :]))
    pieces = [flat[start : start + tokens] for start in range(0, len(flat) - tokens, tokens)][:texts]
    batch = [Tokens(piece[:TITLE], piece[TITLE:]) for piece in pieces]
    words = np.array(embedder.words)
    vectors = KeyedVectors(words.shape[1])
    vectors.add_vectors(embedder.vocabulary.words, words)
    ids = embedder.vocabulary.ids

    def bare() -> None:
        for piece in pieces:
            words[[ids[token] for token in piece if token in ids]].sum(axis=0)

    ways: dict[str, Callable[[], object]] = {
        "recnews, encode": lambda: embedder.encode(batch),
        "numpy, sum of word vectors": bare,
        "gensim, get_mean_vector": lambda: [vectors.get_mean_vector(piece) for piece in pieces],
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs + 1):
        for way, work in ways.items():
            start = time.process_time()
            work()
            if run:  # the first brings the tables into memory
                rates[way].append(len(pieces) / (time.process_time() - start))
    print(f"{len(pieces):,} texts of {tokens} tokens ({np.mean([len(set(it)) for it in pieces]):.0f} different ones)")
    table([("way", "texts a second on one core"), *((way, spread(found, 0)) for way, found in rates.items())])
    save("encode", {"texts": len(pieces), "tokens": tokens, "vocabulary": len(ids), "rates": rates})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--encode"]:
        encode(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
