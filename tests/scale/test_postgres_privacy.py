"""A reader forgotten in a store on PostgreSQL: the bytes of the server's files, and of a dump."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recnews.errors import BusyError
from recnews.newsroom import Newsroom
from recnews.store import Store, on_postgres
from tests.conftest import settings_at
from tests.scale.postgres import Postgres
from tests.worlds import NOW, articles, read

GONE, STAYS = [f"reader-gone-{number:03d}-7391" for number in range(3)], "reader-who-stays-2846"


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One whose files nobody else writes, as it would be run: full pages, autovacuum, and statistics."""
    server = Postgres()
    try:
        server.create()
        server.start("fsync=off")
        server.sql("CREATE DATABASE news")
        yield server
    finally:
        server.stop()


def holding(server: Postgres, text: str) -> list[str]:
    """Files of the data directory that hold a text, the log of changes apart."""
    found = (path for path in server.data.rglob("*") if path.is_file())
    return sorted(
        str(path.relative_to(server.data)) for path in found
        if "pg_wal" not in path.parts and text.encode() in path.read_bytes()
    )  # fmt: skip


def dump(server: Postgres) -> bytes:
    command = [str(server.bin / "pg_dump"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "recnews", "news"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_forgotten_to_the_last_byte(server: Postgres, tmp_path: Path) -> None:
    """Rows, indexes, statistics of the planner that are old and new; and the reading log is long enough that they are
    among its most common values."""
    with Newsroom.open(tmp_path / "home", settings_at(server.address("news"))) as room:
        room.ingest(articles(["足球", "金融"], 8))
        for user in (*GONE, STAYS):
            room.store.events.add([read(user, f"{user} reads {number}") for number in range(200)])
        server.sql("ANALYZE", "CHECKPOINT", database="news")
        room.store.events.add([read(GONE[0], f"{GONE[0]} reads on {number}") for number in range(200)])
        server.sql("ANALYZE", "CHECKPOINT", database="news")
        for user in GONE:
            assert any(name.startswith("base/") for name in holding(server, user)), "it would be found"
            assert user.encode() in dump(server)
        for user in GONE:
            assert room.readers.forget(user).events >= 200
        for user in GONE:
            assert holding(server, user) == []
            assert user.encode() not in dump(server)
        assert holding(server, STAYS)
        assert room.store.check() == []
        assert len(room.readers.export(STAYS).events) == 200


def test_an_older_state_that_is_read_is_waited_for(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows cannot be vacuumed; what is told then is that it is not done."""
    monkeypatch.setattr(on_postgres, "WAIT_SECONDS", 1)
    address = server.address("news")
    reader, store = Store(tmp_path / "one", address=address), Store(tmp_path / "two", address=address)
    store.events.add([read(GONE[0], "足球-0")])
    with reader.one_view():
        assert reader.events.counts()[0] == 1
        store.privacy.forget(GONE[0], 0, NOW)
        with pytest.raises(BusyError, match="an earlier state of"):
            store.privacy.scrub()
    store.privacy.scrub()
    assert holding(server, GONE[0]) == []
    reader.close()
    store.close()
