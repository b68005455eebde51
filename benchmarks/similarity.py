"""How well texts are told apart: recnews beside plain methods, on the corpora of `data.py`.

`inews`, `xwlb`: a title is to find its body. `semeval-zh`, `semeval-en`, `lee`: pairs of texts that people have judged.
`bytes`: two processes encode the same batch. A corpus that is absent is skipped with a notice.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import data
from report import save, table

from recnews import Newsroom
from recnews.config import Settings
from recnews.evaluate.baselines import BASELINES, installed
from recnews.evaluate.files import pairs_of, word_pairs_of
from recnews.evaluate.similarity import Outcome, Plan, evaluate, shown
from recnews.evaluate.systems import Text
from recnews.evaluate.tasks import JudgedPair
from recnews.formats import articles_from_rows
from recnews.records import Draft

DAYS = 400
SHOWN = {
    "inews": (("title to body", "R@1"), ("title to body", "R@10")),
    "xwlb": (("title to body", "R@1"), ("title to body", "R@10")),
    "semeval-zh": (("judged pairs", "Pearson"),),
    "semeval-en": (("judged pairs", "Pearson"),),
    "lee": (("judged pairs", "Pearson"),),
}


def main() -> None:
    """Measure recipe by recipe, print each, then one table of all; keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help=f"of {', '.join(RECIPES)}, bytes; comma-separated")
    parser.add_argument("--baselines", help=f"of {', '.join(BASELINES)}, or none; comma-separated")
    parser.add_argument("--holdout", type=float, default=0.0, help="share of inews and xwlb to keep out of training")
    parser.add_argument("--embedder", choices=("word2vec", "doc2vec"), default="word2vec", help="of recnews")
    parser.add_argument("--epochs", type=int, help="passes over the articles")
    parser.add_argument("--workers", type=int, default=0, help="1 makes figures reproducible")
    asked = parser.parse_args()
    settings = Settings().override("embedding", embedder=asked.embedder, workers=asked.workers, epochs=asked.epochs)
    kept = "similarity" if asked.embedder == "word2vec" else f"similarity-{asked.embedder}"
    names = installed() if asked.baselines is None else tuple(asked.baselines.replace("none", "").split(","))
    wanted = asked.only.split(",") if asked.only else [*RECIPES, "bytes"]
    found: dict[str, Outcome] = {}
    for name in wanted:
        try:
            if name == "bytes":
                same_bytes(settings, kept)
                continue
            plan = replace(RECIPES[name](settings), baselines=[baseline for baseline in names if baseline])
        except data.AbsentError as absent:
            print(f"skipped {name}: {absent}\n")
            continue
        found[name] = outcome = evaluate(plan if plan.judged_only else replace(plan, holdout=asked.holdout), tell)
        save(f"{kept}-{name}", outcome.document())
        show(name, outcome)
    together(found)


def inews(settings: Settings) -> Plan:
    """Every article, trained on all of them."""
    return Plan(drafts(data.inews()), settings)


def xwlb(settings: Settings) -> Plan:
    """The items of the last 400 days, trained on all of four years."""
    articles = drafts(data.xwlb())
    last = max(article.published_at for article in articles if article.published_at)
    return Plan(articles, settings, since=last - timedelta(days=DAYS))


def semeval_zh(settings: Settings) -> Plan:
    """Trained on the judged articles themselves, xwlb and inews."""
    rows = [*data.semeval_articles("zh"), *data.xwlb(), *data.inews()]
    return Plan(drafts(rows), settings, pairs=pairs_of(data.semeval_path(), "zh"), judged_only=True)


def semeval_en(settings: Settings) -> Plan:
    """Trained on the judged articles themselves, the IBM articles with a body and gensim's Lee background."""
    rows = [*data.semeval_articles("en"), *data.ibm(), *data.lee_background()]
    pairs, words = pairs_of(data.semeval_path(), "en"), word_pairs_of(data.wordsim_path())
    return Plan(drafts(rows), settings, pairs=pairs, words=words, judged_only=True)


def lee(settings: Settings) -> Plan:
    """All pairs of 50 texts, trained on the 300 of the background alone. Pairs share texts, so intervals are too
    narrow."""
    texts, judged = data.lee_judged()
    pairs = [
        JudgedPair(Text.free(texts[a]), Text.free(texts[b]), judged[a][b])
        for a, b in combinations(range(len(texts)), 2)
    ]
    return Plan(drafts(data.lee_background()), settings, pairs=pairs, judged_only=True)


RECIPES: dict[str, Callable[[Settings], Plan]] = {
    "inews": inews, "xwlb": xwlb, "semeval-zh": semeval_zh, "semeval-en": semeval_en, "lee": lee,
}  # fmt: skip


def drafts(rows: list[dict[str, Any]]) -> list[Draft]:
    """Rows as articles; one that cannot be taken, such as an inews article without any text, is left out."""
    return [row for row in articles_from_rows(rows) if isinstance(row, Draft)]


def same_bytes(settings: Settings, kept: str) -> None:
    """Train once, encode the same 500 titles in two processes with other hashes and other numbers of threads."""
    rows = data.xwlb()[-2000:]
    with tempfile.TemporaryDirectory() as folder:
        with Newsroom.open(Path(folder), settings) as room:
            room.ingest(rows)
            room.train(settings.override("embedding", epochs=2))
        texts = Path(folder) / "texts"
        texts.write_text("\n".join(row["title"].replace("\n", " ") for row in rows[:500]), encoding="utf-8")
        command = [sys.executable, __file__, "--encode", folder, str(texts)]
        told = [
            subprocess.run(
                command, check=True, capture_output=True, text=True,
                env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            ).stdout.strip()
            for seed, threads in (("1", "1"), ("2", "2"))
        ]  # fmt: skip
    verdict = "identical" if told[0] == told[1] else "DIFFERENT"
    print(f"bytes: 500 titles encoded in two processes: {verdict} ({told[0][:12]}, {told[1][:12]})\n")
    save(f"{kept}-bytes", {"texts": 500, "sha256": told, "identical": told[0] == told[1]})


def encode(home: str, texts: str) -> None:
    """What each of the two processes does."""
    with Newsroom.open(home) as room:
        vectors = room.embed(Path(texts).read_text(encoding="utf-8").split("\n"))
    print(hashlib.sha256(vectors.tobytes()).hexdigest())


def show(name: str, outcome: Outcome) -> None:
    """One recipe in full."""
    print(f"\n{name}: {outcome.about()}")
    for task, asked in outcome.tasks.items():
        print(f"{task}: {asked}")
        table([tuple(row) for row in outcome.table(task)])
    print()


def together(found: dict[str, Outcome]) -> None:
    """A row for each method, over all recipes."""
    methods = list(dict.fromkeys(method for outcome in found.values() for method in outcome.seconds))
    columns = [(name, task, measure) for name in found for task, measure in SHOWN[name]]
    rows = [("method", *(f"{name} {measure}" for name, _, measure in columns))]
    for method in methods:
        cells = [found[name].figures[task].get(method, {}).get(measure) for name, task, measure in columns]
        rows.append((method, *("-" if cell is None else shown(cell) for cell in cells)))
    if columns:
        table(rows)


tell = partial(print, file=sys.stderr)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--encode"]:
        encode(*sys.argv[2:])
    else:
        main()
