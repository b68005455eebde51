"""The service while things happen to it: generations go live and back, processes are killed, it is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from recnews.newsroom import Newsroom
from recnews.service.room import ServiceRoom
from tests.cli_world import ROOT, environment
from tests.service_world import Service, running, until
from tests.test_service import keys, row
from tests.worlds import NOW, article, small_settings

pytest.importorskip("fastapi")


class Asker(threading.Thread):
    """Asks again and again until it is told to stop, each time something else."""

    def __init__(self, ask: Callable[[int], None]) -> None:
        super().__init__(daemon=True)
        self._ask, self._stop_it, self.error = ask, threading.Event(), None

    error: BaseException | None

    def run(self) -> None:
        number = 0
        while not self._stop_it.is_set():
            number += 1
            try:
                self._ask(number)
            except BaseException as error:
                self.error = error
                return

    def end(self) -> None:
        self._stop_it.set()
        self.join()
        if self.error:
            raise self.error


@contextmanager
def asking(*asks: Callable[[int], None]) -> Iterator[None]:
    askers = [Asker(ask) for ask in asks]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        for asker in askers:
            asker.end()


def test_generations_change_under_load_and_nobody_notices(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as room:
        room.train(small_settings("word2vec").override("embedding", seed=2), promote=False)
    answers = Counter[int]()

    with running(home) as service, httpx.Client(base_url=service.url, timeout=60) as reader:

        def read(number: int) -> None:
            answers[reader.get(f"/v1/users/reader-{number % 7}/feed?n=5").status_code] += 1

        def write(number: int) -> None:
            posted = service.ask("POST", "/v1/articles", json=row("航天", 1000 + number, title=f"消息 {number}"))
            assert posted.status_code == 201
            feed = service.ask("GET", "/v1/users/somebody/feed?n=20").json()
            assert f"航天-{1000 + number}" in keys(feed)  # whichever generation answers

        with asking(read, write), Newsroom.open(home) as room:
            for name in ("g000002", "g000001", "g000002", "g000001"):
                time.sleep(0.5)
                room.generations.promote(name)
                until(lambda name=name: shows(service, name), service)  # type: ignore[misc]
    assert set(answers) == {200}
    assert answers[200] > 20


def shows(service: Service, name: str) -> bool:
    """Whether each worker answers from a generation."""
    page = service.ask("GET", "/metrics").text
    told = [line for line in page.splitlines() if line.startswith("recnews_worker_generation{")]
    return len(told) == 2 and all(float(line.rpartition(" ")[2]) == int(name[1:]) for line in told)


def hand_in(service: Service, taken: dict[str, set[str]], patience: threading.Event) -> Callable[[int], None]:
    """Hands in an article and an event in turn, and notes what the service says it has."""

    def one(number: int) -> None:
        try:
            if number % 2:
                done = service.ask("POST", "/v1/articles", json=row("医疗", 2000 + number))
                if done.is_success:
                    taken["articles"].add(done.json()["id"])
            else:
                event = {"user": "witness", "article": f"seen-{number}", "event_id": str(number)}
                if service.ask("POST", "/v1/events", json=event).is_success:
                    taken["events"].add(f"seen-{number}")
        except httpx.TransportError:
            patience.wait(0.05)  # killed in the middle: nothing was promised

    return one


def assert_all_there(home: Path, taken: dict[str, set[str]]) -> None:
    with ServiceRoom.open(home, small_settings()) as room:
        assert {it.key for it in room.articles(limit=10_000)} >= taken["articles"]
        assert {event.key for event in room.readers.export("witness").events} >= taken["events"]
        assert [problem for problem in room.verify() if "pending" not in str(problem)] == []
        room.keep_house()
        feed = {it.key for it in room.recommend("nobody", 500)}
        assert taken["articles"] <= feed


def test_a_killed_worker_loses_nothing_that_was_acknowledged(home: Path) -> None:
    taken: dict[str, set[str]] = {"articles": set(), "events": set()}
    with running(home) as service:
        wait = threading.Event()
        with asking(*[hand_in(service, taken, wait)] * 2):
            for _ in range(2):
                time.sleep(1)
                os.kill(service.workers()[0], signal.SIGKILL)
                until(lambda: len(service.workers()) == 2, service)
        assert service.ask("GET", "/health/live").status_code == 200
    assert len(taken["articles"]) > 5
    assert_all_there(home, taken)


def test_what_a_killed_service_left_behind_is_removed_by_the_next(home: Path, tmp_path: Path) -> None:
    """And not what one has that runs."""
    place = tmp_path / "temporary"
    place.mkdir()

    def folders() -> set[str]:
        return {path.name for path in place.glob("recnews-service-*")}

    env = {"TMPDIR": str(place)}
    with running(home, workers=1, env=env) as service:
        [left] = folders()
        service.process.kill()
        service.process.wait()
    assert folders() == {left}
    with running(home, workers=1, env=env):
        [first] = folders()
        assert first != left
        with running(home, workers=1, env=env) as other:
            assert len(folders()) == 2
            assert first in folders()
            assert other.ask("GET", "/metrics").is_success
        assert folders() == {first}
    assert folders() == set()


def test_a_killed_parent_loses_nothing_and_leaves_nobody(home: Path) -> None:
    taken: dict[str, set[str]] = {"articles": set(), "events": set()}
    with running(home) as service, asking(*[hand_in(service, taken, threading.Event())] * 2):
        time.sleep(1.5)
        service.stop(signal.SIGKILL)
        until(lambda: not service.workers(), service)
    assert len(taken["articles"]) > 2
    assert_all_there(home, taken)


def test_what_has_begun_is_finished(home: Path) -> None:
    found: list[Any] = []
    rows = [row("金融", 3000 + number) for number in range(300)]
    with running(home, workers=1) as service:
        asked = threading.Thread(target=lambda: found.append(service.ask("POST", "/v1/articles", json=rows)))
        asked.start()
        until(lambda: 'recnews_waiting{lane="writing"} 1.0' in service.ask("GET", "/metrics").text or bool(found))
        assert service.stop() == 0
        asked.join()
    assert found[0].status_code == 207
    with Newsroom.open(home, small_settings()) as room:
        assert room.article("金融-3299")


def test_the_house_is_kept_beside_the_answering(home: Path) -> None:
    """What a process stored and was killed before encoding is shown all the same."""
    with running(home, workers=1, env={"RECNEWS_SERVICE__HOUSE_SECONDS": "0.2"}) as service:
        with Newsroom.open(home, small_settings()) as room:
            room.store.articles.upsert([article("金融", 4000)], NOW)
        until(lambda: "金融-4000" in keys(service.ask("GET", "/v1/users/x/feed?n=100").json()), service)


_HOUSE_THAT_SEALS = """
import sys, time
from pathlib import Path
from recnews.index import sealing
from recnews.service import house

