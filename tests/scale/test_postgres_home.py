"""A home whose store is PostgreSQL, with several nodes; and moving there from SQLite and back."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recnews.errors import UsageError
from recnews.newsroom import Newsroom
from recnews.store import START, Store
from recnews.text import DictionaryWord
from tests.cli_world import write
from tests.conftest import database, settings_at
from tests.scale.postgres import Postgres
from tests.worlds import NOW, article, articles, read, small_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database."""
    with database(postgres, "template1") as made:
        yield made


def test_from_ingest_to_a_feed(elsewhere: str, tmp_path: Path) -> None:
    """The same feed as of a home in a file, and nothing of the store in the home's folder."""
    feeds = []
    for settings, home in ((settings_at(elsewhere), tmp_path / "one"), (small_settings(), tmp_path / "two")):
        with Newsroom.open(home, settings) as newsroom:
            newsroom.ingest(articles(["足球", "金融", "航天"], 8))
            newsroom.train()
            newsroom.ingest([article("足球", 9)])
            newsroom.store.events.add([read("ann", f"足球-{number}") for number in range(3)])
            feeds.append([(it.key, it.score) for it in newsroom.recommend("ann", k=5, at=NOW)])
            assert newsroom.verify() == []
    assert feeds[0] == feeds[1]
    assert len(feeds[0]) == 5
    assert not (tmp_path / "one" / "corpora" / "recnews.sqlite").exists()


def test_there_and_back(home: Path, elsewhere: str, tmp_path: Path) -> None:
    """Rows, files and feeds are the same in the home that was, in PostgreSQL, and in a file again."""
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.store.events.add([read("ann", f"足球-{number}") for number in range(3)])
        newsroom.store.events.add([read("\x00odd\x1a\n", "not there")])
        newsroom.editors.pin("金融-1", slot=2)
        newsroom.editors.block(categories=["医疗"])
        newsroom.dictionary.add(DictionaryWord("量子纠缠"))
        expected = [(it.key, it.score) for it in newsroom.recommend("ann", k=5, at=NOW)]
        there = settings_file(tmp_path / "there", elsewhere)
        told: list[str] = []
        moved = newsroom.migrate(there, lambda table, _: told.append(table))
        assert moved.tables == newsroom.store.sums()
        assert {"articles", "events", "pins", "vectors"} <= set(told)
        assert moved.files > 5
        with pytest.raises(UsageError, match="holds data already"):
            newsroom.migrate(there)
        with pytest.raises(UsageError, match="is where the data is already"):
            newsroom.migrate(settings_file(home, ""))
    with Newsroom.open(there.parent, settings_at(elsewhere)) as newsroom:
        assert [(it.key, it.score) for it in newsroom.recommend("ann", k=5, at=NOW)] == expected
        assert newsroom.verify() == []
        back = settings_file(tmp_path / "back", "")
        assert newsroom.migrate(back).tables == moved.tables
    with Newsroom.open(back.parent, small_settings()) as newsroom:
        assert [(it.key, it.score) for it in newsroom.recommend("ann", k=5, at=NOW)] == expected
        assert newsroom.verify() == []


def test_a_move_that_is_killed_goes_on(elsewhere: str, tmp_path: Path) -> None:
    """Killed again and again, each time a little later; the source is what it was."""
    home, there = tmp_path / "home", settings_file(tmp_path / "there", elsewhere)
    source = Store(home / "corpora")
    for number in range(4):
        source.articles.upsert([replace(article("足球", 0), key=f"{number} {row}") for row in range(1000)], NOW)
        source.events.add([read(f"reader {row}", f"{number} {row}") for row in range(1000)])
    before = source.sums()
    killed = [killed_at(elsewhere, rows, home, "migrate", "--to", str(there)) for rows in (1000, 3000, 6000)]
    assert any(killed)
    assert source.sums() == before
    source.events.add([read("late", "0 1")])
    with Newsroom.open(home, small_settings()) as newsroom:
        assert newsroom.migrate(there).tables == source.sums()
    source.close()


def test_an_ingest_that_is_killed_goes_on(elsewhere: str, tmp_path: Path) -> None:
    """Killed three times and run again, it leaves what it leaves undisturbed in a file."""
    feeds = []
    incoming = write(tmp_path / "incoming.jsonl", articles(["足球", "金融"], 150))
    for settings, home in ((settings_at(elsewhere), tmp_path / "one"), (small_settings(), tmp_path / "two")):
        with Newsroom.open(home, settings) as newsroom:
            newsroom.ingest(articles(["足球", "金融"], 8))
            newsroom.train()
        file = settings_file(home, settings.store.get_secret_value())
        with file.open("a") as more:
            more.write("[ingest]\nbatch = 10\nprocesses = 0\n")
        points = (50, 120, 200) if settings.store.get_secret_value() else ()
        killed = [killed_at(elsewhere, rows, home, "ingest", str(incoming)) for rows in points]
        assert any(killed) == bool(points)
        with Newsroom.open(home) as newsroom:
            done = newsroom.ingest(incoming)
            assert done.added + done.changed + done.unchanged == done.read == 300
            assert done.unchanged >= max(points, default=0)
            newsroom.record_many([read("ann", f"足球-{number}") for number in range(3)])
            feeds.append([(it.key, it.score) for it in newsroom.recommend("ann", k=40, at=NOW)])
            assert newsroom.verify() == []
    assert feeds[0] == feeds[1]
    assert len(feeds[0]) == 40


