"""What most tests stand on: a home trained once, and copies of it to spoil."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from recnews.config import Settings
from recnews.index.archive import Mark
from recnews.newsroom import Newsroom
from recnews.store import Store
from tests.scale.postgres import QUICK, Postgres
from tests.scale.servers import SERVERS, Server, missing
from tests.worlds import CHINESE, DAY, ENGLISH, NOW, articles, small_settings

# The same examples on every machine, and no deadline: the cores are shared.
hypothesis_settings.register_profile(
    "suite", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("suite")

_DATABASE = count()
_SHARED = "trained"
_SERVERS = Path(__file__).parent / "scale"
WORLD = (*CHINESE, *ENGLISH)
EACH = 8
ARCHIVES = ("milvus", "pgvector", "faiss")
"""Where tests on a store in PostgreSQL have the vectors of older articles, in this order."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", action="store_true", help="run the tests that need servers, and only these")


def pytest_configure(config: pytest.Config) -> None:
    """Nobody's own settings decide how tests end. A run that is told to end stops its servers first, as on Ctrl-C."""
    for name in [name for name in os.environ if name.startswith("RECNEWS_")]:
        del os.environ[name]
    if config.getoption("--scale"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With `--scale`, tests marked `engines` that have a home run with a store in PostgreSQL and each archive, or with
    those that the mark names; without it, on SQLite and FAISS."""
    marker = metafunc.definition.get_closest_marker("engines")
    if marker and "archive" in metafunc.fixturenames and metafunc.config.getoption("--scale"):
        named = [name for name in ARCHIVES if name in (marker.args or ARCHIVES)]
        given = [pytest.param(name, id=f"postgresql+{name}", marks=pytest.mark.scale) for name in named]
        metafunc.parametrize("archive", given, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `scale` run when they are asked for; what is about SQLite's file runs on that alone. Those of an
    archive come one after the other, so that it is started once."""
    scale = bool(config.getoption("--scale"))
    chosen = [item for item in items if not (item.get_closest_marker("only_sqlite") and _is_scale(item))]
    chosen = [item for item in chosen if _is_scale(item)] if scale else chosen
    if not scale:
        for item in filter(_is_scale, chosen):
            item.add_marker(pytest.mark.skip(reason="needs a server: make test-scale"))
    kept = set(map(id, chosen))
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = sorted(chosen, key=lambda item: ARCHIVES.index(_archive_of(item.name) or ARCHIVES[-1]) if scale else 0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Of processes that share the tests with `--scale`, one has all with Milvus: a machine has room for one. Another
    has all with pgvector, which starts once; the rest is shared by file."""
    if not config.getoption("--scale"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByEngine(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _archive_of(nodeid) or nodeid.partition("::")[0]

    return ByEngine(config, log)


def _archive_of(name: str) -> str:
    """The engine beside PostgreSQL's store that a test of that name needs; empty for none."""
    return next((it for it in ARCHIVES[:-1] if it in name), "")


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


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest) -> Iterator[Server | None]:
    """The engine that a test asks for, running; none for FAISS."""
    name: str = getattr(request, "param", "faiss")
    if name == "faiss":
        yield None
        return
    if why := missing(name):
        pytest.skip(why)
    turn = Path(tempfile.gettempdir()) / f"recnews-{name}-{os.getuid()}.turn"
    with turn.open("w") as held:
        if name == "milvus":
            fcntl.flock(held, fcntl.LOCK_EX)  # a machine has room for one, and tests run side by side
        folder = Path(tempfile.mkdtemp(prefix=f"recnews-{name}-"))
        running = SERVERS[name](folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)


class Placed:
    """The trained home on a server: a database to copy, and a folder. With an archive, all its articles are there,
    where the copies find them."""

    def __init__(self, address: str, folder: Path, archive: Server | None) -> None:
        self.database, self.folder, self._archive = address.rpartition("/")[2], folder, archive
        with pytest.MonkeyPatch.context() as environment:
            choose(environment, address, archive, _SHARED)
            self._settings = small_settings()
        self._filled = Mark()
        self.fill()

    def fill(self) -> None:
        """Have the archive hold what belongs there, should a copy have changed it."""
        with Newsroom.open(self.folder, self._settings) as newsroom:
            generation, catalog = newsroom.serving.current()
            held = catalog._archive
            if held is None:
                catalog.save(generation.folder)
            if held is None or held.mark() == self._filled != Mark():
                return
            held.drop()
        for snapshot in self.folder.glob("indexes/g*/catalog-*"):
            shutil.rmtree(snapshot)
        with Newsroom.open(self.folder, self._settings) as newsroom:
            newsroom.seal(NOW + 9 * DAY)
            held = newsroom.serving.current()[1]._archive
            assert held is not None
            assert len(held) == EACH * len(WORLD)
            self._filled = held.mark()


@pytest.fixture(scope="session")
def placed(
    archive: Server | None, postgres: Postgres, trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Placed]:
    """The trained home, moved."""
    folder = tmp_path_factory.mktemp("placed")
    with database(postgres, "template1") as address:
        (folder / "recnews.toml").write_text(f'store = "{address}"\n', encoding="utf-8")
        with Newsroom.open(trained, small_settings()) as newsroom:
            newsroom.migrate(folder / "recnews.toml")
        (folder / "recnews.toml").unlink()
        yield Placed(address, folder, archive)


def choose(environment: pytest.MonkeyPatch, address: str, archive: Server | None, prefix: str) -> None:
    """Have homes on these engines from now on: an operator would set the same variables."""
    environment.setenv("RECNEWS_STORE", address)
    if archive is not None:
        for name, value in (("ARCHIVE", archive.url), ("ARCHIVE_PREFIX", prefix), ("ARCHIVE_SECONDS", "20")):
            environment.setenv(f"RECNEWS_INDEX__{name}", value)


@pytest.fixture
def engines(request: pytest.FixtureRequest, archive: Server | None) -> Iterator[Placed | None]:
    """Where the homes of a test keep what they know, by its environment: all of them in the same place, so that
    a test has one. The place is empty, unless `home` is asked for; None stands for the home's own folder."""
    if not (request.node.get_closest_marker("engines") and request.config.getoption("--scale")):
        yield None
        return
    server, trained = request.getfixturevalue("postgres"), "home" in request.fixturenames
    placed: Placed | None = request.getfixturevalue("placed") if trained else None
    template = placed.database if placed else "template1"
    with database(server, template) as address, pytest.MonkeyPatch.context() as environment:
        choose(environment, address, archive, _SHARED if placed else f"home{next(_DATABASE)}")
        yield placed
    if placed:
        placed.fill()


@pytest.fixture
def home(trained: Path, engines: Placed | None, tmp_path: Path) -> Path:
    """A copy of the trained home, to do anything with."""
    return Path(shutil.copytree(engines.folder if engines else trained, tmp_path / "home"))


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
