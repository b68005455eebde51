"""Files and feeds that editors hand in: taken in beside the lanes, so that nobody waits; any worker can tell how far.

A state is a small file in the folder of this run of the service. It names the process that works on it, so that one
which was killed is not believed to go on. What was read until then is stored; the same input handed in again changes
nothing that is there.
"""

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from recnews import formats
from recnews.config import Settings
from recnews.errors import FetchError, RecnewsError
from recnews.newsroom.given import read_options
from recnews.newsroom.intake import take_articles
from recnews.records import Draft, Reject
from recnews.reports import IngestReport
from recnews.service import logs
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom
from recnews.watch.feeds import feed_source
from recnews.web import LATER, Client, Limits, check_address

State = Literal["waiting", "fetching", "reading", "done", "failed", "broken"]
RUNNING: tuple[State, ...] = ("waiting", "fetching", "reading")
_EVERY = 0.25
_KEPT, _WAITING = 20, 20
_NUMBER = re.compile("[0-9a-f]{16}")
_Rows = Iterator[Draft | Reject]


@dataclass(frozen=True, slots=True)
class Intake:
    """One input and how far it is: rows and bytes read so far, `total` bytes where it is known (else 0). `wrong` says
    what ended it, `report` what became of its rows. `begun` in seconds since the epoch."""

    number: str
    name: str
    state: State
    begun: float
    pid: int
    rows: int = 0
    bytes: int = 0
    total: int = 0
    report: dict[str, Any] | None = None
    wrong: str = ""

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self.state in RUNNING


class _StoppedError(Exception):
    """The service ends."""