def for_ever(file):
    print("seals", flush=True)
    time.sleep(3600)

sealing.digest = for_ever
house.keep(Path(sys.argv[1]))
"""


@pytest.mark.engines("faiss")
@pytest.mark.parametrize("end", ["terminate", "interrupt", "parent gone"])
def test_a_stop_does_not_wait_for_a_round_that_seals(home: Path, end: str) -> None:
    """And the next round clears away what lies there half written."""
    few = {"RECNEWS_INDEX__LEAST": "10", "RECNEWS_SERVICE__HOUSE_SECONDS": "0.1"}
    keeper = subprocess.Popen(
        [sys.executable, "-c", _HOUSE_THAT_SEALS, str(home)],
        env=environment(few), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert keeper.stdin
    assert keeper.stdout
    with keeper.stdin, keeper.stdout:
        try:
            assert keeper.stdout.readline() == b"seals\n"
            assert [*home.glob("indexes/*/sealed/.building-*/ids.npy")], "in the middle of it"
            if end == "parent gone":
                keeper.stdin.close()
            else:
                keeper.send_signal({"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}[end])
            keeper.wait(20)
        finally:
            keeper.kill()
            keeper.wait()
    with ServiceRoom.open(home, small_settings().override("index", least=10)) as room:
        room.keep_house()
        assert sum(it.rows for it in room.seal()) >= 10
        assert [problem for problem in room.verify() if "pending" not in str(problem)] == []
    assert [*home.glob("indexes/*/sealed/.*")] == []


def test_the_house_is_left_when_the_service_is_killed(home: Path) -> None:
    def keepers() -> list[str]:
        return [line for line in _command_lines() if "recnews.service.house" in line and str(home) in line]

    with running(home, workers=1) as service:
        assert len(keepers()) == 1
        service.stop(signal.SIGKILL)
        until(lambda: not keepers(), service)


def _command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.read_text(encoding="utf-8", errors="replace")
