"""Encoding and grouping in processes of their own, while this one reads and stores what comes next.

The store is the queue between them: each does what is stored and not done yet, as any process may at any time, so one
that dies costs time only.
"""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Literal

from recnews import processes
from recnews.config import Settings
from recnews.newsroom.upkeep import catch_up, group, make_searchable

if TYPE_CHECKING:
    from recnews.newsroom.home import Home

Step = Literal["encode", "group"]
_WORTH = 2000  # so many articles are worth starting processes, which takes a second or two
_log = logging.getLogger("recnews")


class Beside:
    """What makes stored articles searchable while an ingest goes on. Use as a context manager."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        cores = home.settings.ingest.processes or len(os.sched_getaffinity(0))
        self._stored, self._here = 0, cores < 2
        self._steps: dict[Step, _Process] = {}

    def more(self, rows: int) -> int:
        """So many rows more were stored: have them encoded and grouped, here as long as it is little; how many articles
        have become searchable since the last call."""
        self._stored += rows
        if self._here or self._stored <= _WORTH or self._home.generations.current().live is None:
            return make_searchable(self._home)
        if not self._steps:
            self._steps = {step: _Process(self._home, step) for step in ("encode", "group")}
        encode, grouping = self._steps["encode"], self._steps["group"]
        if not encode.idle():
            return 0
        encoded = encode.taken()
        encode.go()
        if encoded and grouping.idle():
            grouping.taken()
            grouping.go()
        return encoded

    def finish(self) -> int:
        """Wait until all that is stored is searchable; how many articles became so since the last call of `more`."""
        if not self._steps:
            return 0
        encode, grouping = self._steps["encode"], self._steps["group"]
        encoded = encode.taken()
        encode.go()
        encoded += encode.taken()
        grouping.taken()
        grouping.go()
        grouping.taken()
        return encoded + make_searchable(self._home)

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._steps.values():
            process.end()


class _Process:
    """A process that does one step whenever it is told to."""

    def __init__(self, home: "Home", step: Step) -> None:
        self._step = step
        self._thread = ThreadPoolExecutor(1)
        self._doing: Future[int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        told: dict[str, str | None] = {
            "home": str(home.home),
            "settings": home.settings.with_secrets(),
            "step": step,
        }
        told["cluster"] = home.cluster.address if home.cluster and step == "encode" else None
        try:
            self._process = processes.start("recnews.newsroom.beside")
            self._write(json.dumps(told))
        except OSError as error:
            self._lost(error)

    def idle(self) -> bool:
        """Whether it is done with what it was told."""
        return self._doing is None or self._doing.done()

    def go(self) -> None:
        """Do the step, as far as there is something to do."""
        self._doing = self._thread.submit(self._go)

    def taken(self) -> int:
        """Wait until it is done; how many articles it took. None where it failed: those are left for this process."""
        done, self._doing = self._doing, None
        return 0 if done is None else done.result()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.kill()
        self._thread.shutdown()
        self._close()

    def _go(self) -> int:
        if self._process is None or self._process.stdout is None:
            return 0
        try:
            self._write("go")
            return int(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self._lost(error)
            return 0

    def _write(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _lost(self, error: Exception) -> None:
        _log.warning("the process beside that should %s is gone (%s); going on without it", self._step, error)
        self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            processes.end(process)


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """What such a process does: open a home, then do its step for each line, and answer how many articles it took."""
    from recnews.ingest import seldom_collected
    from recnews.newsroom.home import Home

    told = json.loads(given.readline())
    settings = Settings.model_validate_json(told["settings"])
    with Home.open(told["home"], settings) as home, home.on_cluster(told["cluster"]), seldom_collected():
        for _ in given:
            if told["step"] == "encode":
                count = catch_up(home, home.serving.generation(prepared=True), count=False)
            else:
                count = group(home)
            answers.write(f"{count}\n".encode())
            answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
