"""Near-duplicates on real texts: which articles are grouped as one story, and which should be.

Edited copies: of the last xwlb articles with at least ten sentences, every third is published again three hours later
with a tenth of its sentences taken from other articles. All pairs that recnews groups are looked at: an article and its
own copy is right, anything else is counted as wrong, even where two originals really tell the same story. `cosine` is
what the article vectors must reach to confirm a likeness; they are those of a training on the articles before.

Judged pairs: SemEval-2022 task 8, pairs of whole articles by two publishers; 2.67 or more out of 3 is the same story.
Those are independent texts, not copies: the share of common characters that makes a story finds none. The cosine
of the article vectors is set beside that of tf-idf, and beside that share; best F1 is that of the threshold that suits
these very pairs best. Vectors are learned from the judged articles themselves, and the articles before (Chinese) or the
IBM articles and gensim's Lee background (English).
"""

import argparse
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from data import ibm, lee_background, semeval_articles, semeval_pairs, xwlb
from report import save, table
from scipy import stats

from recnews import Newsroom
from recnews.config import Settings
from recnews.evaluate.baselines import Cutter, TfIdf
from recnews.evaluate.similarity import shown
from recnews.evaluate.systems import RecnewsSystem, Text
from recnews.formats import articles_from_rows
from recnews.metrics import Float64, bootstrap
from recnews.near import grams, likeness
from recnews.records import Draft
from recnews.text import Tokenizer

SAME_STORY = 2.67
UNCONFIRMED = -1.0  # no cosine is lower: likeness alone decides
COSINES = (UNCONFIRMED, 0.7, 0.8, 0.9)
_SENTENCE = re.compile(r"[^。！？]+[。！？]?")
Row = dict[str, Any]


