"""How many requests a second the service answers, and how long they take, while articles come in.

Readers of fresh news: each read is of an article that came out within the two days before it. Nine of ten requests are
feeds of ten places, one is an event; another process ingests meanwhile, or swaps generations. Beside it, the same
FastAPI application answering with a constant of the size of a feed. `wrk` asks (Debian: `apt-get install wrk`), first
as fast as a few connections get their answers, for requests a second; then over many connections that pause between
two requests, so that about `--rate` a second are asked whether or not answers come late: for latencies.
"""

import argparse
import os
import random
import re
import shutil
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
from urllib.request import urlopen

import data
from report import save, table

from recnews import Newsroom
from recnews.config import Settings
from recnews.records import EventDraft

ROOT = Path(__file__).parent.parent
PACED = 64
LUA = """
local number = 0
local users, articles, start, pause = %d, %d, %d, %d
delay = function()
  return pause > 0 and math.floor(-math.log(1 - math.random()) * pause) or 0
end
init = function()
  math.randomseed(start)
end
request = function()
  number = number + 1
  local user = (number * 7919 + start) %% users
  if number %% 10 == 0 then
    wrk.headers["Content-Type"] = "application/json"
    return wrk.format("POST", "/v1/events", nil, string.format(
      '{"user": "reader-%%d", "article": "fresh-%%d", "event_id": "%%d-%%d"}',
      user, (number * 104729) %% articles, start, number))
  end
  return wrk.format("GET", "/v1/users/reader-" .. user .. "/feed")
end
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end
"""


def main() -> None:
    """Measure, print, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--readers", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=int, default=200, help="requests a second for latencies, over 64 connections")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--ingest", type=int, default=50, help="articles a second that another process ingests")
    parser.add_argument("--home", type=Path, help="use, or make, the trained home in this folder")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        data.skip("wrk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder) / "home"
        if not (home / "indexes" / "CURRENT").exists():
            prepare(home, asked.articles, asked.readers)
        found = measure(home, asked)
    save("serve", found)
    show(found)


def prepare(home: Path, count: int, readers: int) -> None:
    """A home of so many articles, spread over the last 400 days, readers of 50 events each, and two generations."""
    rows = (data.xwlb() * 2)[:count] if count > len(data.xwlb()) else data.xwlb()[-count:]
    now, draw = datetime.now(UTC), random.Random(5)
    moments = sorted(now - timedelta(days=400 * draw.random() ** 2) for _ in rows)
    for number, (row, moment) in enumerate(zip(rows, moments, strict=True)):
        rows[number] = row | {"id": f"fresh-{len(rows) - 1 - number}", "published_at": moment.isoformat()}
    tell(f"storing {len(rows):,} articles and the reads of {readers:,} readers")
    with Newsroom.open(home, Settings()) as room:
        room.ingest(rows)
        room.record_many(list(reads(rows, moments, readers, now, draw)))
        tell("training")
        for _ in range(2):
            room.train(Settings().override("embedding", epochs=1))


def reads(
    rows: list[dict[str, Any]], moments: list[datetime], readers: int, now: datetime, draw: random.Random
) -> Iterator[EventDraft]:
    """50 reads of each reader within the last 30 days, each of an article not older than two days then."""
    from bisect import bisect_left, bisect_right

    for user in range(readers):
        for _ in range(50):
            at = now - timedelta(days=30 * draw.random())
            first, last = bisect_left(moments, at - timedelta(days=2)), bisect_right(moments, at)
            yield EventDraft(f"reader-{user}", rows[draw.randrange(first, last)]["id"], at=at)


def measure(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Requests a second and latencies of the service: quiet, with an ingest beside it, with another generation live
    every three seconds; and of a constant."""
    runs = {}
    for name, beside in (
        ("quiet", ()), ("with ingest", ("ingesting.py", str(home), str(asked.ingest))),
        ("with swaps", ("swapping.py", str(home))),
    ):  # fmt: skip
        with serving(home, asked.workers) as (port, pids):
            wrk(port, asked, 3)  # to be warm
            with running(*beside):
                runs[name] = fast = wrk(port, asked, asked.seconds)
                fast["memory_mb"] = [memory(pid) for pid in pids()]
                fast["at_rate"] = wrk(port, asked, asked.seconds, paced=True)
            size = len(urlopen(f"http://127.0.0.1:{port}/v1/users/reader-1/feed").read())
    with constant(size, asked.workers) as port:
        wrk(port, asked, 3)
        runs["a constant"] = wrk(port, asked, asked.seconds)
    share = runs["with ingest"]["per_second"] / runs["a constant"]["per_second"]
    names = ("articles", "readers", "workers", "connections", "rate", "ingest")
    return {name: getattr(asked, name) for name in names} | {
        "feed_bytes": size,
        "runs": runs,
        "share_of_constant": share,
    }


