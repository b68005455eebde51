"""What every vector index must do, with engines that hold the older rows: the same tests, against brute force."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from recnews.index.archive import Archive, ArchiveSettings, Mark
from recnews.index.archived import ArchivedIndex
from recnews.index.engines import open_archive
from recnews.records import Float32, Int64
from tests import test_index as contract
from tests.scale.servers import Milvus, Server

_ALL = 2**62


class Later(ArchivedIndex):
    """Rows go to the engine once they were saved and are loaded."""

    engine: "InEngine"

    def save(self, folder: Path) -> None:
        super().save(folder)
        self.engine.saved[folder] = self._archive


class AtOnce(Later):
    """All rows go to the engine as they come."""

    def upsert(self, ids: Int64, vectors: Float32, published: Int64 | None = None) -> None:
        super().upsert(ids, vectors, published)
        self.hand_over(_ALL)


class InEngine:
    """Indexes over one engine. Collections are emptied and used again: to make one takes Milvus seconds."""

    def __init__(self, server: Server, indexes: type[Later]) -> None:
        self.name, self._server, self._indexes = indexes.__name__, server, indexes
        self._free: dict[int, list[Archive]] = {}
        self._used: list[Archive] = []
        self.saved: dict[Path, Archive] = {}
        self._made = 0

    def __call__(self, dim: int) -> Later:
        free = self._free.setdefault(dim, [])
        archive = free.pop() if free else self._open(dim)
        self._used.append(archive)
        return self._over(self._indexes(dim, archive))

    def load(self, folder: Path) -> Later:
        """What was saved, handed over to the engine by now."""
        found = self._over(self._indexes.load(folder, self.saved[folder]))
        found.hand_over(_ALL)
        return found

    def clear(self) -> None:
        """Empty what was used, for the next."""
        nothing = np.empty(0, dtype=np.int64)
        for archive in self._used:
            if len(archive):
                archive.retain(nothing, nothing)
            archive.publish(Mark())
            self._free[archive.dim].append(archive)
        self._used.clear()
        self.saved.clear()

    def close(self) -> None:
        """Drop all there is."""
        for archives in self._free.values():
            for archive in archives:
                archive.drop()

    def _over(self, made: Later) -> Later:
        made.engine = self
        return made

    def _open(self, dim: int) -> Archive:
        self._made += 1
        name = f"{self.name.lower()}_{self._made}"
        return open_archive(ArchiveSettings(self._server.url, "contract", seconds=20), name, dim)


@pytest.fixture(scope="module", params=[Later, AtOnce], ids=lambda indexes: indexes.__name__)
def engine(server: Server, request: pytest.FixtureRequest) -> Iterator[InEngine]:
    """One engine, and when rows go there."""
    if request.param is Later and isinstance(server, Milvus):
        pytest.skip("rows that are in memory first are the same before any engine; Milvus takes seconds for each test")
    found = InEngine(server, request.param)
    yield found
    found.close()


@pytest.fixture
def kind(engine: InEngine) -> Iterator[InEngine]:
    """In place of that of the other indexes."""
    yield engine
    engine.clear()


index = contract.index
_DRAWN = {"test_any_course_of_events", "test_ties_do_not_depend_on_the_order_of_arrival"}
globals().update({name: it for name, it in vars(contract).items() if name.startswith("test_") and name not in _DRAWN})


@hypothesis_settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(steps=contract.steps)
def test_any_course_of_events_in_an_engine(
    kind: InEngine, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]
) -> None:
    contract.follows(kind, tmp_path_factory, steps)
