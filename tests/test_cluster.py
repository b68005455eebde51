"""Bulk work on a Dask cluster: a real scheduler and three workers, each a process; the outcome is that of one machine,
whatever becomes of them."""

import json
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recnews import Newsroom
from recnews.cluster import team as teams
from recnews.cluster.team import Team
from recnews.config import Settings
from recnews.errors import ClusterError, UsageError
from recnews.records import Draft
from tests.cluster_world import DaskWorld, dask_world
from tests.conftest import WORLD
from tests.crash_world import as_row, differences, state_of, write_lines
from tests.worlds import NOW, article, small_settings

pytestmark = pytest.mark.scale


def row(topic: str, number: int) -> Draft:
    """An article with a word that training did not see: such words are given vectors on the way, batch by batch."""
    draft = article(topic, number, NOW)
    return replace(draft, body=f"{draft.body} {('zorvex', 'quellim', 'mirtana')[number // 3 % 3]} " * 2)


ROWS = [row(topic, number) for number in range(40, 60) for topic in WORLD]


def settings(embedder: str = "word2vec") -> Settings:
    """Batches of twenty, encoded in this process where no cluster does."""
    return small_settings(embedder).override("ingest", processes=1, batch=20)


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five articles are a task here, and worth one."""
    monkeypatch.setattr("recnews.cluster._CHUNK", 5)
    monkeypatch.setattr("recnews.cluster.studies._WORTH", 1)
    monkeypatch.setattr(teams, "_LOOK", 0.2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskWorld]:
    """A cluster whose workers nobody kills."""
    with dask_world(tmp_path_factory.mktemp("dask")) as world:
        yield world


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[DaskWorld]:
    """A cluster to do anything with."""
    with dask_world(tmp_path / "dask") as world:
        yield world


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each task, whether a worker gave its result."""
    told: list[bool] = []
    result = Team.result

    def noted(self: Team, task: Any) -> Any:
        found = result(self, task)
        told.append(found is not None)
        return found

    monkeypatch.setattr(Team, "result", noted)
    return told


def ingest(home: Path, address: str | None, rows: list[Draft] = ROWS) -> dict[str, Any]:
    """What a home holds once all rows have been taken in, twenty at a time."""
    with Newsroom.open(home, settings()) as room, room.on_cluster(address):
        report = room.ingest(rows, now=NOW)
        assert report.added == report.indexed == len(rows)
    return state_of(home)


def train(home: Path, address: str | None, embedder: str) -> dict[str, Any]:
    """What a home holds once it was trained again."""
    with Newsroom.open(home, settings(embedder)) as room, room.on_cluster(address):
        room.train()
    return without_time(state_of(home))


def without_time(state: dict[str, Any]) -> dict[str, Any]:
    """A manifest says when it was made."""
    files = {name: content for name, content in state["files"].items() if not name.endswith("manifest.json")}
    return state | {"files": files}


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of the trained home."""
    return lambda name: Path(shutil.copytree(trained, tmp_path / name))


@pytest.fixture
def alone(copied: Callable[[str], Path]) -> dict[str, Any]:
    """What one machine makes of the rows."""
    return ingest(copied("alone"), None)


def killing_after(monkeypatch: pytest.MonkeyPatch, tasks: int, kill: Callable[[], object]) -> None:
    """Kill something once so many tasks were handed out."""
    submit, count = Team.submit, [0]

    def counted(self: Team, function: Any, *given: Any) -> Any:
        count[0] += 1
        if count[0] == tasks:
            kill()
        return submit(self, function, *given)

    monkeypatch.setattr(Team, "submit", counted)


def test_an_ingest_stores_the_same_bytes(
    home: Path, alone: dict[str, Any], shared: DaskWorld, answered: list[bool]
) -> None:
    assert differences(ingest(home, shared.address), alone) == []
    assert alone["induced_words"], "words were given vectors on the way"
    assert sum(answered) >= len(ROWS) // 5, "workers have done the work"
    assert all(answered)


@pytest.mark.parametrize("embedder", ["word2vec", "doc2vec"])
def test_a_training_stores_the_same_bytes(
    copied: Callable[[str], Path], shared: DaskWorld, answered: list[bool], embedder: str
) -> None:
    mine = train(copied("alone"), None, embedder)
    assert differences(train(copied("there"), shared.address, embedder), mine) == []
    assert len(answered) >= 2 * 48 // 5, "articles were cut and encoded by workers"
    assert all(answered)


def test_reindex_mends_damage_and_goes_on_where_it_was_stopped(
    home: Path, shared: DaskWorld, answered: list[bool], alone: dict[str, Any]
) -> None:
    ingest(home, None)
    with closing(sqlite3.connect(home / "corpora" / "recnews.sqlite")) as database:
        database.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE article_id % 7 = 0")
        database.commit()
    assert differences(state_of(home), alone) != []

    def stop(_stage: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with Newsroom.open(home, settings()) as room, room.on_cluster(shared.address):
        with pytest.raises(KeyboardInterrupt):
            room.reindex(stop)
        assert 0 < room.reindex() < (48 + len(ROWS)) / 2
    assert differences(state_of(home), alone) == []
    assert len(answered) >= (48 + len(ROWS)) // 5
    assert all(answered)


def test_a_worker_that_is_killed_costs_its_batch_only(
    home: Path, alone: dict[str, Any], mortal: DaskWorld, answered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    killing_after(monkeypatch, 9, mortal.kill_worker)
    assert differences(ingest(home, mortal.address), alone) == []
    assert len(answered) >= len(ROWS) // 5
    assert all(answered), "another worker has done it"


KILLED = """
import os, signal, sys
from pathlib import Path
import recnews.cluster
from recnews.cluster import studies
from recnews.cluster.team import Team
from tests.test_cluster import ingest

