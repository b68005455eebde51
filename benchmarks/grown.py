"""Homes of any size to measure on: real Chinese news, then copies of it whose vectors are grown by noise.

The first 20,000 articles are ingested and trained on (one pass: no speed here depends on what is learned), with readers
whose reads are of articles not older than two days then. More articles are copies under other ids and titles, stored
as an ingest stores them; their vectors are not encoded but drawn: a real one with Gaussian noise of half its length.
Stories are not looked for among copies. Publication times are spread evenly over 400 days, the last of them today.
"""

import json
import random
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from data import xwlb

from recnews import Newsroom
from recnews.config import Settings
from recnews.formats import articles_from_rows
from recnews.generation import Generation
from recnews.records import Draft, EventDraft, Float32

FIRST = 20_000
DAYS = 400
READERS = 400
NOISE = 0.5
_MARK = "grown.json"

Row = dict[str, Any]


def grown_home(folder: Path, articles: int) -> tuple[Path, datetime]:
    """A home of so many articles (20,000 or more) in `folder`, made unless it is there, and when it was made: questions
    are to be asked as of then."""
    home = folder / f"home-{articles}"
    if not (home / _MARK).exists():
        made = _first(home) if articles <= FIRST else _more(home, *grown_home(folder, FIRST), articles)
        (home / _MARK).write_text(json.dumps({"made": made.isoformat()}), encoding="utf-8")
    return home, datetime.fromisoformat(json.loads((home / _MARK).read_text(encoding="utf-8"))["made"])


def copies(number: int, count: int, now: datetime, name: str = "copy") -> Iterator[Row]:
    """So many articles from the `number`th on, each a real one under another id and title, spread over 400 days."""
    rows, draw = xwlb(), random.Random(f"{name} {number}")
    for at in range(number, number + count):
        row, moment = rows[at % len(rows)], now - timedelta(days=DAYS * draw.random())
        yield row | {"id": f"{name}-{at}", "title": f"{row['title']} {at}", "published_at": moment.isoformat()}


def _first(home: Path) -> datetime:
    now = datetime.now(UTC)
    moments = sorted(row["published_at"] for row in copies(0, FIRST, now))
    rows = [row | {"published_at": moment} for row, moment in zip(copies(0, FIRST, now), moments, strict=True)]
    print(f"growing a home of {FIRST:,} articles", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    with Newsroom.open(home, Settings()) as room:
        room.ingest(rows)
        room.record_many(list(reads(rows, now)))
        room.train(Settings().override("embedding", epochs=1))
        room.seal(now)
    return now


def reads(rows: list[Row], now: datetime) -> Iterator[EventDraft]:
    """200 reads of each reader within the last 30 days, each of an article not older than two days then."""
    from bisect import bisect_left, bisect_right

    draw, moments = random.Random(5), [datetime.fromisoformat(row["published_at"]) for row in rows]
    for user in range(READERS):
        for _ in range(200):
            at = now - timedelta(days=30 * draw.random())
            first, last = bisect_left(moments, at - timedelta(days=2)), bisect_right(moments, at)
            yield EventDraft(f"reader-{user}", rows[draw.randrange(first, last)]["id"], at=at)


def _more(home: Path, smaller: Path, now: datetime, articles: int) -> datetime:
    if not home.exists():
        half = home.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(smaller, half, ignore=shutil.ignore_patterns(_MARK)).rename(home)
    print(f"growing a home of {articles:,} articles", file=sys.stderr)
    with Newsroom.open(home, Settings()) as room:
        live = room.generations.current().live
        assert live is not None
        generation = room.generations.load(live)
        real = np.stack([vector for _, vector in room.store.vectors.page(live, 0, FIRST)])
        there = room.store.articles.count() // 1000 * 1000  # one that was stopped goes on
        rows = articles_from_rows(copies(there, articles - there, now))
        drafts = (row for row in rows if isinstance(row, Draft))
        while batch := list(islice(drafts, 1000)):
            room.store.articles.upsert(batch, now)
            draw_vectors(room, generation, real)
        room.seal(now)
    return now


def draw_vectors(room: Newsroom, generation: Generation, real: Float32) -> None:
    """Vectors of what was just stored, written as `recnews.indexing` writes them."""
    pending = room.store.vectors.pending(generation.id, 2000)
    if not pending.texts:
        return
    draw = np.random.default_rng(pending.texts[0].article_id)
    which = draw.integers(len(real), size=len(pending.texts))
    made = real[which]
    noise = draw.standard_normal(made.shape, dtype=np.float32)
    made += noise * (NOISE * np.linalg.norm(made, axis=1, keepdims=True) / made.shape[1] ** 0.5)
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    predicted = generation.predict([text.article_id for text in pending.texts], made)
    keywords = [" ".join(text.title.split()) for text in pending.texts]
    room.store.vectors.write(generation.id, pending, made, keywords, True, None, predicted)
