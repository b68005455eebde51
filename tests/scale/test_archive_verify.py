"""What an engine has lost, or holds otherwise than it was written, is found, named and made again from the store."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from recnews import Newsroom
from recnews.config import Settings
from recnews.index.archive import Archive
from recnews.records import Int64
from tests.scale.servers import Server
from tests.scale.test_archive_home import LATER, archived, near
from tests.worlds import small_settings

_HOMES = count()
_ALL = 48


@pytest.fixture
def settings(server: Server) -> Settings:
    """Of a home of its own in the engine; with time for a busy machine."""
    given = {"archive": server.url, "archive_prefix": f"verified{next(_HOMES)}", "archive_seconds": 20}
    return small_settings().override("index", **given)


@pytest.fixture
def newsroom(home: Path, settings: Settings) -> Iterator[Newsroom]:
    """The trained home, all of it in the engine."""
    with Newsroom.open(home, settings) as opened:
        opened.seal(LATER)
        assert archived(opened) == _ALL
        yield opened
        engine(opened).drop()


def engine(newsroom: Newsroom) -> Archive:
    found = newsroom.serving.current()[1]._archive
    assert found is not None
    return found


def some(newsroom: Newsroom) -> Int64:
    """Three ids."""
    return np.sort(engine(newsroom).ids())[5:8]


def lose(newsroom: Newsroom) -> None:
    engine(newsroom).remove(some(newsroom))


def alter(newsroom: Newsroom) -> None:
    """Other numbers, with all else as it should be: the digest of what was there, too."""
    archive, ids = engine(newsroom), some(newsroom)
    (vectors, _), digests = archive.vectors(ids), archive.digests(ids)
    times = newsroom.serving.current()[1].published(ids)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys.modules[type(archive).__module__], "row_digests", lambda *_: digests)
        archive.upsert(ids, np.roll(vectors, 1, axis=0), times)
    assert archive.digests(ids).tolist() == digests.tolist()


def lose_and_add(newsroom: Newsroom) -> None:
    """As many rows as there were."""
    lose(newsroom)
    archive = engine(newsroom)
    strange = np.array([9001, 9002, 9003], dtype=np.int64)
    archive.upsert(strange, np.ones((3, archive.dim), np.float32), np.zeros(3, np.int64))


DAMAGE: dict[str, tuple[Callable[[Newsroom], None], str]] = {
    "lost rows": (lose, "3 rows are missing"),
    "other numbers": (alter, "3 rows are not what was written"),
    "lost and strange rows": (lose_and_add, "3 rows are missing"),
    "all is lost": (lambda newsroom: engine(newsroom).drop(), "48 rows are missing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_made_good(newsroom: Newsroom, settings: Settings, kind: str) -> None:
    whole = near(newsroom)
    assert newsroom.verify() == []
    spoil, said = DAMAGE[kind]
    spoil(newsroom)
    with Newsroom.open(newsroom.home, settings) as other:
        [problem] = other.verify()
        assert (problem.kind, problem.what) == ("archive", f"the archive of g000001: {said}")
        repaired = other.repair()
        assert repaired.left == ()
        assert len(repaired.done) == 1
        assert near(other) == whole
    assert near(newsroom) == whole, "who was open all the while finds them, too"
    assert archived(newsroom) == len(engine(newsroom)) == _ALL
    newsroom.seal(LATER)
    assert archived(newsroom) == len(engine(newsroom)) == _ALL


def test_what_an_engine_has_lost_is_handed_over_again(newsroom: Newsroom) -> None:
    """By whoever keeps house, without a repair."""
    whole = near(newsroom)
    engine(newsroom).drop()
    assert near(newsroom).partial
    newsroom.seal(LATER)
    assert archived(newsroom) == len(engine(newsroom)) == _ALL
    assert near(newsroom) == whole
    assert newsroom.verify() == []


def test_rows_of_articles_that_are_gone_are_no_fault(newsroom: Newsroom) -> None:
    newsroom.delete(["金融-1"])
    assert newsroom.verify() == []
    assert len(engine(newsroom)) == _ALL
    newsroom.seal(LATER)
    assert len(engine(newsroom)) == _ALL - 1


def test_an_engine_that_is_elsewhere_is_told_of(newsroom: Newsroom, server: Server) -> None:
    """Nothing can be repaired then, and nothing is."""
    begin, _, _ = server.url.partition("://")
    nowhere = small_settings().override("index", archive=f"{begin}://127.0.0.1:9/none", archive_seconds=1)
    with Newsroom.open(newsroom.home, nowhere) as other:
        [problem] = other.verify()
        assert problem.kind == "engine"
        assert "the archive cannot be read" in problem.what
        assert [it.kind for it in other.repair().left] == ["engine"]
