"""Lanes: one thread, one newsroom, one request after the other.

A worker has several, so that a feed never waits for an ingest or a page: SQLite lets readers go on while one writes.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from recnews.config import Settings
from recnews.service.metrics import STAGES, WAITING
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom
from recnews.serving import Opened

T = TypeVar("T")


class Lane:
    """A thread with a newsroom of its own."""

    def __init__(self, name: str, home: Path, settings: Settings) -> None:
        self.name, self._settings = name, settings.service
        self._pool = ThreadPoolExecutor(1, f"recnews-{name}")
        self._wait, self._gauge = STAGES.labels(f"wait for {name}"), WAITING.labels(name)
        self._waiting = 0
        self.room = self._pool.submit(ServiceRoom.open, home, settings).result()

    async def run(self, work: Callable[[ServiceRoom], T]) -> T:
        """What `work` makes of the lane's newsroom, once its turn has come. What has begun is always finished.

        Raises `ProblemError` when too many wait already, or when its turn comes too late: then the work is not begun.
        """
        if self._waiting >= self._settings.waiting:
            raise ProblemError("busy", f"{self._waiting} requests wait already", retry_after=1)
        self._waiting += 1
        self._gauge.set(self._waiting)
        try:
            return await asyncio.wrap_future(self._pool.submit(self._turn, work, time.perf_counter()))
        finally:
            self._waiting -= 1
            self._gauge.set(self._waiting)

    def wait_for(self, work: Callable[[ServiceRoom], T]) -> T:
        """As `run`, for another thread: it waits for its turn as long as that takes."""
        return self._pool.submit(work, self.room).result()

    def begin(self, work: Callable[[ServiceRoom], None]) -> None:
        """Do something when its turn comes, before whatever is asked after this; nobody waits, nobody hears of it."""
        self._pool.submit(work, self.room)

    def hand_over(self, opened: Opened, hold: bool) -> None:
        """Let the lane answer from another generation, between two requests; returns once it does."""
        self.wait_for(lambda room: room.serving.take_over(opened, hold))

    def close(self) -> None:
        """Finish what has begun or waits, then close the newsroom."""
        self._pool.submit(self.room.close).result()
        self._pool.shutdown()

    def _turn(self, work: Callable[[ServiceRoom], T], asked: float) -> T:
        waited = time.perf_counter() - asked
        self._wait.observe(waited)
        if waited > self._settings.timeout_seconds:
            raise ProblemError("busy", f"the turn of this request came after {waited:.1f} seconds only", retry_after=1)
        return work(self.room)