recnews.cluster._CHUNK, studies._WORTH, result, left = 5, 1, Team.result, [10]

def counted(self, task):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result(self, task)

Team.result = counted
ingest(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_command_that_is_killed_goes_on_when_run_again(
    home: Path, alone: dict[str, Any], shared: DaskWorld, answered: list[bool]
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home), shared.address], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Newsroom.open(home, settings()) as room, room.on_cluster(shared.address):
        before = room.store.vectors.counts()["g000001"] - 48
        assert 0 < before < len(ROWS)
        assert room.ingest(ROWS, now=NOW).indexed == len(ROWS) - before
    assert differences(state_of(home), alone) == []
    assert len(answered) < len(ROWS) // 5 + 20, "what was done before was not done again"


def test_a_worker_that_comes_later_joins(
    home: Path, alone: dict[str, Any], mortal: DaskWorld, answered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced() -> None:
        for _ in range(3):
            mortal.kill_worker()
        mortal.add_worker()
        mortal.wait_for(1)

    killing_after(monkeypatch, 9, replaced)
    assert differences(ingest(home, mortal.address), alone) == []
    assert answered[-1], "the new worker has done the last of it"


@pytest.mark.parametrize("what", ["all workers", "the scheduler"])
def test_without_a_cluster_left_the_work_is_done_here(  # noqa: PLR0917 - fixtures
    home: Path, alone: dict[str, Any], mortal: DaskWorld, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, what: str,
) -> None:  # fmt: skip
    def kill() -> None:
        if what == "the scheduler":
            mortal.kill_scheduler()
        else:
            for _ in range(3):
                mortal.kill_worker()

    killing_after(monkeypatch, 9, kill)
    with caplog.at_level(logging.WARNING, "recnews"):
        assert differences(ingest(home, mortal.address), alone) == []
    assert "done here" in caplog.text


def test_files_come_through_the_cluster_and_are_checked(
    home: Path, alone: dict[str, Any], mortal: DaskWorld, answered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Team, "_told", lambda _self: "/no/such/folder")  # as on another machine
    monkeypatch.setattr(teams, "_PIECE", 1000)
    assert differences(ingest(home, mortal.address), alone) == []
    assert all(answered)
    assert {"tokenizer.json", "words.txt", "article_table.npy"} <= set(mortal.files_received())
    assert "hidden.npy" not in mortal.files_received(), "what only a further training needs is not sent"


def test_a_worker_whose_file_is_damaged_is_not_used(  # noqa: PLR0917 - fixtures
    home: Path, alone: dict[str, Any], mortal: DaskWorld, answered: list[bool], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(Team, "_told", lambda _self: "/no/such/folder")
    send = Team._send

    def cut_short(self: Team, name: str, to: list[str]) -> None:
        send(self, name, to if name != "embedder/words.txt" else to[1:])

    monkeypatch.setattr(Team, "_send", cut_short)
    with caplog.at_level(logging.WARNING, "recnews"):
        assert differences(ingest(home, mortal.address), alone) == []
    assert caplog.text.count("embedder/words.txt is not what it should be") == 1
    assert all(answered), "the two others have done the work"


def test_a_worker_that_gives_other_bytes_is_not_used(  # noqa: PLR0917 - fixtures
    home: Path, alone: dict[str, Any], shared: DaskWorld, answered: list[bool], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("recnews.cluster.kits.PROBE", ("another text",))  # as if the workers' processors differed
    with caplog.at_level(logging.WARNING, "recnews"):
        assert differences(ingest(home, shared.address), alone) == []
    assert caplog.text.count("gives other bytes than this machine") == 3
    assert not any(answered)


def test_the_commands_take_an_address(home: Path, shared: DaskWorld, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "new.jsonl", [as_row(draft) for draft in ROWS])

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "recnews", "--home", str(home), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    there = ("--cluster", shared.address, "--json")
    assert json.loads(run("ingest", str(file), *there).stdout)["indexed"] == len(ROWS)
    assert json.loads(run("reindex", *there).stdout)["encoded"] == 48 + len(ROWS)
    assert json.loads(run("train", "--workers", "1", "--epochs", "1", *there).stdout)["live"]
    wrong = run("reindex", "--cluster", "nowhere")
    assert (wrong.returncode, wrong.stderr.count("--cluster nowhere: write the scheduler's address")) == (2, 1)


def test_an_address_where_nobody_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recnews.cluster._SECONDS", 0.3)
    with Newsroom.open(home, settings()) as room:
        with pytest.raises(ClusterError, match="no scheduler answers"), room.on_cluster("tcp://127.0.0.1:9"):
            pass
        with pytest.raises(UsageError, match="write the scheduler's address"), room.on_cluster("tcp://nobody"):
            pass
        assert room.cluster is None
