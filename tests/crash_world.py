"""Processes that can be stopped or killed at any point, and what a home holds afterwards.

Run as a script this file is a `Host`'s other end: a process that has imported everything once and forks a child for
each job, so that a hundred crashes take seconds. Every child is a process of its own, with its own connections and
locks. What it does is counted in *points*: SQL statements, and files of the home that are opened, renamed, made or
removed. A job runs up to just before a given point and is killed (SIGKILL) or stopped (SIGSTOP) there.
"""

import hashlib
import json
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import rjieba
from pytest import MonkeyPatch  # noqa: PT013

from recnews.catalog import Catalog
from recnews.config import RetentionSettings, Settings
from recnews.errors import RecnewsError
from recnews.formats import ReadOptions, articles_from_rows, to_row
from recnews.newsroom import Newsroom, upkeep
from recnews.records import Draft, Recommendation
from recnews.train import train as train_generation
from tests.worlds import CHINESE, ENGLISH, HOUR, NOW, articles, small_settings

POINTS = int(os.environ.get("RECNEWS_CRASH_POINTS", "16"))
"""How many points of each command are tried; 1000 tries all."""
_HOSTS = 2
DEADLINE = 120.0
"""Seconds after which something that should have happened has not."""
USERS = ("reads football", "reads finance", "has just come")
_FOLDER_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "tempfile.mkdtemp")
_WATCHED = frozenset((*_FOLDER_CHANGES, "open", "sqlite3.connect", "fcntl.flock"))
_RANDOM = {"seq", "reader", "fingerprint"}  # change numbers, and what a key gives that each home makes for itself
_COUNTERS = {"article_ids", "change_counter", "indexed_through"}
_ROOT = Path(__file__).resolve().parents[1]


# The world


def settings() -> Settings:
    """Small batches, so that one ingest is several transactions; training in a moment, the same every time."""
    return small_settings().override("ingest", batch=10).override("embedding", epochs=2)


def write_lines(file: Path, rows: Iterable[Mapping[str, object] | str]) -> Path:
    """A JSONL file of rows, and of lines as they are."""
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def as_row(draft: Draft) -> dict[str, object]:
    """A draft as a line of input."""
    return dict(to_row(draft))


def first_version() -> list[Draft]:
    """36 articles of six topics."""
    return articles((*CHINESE, *ENGLISH), 6)


def second_version() -> list[Draft]:
    """The first version again: every third article with another text, every fifth in another category, 12 new ones. The
    new ones share a word that no training on the first has seen, often enough for two vectors of it."""
    old = [
        replace(
            draft,
            body=draft.body if row % 3 else f"{draft.body}，{first_version()[-1 - row].body}",
            category=draft.category if row % 5 else "头条",
        )
        for row, draft in enumerate(first_version())
    ]
    keys = {draft.key for draft in old}
    new = [draft for draft in articles((*CHINESE, *ENGLISH), 8) if draft.key not in keys]
    return old + [replace(draft, body=f"{draft.body} spandrel spandrel") for draft in new]


def with_bad_rows(drafts: Sequence[Draft]) -> list[Mapping[str, object] | str]:
    """Rows of an input file; among them some that cannot be taken, one twice, and one id with two texts."""
    rows: list[Mapping[str, object] | str] = [as_row(draft) for draft in drafts]
    rows[5:5] = ["{not json", {"id": "no-title", "body": ""}]
    rows[20:20] = [{"id": "bad-date", "title": "足球", "published_at": "the day before"}]
    rows += [rows[0], {**as_row(drafts[1]), "title": "another title"}]
    return rows


def event_rows() -> list[Mapping[str, object] | str]:
    """A reading log: two readers with an interest each, events for articles that come later, and a bad line."""
    rows: list[Mapping[str, object] | str] = [
        {"user": user, "article": f"{topic}-{number}", "at": (NOW - (2 + number) * HOUR).isoformat(), "kind": kind}
        for user, topic in ((USERS[0], "足球"), (USERS[1], "金融"), ("someone else", "航天"))
        for number in (0, 1, 2, 7)
        for kind in ("impression", "read")
    ]
    return [*rows, {"user": USERS[0], "article": "足球-0", "at": "never"}, rows[1], '{"user": ']


# What a home holds