def wrk(port: int, asked: argparse.Namespace, seconds: int, paced: bool = False) -> dict[str, Any]:
    """Ask for so long, as fast as answers come, or at the rate."""
    connections, pause = (PACED, 1000 * PACED // asked.rate) if paced else (asked.connections, 0)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (asked.readers, asked.articles, time.time_ns() % 2**31, pause))
        script.flush()
        words = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name)
        told = subprocess.run([*words, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (.*)", told)
    assert found, told
    count, micros, errors, p50, p99, p999, most = map(int, found[1].split())
    return {
        "requests": count, "per_second": count / micros * 1e6, "errors": errors, "p50_ms": p50 / 1000,
        "p99_ms": p99 / 1000, "p999_ms": p999 / 1000, "max_ms": most / 1000,
    }  # fmt: skip


@contextmanager
def serving(home: Path, workers: int) -> Iterator[tuple[int, Any]]:
    """The service over a home; its port and what tells its workers' pids."""
    port = free_port()
    words = ("-m", "recnews", "--home", str(home), "serve", "--port", str(port), "--workers", str(workers))
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment(), stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health/ready")
            time.sleep(3)  # the other worker, too
            yield port, lambda: children(process.pid) if workers > 1 else [process.pid]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextmanager
def constant(size: int, workers: int) -> Iterator[int]:
    """A FastAPI application that answers every request with a constant."""
    port = free_port()
    words = ("-m", "uvicorn", "constant:app", "--port", str(port), "--workers", str(workers), "--no-access-log")
    env = environment() | {"CONSTANT_BYTES": str(size)}
    process = subprocess.Popen([sys.executable, *words], cwd=Path(__file__).parent, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/v1/users/x/feed")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def running(*words: str) -> Iterator[None]:
    """Another process that runs a script beside this one, if any."""
    if not words:
        yield
        return
    process = subprocess.Popen([sys.executable, *words], cwd=Path(__file__).parent, env=environment())
    time.sleep(3)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def children(pid: int) -> list[int]:
    """Processes that a process has started and that answer."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(it) for it in found if b"spawn_main" in Path(f"/proc/{it}/cmdline").read_bytes()]


def memory(pid: int) -> dict[str, int]:
    """What a process has of its own, and what it shares, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {name: int(rest.split()[0]) // 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return {"rss": sizes["Rss"], "pss": sizes["Pss"], "own": sizes["Private_Dirty"] + sizes["Private_Clean"]}


def environment() -> dict[str, str]:
    """That of this process, with the project to import from."""
    return os.environ | {"PYTHONPATH": str(ROOT), "RECNEWS_SERVICE__RATE": "0"}


def wait_for(url: str) -> None:
    """Until something answers there."""
    for _ in range(600):
        try:
            with urlopen(url):  # noqa: S310 - on this machine
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def show(found: dict[str, Any]) -> None:
    """A table."""
    print(f"\nserve: {found['articles']:,} articles, {found['readers']:,} readers, {found['workers']} workers, "
          f"{found['connections']} connections, {found['feed_bytes']:,} bytes a feed")  # fmt: skip
    heads = ("requests/s", "errors", "p50", "p99", "p99.9", "max ms")
    rows: list[tuple[str, ...]] = [("as fast as it can", *heads, "own MB each")]
    paced: list[tuple[str, ...]] = [(f"at about {found['rate']} a second", *heads)]
    for name, it in found["runs"].items():
        own = ", ".join(str(each["own"]) for each in it.get("memory_mb", ()))
        rows.append((name, *cells(it), own))
        if "at_rate" in it:
            paced.append((name, *cells(it["at_rate"])))
    table(rows)
    print()
    table(paced)
    print(f"with ingest, of the constant: {found['share_of_constant']:.0%}")


def cells(run: dict[str, Any]) -> list[str]:
    """Its figures."""
    times = (f"{run[key]:.1f}" for key in ("p50_ms", "p99_ms", "p999_ms", "max_ms"))
    return [f"{run['per_second']:.0f}", str(run["errors"]), *times]


def tell(text: str) -> None:
    """On standard error."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
