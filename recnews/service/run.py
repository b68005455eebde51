"""Starting the service: checks, workers, and a graceful end."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from recnews.config import Settings
from recnews.errors import MissingExtraError, UsageError
from recnews.service import logs
from recnews.service.keys import Keys
from recnews.service.plan import Plan

# The workers share the cores: a feed is too small to be cut up, and threads that wait for each other only spin.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PREFIX = "recnews-service-"
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to answer."""

    host: str
    port: int
    workers: int
    log_ids: bool


def serve(home: Path, settings: Settings, listening: Listening) -> None:
    """Answer until told to stop. Raises `MissingExtraError`; `UsageError` for an address others can reach, without a
    key."""
    # Looked for, not imported: the client of Prometheus decides at its import whether it counts for several processes,
    # and the folder for that is made below.
    for name in ("fastapi", "jinja2", "prometheus_client", "python_multipart", "uvicorn"):
        if find_spec(name) is None:
            raise MissingExtraError(name, "serve", "the service")
    if listening.host not in _LOCAL and not Keys(home).all():
        raise UsageError(
            f"without keys only this machine is answered; before listening on {listening.host}, `recnews keys create`"
        )
    folder, held = _own_folder(Path(tempfile.gettempdir()))
    metrics = folder / "metrics"
    metrics.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    import uvicorn

    logs.set_up(listening.log_ids)
    # uvicorn sends itself the signal again once it has stopped; what follows below must still be done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Plan(str(home), str(folder), listening.host, listening.log_ids, os.getpid(), secrets.token_hex(32)).export()
    keeper = subprocess.Popen([sys.executable, "-m", "recnews.service.house", str(home)], stdin=subprocess.PIPE)  # noqa: S603 - this very program
    try:
        uvicorn.run(
            "recnews.service.app:create", factory=True, host=listening.host, port=listening.port,
            workers=listening.workers, log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=settings.service.grace_seconds, timeout_keep_alive=30, lifespan="on",
        )  # fmt: skip
    finally:
        keeper.terminate()
        keeper.wait()
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _own_folder(place: Path) -> tuple[Path, int]:
    """A new folder for what workers tell each other, and the lock on it that lasts as long as this process. Folders
    that nobody holds any more, since their service was killed, are removed."""
    for left in place.glob(f"{_PREFIX}*"):
        if (handle := _locked(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)
    while True:  # until nobody took it for one that was left
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        handle = _locked(folder)
        if handle is not None and folder.exists():
            return folder, handle
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A handle with the lock of a folder; None when it is held, not ours, or gone."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid == os.getuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
    except BlockingIOError:
        pass
    os.close(handle)
    return None
