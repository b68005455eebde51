"""A feed in an open newsroom, of the last seven days and of everything, beside what others do with the same vectors.

Others get the vectors and the reads of the same reader, and find the same number of candidates: they filter nothing,
rank nothing and give no reasons. Milliseconds are those of the processor, on one thread, so that other work on the
machine does not count; those by the clock are kept beside them.
"""

import importlib.util
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from grown import FIRST, READERS, grown_home
from rows import Row, not_run

from recnews import Newsroom
from recnews.config import Settings
from recnews.records import Float32, Int64

ASKED = 200
TOGETHER = 6
CANDIDATES = Settings().feed.candidates
AIM_20K, AIM_WEEK, AIM_ALL = "<= 3 x exact search at 20k", "p99 <= 5 ms at 1M", "p99 <= 15 ms at 1M"

Ask = Callable[[int], object]


def rows(articles: int, folder: Path) -> list[Row]:
    """Milliseconds of a feed, and of the others: all of them at 20,000, exact search at any size."""
    home, now = grown_home(folder, articles)
    with Newsroom.open(home, Settings()) as room:
        vectors, ids = everything(room)
        users = [f"reader-{number}" for number in range(READERS)]
        read = [
            np.array(
                [it.article_id for it in room.store.events.of_user(user, before=now, limit=Settings().feed.history)]
            )
            for user in users
        ]
        read = [np.searchsorted(ids, found[np.isin(found, ids)]) for found in read]
        others = {"FAISS flat search alone": exact(vectors, read)}
        missing = []
        if articles <= FIRST:
            others["gensim most_similar"] = gensim(vectors, read)
            if importlib.util.find_spec("qdrant_client"):
                others["qdrant-client local recommend"] = qdrant(vectors, read)
            else:
                missing.append(
                    not_run(named("everything", articles), "qdrant-client is not installed", "qdrant-client")
                )
        ways = {"the last 7 days": feed(room, users, now, 7), "everything": feed(room, users, now, 0)}
        times = {name: milliseconds(ask, fewer=name in others) for name, ask in (ways | others).items()}
    pairs = [("the last 7 days", "FAISS flat search alone"), *(("everything", other) for other in others)]
    return [beside(articles, name, times[name], other, times[other]) for name, other in pairs] + missing


def beside(articles: int, name: str, mine: dict[str, float], other: str, theirs: dict[str, float]) -> Row:
    """A feed beside one other."""
    ratio, aim, met = mine["p50 ms"] / theirs["p50 ms"], "", None
    if articles == FIRST and other.startswith("FAISS"):
        aim, met = AIM_20K, ratio <= 3
    elif articles == 1_000_000:
        most = 5 if name == "the last 7 days" else 15
        aim, met = (AIM_WEEK, AIM_ALL)[most == 15], mine["p99 ms"] <= most
    told = (
        f"p50 {mine['p50 ms']:.1f}, p99 {mine['p99 ms']:.1f} ms against {theirs['p50 ms']:.1f}, {theirs['p99 ms']:.1f}"
    )
    figures = {f"feed of {name}, {key}": value for key, value in mine.items()}
    figures |= {f"{other}, {key}": value for key, value in theirs.items()}
    return Row(named(name, articles), other, aim, told, f"{ratio:.2f}", met, articles, figures)


def named(name: str, articles: int) -> str:
    """What a row is called."""
    return f"feed of {name}, {articles:,} articles"


def everything(room: Newsroom) -> tuple[Float32, Int64]:
    """(n, d) vectors of all that may be shown, as the index has them, and (n,) their ids, ascending."""
    room.recommend("nobody")
    _, catalog = room.serving.current()
    ids = np.sort(catalog.index.ids())
    vectors = np.empty((len(ids), catalog.index.dim), np.float32)
    for start in range(0, len(ids), 50_000):
        vectors[start : start + 50_000] = catalog.index.vectors(ids[start : start + 50_000])[0]
    return vectors, ids


def feed(room: Newsroom, users: Sequence[str], now: datetime, days: float) -> Ask:
    """Ten places for a reader, of the last so many days, 0 for all."""
    settings = room.settings.feed.model_copy(update={"window_days": float(days)})
    since = timedelta(days=days) if days else None
    return lambda number: room.recommend(users[number % len(users)], at=now, since=since, feed=settings)


def exact(vectors: Float32, read: Sequence[Int64]) -> Ask:
    """The candidates of six interests, as a feed has them: means of a sixth of the reads each."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), 50_000):
        index.add(vectors[start : start + 50_000])
    asked = [np.stack([vectors[part].mean(axis=0) for part in np.array_split(found, TOGETHER)]) for found in read]
    return lambda number: index.search(asked[number % len(asked)], CANDIDATES)


def gensim(vectors: Float32, read: Sequence[Int64]) -> Ask:
    """The ten nearest to the mean of what was read, which it leaves out."""
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors([str(number) for number in range(len(vectors))], vectors)
    keyed.fill_norms()
    asked = [[str(number) for number in found] for found in read]
    return lambda number: keyed.most_similar(positive=asked[number % len(asked)], topn=10)


def qdrant(vectors: Float32, read: Sequence[Int64]) -> Ask:
    """The ten nearest to the mean of what was read, which it leaves out; local mode, in memory."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection(
        "articles", vectors_config=models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
    )
    client.upload_collection("articles", vectors=vectors, ids=range(len(vectors)))

    def ask(number: int) -> Any:
        positive = [int(it) for it in read[number % len(read)]]
        query = models.RecommendQuery(recommend=models.RecommendInput(positive=positive))
        return client.query_points("articles", query=query, limit=10).points

    assert ask(0)
    return ask


def milliseconds(ask: Ask, fewer: bool) -> dict[str, float]:
    """Of each question; others are asked for up to ten seconds."""
    ask(0)
    taken, by_clock = list[float](), list[float]()
    end = time.monotonic() + (10 if fewer else 60)
    for number in range(1, ASKED + 1):
        start, started = time.process_time(), time.perf_counter()
        ask(number)
        taken.append(time.process_time() - start)
        by_clock.append(time.perf_counter() - started)
        if time.monotonic() > end and len(taken) >= 10:
            break
    found = {"": taken, " by the clock": by_clock}
    return {
        f"p{part} ms{name}": float(np.quantile(all_, part / 100)) * 1000
        for name, all_ in found.items()
        for part in (50, 99)
    }
