"""Servers for the tests in here, each started once, when it is first needed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.servers import SERVERS, Server, missing


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """Those that run."""
    running: dict[str, Server] = {}
    yield running
    for server in running.values():
        server.stop()
        shutil.rmtree(server.folder)


@pytest.fixture(scope="session", params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    """Each engine, running."""
    name: str = request.param
    if not request.config.getoption("--scale", default=False):
        pytest.skip("needs servers: make test-scale")
    if why := missing(name):
        pytest.skip(why)
    if name not in servers:
        servers[name] = SERVERS[name](Path(tempfile.mkdtemp(prefix=f"recnews-{name}-")))
        servers[name].start()
    return servers[name]
