"""Encoding in a process of its own, while this one reads, stores and groups.

The store is the queue between them: each does what is stored and not done yet, as any process may at any time, so one
that dies costs time only. While the other is busy, this one cuts what comes next and hands it over, and waits when it
is too far ahead: what the processes hold in memory does not grow with what comes.
"""

import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Literal

from recnews import processes
from recnews.config import Settings
from recnews.errors import RecnewsError
from recnews.newsroom.upkeep import count_log, encode_stored, group, is_searchable, make_searchable

if TYPE_CHECKING:
    from recnews.newsroom.home import Home
    from recnews.records import Draft
    from recnews.text import Parcel

Step = Literal["encode", "finish"]
_WORTH = 1000  # so many articles are worth starting a process, which takes about a second
_REMEMBERED = 16_000_000  # tokens of articles that were cut and may be encoded once more
_AHEAD = 8000  # articles stored and not encoded, at which the storing waits
_log = logging.getLogger("recnews")


class Beside:
    """What makes stored articles searchable while an ingest goes on. Use as a context manager.

    Articles that hold words learned later in the same ingest are brought up to date with them once, at its end.
    `heed` is called between two batches and may raise what ends it: what is stored stays so.
    """

    def __init__(self, home: "Home", heed: Callable[[], None] = lambda: None) -> None:
        self._home, self._heed = home, heed
        cores = home.settings.ingest.processes or len(os.sched_getaffinity(0))
        self._stored, self._alone = 0, cores < 2
        self._process: _Process | None = None

    def coming(self, batch: "Sequence[Draft]") -> None:
        """Cut what is about to be stored, if the other process has enough to do."""
        if self._process and self._process.waiting:
            with suppress(RecnewsError):  # the other cuts it then, or tells what is wrong
                self._process.send(self._home.serving.generation(prepared=False).parcel(batch))

    def more(self, rows: int) -> int:
        """So many rows more were stored: have them encoded, here as long as it is little, and group what is; how many
        articles have become searchable since the last call."""
        self._stored += rows
        if self._home.generations.current().live is None:
            return make_searchable(self._home)
        if self._alone or self._stored < _WORTH:
            encoded = encode_stored(self._home)
        else:
            self._process = self._process or _Process(self._home)
            before = self._process.encoded
            heard = self._process.heard()
            self._process.waiting += rows
            while self._process.waiting > _AHEAD and self._process.heard(wait=True):
                group(self._home)
            encoded = self._process.encoded - before
            if self._process.idle:
                self._process.go("encode")
            if not heard:
                return encoded
        group(self._home)
        return encoded

    def finish(self) -> int:
        """Wait until all that is stored is searchable; how many articles became so since the last call of `more`."""
        if self._process is None:
            return make_searchable(self._home)
        before = self._process.encoded
        self._rest(self._process)
        self._process.go("finish")
        self._rest(self._process)
        encoded = self._process.encoded - before
        if not is_searchable(self._home):  # it is gone, or another generation went live
            return encoded + make_searchable(self._home)
        group(self._home)
        count_log(self._home)
        return encoded

    def _rest(self, process: "_Process") -> None:
        """Wait for what a process was told, and group meanwhile."""
        while process.heard(wait=True):
            self._heed()
            group(self._home)

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.end()


class _Process:
    """A process that encodes whenever it is told to."""

    def __init__(self, home: "Home") -> None:
        self.idle, self.encoded = True, 0
        self.waiting = 0  # articles that were stored and are not encoded, as far as is known
        self._done = 0  # of these, since it was told to go on
        self._thread, self._writer, self._told = ThreadPoolExecutor(1), ThreadPoolExecutor(1), SimpleQueue[int]()
        self._process: subprocess.Popen[bytes] | None = None
        told = (str(home.home), home.settings.with_secrets(), home.cluster.address if home.cluster else None)
        try:
            self._process = processes.start("recnews.newsroom.beside")
            self._write(told)
        except OSError as error:
            self._lost(error)

    def go(self, step: Step) -> None:
        """Encode what is stored; to `finish`, also bring up to date what was encoded before."""
        self.idle, self._done = False, 0
        self.send(step)
        self._thread.submit(self._listen)

    def send(self, message: "Step | Parcel") -> None:
        """Hand over, without waiting for it to be taken."""
        self._writer.submit(self._send, message)

    def heard(self, wait: bool = False) -> bool:
        """Whether it has encoded a batch since this was last asked, or come to an end; with `wait`, once it has. Where
        it failed, articles are left for this process."""
        found = False
        while not self.idle:
            try:
                told = self._told.get(block=wait and not found)
            except Empty:
                break
            found, self.idle = True, told < 0
            self.encoded += -1 - told if told < 0 else 0
            self.waiting = 0 if told < 0 else max(self.waiting - told + self._done, 0)
            self._done = max(told, 0)
        return found

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.kill()
        self._writer.shutdown(cancel_futures=True)
        self._thread.shutdown()
        self._close()

    def _send(self, message: "Step | Parcel") -> None:
        with suppress(OSError):  # it is gone; who listens to it finds that out
            self._write(message)

    def _listen(self) -> None:
        try:
            while self._process and self._process.stdout:
                told = int(self._process.stdout.readline())
                self._told.put(told)
                if told < 0:
                    return
        except (OSError, ValueError) as error:
            self._lost(error)
        self._told.put(-1)

    def _write(self, message: Any) -> None:
        process = self._process
        if process and process.stdin:
            pickle.dump(message, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()

    def _lost(self, error: Exception) -> None:
        _log.warning("the process beside that should encode is gone (%s); going on without it", error)
        self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            processes.end(process)


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """What such a process does: open a home, then encode at each step. It answers after each batch how many articles it
    has encoded in this step, and when it is done a negative number: -1 less how many these were."""
    from recnews.ingest import seldom_collected
    from recnews.newsroom.home import Home

    def tell(count: int) -> None:
        answers.write(f"{count}\n".encode())
        answers.flush()

    address, settings, cluster = pickle.load(given)  # noqa: S301 - from the process that started this one
    steps, handed = SimpleQueue[Step | None](), SimpleQueue["Parcel"]()
    threading.Thread(target=_receive, args=(given, steps, handed), daemon=True).start()
    home = Home.open(address, Settings.model_validate_json(settings))
    with home, home.on_cluster(cluster), seldom_collected():
        while (step := steps.get()) is not None:
            encoded = encode_stored(home, tell, _REMEMBERED, handed, finish=step == "finish")
            tell(-1 - encoded)


def _receive(given: IO[bytes], steps: "SimpleQueue[Step | None]", handed: "SimpleQueue[Parcel]") -> None:
    """Part what comes, until nothing does."""
    try:
        while True:
            message = pickle.load(given)  # noqa: S301 - as above
            if message in ("encode", "finish"):
                steps.put(message)
            else:
                handed.put(message)
    except (EOFError, OSError, pickle.UnpicklingError):
        steps.put(None)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
