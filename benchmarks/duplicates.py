"""Near-duplicates on real texts: which articles are grouped as one story, and which should be.

Edited copies: of the last xwlb articles with at least ten sentences, every third is published again three hours later
with a tenth of its sentences taken from other articles. All pairs that recnews groups are looked at: an article and its
own copy is right, anything else is counted as wrong, even where two originals really tell the same story.

Judged pairs: SemEval-2022 task 8, pairs of whole articles by two publishers; 2.67 or more out of 3 is the same story.
Those are independent texts, not copies: the table says how many of them a likeness of characters can find at all.
"""

import argparse
import random
import re
import tempfile
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from data import semeval_pairs, xwlb
from report import save, table

from recnews import Newsroom
from recnews.config import StorySettings
from recnews.near import grams, likeness

SAME_STORY = 2.67
_SENTENCE = re.compile(r"[^。！？]+[。！？]?")


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    rows = xwlb()[-asked.articles :]
    originals = [row for row in rows if len(_SENTENCE.findall(row["body"])) >= 10]
    figures: dict[str, Any] = {}
    shown: list[tuple[str, ...]] = [("what", "pairs", "precision", "recall")]
    for share in (0.1, 0.2, 0.3):
        copies = [edited(row, share, rows, draw) for row in originals[::3]]
        right, found = grouped(rows + copies)
        figures[f"{share:.0%} of sentences replaced"] = {"copies": len(copies), "right": right, "found": found}
        shown.append(
            (f"{share:.0%} replaced", str(len(copies)), f"{right / max(found, 1):.3f}", f"{right / len(copies):.3f}")
        )
    limit = StorySettings().likeness
    for lang in ("zh", "en"):
        alike = [
            (likeness(*grams([pair["a"], pair["b"]])), pair["similarity"] >= SAME_STORY) for pair in semeval_pairs(lang)
        ]
        found, right = sum(like >= limit for like, _ in alike), sum(like >= limit and same for like, same in alike)
        same = sum(same for _, same in alike)
        figures[f"SemEval {lang}"] = {"pairs": len(alike), "same": same, "found": found, "right": right}
        shown.append(
            (
                f"SemEval {lang}",
                str(len(alike)),
                f"{right / found:.3f}" if found else "none found",
                f"{right / same:.3f}",
            )
        )
    table(shown)
    save("duplicates", figures)


def edited(row: dict[str, Any], share: float, rows: list[dict[str, Any]], draw: random.Random) -> dict[str, Any]:
    """A copy with a share of its sentences replaced by sentences of other articles, published three hours later."""
    sentences = _SENTENCE.findall(row["body"])
    for place in draw.sample(range(len(sentences)), max(1, round(share * len(sentences)))):
        sentences[place] = draw.choice(_SENTENCE.findall(draw.choice(rows)["body"]) or [""])
    later = datetime.fromisoformat(row["published_at"]) + timedelta(hours=3)
    return row | {"id": f"copy-{row['id']}", "body": "".join(sentences), "published_at": later.isoformat()}


def grouped(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Of the pairs in one story: how many are an article and its copy, and how many there are."""
    with tempfile.TemporaryDirectory() as folder, Newsroom.open(Path(folder)) as room:
        room.ingest(rows)
        stories = [[card.key for card in story] for story in room.duplicates(len(rows))]
    pairs = [pair for story in stories for pair in combinations(sorted(story), 2)]
    return sum(f"copy-{two}" == one or f"copy-{one}" == two for one, two in pairs), len(pairs)


if __name__ == "__main__":
    main()