def main() -> None:
    """Measure, print tables, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=3000, help="the last of xwlb, of which some are copied")
    parser.add_argument("--train", type=int, default=6000, help="the articles before, to learn vectors from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="1 makes figures reproducible")
    asked = parser.parse_args()
    settings = Settings().override("embedding", workers=asked.workers)
    rows = xwlb()[-asked.articles - asked.train :]
    before, rows = rows[: asked.train], rows[asked.train :]
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        learned = [*before, *semeval_articles("zh")]
        system = RecnewsSystem(Path(folder), settings, ())
        system.fit(drafts(learned))
        figures["copies"] = copies(Path(folder), settings, learned, rows, random.Random(asked.seed))
        figures["zh"] = judged("zh", system, learned, settings)
    with tempfile.TemporaryDirectory() as folder:
        learned = [*semeval_articles("en"), *ibm(), *lee_background()]
        system = RecnewsSystem(Path(folder), settings, ())
        system.fit(drafts(learned))
        figures["en"] = judged("en", system, learned, settings)
    save("duplicates", figures)


def drafts(rows: Sequence[Row]) -> list[Draft]:
    """The rows as articles."""
    return [row for row in articles_from_rows(rows) if isinstance(row, Draft)]


def copies(home: Path, settings: Settings, learned: list[Row], rows: list[Row], draw: random.Random) -> list[Row]:
    """Precision and recall of the pairs grouped, by the share of sentences replaced and the cosine asked for."""
    with Newsroom.open(home, settings) as room:
        room.delete([row["id"] for row in learned])  # their vectors have been learned; they are not to be grouped
    originals = [row for row in rows if len(_SENTENCE.findall(row["body"])) >= 10]
    figures = []
    for share in (0.1, 0.2, 0.3):
        copied = [edited(row, share, rows, draw) for row in originals[::3]]
        for cosine in COSINES:
            right, found = grouped(home, settings.override("stories", cosine=cosine), rows + copied)
            figures.append({"replaced": share, "cosine": cosine, "copies": len(copied), "right": right, "found": found})
    header = ("sentences replaced", "cosine", "copies", "precision", "recall")
    table([header, *((
        f"{it['replaced']:.0%}", "not asked" if it["cosine"] == UNCONFIRMED else f"{it['cosine']:g}", str(it["copies"]),
        f"{it['right'] / max(it['found'], 1):.3f}", f"{it['right'] / it['copies']:.3f}",
    ) for it in figures)])  # fmt: skip
    print()
    return figures


def edited(row: Row, share: float, rows: list[Row], draw: random.Random) -> Row:
    """A copy with a share of its sentences replaced by sentences of other articles, published three hours later."""
    sentences = _SENTENCE.findall(row["body"])
    for place in draw.sample(range(len(sentences)), max(1, round(share * len(sentences)))):
        sentences[place] = draw.choice(_SENTENCE.findall(draw.choice(rows)["body"]) or [""])
    later = datetime.fromisoformat(row["published_at"]) + timedelta(hours=3)
    return row | {"id": f"copy-{row['id']}", "body": "".join(sentences), "published_at": later.isoformat()}


def grouped(home: Path, settings: Settings, rows: list[Row]) -> tuple[int, int]:
    """Of the pairs in one story: how many are an article and its copy, and how many there are."""
    with Newsroom.open(home, settings) as room:
        report = room.ingest(rows)
        assert report.added == report.indexed == len(rows), report  # all have vectors, which can confirm
        stories = [[card.key for card in story] for story in room.duplicates(len(rows))]
        room.delete([row["id"] for row in rows])
    pairs = [pair for story in stories for pair in combinations(sorted(story), 2)]
    return sum(f"copy-{two}" == one or f"copy-{one}" == two for one, two in pairs), len(pairs)


def judged(lang: str, system: RecnewsSystem, learned: list[Row], settings: Settings) -> dict[str, Any]:
    """How well each likeness tells pairs of the same story from the rest."""
    pairs = semeval_pairs(lang)
    left, right = ([Text.free(pair[side]) for pair in pairs] for side in ("a", "b"))
    plain = TfIdf(Cutter(Tokenizer(settings.text)))
    plain.fit(drafts(learned))
    common = np.array([likeness(*grams([pair["a"], pair["b"]])) for pair in pairs])
    same = np.array([pair["similarity"] >= SAME_STORY for pair in pairs])
    found = common >= settings.stories.likeness
    print(
        f"SemEval {lang}: {same.sum()} of {len(pairs)} pairs are the same story; {found.sum()} of all are alike enough "
        f"to make a story, {(found & same).sum()} of them rightly"
    )
    methods = {
        "recnews, cosine": system.likeness(left, right),
        "tf-idf, cosine": plain.likeness(left, right),
        "common 5-grams": common,
    }
    measured = {
        name: {
            measure: bootstrap(np.stack([scores, same], axis=1), statistic) for measure, statistic in MEASURES.items()
        }
        for name, scores in methods.items()
    }
    table([("likeness", *MEASURES), *((name, *map(shown, it.values())) for name, it in measured.items())])
    print()
    plainly = {
        name: {measure: [it.value, it.low, it.high] for measure, it in figures.items()}
        for name, figures in measured.items()
    }
    return {
        "pairs": len(pairs), "same": int(same.sum()), "alike": int(found.sum()),
        "rightly": int((found & same).sum()), "measured": plainly,
    }  # fmt: skip


def area(rows: Float64) -> float:
    """Chance that a right pair scores above a wrong one, ties half: area under the ROC curve. Rows: score, right."""
    right = rows[:, 1] > 0
    n, m = right.sum(), (~right).sum()
    if not n or not m:
        return float("nan")
    return float((stats.rankdata(rows[:, 0])[right].sum() - n * (n + 1) / 2) / (n * m))


def ranked(rows: Float64) -> tuple[Float64, Float64]:
    """Precision and recall at each threshold that a score sets, from the highest."""
    order = np.argsort(-rows[:, 0], kind="stable")
    scores, right = rows[order, 0], np.cumsum(rows[order, 1])
    last = np.append(scores[1:] != scores[:-1], True)  # of those that tie
    return (right / np.arange(1, len(rows) + 1))[last], (right / max(right[-1], 1))[last]


def average_precision(rows: Float64) -> float:
    """Mean of precision over recall."""
    precision, recall = ranked(rows)
    return float((np.diff(recall, prepend=0) * precision).sum()) if rows[:, 1].any() else float("nan")


def best_f1(rows: Float64) -> float:
    """F1 at the threshold where it is highest."""
    precision, recall = ranked(rows)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-9)).max())


MEASURES: dict[str, Callable[[Float64], float]] = {
    "AUC": area,
    "average precision": average_precision,
    "best F1": best_f1,
}

if __name__ == "__main__":
    main()