def state_of(home: Path) -> dict[str, Any]:
    """All that promises speak of, without what may differ between two ways to one end: change numbers, snapshots of
    the index, and the time a training was run at."""
    state: dict[str, Any] = {}
    with closing(sqlite3.connect(home / "corpora" / "recnews.sqlite")) as database:
        state["keys"] = database.execute("SELECT id, key FROM article_ids ORDER BY id").fetchall()
        listed = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for table in sorted({name for (name,) in listed} - _COUNTERS):
            columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})") if name not in _RANDOM]
            rows = database.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            state[table] = sorted(rows, key=repr)
    state["files"] = {
        re.sub(r"-20\d{6}-", "-DAY-", name): _content(home / name)
        for name in (str(path.relative_to(home)) for path in sorted(home.rglob("*")))
        if "/catalog-" not in name and "recnews.sqlite" not in name
    }
    with Newsroom.open(home, settings()) as room:
        state["problems"] = [problem.what for problem in room.verify()]
        live = room.generations.current().live
        if live is not None:
            generation = room.generations.load(live)
            catalog = Catalog(live, generation.layout)
            catalog.refresh(room.store)
            state["served"] = catalog.columns_equal(catalog) and catalog.servable(NOW).ids().tolist()
            state["pending"] = room.status().pending
            state["feeds"] = feeds_of(room)
    return state


def feeds_of(room: Newsroom) -> dict[str, list[Recommendation]]:
    """Feeds of a few readers, as of `NOW`."""
    return {user: room.recommend(user, 12, at=NOW) for user in USERS}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What of a state is not as expected; empty when all is."""
    told = [f"verify() says {problem!r}" for problem in found["problems"]]
    for part in sorted((found.keys() | expected.keys()) - {"problems"}):
        one, other = found.get(part), expected.get(part)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
            told += [f"{part}[{name!r}] {_how(one.get(name), other.get(name))}" for name in names]
        elif isinstance(one, list) and isinstance(other, list):
            surplus, lacking = ([row for row in a if row not in b] for a, b in ((one, other), (other, one)))
            told.append(f"{part}: {len(surplus)} too many {_shown(surplus)}, {len(lacking)} lacking {_shown(lacking)}")
        else:
            told.append(f"{part} {_how(one, other)}")
    return told


def readers_are_served(home: Path) -> list[str]:
    """What a reader of this home would notice of a crash; empty when nothing. Opens it as a service would."""
    told = []
    with Newsroom.open(home, settings()) as room:
        status = room.status()
        for user, feed in feeds_of(room).items():
            keys = [place.key for place in feed]
            if len(keys) != min(12, len(keys)) or len(keys) != len(set(keys)) or not keys:
                told.append(f"the feed of {user!r} is {keys}")
            shown = [room.article(key) for key in keys]
            told += [f"{article.key} is hidden and shown" for article in shown if article.hidden]
        live = status.live or ""
        stored, counted = room.store.vectors.counts().get(live, 0), status.articles
        if status.pending > counted or stored > counted:
            told.append(f"{counted} articles, {stored} vectors, {status.pending} pending")
        if room.store.check():
            told.append(f"the store says {room.store.check()}")
    return told


def _content(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.name == ".train.lock":
        return "lock"
    if path.name == "reader.key":
        return "random"
    content = path.read_bytes()
    if path.name == "manifest.json":
        content = json.dumps({**json.loads(content), "created_at": ""}, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:12] if len(content) > 200 else content.decode(errors="replace")


def _how(one: object, other: object) -> str:
    return f"is {_shown(one)}, should be {_shown(other)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


# Jobs, and the process that runs them


@dataclass(frozen=True, slots=True)
class Job:
    """One use case in a process of its own. `at` is the point to be killed or stopped just before, `after` the seconds
    after which it is killed; `watch` records all points."""

    home: str
    verb: str
    args: tuple[str, ...] = ()
    kill_at: int = 0
    stop_at: int = 0
    after: float = 0.0
    watch: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a job: what comes next, and whether another process could write now."""

    number: int
    what: str
    free: bool

    @property
    def turning(self) -> bool:
        """Whether a folder changes here or a transaction ends."""
        return self.what.startswith((*_FOLDER_CHANGES, "COMMIT"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: `status` 0, 1 after an exception, minus the signal, or None when it was stopped.

    `where` is the point it was killed or stopped at.
    """

    status: int | None
    seconds: float
    error: str = ""
    trace: str = ""
    where: str = ""
    result: Any = None
    points: tuple[Point, ...] = ()


class Host:
    """A process that runs jobs, each in a child of its own."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RECNEWS_")}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_world", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=environment,
        )

    def run(self, *jobs: Job) -> list[Outcome]:
        """Start jobs at the same moment and wait for all of them; one with `stop_at` ends when it is stopped."""
        return self._ask({"jobs": [asdict(job) for job in jobs]})

    def one(self, job: Job) -> Outcome:
        """Run one job."""
        return self.run(job)[0]

    def go_on(self) -> Outcome:
        """Let the stopped job go on to its end."""
        return self._ask({"continue": True})[0]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> list[Outcome]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        readable, _, _ = select.select([self._process.stdout], [], [], DEADLINE)
        assert readable, f"nothing within {DEADLINE} s from {request}"
        answers = json.loads(self._process.stdout.readline())
        return [
            Outcome(**{**answer, "points": tuple(Point(*point) for point in answer["points"])}) for answer in answers
        ]


