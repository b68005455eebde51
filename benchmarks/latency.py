"""How long one recommendation takes in an open newsroom, stage by stage.

20,000 articles: all of xwlb, and where it has fewer, copies of its newest with another title. Readers of 200 events.
A stage's time is its own: what it calls that is a stage itself is not counted again.
"""

import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from report import table

from recnews import Newsroom
from recnews.config import Settings
from recnews.recommend import Recommender
from recnews.records import EventDraft
from recnews.serving import Serving

ARTICLES = 20_000
READERS = 100
EVENTS = 200
ASKED = 500
STAGES = {
    Serving: ("current",),
    Recommender: (
        "_servable", "_history", "_pinned", "_personal", "_near", "_nearest", "_fallback", "_explained",
    ),
}  # fmt: skip
"""What is timed of each class, where it is there: these are inner parts and may be called otherwise tomorrow."""

Row = dict[str, Any]


class Clock:
    """Times of one call, by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def watch(self, owner: type, name: str) -> None:
        """Time a method from now on."""
        method = getattr(owner, name)

        @wraps(method)
        def timed(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            self._inside.append(0.0)
            try:
                return method(*given, **named)
            finally:
                whole = time.perf_counter() - start
                self.spent[name.strip("_")] += whole - self._inside.pop()
                if self._inside:
                    self._inside[-1] += whole

        setattr(owner, name, timed)


def measure(rows: Sequence[Row], settings: Settings, asked: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Milliseconds, p50 and p99, of the whole and of each stage."""
    given = list(rows[-ARTICLES:])
    lacking = given[len(given) - (ARTICLES - len(given)) :] if len(given) < ARTICLES else []
    given += [row | {"id": f"copy-{row['id']}", "title": f"{row['title']} 2"} for row in lacking]
    now = datetime.fromisoformat(rows[-1]["published_at"]) + timedelta(hours=1)
    users = [f"reader-{number}" for number in range(READERS)]
    with tempfile.TemporaryDirectory() as folder, Newsroom.open(Path(folder), settings) as room:
        tell(f"learning from {len(given):,} articles")
        room.ingest(given)
        room.record_many(reads(given, users, now))
        room.train(settings.override("embedding", epochs=1))
        room.recommend(users[0], at=now)
        return told(room, users, now, asked) | {"articles": room.status().articles}


def reads(rows: Sequence[Row], users: Sequence[str], now: datetime) -> list[EventDraft]:
    """200 reads of each reader, over the last month, of articles of the last year."""
    draw, recent = random.Random(3), rows[-5000:]
    return [
        EventDraft(user, row["id"], at=now - timedelta(days=30 * draw.random()))
        for user in users
        for row in draw.sample(recent, EVENTS)
    ]


def told(room: Newsroom, users: Sequence[str], now: datetime, asked: int) -> dict[str, Any]:
    """Ask in turn, first without looking inside, then stage by stage."""
    whole = []
    for number in range(asked):
        start = time.perf_counter()
        room.recommend(users[number % len(users)], at=now)
        whole.append(time.perf_counter() - start)
    clock, stages = Clock(), defaultdict(list)
    for owner, names in STAGES.items():
        for name in names:
            if hasattr(owner, name):
                clock.watch(owner, name)
    for number in range(asked):
        clock.spent.clear()
        start = time.perf_counter()
        room.recommend(users[number % len(users)], at=now)
        rest = time.perf_counter() - start
        for name, spent in clock.spent.items():
            stages[name].append(spent)
            rest -= spent
        stages["all else"].append(rest)
    return {"asked": asked, "events": EVENTS, "whole": split(whole), "stages": {it: split(stages[it]) for it in stages}}


def split(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the slowest of a hundred, in milliseconds."""
    return {"p50": float(np.quantile(seconds, 0.5)) * 1000, "p99": float(np.quantile(seconds, 0.99)) * 1000}


def show(found: dict[str, Any]) -> None:
    """A table."""
    print(f"\nlatency: {found['asked']} feeds, {found['articles']:,} articles, readers of {found['events']} events; ms")
    rows: list[tuple[str, ...]] = [("stage", "p50", "p99")]
    for name, it in (("whole", found["whole"]), *found["stages"].items()):
        rows.append((name, f"{it['p50']:.2f}", f"{it['p99']:.2f}"))
    table(rows)
