"""A running service for tests: a process of its own on a loopback port, asked over real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.cli_world import ROOT, environment

PATIENCE = 60.0


class Service:
    """What a test holds of a running service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        found = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in found if line.startswith("{") and line.endswith("}")]

    def workers(self) -> list[int]:
        """The pids of workers that are alive."""
        started = {line["pid"] for line in self.lines() if line["event"] == "started"}
        return sorted(pid for pid in started if _alive(pid))

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """One request over a connection of its own, so that any worker may get it."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE) as client:
            return client.request(method, path, **given)

    def of_each_worker(self, path: str) -> dict[int, Any]:
        """What every worker answers to one question: asked until each has had it."""
        found, wanted = dict[int, Any](), set(self.workers())
        number_of = dict[str, Any]()
        deadline = time.monotonic() + PATIENCE
        while set(found) != wanted:
            assert time.monotonic() < deadline, (found.keys(), wanted)
            answer = self.ask("GET", path)
            number_of[answer.headers["x-request-id"]] = answer.json()
            for line in self.lines():
                if line.get("id") in number_of:
                    found.setdefault(line["worker"], number_of[line["id"]])
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and wait for that."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def running(
    home: Path, *options: str, workers: int = 2, env: dict[str, str] | None = None, ready: bool = True
) -> Iterator[Service]:
    """`recnews serve` over a home; ended with the block."""
    port, log = free_port(), home / f"serve-{time.monotonic_ns()}.log"
    words = ("-m", "recnews", "--home", str(home), "serve", "--port", str(port), "--workers", str(workers), *options)
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *words], env=environment(env), cwd=ROOT, stderr=out, stdout=out)
    service = Service(process, port, log)
    try:
        until(lambda: _answers(service, ready) and len(service.workers()) == workers, service)
        if ready:
            until(lambda: sum(line["event"] == "generation" for line in service.lines()) >= workers, service)
        yield service
    finally:
        pids = service.workers()
        if process.poll() is None:
            service.stop()
        until(lambda: not any(map(_alive, pids)), service)


def until(true: Callable[[], bool], service: Service | None = None) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(service.log.read_text(encoding="utf-8")[-3000:] if service else "it did not come")
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(service: Service, ready: bool) -> bool:
    if service.process.poll() is not None:
        raise AssertionError(service.log.read_text(encoding="utf-8")[-3000:])
    try:
        answer = service.ask("GET", "/health/ready" if ready else "/health/live")
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
