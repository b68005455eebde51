"""What most tests stand on: a home trained once, and copies of it to spoil."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from recnews.newsroom import Newsroom
from recnews.store import Store
from tests.worlds import CHINESE, ENGLISH, articles, small_settings

# The same examples on every machine, and no deadline: the cores are shared.
hypothesis_settings.register_profile(
    "suite", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("suite")

WORLD = (*CHINESE, *ENGLISH)
EACH = 8


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own settings decide how tests end."""
    import os

    for name in list(os.environ):
        if name.startswith("RECNEWS_"):
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", action="store_true", help="run the tests that need servers, and only these")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `scale` run when they are asked for, and then alone."""
    scale = bool(config.getoption("--scale"))
    others = [item for item in items if (item.get_closest_marker("scale") is not None) != scale]
    if scale:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("scale") is not None]
    else:
        for item in others:
            item.add_marker(pytest.mark.skip(reason="needs a server: make test-scale"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one generation, over eight articles of each of six topics. Copy it before you change it."""
    home = tmp_path_factory.mktemp("trained")
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.ingest(articles(WORLD, EACH))
        newsroom.train()
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained home, to do anything with."""
    return Path(shutil.copytree(trained, tmp_path / "home"))


@pytest.fixture
def newsroom(home: Path) -> Iterator[Newsroom]:
    """An open copy of the trained home."""
    with Newsroom.open(home, small_settings()) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = Store(tmp_path / "corpora")
    yield opened
    opened.close()
