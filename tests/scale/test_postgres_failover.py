"""A primary with a standby that confirms each commit: the primary is killed under load, and the standby takes over."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import httpx
import pytest
from pydantic import SecretStr

from recnews.doctor import examine
from recnews.formats import to_row
from recnews.newsroom import Newsroom
from recnews.store import Store
from tests.conftest import settings_at
from tests.scale.postgres import Postgres
from tests.service_world import Service, running, until
from tests.worlds import DAY, NOW, article, articles, read

ROOT = Path(__file__).parents[2]


class Pair:
    """A primary and its standby."""

    def __init__(self, primary: Postgres, standby: Postgres) -> None:
        self.primary, self.standby = primary, standby
        hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in (primary, standby))
        self.address = f"postgresql+psycopg://recnews@/news?{hosts}&target_session_attrs=read-write"
        self.replica = standby.address("news")


@pytest.fixture
def pair() -> Iterator[Pair]:
    primary = Postgres()
    standby = None
    try:
        primary.create()
        primary.start("wal_level=replica", "fsync=off")
        primary.sql("CREATE DATABASE news")
        standby = primary.standby("second")
        standby.start("hot_standby=on", "fsync=off")
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'", "SELECT pg_reload_conf()")
        confirmed = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        until(lambda: bool(primary.sql(confirmed)))
        yield Pair(primary, standby)
    finally:
        for server in (primary, standby):
            if server:
                server.stop()


def test_a_standby_is_read_from_while_it_is_not_behind(pair: Pair, tmp_path: Path) -> None:
    """What was written is in the next answer, whoever gives it."""
    store = Store(tmp_path, address=pair.address, replica=pair.replica)
    reads = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'news'"
    store.articles.upsert([article("足球", 0)], NOW)
    until(lambda: served_by(store) == pair.standby.port)
    for number in range(1, 6):
        store.articles.upsert([article("足球", number)], NOW)
        assert store.articles.count() == number + 1
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.primary.sql("CREATE TABLE more (a int)", database="news")
    assert served_by(store) == pair.primary.port, "it is behind"
    assert store._database._replica.lag_bytes > 0  # type: ignore[attr-defined]
    settings = f"store = '{pair.address}'\nreplica = '{pair.replica}'\n"
    assert standby(tmp_path, settings)[0] == "fine", "not by much"
    state, what = standby(tmp_path, settings + "[doctor]\nstandby_bytes = 0\n")
    assert (state, what.endswith(" MB behind: the primary answers meanwhile")) == ("act", True)
    pair.standby.sql("SELECT pg_wal_replay_resume()")
    until(lambda: served_by(store) == pair.standby.port)
    assert int(str(pair.standby.sql(reads)[0][0])) > 0
    store.close()
    assert standby(tmp_path, settings) == ("fine", "answers, 0 bytes behind")
    pair.standby.kill()
    assert standby(tmp_path, settings) == ("act", "does not answer, or is no standby any more")


def standby(home: Path, settings: str) -> tuple[str, str]:
    """What the doctor says of it."""
    (home / "recnews.toml").write_text(settings, encoding="utf-8")
    [found] = [it for it in examine(home, datetime.now(UTC)) if it.area == "standby"]
    return found.state, found.what


def served_by(store: Store) -> int:
    """The port of the server that a read comes from."""
    with store._database.read() as connection:
        return int(connection.exec_driver_sql("SHOW port").scalar_one())


def trained_at(pair: Pair, home: Path) -> Path:
    """A trained home whose store is the primary, with the standby as its replica."""
    with Newsroom.open(home, settings_at(pair.address)) as newsroom:
        newsroom.ingest(articles(["足球", "金融"], 8))
        newsroom.train()
    (home / "recnews.toml").write_text(f"store = '{pair.address}'\nreplica = '{pair.replica}'\n", encoding="utf-8")
    return home


def test_the_primary_is_killed_under_load(pair: Pair, tmp_path: Path) -> None:
    """Feeds go on; writes are told to come again, and do after the promotion; nothing acknowledged is lost."""
    home = trained_at(pair, tmp_path / "home")
    acknowledged: list[str] = []
    refused: list[httpx.Response] = []
    feeds: list[int] = []
    done = threading.Event()

    with running(home, workers=1) as service:

        def write() -> None:
            number = 0
            with httpx.Client(base_url=service.url, timeout=30) as client:
                while not done.is_set():
                    number += 1
                    event = {"user": f"reader {number}", "article": "足球-0"}
                    answer = client.post("/v1/events", json=event)
                    if answer.status_code == 201:
                        acknowledged.append(event["user"])
                    else:
                        refused.append(answer)
                        time.sleep(0.05)

        def ask() -> None:
            with httpx.Client(base_url=service.url, timeout=30) as client:
                while not done.is_set():
                    feeds.append(client.get("/v1/users/ann/feed?n=5").status_code)
                    time.sleep(0.02)

        threads = [threading.Thread(target=write), threading.Thread(target=ask)]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) >= 30, service)
        pair.primary.kill()
        until(lambda: len(refused) >= 3, service)
        first = len(feeds)
        until(lambda: len(feeds) >= first + 20, service)
        assert set(feeds[first:]) == {200}, "feeds go on from the standby"
        pair.standby.promote()
        pair.standby.sql("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")
        before = len(acknowledged)
        until(lambda: len(acknowledged) >= before + 10, service)
        done.set()
        for thread in threads:
            thread.join()
    assert feeds.count(200) >= len(feeds) - 1, "one that was being answered may fail"
    assert {answer.status_code for answer in refused} == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    store = Store(tmp_path / "after", address=pair.address)
    kept = {event.user_id for event in store.events.since(0, 1_000_000)}
    store.close()
    assert set(acknowledged) <= kept


def test_articles_that_come_while_the_primary_is_killed(pair: Pair, tmp_path: Path) -> None:
    """Over HTTP and by `recnews ingest`: what was acknowledged is there after it, in feeds and as neighbour."""
    home = trained_at(pair, tmp_path / "home")
    acknowledged: list[str] = []
    done = threading.Event()

    def hand_in(service: Service, refused: list[httpx.Response]) -> None:
        number = 0
        with httpx.Client(base_url=service.url, timeout=30) as client:
            while not done.is_set():
                number += 1
                answer = client.post("/v1/articles", json=row(f"http-{number}"))
                if answer.is_success:
                    acknowledged.append(answer.json()["id"])
                else:
                    refused.append(answer)
                    time.sleep(0.05)

    def ingest(failed: list[str]) -> None:
        """As an editor's script would: a file after the other, each again until it is taken."""
        number = 0
        while not done.is_set():
            keys = [f"file-{number}-{line}" for line in range(5)]
            file = tmp_path / f"{number}.jsonl"
            file.write_text("".join(json.dumps(row(key)) + "\n" for key in keys), encoding="utf-8")
            command = [sys.executable, "-m", "recnews", "--home", str(home), "ingest", str(file)]
            tried = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            if tried.returncode == 0:
                acknowledged.extend(keys)
                number += 1
            else:
                failed.append(tried.stderr)

    def by(kind: str) -> list[str]:
        return [key for key in acknowledged if key.startswith(kind)]

    with running(home, workers=1) as service:
        refused, failed = list[httpx.Response](), list[str]()
        threads = [
            threading.Thread(target=hand_in, args=(service, refused)), threading.Thread(target=ingest, args=(failed,)),
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        until(lambda: len(by("http")) >= 10 and len(by("file")) >= 10, service)
        pair.primary.kill()
        until(lambda: len(refused) >= 3 and len(failed) >= 1, service)
        pair.standby.promote()
        pair.standby.sql("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")
        before = len(by("http")), len(by("file"))
        until(lambda: len(by("http")) >= before[0] + 5 and len(by("file")) >= before[1] + 10, service)
        done.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in refused} == {503}
    assert all("postgresql://" in told and "Traceback" not in told for told in failed), failed
    with Newsroom.open(home) as newsroom:
        assert set(acknowledged) <= {it.key for it in newsroom.articles(limit=100_000)}
        assert newsroom.verify() == []
        assert newsroom.status().pending == 0
        feed = {it.key for it in newsroom.recommend("nobody", k=10_000, at=NOW + DAY)}
        assert set(acknowledged) <= feed
        near = newsroom.neighbors(article=acknowledged[-1], k=10_000, at=NOW + DAY)
        assert set(acknowledged) - {acknowledged[-1]} <= {it.key for it in near.articles}


def row(key: str) -> dict[str, object]:
    """An article unlike the others: copies would be one story, of which a feed shows one."""
    draft = replace(article("足球", crc32(key.encode()), NOW, words=40), key=key, title=f"足球 {key}")
    return dict(to_row(draft)) | {"published_at": NOW.isoformat()}


def test_a_node_starts_while_the_primary_is_gone(pair: Pair, tmp_path: Path) -> None:
    """And answers from the standby."""
    settings = settings_at(pair.address).model_copy(update={"replica": SecretStr(pair.replica)})
    home = tmp_path / "home"
    with Newsroom.open(home, settings) as newsroom:
        newsroom.ingest(articles(["足球", "金融"], 8))
        newsroom.train()
        newsroom.store.events.add([read("ann", "足球-0")])
        expected = [it.key for it in newsroom.recommend("ann", k=5, at=NOW)]
        newsroom.store.shared.clear()  # as after an update from before generations were shared
    pair.primary.kill()
    with Newsroom.open(home, settings) as newsroom:
        assert [it.key for it in newsroom.recommend("ann", k=5, at=NOW)] == expected
