"""A backup names no engine: made from one it is restored into the other, and the same data make the same backup."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from recnews.doctor import examine
from recnews.errors import UsageError
from recnews.newsroom import Newsroom
from recnews.repository import Repository
from recnews.restore import restore
from tests.conftest import database
from tests.scale.postgres import Postgres
from tests.worlds import DAY, NOW, article, read

pytestmark = pytest.mark.scale
SMALL = """
[embedding]
dim = 16
semantic_dim = 16
lexical_dim = 64
min_count = 1
workers = 1
"""


@pytest.fixture
def address(postgres: Postgres) -> Iterator[str]:
    with database(postgres, "template1") as made:
        yield made


def feeds(home: Path) -> str:
    with Newsroom.open(home) as room:
        assert room.verify() == []
        return repr([room.recommend(user, 10, at=NOW) for user in ("ann", "nobody")])


def test_there_and_back_again(trained: Path, tmp_path: Path, address: str) -> None:
    home = Path(shutil.copytree(trained, tmp_path / "home"))
    (home / "recnews.toml").write_text(SMALL)
    with Newsroom.open(home) as room:
        room.record_many([read("ann", f"足球-{n}") for n in range(3)])
        room.ingest([article("足球", 50, NOW)], now=NOW)
        room.editors.hide(["金融-0"])
        room.backup(tmp_path / "backups", now=NOW)
    expected = feeds(home)

    moved = tmp_path / "on a server"
    moved.mkdir()
    (moved / "recnews.toml").write_text(f'store = "{address}"\n{SMALL}')
    restore(tmp_path / "backups", moved, replace=False, now=NOW)
    assert not (moved / "corpora" / "recnews.sqlite").exists()
    assert feeds(moved) == expected
    assert not [it for it in examine(moved, NOW) if it.area == "store" and it.state != "fine"]
    with Newsroom.open(moved) as room:
        again = room.backup(tmp_path / "backups", now=NOW + DAY)
        assert again.problems == ()
        settings = (moved / "recnews.toml").stat().st_size
        assert again.new_bytes == settings, "rows of one engine are those of the other"
        room.record_many([read("ann", "航天-0", NOW - DAY)])
        assert room.ingest([article("航天", 51, NOW)], now=NOW).indexed == 1, "ids go on where they were"
        later = room.backup(tmp_path / "backups", now=NOW + 2 * DAY)
        assert later.problems == ()
        assert room.readers.forget("ann", backups=[tmp_path / "backups"], now=NOW).events == 4
    with pytest.raises(UsageError, match="holds data already; make an empty database"):
        restore(tmp_path / "backups", moved, replace=True, now=NOW)

    back = tmp_path / "back"
    back.mkdir()
    (back / "recnews.toml").write_text(SMALL)
    restore(tmp_path / "backups", back, replace=False, now=NOW)
    with Newsroom.open(back) as room:
        assert room.verify() == []
        assert (room.status().articles, room.status().events) == (50, 0)
    assert len(Repository(tmp_path / "backups").backups()) == 3


def test_pruning_and_repairing_on_a_server(trained: Path, tmp_path: Path, address: str) -> None:
    home = Path(shutil.copytree(trained, tmp_path / "home"))
    with Newsroom.open(home) as room:
        room.backup(tmp_path / "backups", now=NOW)
    moved = tmp_path / "on a server"
    moved.mkdir()
    limits = "[retention]\nexpired_days = 1\nevents_days = 30\n"
    (moved / "recnews.toml").write_text(f'store = "{address}"\n{SMALL}{limits}')
    restore(tmp_path / "backups", moved, replace=False, now=NOW)
    with Newsroom.open(moved) as room:
        room.record_many([read("ann", "足球-1", NOW - 31 * DAY), read("ann", "足球-2", NOW)])
        room.editors.expire(["足球-0"], NOW - 2 * DAY)
        done = room.prune(now=NOW)
        assert (done.articles, done.events, room.status().events) == (1, 1, 1)
        with room.store._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM story_bands WHERE article_id = 9")
            connection.exec_driver_sql("UPDATE vectors SET vector = substr(vector, 1, 12) WHERE article_id = 12")
        assert sorted(it.kind for it in room.verify()) == ["stories", "vectors"]
        repaired = room.repair()
        assert repaired.left == (), repaired
        assert len(repaired.done) == 2


def test_a_reader_forgotten_on_a_server_is_not_brought_back(postgres: Postgres, tmp_path: Path, address: str) -> None:
    """By what a later backup has noted, an older one is restored into an empty database without them."""
    home, folder, fresh = tmp_path / "home", tmp_path / "backups", tmp_path / "fresh"
    for place in (home, fresh):
        place.mkdir()
    (home / "recnews.toml").write_text(f'store = "{address}"\n{SMALL}')
    with Newsroom.open(home) as room:
        room.record_many([read("ann", "waiting for it"), read("bob", "足球-0")])
        old = room.backup(folder, now=NOW).name
        room.readers.forget("ann", now=NOW + DAY)
        room.backup(folder, now=NOW + 2 * DAY)
    with database(postgres, "template1") as empty:
        (fresh / "recnews.toml").write_text(f'store = "{empty}"\n{SMALL}')
        done = restore(folder, fresh, replace=False, now=NOW, name=old)
        assert (done.forgotten_again, done.forgotten_since) == (1, 0)
        with Newsroom.open(fresh) as room:
            assert [len(room.readers.export(user).events) for user in ("ann", "bob")] == [0, 1]
            assert set(room.store.articles.ids(["waiting for it", "足球-0"])) == {"足球-0"}
            assert len(room.store.privacy.forgotten_readers()) == 1
