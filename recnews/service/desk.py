"""What one worker answers with: its lanes, and the generation that both use, exchanged while they go on."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from recnews.config import Settings
from recnews.errors import NoGenerationError, RecnewsError
from recnews.service import logs
from recnews.service.history import History
from recnews.service.intakes import Intakes
from recnews.service.lanes import Lane
from recnews.service.metrics import SWAPS, WORKER_GENERATION
from recnews.service.room import ServiceRoom

T = TypeVar("T")
_LOOK_SECONDS, _FOLLOW_SECONDS = 0.1, 1.0


class Desk:
    """The lanes of a worker. `reading` answers feeds, `writing` takes in and encodes what comes, `looking` reads what
    pages show of the store."""

    def __init__(self, home: Path, settings: Settings, intakes: Intakes) -> None:
        self.home, self.settings = home, settings
        self.reading, self.writing = Lane("reading", home, settings), Lane("writing", home, settings)
        self.looking = Lane("looking", home, settings)
        self.ready = False
        self.intakes, self.history = intakes, History()
        self._beside = ThreadPoolExecutor(1, "recnews-beside")
        self._lock = threading.Lock()
        self._swap: Future[None] | None = None
        self._closed = threading.Event()
        self._followed = time.monotonic()

    @property
    def generation(self) -> str | None:
        """The generation that feeds are answered from."""
        return self.reading.room.serving.id

    def lag(self) -> int:
        """How many changed articles the reading lane takes over with its next feed."""
        return self.reading.room.serving.lag()

    async def read(self, work: Callable[[ServiceRoom], T]) -> T:
        """Ask the reading lane, from the newest generation that is open."""

        def answer(room: ServiceRoom) -> T:
            self._not_behind(room)
            return work(room)

        return await self.reading.run(answer)

    async def write(self, work: Callable[[ServiceRoom], T]) -> T:
        """Ask the writing lane."""
        return await self.writing.run(work)

    async def look(self, work: Callable[[ServiceRoom], T]) -> T:
        """Ask the looking lane, for what needs no model: no feed and no ingest waits for it."""
        return await self.looking.run(work)

    async def apart(self, work: Callable[[ServiceRoom], T]) -> T:
        """Do what may take minutes in a thread and a newsroom of its own, so that nobody waits for it."""

        def do() -> T:
            with ServiceRoom.open(self.home, self.settings) as room:
                return work(room)

        return await asyncio.to_thread(do)

    async def follow(self) -> None:
        """Look again and again whether another generation went live. Runs until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Finish what has begun."""
        self._closed.set()
        self._beside.shutdown(cancel_futures=True)
        self.intakes.close()
        self.reading.close()
        self.writing.close()
        self.looking.close()

    def _look(self) -> None:
        with self._lock:
            if self._closed.is_set() or (self._swap is not None and not self._swap.done()):
                return
            try:
                if not self.ready or self.reading.room.serving.behind():
                    self._swap = self._beside.submit(self._exchange)
                elif time.monotonic() > self._followed + _FOLLOW_SECONDS:
                    self._swap = self._beside.submit(self._follow_store)
            except RecnewsError as error:
                logs.tell("generation", logging.WARNING, error)

    def _follow_store(self) -> None:
        """Take over what another node has made live."""
        try:
            self.reading.room.generations.follow_store()
        except RecnewsError as error:
            logs.tell("generation", logging.WARNING, error)
        self._followed = time.monotonic()

    def _exchange(self) -> None:
        """Open what is live by now beside what answers, then hand it to each lane between two requests."""
        try:
            opened = self.reading.room.serving.open_beside()
            # What was ingested at the moment of the promotion is encoded right after it: until then the old one knows
            # more. Should who promotes be killed, the process that keeps house does it.
            if opened is not None and self.ready and self.reading.room.serving.misses_articles(opened):
                return
            if opened is not None:
                self.reading.hand_over(opened, hold=True)
                if not self.ready:
                    self.reading.wait_for(ServiceRoom.count_readers)
                WORKER_GENERATION.set(int(opened.generation.id[1:]))
            prepared = self.writing.room.serving.open_beside(prepared=True)
            if prepared is not None:
                self.writing.hand_over(prepared, hold=False)
        except RecnewsError as error:
            logs.tell("generation", logging.WARNING, error)
            return
        if opened is not None and prepared is not None:
            self.looking.begin(ServiceRoom.look_ahead)
            SWAPS.inc()
            logs.tell("generation", generation=opened.generation.id)
            self.ready = True

    def _not_behind(self, room: ServiceRoom) -> None:
        """Between a promotion and the exchange the old generation answers; but an article that only the new one has
        encoded must not be missing: then the lane itself opens the new one."""
        if not self.ready:
            raise NoGenerationError(self.home)
        if room.serving.behind():
            self._look()
            opened = room.serving.open_beside() if room.serving.misses_articles() else None
            if opened is not None:
                room.serving.take_over(opened, hold=True)
                WORKER_GENERATION.set(int(opened.generation.id[1:]))