class Intakes:
    """The inputs of one run of the service. One is taken in at a time by each worker; further ones wait."""

    def __init__(self, folder: Path, home: Path, settings: Settings) -> None:
        self._folder, self._home, self._settings = folder / "intakes", home, settings
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pool = ThreadPoolExecutor(1, "recnews-intake")
        self._stop = threading.Event()

    def file(self, name: str, source: IO[bytes]) -> str:
        """Begin with a file; its number. It is copied before this returns. Raises `ProblemError` when too many wait."""
        intake = self._begin(name, "waiting")
        folder = self._folder / intake.number  # of its own: two files of one name are two inputs
        folder.mkdir()
        source.seek(0)
        with (folder / name).open("wb") as out:
            shutil.copyfileobj(source, out, 1024 * 1024)
        self._pool.submit(self._work, intake, lambda told: self._read_file(folder / name, told))
        return intake.number

    def feed(self, address: str) -> str:
        """Begin with the feed at an address; its number. Raises `FetchError` for what is no address, `ProblemError`."""
        check_address(address)
        intake = self._begin(address, "waiting")
        self._pool.submit(self._work, intake, lambda told: self._read_feed(address, told))
        return intake.number

    def find(self, number: str) -> Intake | None:
        """How far an input is; None when there is none of this number."""
        if not _NUMBER.fullmatch(number):
            return None
        try:
            intake = Intake(**json.loads((self._folder / f"{number}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None
        return intake if not intake.running or _alive(intake.pid) else replace(intake, state="broken")

    def latest(self, most: int) -> list[Intake]:
        """The inputs that were begun last, the latest first."""
        found = [intake for path in self._folder.glob("*.json") if (intake := self.find(path.stem)) is not None]
        return sorted(found, key=lambda it: -it.begun)[:most]

    def close(self) -> None:
        """Stop between two rows, or, where all were read, between two batches that are encoded. What was read is
        stored, and encoded when the service runs again."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, name: str, state: State) -> Intake:
        known = self.latest(1000)
        if sum(it.running for it in known) >= _WAITING:
            raise ProblemError("busy", f"{_WAITING} inputs wait already", retry_after=10)
        for old in known[_KEPT:]:
            if not old.running:
                (self._folder / f"{old.number}.json").unlink(missing_ok=True)
        intake = Intake(secrets.token_hex(8), name, state, time.time(), os.getpid())
        self._save(intake)
        return intake

    def _work(self, intake: Intake, read: "Callable[[_Told], IngestReport]") -> None:
        told = _Told(intake, self._save, self._stop)
        try:
            report = read(told)
            told.end(state="done", report=_plain(report))
        except _StoppedError:
            told.end(state="broken")
        except FetchError as error:
            remedy = "try it again later" if error.remedy == LATER else error.remedy
            told.end(state="failed", wrong=f"{error.url}: {error.reason}; {remedy}")
        except RecnewsError as error:
            told.end(state="failed", wrong=str(error).replace(f"{self._folder / intake.number}{os.sep}", ""))
        except Exception as error:  # whatever it is, the page must not wait for ever
            logs.tell("intake", 40, error)
            told.end(state="failed", wrong="this is a fault of the service; its log has more")
        finally:
            shutil.rmtree(self._folder / intake.number, ignore_errors=True)

    def _read_file(self, path: Path, told: "_Told") -> IngestReport:
        with ServiceRoom.open(self._home, self._settings) as room:
            told.now(state="reading", total=path.stat().st_size)
            rows = formats.read_articles([path], read_options(None, self._settings.ingest), told.bytes)
            return _take(room, told, rows, str(path))

    def _read_feed(self, address: str, told: "_Told") -> IngestReport:
        watch, options = self._settings.watch, read_options(None, self._settings.ingest)
        limits = Limits(watch.seconds, watch.max_bytes, watch.redirects, self._settings.service.allow_private)
        told.now(state="fetching")
        with Client(limits) as client:
            answer = client.get(address)
        size = len(answer.data)
        told.now(state="reading", bytes=size, total=size)
        rows = formats.articles_of(formats.read_document(feed_source(address, answer), options), options)
        with ServiceRoom.open(self._home, self._settings) as room:
            return _take(room, told, rows, address)

    def _save(self, intake: Intake) -> None:
        path = self._folder / f"{intake.number}.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(intake), ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)


class _Told:
    """Tells how far an input is, a few times a second, and ends it when the service does."""

    def __init__(self, intake: Intake, save: Callable[[Intake], None], stop: threading.Event) -> None:
        self._intake, self._save, self._stop = intake, save, stop
        self._saved = 0.0

    def now(self, **changes: Any) -> None:
        """Something has changed."""
        self._intake = replace(self._intake, **changes)
        self._save(self._intake)

    def end(self, **changes: Any) -> None:
        """Nothing more will change."""
        self.now(bytes=self._intake.total or self._intake.bytes, **changes)

    def bytes(self, done: int, total: int) -> None:
        """So many bytes were read, of so many."""
        self._intake = replace(self._intake, bytes=done, total=total)

    def heed(self) -> None:
        """Raises `_StoppedError` when the service ends."""
        if self._stop.is_set():
            raise _StoppedError

    def counted(self, rows: _Rows) -> _Rows:
        """The rows, counted as they go by."""
        for count, row in enumerate(rows, start=1):
            self.heed()
            self._intake = replace(self._intake, rows=count)
            if time.monotonic() - self._saved > _EVERY:
                self._saved = time.monotonic()
                self._save(self._intake)
            yield row


def _take(room: ServiceRoom, told: "_Told", rows: _Rows, name: str) -> IngestReport:
    return take_articles(
        room, told.counted(rows), [name], on_error="quarantine", dry_run=False, now=datetime.now(UTC), heed=told.heed
    )


def _plain(report: IngestReport) -> dict[str, Any]:
    names = ("read", "added", "changed", "unchanged", "duplicate", "rejected", "pending")
    rejects = [
        {"line": it.where.line, "field": it.field or "", "reason": it.reason, "remedy": it.remedy}
        for it in report.rejects
    ]
    return {name: getattr(report, name) for name in names} | {"rejects": rejects}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