def chosen(points: Sequence[Point], count: int) -> list[Point]:
    """About `count` points: those where a folder changes or a transaction ends, what follows them, and others at equal
    distances. All of them when `count` is as large."""
    turning = {number for point in points if point.turning for number in (point.number, point.number + 1)}
    # Of a thousand rows of one INSERT the first stands for all.
    others = [
        point.number
        for before, point in zip([None, *points], points, strict=False)
        if point.number not in turning and (before is None or before.what != point.what)
    ]
    if count >= len(points):
        return list(points)
    taken = _spread(sorted(turning), max(count * 2 // 3, 1))
    taken += _spread(others, count - len(taken))
    return [point for point in points if point.number in set(taken)]


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """`count` of the numbers at equal distances, the last one among them."""
    if count >= len(numbers):
        return list(numbers)
    return [numbers[(place + 1) * len(numbers) // count - 1] for place in range(count)]


def fresh_copy(home: Path, to: Path) -> Path:
    """A copy of a closed home in the place of `to`."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(home, to))


Task = Callable[[Host], list[str]]


@dataclass
class World:
    """Inputs, homes to start from, and the processes that run jobs."""

    folder: Path
    hosts: list[Host]
    inputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = {
            "first": with_bad_rows(first_version()),
            "second": with_bad_rows(second_version()),
            "events": event_rows(),
        }
        for name, rows in files.items():
            self.inputs[name] = str(write_lines(self.folder / f"{name}.jsonl", rows))
        stored = self._base("stored", None, ("ingest", "first"), ("events", "events"))
        live = self._base("live", stored, ("train",))
        self._base("twice", live, ("train",), ("ingest", "second"))
        self._base("aside", live, ("train", "aside"), ("ingest", "second"))
        self._base("nothing", None)

    def _base(self, name: str, start: Path | None, *jobs: tuple[str, ...]) -> Path:
        home = self.folder / name
        if start is None:
            home.mkdir()
        else:
            shutil.copytree(start, home)
        for verb, *args in jobs:
            outcome = self.hosts[0].one(self.job(home, verb, *args))
            assert outcome.status == 0, f"{name}: {verb}: {outcome.trace}"
        return home

    def job(self, home: Path, verb: str, *args: str) -> Job:
        """A job in a home; an argument that names an input stands for its file."""
        return Job(str(home), verb, tuple(self.inputs.get(arg, arg) for arg in args))

    def each(self, tasks: Sequence[Task]) -> list[str]:
        """Do tasks, one on each host at a time; all that they say is wrong."""
        free = SimpleQueue[Host]()
        for host in self.hosts:
            free.put(host)

        def one(task: Task) -> list[str]:
            host = free.get()
            try:
                return task(host)
            finally:
                free.put(host)

        with ThreadPoolExecutor(len(self.hosts)) as pool:
            return [line for lines in pool.map(one, tasks) for line in lines]

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator["World"]:
        """A world in a folder."""
        with MonkeyPatch.context() as patch:
            patch.setattr("rjieba.Jieba", cache(rjieba.Jieba))  # see `_warm_up`
            hosts = [Host(folder / f"host-{number}") for number in range(_HOSTS)]
            try:
                yield cls(folder, hosts)
            finally:
                for host in hosts:
                    host.close()


# The other end


def _ingest(room: Newsroom, *files: str) -> object:
    report = room.ingest(list(files), now=NOW)
    return [report.read, report.added, report.changed, report.unchanged, report.duplicate, report.rejected]


def _ingest_drafts(room: Newsroom, file: str) -> object:
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    drafts = articles_from_rows(rows, ReadOptions())
    report = room.ingest([draft for draft in drafts if isinstance(draft, Draft)], now=NOW)
    return [report.read, report.added, report.changed, report.unchanged, report.duplicate, report.rejected]


def _events(room: Newsroom, file: str) -> object:
    report = room.record_many(file)
    return [report.read, report.added, report.duplicate, report.rejected]


def _train(room: Newsroom, kind: str = "") -> object:
    generation = train_generation(
        room.store,
        room.generations,
        settings=settings(),
        dictionary=room.dictionary.words(),
        now=NOW,
        promote=kind != "aside",
        progress=lambda _stage, _share: None,
    )
    return generation.id


def _record(room: Newsroom, user: str, count: str) -> object:
    """`count` events, one call each, of articles that are stored."""
    keys = sorted(article.key for article in room.articles(1000))
    return sum(
        room.record(user, keys[number % len(keys)], at=NOW - HOUR - timedelta(seconds=number))
        for number in range(int(count))
    )


def _read(room: Newsroom, user: str, count: str) -> object:
    """`count` feeds; the sets of keys they had."""
    lengths = []
    for _ in range(int(count)):
        feed = room.recommend(user, 12, at=NOW)
        assert len({place.key for place in feed}) == len(feed), [place.key for place in feed]
        lengths.append(len(feed))
    return lengths


def _toggle(room: Newsroom, key: str, count: str) -> object:
    for number in range(int(count)):
        room.editors.hide([key], hidden=number % 2 == 0)
    return None


def _backup(room: Newsroom, target: str, keep: str = "9") -> object:
    return [problem.what for problem in room.backup(target, keep=int(keep), now=NOW).problems]


def _outlive(room: Newsroom, *keys: str) -> object:
    """Some articles expire and go, and with them everything that readers did."""
    if any(article.key in keys for article in room.articles(1000)):
        room.editors.expire([it.key for it in room.articles(1000) if it.key in keys], NOW)
    done = room.prune(RetentionSettings(expired_days=0, events_days=1), now=NOW + timedelta(days=3))
    return [done.articles, done.events]


_VERBS: dict[str, Callable[..., object]] = {
    "ingest": _ingest,
    "ingest_drafts": _ingest_drafts,
    "events": _events,
    "train": _train,
    "promote": lambda room, name: room.generations.promote(name),
    "rollback": lambda room: room.generations.rollback(),
    "prune": lambda room, keep: room.generations.prune(int(keep)),
    "outlive": _outlive,
    "hide": lambda room, *keys: room.editors.hide(keys),
    "delete": lambda room, *keys: room.delete(keys),
    "forget": lambda room, user, *backups: room.readers.forget(user, backups=backups, now=NOW),
    "record": _record,
    "read": _read,
    "toggle": _toggle,
    "backup": _backup,
    "open": lambda room: room.status().articles,
}


class _Meter:
    """Counts the points of this process and acts at one of them."""

    def __init__(self, job: dict[str, Any], report: int) -> None:
        self._job, self._report = job, report
        self._homes = job["home"]
        self._writing, self._count = False, 0
        self.points: list[tuple[int, str, bool]] = []

    def start(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.pool import Pool

        sys.addaudithook(self._audited)
        event.listen(Pool, "connect", lambda connection, _record: connection.set_trace_callback(self._stated))

    def _audited(self, name: str, args: tuple[object, ...]) -> None:
        if name in _WATCHED and (name == "fcntl.flock" or self._concerns(args)):
            shown = [str(arg).replace(self._homes, "…") for arg in args if isinstance(arg, str | bytes | Path)]
            self._tick(f"{name} {' '.join(shown)}")

    def _concerns(self, args: tuple[object, ...]) -> bool:
        if any(isinstance(arg, str | Path) and str(arg).startswith(self._homes) for arg in args):
            return True
        return len(args) > 1 and isinstance(args[-1], int) and args[-1] >= 0 and isinstance(args[0], str)

    def _stated(self, statement: str) -> None:
        self._tick(" ".join(statement.split())[:70])
        if statement.startswith("BEGIN IMMEDIATE"):
            self._writing = True
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            self._writing = False

    def _tick(self, what: str) -> None:
        self._count += 1
        if self._job["watch"]:
            self.points.append((self._count, what, not self._writing))
        for key, number in (("kill_at", signal.SIGKILL), ("stop_at", signal.SIGSTOP)):
            if self._count == self._job[key]:
                os.write(self._report, what.encode())
                os.kill(os.getpid(), number)


def _child(job: dict[str, Any], file: Path, gate: tuple[int, int]) -> None:
    """What a child does, never to return."""
    os.close(gate[1])
    status, answer = 1, dict[str, Any]()
    try:
        os.read(gate[0], 1)  # returns for all children at once, when the parent closes the other end
        meter = _Meter(job, os.open(file.with_suffix(".where"), os.O_WRONLY | os.O_CREAT, 0o600))
        meter.start()
        with Newsroom.open(job["home"], settings()) as room:
            answer["result"] = _VERBS[job["verb"]](room, *job["args"])
        answer["points"] = meter.points
        status = 0
    except BaseException as error:
        answer |= {"error": type(error).__name__, "trace": traceback.format_exc()}
        if not isinstance(error, RecnewsError):
            answer["error"] = f"unexpected {type(error).__name__}: {error}"
    finally:
        file.write_text(json.dumps(answer, default=str), encoding="utf-8")
        os._exit(status)


@dataclass
class _Running:
    pid: int
    file: Path
    started: float
    status: int | None = None

    def wait(self, until_stopped: bool) -> None:
        _, status = os.waitpid(self.pid, os.WUNTRACED if until_stopped else 0)
        self.status = None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)

    def outcome(self) -> dict[str, Any]:
        answer = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        where = self.file.with_suffix(".where")
        told = where.read_text(encoding="utf-8", errors="replace") if where.exists() else ""
        plain: dict[str, Any] = {
            "status": self.status,
            "seconds": time.monotonic() - self.started,
            "where": told,
            "points": [],
        }
        return plain | answer


def _start(jobs: list[dict[str, Any]], folder: Path) -> list[_Running]:
    gate = os.pipe()
    running = []
    for job in jobs:
        handle, name = tempfile.mkstemp(suffix=".json", dir=folder)
        os.close(handle)
        file = Path(name)
        file.unlink()
        pid = os.fork()
        if pid == 0:
            _child(job, file, gate)
        running.append(_Running(pid, file, time.monotonic()))
    os.close(gate[0])
    os.close(gate[1])
    return running


def _serve(folder: Path) -> None:
    """Answer requests, one a line, until the input ends."""
    upkeep._SNAPSHOT_AFTER = 8  # so that small worlds write snapshots, too
    _warm_up(folder)
    stopped: list[_Running] = []
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "continue" in request:
            running = [stopped.pop()]
            os.kill(running[0].pid, signal.SIGCONT)
            running[0].wait(until_stopped=False)
        else:
            running = _start(request["jobs"], folder)
            for job, child in zip(request["jobs"], running, strict=True):
                if job["after"]:
                    time.sleep(job["after"])
                    os.kill(child.pid, signal.SIGKILL)
                child.wait(until_stopped=job["stop_at"] > 0)
                if child.status is None:
                    stopped.append(child)
        sys.stdout.buffer.write(json.dumps([child.outcome() for child in running]).encode() + b"\n")
        sys.stdout.buffer.flush()
    for child in stopped:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(until_stopped=False)


def _warm_up(folder: Path) -> None:
    """Import all that jobs need, and nothing that would not survive a fork."""
    # jieba's dictionary takes longer to read than all the rest of a job; no job adds a word to it.
    MonkeyPatch().setattr("rjieba.Jieba", cache(rjieba.Jieba))
    import gensim.models.callbacks  # noqa: F401

    import recnews.backup
    import recnews.embed.word2vec
    import recnews.erasure
    import recnews.explore
    import recnews.privacy
    import recnews.verify  # noqa: F401
    from recnews.text import Tokenizer

    Tokenizer(settings().text, ()).document("足球", "", "")
    folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