def killed_at(address: str, rows: int, home: Path, *command: str) -> bool:
    """Run a command and kill it when so many rows have arrived in a database; whether it was not done by then."""
    words = [sys.executable, "-m", "recnews", "--home", str(home), *command]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and counted(address) < rows:
        time.sleep(0.005)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return running


def settings_file(folder: Path, address: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "recnews.toml"
    file.write_text(f"store = {json.dumps(address)}\n" if address else "", encoding="utf-8")
    return file


def counted(address: str) -> int:
    """How many rows have arrived, as far as there are tables."""
    import psycopg

    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        [there] = connection.execute("SELECT to_regclass('events') IS NOT NULL").fetchone() or (False,)
        if not there:
            return 0
        query = "SELECT (SELECT count(*) FROM articles) + (SELECT count(*) FROM events)"
        return int((connection.execute(query).fetchone() or (0,))[0])


def test_two_nodes_answer_alike_at_once(elsewhere: str, tmp_path: Path) -> None:
    """Each has a folder of its own but for the generations, which they share."""
    one, two = tmp_path / "one", tmp_path / "two"
    with Newsroom.open(one, settings_at(elsewhere)) as first:
        first.ingest(articles(["足球", "金融"], 8))
        first.train()
        two.mkdir()
        (two / "indexes").symlink_to(one / "indexes")
        with Newsroom.open(two, settings_at(elsewhere)) as second:
            second.store.events.add([read("ann", f"足球-{number}") for number in range(3)])
            for number in range(20, 25):
                first.ingest([article("足球", number, published_at=NOW)])
                keys = [it.key for it in second.recommend("ann", k=20, at=NOW)]
                assert f"足球-{number}" in keys
            first.editors.hide([f"足球-{number}" for number in range(20, 25)])
            assert not {f"足球-{number}" for number in range(20, 25)} & {
                it.key for it in second.recommend("ann", k=20, at=NOW)
            }


def test_a_commit_that_is_late_holds_up_those_after_it(elsewhere: str, tmp_path: Path) -> None:
    """A number is taken and not committed; another writer comes. A follower never sees the later one first."""
    stores = [Store(tmp_path / str(number), address=elsewhere) for number in range(3)]
    slow, quick, follower = stores
    taken, finish = threading.Event(), threading.Event()

    def delayed() -> None:
        from recnews.store.articles import ids_for
        from recnews.store.database import announce

        with slow._database.write() as connection:
            announce(connection, list(ids_for(connection, ["first"]).values()))
            taken.set()
            finish.wait(20)

    threads = [
        threading.Thread(target=delayed),
        threading.Thread(target=lambda: quick.articles.upsert([article("足球", 0)], NOW)),
    ]
    threads[0].start()
    assert taken.wait(20)
    threads[1].start()
    time.sleep(0.3)
    changes, token = follower.vectors.changes("g", START, 100)
    assert (changes, token) == ([], START), "the second waits for the first"
    finish.set()
    for thread in threads:
        thread.join()
    found, token = follower.vectors.changes("g", START, 1)
    assert follower.articles.ids(["first"]) == {"first": found[0].article_id}
    found, _ = follower.vectors.changes("g", token, 100)
    assert follower.articles.ids(["足球-0"]) == {"足球-0": found[0].article_id}
    for store in stores:
        store.close()


def test_followers_see_numbers_without_gaps(elsewhere: str, tmp_path: Path) -> None:
    """Four writers with commits that take different times; every event that a follower has seen comes with all that
    have a lower number."""
    writers, each = 4, 25
    stores = [Store(tmp_path / str(number), address=elsewhere) for number in range(writers + 1)]

    def write(number: int) -> None:
        for turn in range(each):
            stores[number].events.add([read(f"{number}", f"{number} {turn} {row}") for row in range(1 + turn % 7)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    seq, taken = 0, []
    while any(thread.is_alive() for thread in threads) or stores[-1].events.since(seq, 1):
        page = stores[-1].events.since(seq, 5)
        taken += page
        seq = page[-1].seq if page else seq
    for thread in threads:
        thread.join()
    assert taken == stores[-1].events.since(0, 100_000)
    assert sorted({event.seq for event in taken}) == list(range(1, writers * each + 1))
    for store in stores:
        store.close()


def test_the_address_is_told_to_nobody(postgres: Postgres, tmp_path: Path) -> None:
    """Nor is it in what a process says that cannot connect."""
    secret = "hush-hush"  # noqa: S105
    address = f"postgresql+psycopg://somebody:{secret}@127.0.0.1:{postgres.port}/nowhere"
    settings = settings_at(address)
    assert secret not in repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    file = settings_file(tmp_path / "home", address)
    tried = subprocess.run(
        [sys.executable, "-m", "recnews", "--home", str(file.parent), "status"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert tried.returncode == 1
    assert "there is no such database or user" in tried.stderr
    assert secret not in tried.stderr + tried.stdout
