"""Growing: `recnews train --continue` beside a full training with another seed, when the last days' news has come.

A generation is trained on all but the last days of television news. Then the news of those days comes, except every
fifth article, which no training sees; both kinds of training start from there. `overlap`: the share of an article's ten
nearest that are those of the first generation; `R@`: titles that find their body, among the articles that came and
those that were kept back, then among all of the last 400 days, as `similarity.py` asks.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from data import xwlb
from report import save, table

from recnews import Newsroom
from recnews.config import Settings
from recnews.evaluate.systems import Rows, VectorSystem
from recnews.evaluate.tasks import Retrieval
from recnews.formats import articles_from_rows
from recnews.generation import Generation
from recnews.records import Draft, HasText

HARNESS = 400  # days that `similarity.py` asks about


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--articles", type=int, default=6000, help="about how many in all; the older ones are thinned out"
    )
    parser.add_argument("--days", type=int, default=60, help="the last days, which come later")
    parser.add_argument("--workers", type=int, default=0, help="1 makes figures reproducible")
    asked = parser.parse_args()
    rows = xwlb()
    old, new, kept_back = divided(rows, asked.articles, asked.days)
    settings = Settings().override("embedding", workers=asked.workers)
    last = {"new": Retrieval(drafts(new + kept_back)), f"{HARNESS} days": Retrieval(drafts(since(rows, HARNESS)))}
    print(f"{len(old):,} articles first, then {len(new):,}; {len(kept_back):,} are kept back")
    for name, task in last.items():
        print(f"{name}: {task.describe()}")
    with tempfile.TemporaryDirectory() as folder, Newsroom.open(Path(folder), settings) as room:
        room.ingest(old)
        found = {"before": measured(room, last, settings, continued=False, promote=True)}
        room.ingest(new)
        another = settings.override("embedding", seed=2)
        found["full, seed 2"] = measured(room, last, another, continued=False, promote=False)
        found["continued, seed 2"] = measured(room, last, another, continued=True, promote=False)
    recalls = [f"{measure} {name}" for name in last for measure in ("R@1", "R@10")]
    names = ("seconds", "vocabulary", "overlap", "cosine", *recalls)
    table([("training", *names)] + [(name, *(str(it.get(key, "")) for key in names)) for name, it in found.items()])
    save("continue", {"articles": [len(old), len(new), len(kept_back)], "days": asked.days, "found": found})


Row = dict[str, Any]


def divided(rows: Sequence[Row], articles: int, days: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Articles of before the last days, evenly thinned out; those of the last days; every fifth of these."""
    later = since(rows, days)
    earlier = rows[: len(rows) - len(later)]
    step = max(1, len(earlier) // max(articles - len(later), 1))
    return earlier[::step], [row for at, row in enumerate(later) if at % 5], later[::5]


def since(rows: Sequence[Row], days: int) -> list[Row]:
    """Of rows in order of time, those of the last days."""
    cut = (datetime.fromisoformat(rows[-1]["published_at"]) - timedelta(days=days)).isoformat()
    return [row for row in rows if row["published_at"] >= cut]


def drafts(rows: Sequence[Row]) -> list[Draft]:
    """The rows as articles."""
    return [found for found in articles_from_rows(rows) if isinstance(found, Draft)]


def measured(room: Newsroom, tasks: dict[str, Retrieval], settings: Settings, *, continued: bool, promote: bool) -> Row:
    """Train, and say how it went."""
    start = time.monotonic()
    made = room.train(settings, continued=continued, promote=promote)
    seconds = time.monotonic() - start
    recalls = {
        f"{measure} {name}": sample.values.mean()
        for name, task in tasks.items()
        for measure, sample in task.measure(System(made)).items()
    }
    return {
        "seconds": round(seconds, 1), "vocabulary": made.manifest.vocabulary, **made.manifest.drift,
        **{name: round(float(value), 3) for name, value in recalls.items()},
    }  # fmt: skip


class System(VectorSystem):
    """A generation under test."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation

    def encode(self, texts: Sequence[HasText]) -> Rows:
        """As an article would be encoded."""
        return self.generation.encode(texts)[0].vectors


if __name__ == "__main__":
    main()
