"""Servers for the tests in here: each is started once, when a test first needs it, and stopped after the last one."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.servers import SERVERS, Server, missing


@pytest.fixture(scope="session", params=sorted(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each engine, running."""
    name: str = request.param
    if why := missing(name):
        pytest.skip(why)
    turn = Path(tempfile.gettempdir()) / f"recnews-{name}-{os.getuid()}.turn"
    with turn.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # a machine has room for one Milvus, and tests run side by side
        folder = Path(tempfile.mkdtemp(prefix=f"recnews-{name}-"))
        running = SERVERS[name](folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)
