"""What most tests stand on: a home trained once, and copies of it to spoil."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from recnews.config import Settings
from recnews.newsroom import Newsroom
from recnews.store import Store
from tests.scale.postgres import QUICK, Postgres
from tests.worlds import CHINESE, ENGLISH, articles, small_settings

# The same examples on every machine, and no deadline: the cores are shared.
hypothesis_settings.register_profile(
    "suite", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("suite")

_DATABASE = count()
_SERVERS = Path(__file__).parent / "scale"
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


def pytest_configure(config: pytest.Config) -> None:
    """A run of tests that is told to end stops its servers first, as on Ctrl-C."""
    if config.getoption("--scale"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `scale` run when they are asked for; what is about SQLite's file runs on that alone."""
    scale = bool(config.getoption("--scale"))
    chosen = [item for item in items if not (item.get_closest_marker("only_sqlite") and _is_scale(item))]
    chosen = [item for item in chosen if _is_scale(item)] if scale else chosen
    if not scale:
        for item in filter(_is_scale, chosen):
            item.add_marker(pytest.mark.skip(reason="needs a server: make test-scale"))
    kept = set(map(id, chosen))
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = chosen


def _is_scale(item: pytest.Item) -> bool:
    return item.get_closest_marker("scale") is not None or _SERVERS in item.path.parents


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with nothing in it but what tests make."""
    server = Postgres()
    try:
        server.create()
        server.start(*QUICK, "max_connections=200")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.scale)])
def engine(request: pytest.FixtureRequest) -> str:
    """What a test keeps its store on."""
    return str(request.param)


@contextmanager
def new_address(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty store: none for a file, else that of a new database."""
    if engine == "sqlite":
        yield ""
        return
    with database(request.getfixturevalue("postgres"), "template1") as made:
        yield made


@pytest.fixture
def address(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a test keeps its store: in a file of its folder, or in a database of its own."""
    with new_address(engine, request) as made:
        yield made


@contextmanager
def database(server: Postgres, template: str) -> Iterator[str]:
    """A new database that is a copy of another one."""
    name = f"test_{next(_DATABASE)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.address(name)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def settings_at(address: str) -> Settings:
    """The settings of small homes, with a store elsewhere."""
    return small_settings().model_copy(update={"store": SecretStr(address)})


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
def store(tmp_path: Path, address: str) -> Iterator[Store]:
    """An empty store."""
    opened = Store(tmp_path / "corpora", address=address)
    yield opened
    opened.close()
