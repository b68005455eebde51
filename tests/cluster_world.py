"""A Dask scheduler and workers, each a process of its own, started and ended (or killed) one by one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 60.0


class DaskWorld:
    """A scheduler and its workers, on ports of 127.0.0.1 that were free."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder, self._file = folder, folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._scheduler = self._start("scheduler", "--scheduler-file", str(self._file), "--port", "0")
        try:
            _until(lambda: self._file.exists() and self._file.read_text(encoding="utf-8").rstrip().endswith("}"))
            self.address = str(json.loads(self._file.read_text(encoding="utf-8"))["address"])
            for _ in range(workers):
                self.add_worker()
            self.wait_for(workers)
        except BaseException:
            self.close()
            raise

    def add_worker(self) -> None:
        """One more, with a thread and a folder of its own."""
        place = self._folder / f"worker-{len(self.workers)}"
        words = ("--no-nanny", "--nthreads", "1")
        self.workers.append(self._start("worker", self.address, *words, "--local-directory", str(place)))

    def wait_for(self, count: int) -> None:
        """Until the scheduler knows of so many workers."""
        import distributed

        with distributed.Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(count, timeout=_SECONDS)

    def kill_worker(self) -> int:
        """SIGKILL for the first that lives; its number."""
        number = next(at for at, process in enumerate(self.workers) if process.poll() is None)
        self.workers[number].send_signal(signal.SIGKILL)
        self.workers[number].wait()
        return number

    def kill_scheduler(self) -> None:
        """SIGKILL for the scheduler."""
        self._scheduler.send_signal(signal.SIGKILL)
        self._scheduler.wait()

    def files_received(self) -> list[str]:
        """Names of the files that workers were sent."""
        found = self._folder.glob("worker-*/**/recnews/*/**/*")
        return sorted({file.name for file in found if file.is_file()})

    def close(self) -> None:
        """End all that are left."""
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        quick = {
            "PYTHONPATH": str(_ROOT), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
        }  # fmt: skip
        with (self._folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"],
                cwd=_ROOT, env=os.environ | one_thread | quick, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip


@contextmanager
def dask_world(folder: Path, workers: int = 3) -> Iterator[DaskWorld]:
    """A scheduler with workers, as long as this lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    world = DaskWorld(folder, workers)
    try:
        yield world
    finally:
        world.close()


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not done():
        assert time.monotonic() < end, f"nothing within {_SECONDS} s"
        time.sleep(0.05)
