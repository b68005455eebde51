"""Nodes with disks of their own on one store: what is trained or promoted on one of them is live on all, whole."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recnews import shared
from recnews.doctor import examine
from recnews.errors import NoGenerationError, SharedGenerationError
from recnews.newsroom import Newsroom
from recnews.restore import restore
from recnews.store import SharedGenerations
from tests.conftest import database, settings_at
from tests.scale.postgres import Postgres
from tests.scale.test_backup_engines import SMALL
from tests.service_world import Service, running, until
from tests.worlds import NOW, article, articles, read

ROOT = Path(__file__).parents[2]
PIECE = 512


@pytest.fixture
def elsewhere(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database."""
    with database(postgres, "template1") as made:
        yield made


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small generation is many pieces."""
    monkeypatch.setattr(shared, "PIECE", PIECE)


@pytest.fixture
def first(elsewhere: str, tmp_path: Path) -> Iterator[Newsroom]:
    """A node that has trained."""
    with Newsroom.open(tmp_path / "one", settings_at(elsewhere)) as room:
        room.ingest(articles(["足球", "金融"], 8))
        room.train()
        room.store.events.add([read("ann", f"足球-{number}") for number in range(3)])
        yield room


@pytest.fixture
def second(first: Newsroom, elsewhere: str, tmp_path: Path) -> Iterator[Newsroom]:
    """Another one, with a folder of its own."""
    with Newsroom.open(tmp_path / "two", settings_at(elsewhere)) as room:
        yield room


def feed(room: Newsroom) -> list[tuple[str, float]]:
    return [(it.key, it.score) for it in room.recommend("ann", k=8, at=NOW)]


def files(room: Newsroom, name: str) -> dict[str, bytes]:
    """What was learned, without views."""
    folder = room.generations.folder / name
    known = room.generations.load(name).manifest.files
    return {name: (folder / name).read_bytes() for name in (*known, "manifest.json")}


def test_what_one_trains_the_other_answers_from(first: Newsroom, second: Newsroom) -> None:
    """The same files and the same feeds; each may train, promote, roll back and prune for all."""
    assert second.generations.held() == ("g000001",)
    assert files(second, "g000001") == files(first, "g000001")
    assert feed(second) == feed(first)
    assert not (second.generations.folder / "g000001" / "embedder").is_symlink()
    assert second.train().id == "g000002", "a name that no node has used"
    first.ingest([article("足球", 30, NOW)], now=NOW)
    assert first.generations.current().live == "g000002"
    assert feed(first) == feed(second)
    assert "足球-30" in dict(feed(second))
    waiting = second.train(promote=False).id
    assert first.generations.names() == ("g000001", "g000002", "g000003")
    first.generations.promote(waiting)
    assert first.generations.held() == ("g000001", "g000002", "g000003")
    second.generations.follow_store()
    assert second.generations.current() == first.generations.current()
    assert second.generations.current().live == waiting
    assert second.generations.rollback() == "g000002"
    first.generations.follow_store()
    assert feed(first) == feed(second)
    assert first.generations.prune(1) == ["g000001", "g000003"]
    second.generations.follow_store()
    assert first.generations.held() == second.generations.held() == second.store.shared.names() == ("g000002",)
    assert first.verify() == second.verify() == []
    needed = {digest for file in first.store.shared.files("g000002") for digest in file.pieces}
    [(pieces,)] = rows(first, "SELECT count(*) FROM generation_pieces")
    assert pieces == len(needed), "what only the others needed is gone"


def rows(room: Newsroom, query: str) -> list[tuple[object, ...]]:
    with room.store._database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_a_service_goes_over_to_what_another_node_has_trained(first: Newsroom, tmp_path: Path) -> None:
    """Without being started again; meanwhile it answers from what it has."""
    home = tmp_path / "two"
    home.mkdir()
    address = first.settings.store.get_secret_value()
    (home / "recnews.toml").write_text(f'store = "{address}"\n{SMALL}')

    def served(service: Service) -> list[str]:
        answer = service.ask("GET", "/v1/users/ann/feed?n=8")
        assert answer.status_code == 200
        return [it["id"] for it in answer.json()["recommendations"]]

    with running(home, workers=1) as service:
        assert len(served(service)) == 8
        made = first.train().id

        def arrived() -> bool:
            assert len(served(service)) == 8, "a feed is answered all the while"
            return any(line.get("generation") == made for line in service.lines())

        until(arrived, service)
        first.ingest([article("足球", 30, NOW)], now=NOW)
        assert "足球-30" in served(service)
        assert sorted(it.name for it in (home / "indexes").glob("[.g]*") if it.is_dir()) == ["g000001", made]


FETCHER = """
import os, signal, sys
from recnews import shared
from recnews.newsroom import Newsroom
from recnews.store import SharedGenerations
from tests.conftest import settings_at
shared.PIECE, left, piece = int(sys.argv[3]), [int(sys.argv[4])], SharedGenerations.piece
def counted(self, digest):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece(self, digest)
SharedGenerations.piece = counted
Newsroom.open(sys.argv[1], settings_at(sys.argv[2]))
"""


def test_killed_while_it_fetches(first: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on with what it has, from before; started again, it fetches what is missing only."""
    address = first.settings.store.get_secret_value()
    with Newsroom.open(tmp_path / "two", settings_at(address)) as room:
        before = feed(room)
    first.train()
    total = sum(len(file.pieces) for file in first.store.shared.files("g000002"))
    assert total > 20
    there = tmp_path / "two" / "indexes"
    for _ in range(3):
        given = [str(there.parent), address, str(PIECE), "6"]
        killed = subprocess.run([sys.executable, "-c", FETCHER, *given], cwd=ROOT, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert (there / ".fetching-g000002").is_dir()
        assert not (there / "g000002").exists()
        off = settings_at(address).model_copy(update={"share_generations": False})
        with Newsroom.open(there.parent, off) as room:
            assert feed(room) == before, "one that is half there is not looked at"
    asked: list[str] = []
    piece = SharedGenerations.piece

    def noted(self: SharedGenerations, digest: str) -> bytes | None:
        asked.append(digest)
        return piece(self, digest)

    monkeypatch.setattr(SharedGenerations, "piece", noted)
    with Newsroom.open(there.parent, settings_at(address)) as room:
        assert files(room, "g000002") == files(first, "g000002")
        assert feed(room) == feed(first)
    assert 0 < len(asked) <= total - 3 * 5
    assert not (there / ".fetching-g000002").exists()


def test_a_piece_that_has_changed_is_refused(
    first: Newsroom, second: Newsroom, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that has an earlier generation answers from that; one that has none says why."""
    before = feed(second)
    first.train()
    with first.store._database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE generation_pieces SET content = 'x' WHERE digest IN (SELECT digest FROM generation_pieces "
            "ORDER BY length(content) DESC LIMIT 3)"
        )
    second.generations.follow_store()
    assert "generation g000002 cannot be taken from postgresql://" in caplog.text
    assert "is missing or has changed; `recnews generations promote g000002` on a node that holds it" in caplog.text
    assert second.generations.held() == ("g000001",)
    assert feed(second) == before
    with Newsroom.open(tmp_path / "three", second.settings) as third:
        with pytest.raises(NoGenerationError):
            feed(third)
        with pytest.raises(SharedGenerationError, match="has changed"):
            third.generations.promote("g000002")
    (second.home / "recnews.toml").write_text(f'store = "{second.settings.store.get_secret_value()}"\n{SMALL}')
    [told] = [it for it in examine(second.home, NOW) if "holds" in it.what]
    assert (told.state, told.what) == (
        "act", "this node holds g000001 of g000001 g000002 in the store, where g000002 is live",
    )  # fmt: skip
    first.generations.promote("g000002")
    second.generations.follow_store()
    assert feed(second) == feed(first)
    [told] = [it for it in examine(second.home, NOW) if "holds" in it.what]
    assert (told.state, told.what) == ("fine", "this node holds g000001 g000002 of g000001 g000002 in the store")


def test_a_name_in_the_store_leads_nowhere_else(first: Newsroom, tmp_path: Path) -> None:
    with first.store._database.write() as connection:
        connection.exec_driver_sql("UPDATE shared_generations SET files = replace(files, 'tokenizer.json', '../../x')")
    with pytest.raises(SharedGenerationError, match="is no name of a file"):
        shared.fetch(first.store, "g000001", tmp_path)
    assert not (tmp_path.parent / "x").exists()


def test_backups_and_moves_carry_generations_once(first: Newsroom, postgres: Postgres, tmp_path: Path) -> None:
    """As files; a new store is told of them when the home is next opened."""
    copies = {"generation_pieces", "shared_generations", "current_generation"}
    assert not copies & first.store.sums().keys()
    assert first.backup(tmp_path / "backups", now=NOW).problems == ()
    (tmp_path / "there").mkdir()
    (tmp_path / "moved").mkdir()
    with database(postgres, "template1") as one, database(postgres, "template1") as other:
        (tmp_path / "there" / "recnews.toml").write_text(f'store = "{one}"\n{SMALL}')
        restore(tmp_path / "backups", tmp_path / "there", replace=False, now=NOW)
        (tmp_path / "moved" / "recnews.toml").write_text(f'store = "{other}"\n{SMALL}')
        assert not copies & first.migrate(tmp_path / "moved" / "recnews.toml").tables.keys()
        for home in ("there", "moved"):
            with Newsroom.open(tmp_path / home) as room:
                assert room.store.shared.names() == ("g000001",)
                assert feed(room) == feed(first)
                assert room.verify() == []


def test_sharing_can_be_switched_off_and_on(first: Newsroom, tmp_path: Path) -> None:
    """What was trained meanwhile is what is shared then."""
    first.settings = first.settings.model_copy(update={"share_generations": False})
    made = first.train().id
    assert (first.store.shared.names(), first.store.shared.current()) == ((), None)
    assert rows(first, "SELECT count(*) FROM generation_pieces") == [(0,)]
    on = first.settings.model_copy(update={"share_generations": True})
    with Newsroom.open(first.home, on) as again, Newsroom.open(tmp_path / "two", on) as other:
        assert again.store.shared.names() == ("g000001", "g000002")
        assert (other.generations.current().live, other.generations.held()) == (made, (made,))
        assert feed(other) == feed(first)


def test_a_node_that_was_away_drops_what_is_gone(first: Newsroom, tmp_path: Path) -> None:
    home = tmp_path / "two"
    with Newsroom.open(home, first.settings) as room:
        assert room.generations.held() == ("g000001",)
    (home / "indexes" / ".fetching-g000001").mkdir()
    first.train()
    first.generations.prune(1)
    with Newsroom.open(home, first.settings) as room:
        assert room.generations.held() == ("g000002",)
        assert feed(room) == feed(first)
    assert not list((home / "indexes").glob(".fetching-*"))
    shutil.rmtree(home / "indexes")
    with Newsroom.open(home, first.settings) as room:
        assert feed(room) == feed(first)
