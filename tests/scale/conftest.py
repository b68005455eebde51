"""Tests in here that ask for a `server` run with each engine that holds an archive."""

import pytest

from tests.conftest import ARCHIVES
from tests.scale.servers import Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"server", "archive"} <= set(metafunc.fixturenames):
        metafunc.parametrize("archive", [name for name in ARCHIVES if name != "faiss"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(archive: Server) -> Server:
    """Each engine, running."""
    return archive
