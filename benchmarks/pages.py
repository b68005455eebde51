"""How long each page of the newsroom takes at 100,000 articles with a trained generation.

The home: the real articles of xwlb and inews, and variations of them until there are enough. A variation has the title
of one article with its halves exchanged, and every other sentence of two articles; it is no news, but as long and as
costly to search as news. One worker answers; each page is asked for once, then `--times` times, one after the other.
"""

import argparse
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import data
from report import save, table
from rows import Row

from recnews import Newsroom
from recnews.config import Settings
from recnews.records import EventDraft

ROOT = Path(__file__).parent.parent
_SENTENCES = re.compile("(?<=[。！？])")
_READERS, _READS = 500, 50
TIMES = 15
MOST = 300
"""Milliseconds that a page may take."""


def main() -> None:
    """Measure, print, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--home", type=Path, help="use, or make, the trained home in this folder")
    parser.add_argument("--prepare", action="store_true", help="make the home, and measure nothing")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder) / "home"
        key = prepare(home, asked.articles)
        if asked.prepare:
            return
        found = measured(home, key, asked.times)
    save("pages", {"articles": asked.articles, "pages": found})
    rows = [(name, *(f"{it[part]:.0f}" for part in ("first", "median", "most"))) for name, it in found.items()]
    table([("page, ms", "first", "median", "most"), *rows])


def rows(articles: int, folder: Path) -> list[Row]:
    """Milliseconds of each page, the first time and after that."""
    home = folder / f"pages-{articles}"
    found = measured(home, prepare(home, articles), TIMES)
    return [
        Row(
            f"page: {name}, {articles:,} articles", "", f"<= {MOST} ms, the first time and at the median",
            f"first {it['first']:.0f} ms, median {it['median']:.0f} ms", "", max(it["first"], it["median"]) <= MOST,
            articles, {f"{part} ms": value for part, value in it.items()},
        )
        for name, it in found.items()
    ]  # fmt: skip


def measured(home: Path, key: str, times: int) -> dict[str, dict[str, float]]:
    """Each page of a home by its name, from one worker that was just started."""
    with served(home) as url:
        return {name: measure(url + path, times) for name, path in pages(key).items()}


def prepare(home: Path, count: int) -> str:
    """Bring a home to so many articles, trained on the real ones; the id of an article that was read."""
    rows, draw, now = data.xwlb() + data.inews(), random.Random(5), datetime.now(UTC)
    with Newsroom.open(home, Settings()) as room:
        if room.generations.current().live is None:
            dated = [row | {"published_at": _moment(now, draw)} for row in rows[:count]]
            room.ingest(dated)
            room.record_many(list(_reads(dated, draw, now)))
            room.train(Settings().override("embedding", epochs=1))
        have = room.status().articles
        if have < count:
            room.ingest(list(variations(rows, count - have, have, now)))
        room.maps.keep()  # as who keeps house would
        return room.articles(1)[0].key


def variations(rows: list[dict[str, Any]], count: int, first: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Articles made of others, by a seed."""
    draw = random.Random(first)
    for number in range(first, first + count):
        one, two = draw.choice(rows), draw.choice(rows)
        title = list(one["title"])
        half = len(title) // 2
        sentences = _SENTENCES.split(one["body"])[::2] + _SENTENCES.split(two["body"])[1::2]
        draw.shuffle(sentences)
        yield {
            "id": f"variation-{number}", "title": "".join(title[half:] + title[:half]), "body": "".join(sentences),
            "published_at": _moment(now, draw), "lang": "zh",
        }  # fmt: skip


def _moment(now: datetime, draw: random.Random) -> str:
    return (now - timedelta(days=400 * draw.random())).isoformat()


def _reads(rows: list[dict[str, Any]], draw: random.Random, now: datetime) -> Iterator[EventDraft]:
    for user in range(_READERS):
        for row in draw.sample(rows, _READS):
            yield EventDraft(f"reader-{user}", row["id"], at=now - timedelta(days=30 * draw.random()))


def pages(key: str) -> dict[str, str]:
    """What is measured: a name for each address."""
    return {
        "map": "/map",
        "its points": "/map/points",
        "what rises": "/map/trends",
        "first page": "/",
        "desk": "/desk",
        "desk, a frequent word": f"/desk?q={quote('经济')}",
        "desk, a string that no title holds": f"/desk?q={quote('没有这个词')}",
        "article": f"/desk/article?id={quote(key)}",
        "quarantine": "/desk/quarantine",
        "reader": "/reader?user=reader-7",
        "reader, unknown": "/reader?user=nobody",
        "feed, a slider moved": "/reader/feed?user=reader-7&freshness=0.9",
        "words, two": f"/words?word={quote('经济')}&beside={quote('疫情')}",
        "its curve over 90 days": f"/words/time?word={quote('经济')}&beside={quote('疫情')}",
        "its curve over a year": f"/words/time?word={quote('经济')}&span=365",
        "its curve over all time": f"/words/time?word={quote('经济')}&span=all",
        "words, unknown": f"/words?word={quote('量子计算机')}",
        "analogy": f"/words?word={quote('北京')}&minus={quote('中国')}&plus={quote('法国')}",
        "operator": "/operator",
    }


def measure(url: str, times: int) -> dict[str, float]:
    """Milliseconds: the first time, and the median and the most of so many more."""
    taken = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        with urlopen(url, timeout=60) as answer:  # noqa: S310 - the service above
            answer.read()
        taken.append((time.perf_counter() - begun) * 1000)
    rest = sorted(taken[1:])
    return {"first": taken[0], "median": rest[len(rest) // 2], "most": rest[-1]}


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The service over a home, with one worker."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = (sys.executable, "-m", "recnews", "--home", str(home), "serve", "--port", str(port), "--workers", "1")
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            try:
                urlopen(f"{url}/health/ready", timeout=5).close()  # noqa: S310 - as above
                break
            except URLError:
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
