"""Encoding in a process of its own, while this one reads, stores and groups.

The store is the queue between them: each does what is stored and not done yet, as any process may at any time, so one
that dies costs time only. What the processes hold in memory does not grow with what comes.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Literal

from recnews import processes
from recnews.config import Settings
from recnews.newsroom.upkeep import count_log, encode_stored, group, is_searchable, make_searchable

if TYPE_CHECKING:
    from recnews.newsroom.home import Home

Step = Literal["encode", "finish"]
_WORTH = 1000  # so many articles are worth starting a process, which takes about a second
_REMEMBERED = 16_000_000  # tokens of articles that were cut and may be encoded once more
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
            encoded = self._process.encoded - before
            if self._process.idle:
                self._process.go("encode")
            if not heard:
                return 0
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
        self._thread, self._told = ThreadPoolExecutor(1), SimpleQueue[int]()
        self._process: subprocess.Popen[bytes] | None = None
        told: dict[str, str | None] = {"home": str(home.home), "settings": home.settings.with_secrets()}
        told["cluster"] = home.cluster.address if home.cluster else None
        try:
            self._process = processes.start("recnews.newsroom.beside")
            self._write(json.dumps(told))
        except OSError as error:
            self._lost(error)

    def go(self, step: Step) -> None:
        """Encode what is stored; to `finish`, also bring up to date what was encoded before."""
        self.idle = False
        self._thread.submit(self._go, step)

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
        return found

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.kill()
        self._thread.shutdown()
        self._close()

    def _go(self, step: Step) -> None:
        try:
            self._write(step)
            while self._process and self._process.stdout:
                told = int(self._process.stdout.readline())
                self._told.put(told)
                if told < 0:
                    return
        except (OSError, ValueError) as error:
            self._lost(error)
        self._told.put(-1)

    def _write(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _lost(self, error: Exception) -> None:
        _log.warning("the process beside that should encode is gone (%s); going on without it", error)
        self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            processes.end(process)


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """What such a process does: open a home, then encode for each line. It answers 0 after each batch, and when it is
    done a negative number: -1 less how many articles it has encoded."""
    from recnews.ingest import seldom_collected
    from recnews.newsroom.home import Home

    def tell(count: int) -> None:
        answers.write(f"{count}\n".encode())
        answers.flush()

    told = json.loads(given.readline())
    settings = Settings.model_validate_json(told["settings"])
    with Home.open(told["home"], settings) as home, home.on_cluster(told["cluster"]), seldom_collected():
        for step in given:
            encoded = encode_stored(home, lambda: tell(0), _REMEMBERED, finish=step.strip() == b"finish")
            tell(-1 - encoded)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
