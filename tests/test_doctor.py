"""Each thing that keeps a home from serving is found and comes with what to do; a healthy home has nothing to do."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recnews.doctor import Finding, examine
from recnews.generations import Generations
from recnews.newsroom import Newsroom
from tests.cli_world import answer, environment, process, run
from tests.worlds import small_settings

SECRET = "hunter2hunter2"  # noqa: S105


def now() -> datetime:
    return datetime.now(UTC)


def to_do(home: Path) -> list[Finding]:
    return [it for it in examine(home, now()) if it.state == "act"]


def test_a_healthy_home(home: Path, tmp_path: Path) -> None:
    with Newsroom.open(home, small_settings()) as room:
        room.backup(tmp_path / "backups", quick=True)
    found = examine(home, now())
    assert [it for it in found if it.state != "fine"] == []
    assert {it.area for it in found} == {
        "versions", "processor", "rights", "disk", "clock", "settings", "locks", "store", "generation", "index",
        "queues", "backup",
    }  # fmt: skip
    assert to_do(tmp_path / "not made yet") == []


def settings(line: str) -> Callable[[Path], object]:
    return lambda home: (home / "recnews.toml").write_text(line)


ILLS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a key that others read": (lambda home: (home / "keys.json").touch(0o644), "can be read by others"),
    "a file of tomorrow": (
        lambda home: os.utime(home / "indexes" / "CURRENT", times=(time.time() + 9999,) * 2), "in the future",
    ),
    "no settings": (settings("[feed]\nmood = 1"), "'feed.mood'"),
    "nothing sealed": (settings("[index]\nleast = 10\nmost = 5"), "index.least is larger"),
    "short memory": (settings("[retention]\nevents_days = 3"), "retention.events_days is shorter"),
    "too long a page": (settings("[service]\npage = 900\ndepth = 100"), "service.page is larger"),
    "no time zone": (settings("[ingest]\ntimezone = 'Mars/Olympus'"), "'Mars/Olympus' is no time zone"),
    "no such folder": (settings("[watch]\nfeeds = ['incoming']"), "incoming is not there"),
    "no key": (settings("[privacy]\nhash_ids = true"), "there is no key"),
    "an engine that is down": (
        settings(f"[index]\narchive = 'postgresql+psycopg://me:{SECRET}@127.0.0.1:1/x'"), "connection fa",
    ),
    "a damaged generation": (
        lambda home: (home / "indexes" / "g000001" / "tokenizer.json").unlink(), "g000001 is damaged",
    ),
    "a damaged store": (
        lambda home: (home / "corpora" / "recnews.sqlite").write_bytes(b"not a database " * 500), "not a recnews store",
    ),
    "an unreadable CURRENT": (lambda home: (home / "indexes" / "CURRENT").write_text("?"), "CURRENT: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("ill", ILLS)
def test_an_ill_is_found(home: Path, ill: str) -> None:
    if "engine" in ill:
        pytest.importorskip("psycopg")
    for log in ("recnews.sqlite-wal", "recnews.sqlite-shm"):
        (home / "corpora" / log).unlink(missing_ok=True)
    ILLS[ill][0](home)
    found = to_do(home)
    assert [it for it in found if ILLS[ill][1] in it.what], found
    assert all(it.remedy for it in found)
    assert SECRET not in repr(found)


def test_a_training_that_goes_on_is_noted(home: Path) -> None:
    with Generations(home / "indexes").training():
        assert "a training or a change of generations is going on" in [it.what for it in examine(home, now())]
    with (home / "corpora" / "watch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "`recnews watch` is going on" in [it.what for it in examine(home, now())]


def test_the_age_of_the_latest_backup(home: Path, tmp_path: Path) -> None:
    def told(state: str) -> str:
        [found] = [it for it in examine(home, now()) if it.area == "backup"]
        assert found.state == state, found
        return found.what

    folder = tmp_path / "backups"
    assert told("note") == "no backup was made from here"
    with Newsroom.open(home, small_settings()) as room:
        room.backup(folder, quick=True, now=now() - timedelta(days=3))
        assert told("act") == f"the latest in {folder} is 3.0 days old"
        (home / "recnews.toml").write_text("[doctor]\nbackup_days = 4\n")
        assert told("fine") == f"the latest in {folder} is 3.0 days old"
        room.backup(folder, quick=True)
        assert told("fine") == f"the latest in {folder} is 0.0 days old"
        (home / "recnews.toml").unlink()
        assert told("fine") == f"the latest in {folder} is 0.0 days old"
        with room.store._database.write() as connection:
            connection.exec_driver_sql("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE article_id = 7")
        assert room.backup(folder).problems
        assert "something was wrong with the home: 1 of 48 stored vectors" in told("act")
    folder.rename(tmp_path / "gone")
    assert "is no folder of backups" in told("act")


def test_what_a_restore_moved_aside_is_noted(home: Path) -> None:
    (home / "before-restore-20260310T120000").mkdir()
    [note] = [it for it in examine(home, now()) if it.state == "note" and it.area == "disk"]
    assert "before-restore-20260310T120000" in note.remedy


def test_on_the_command_line(home: Path) -> None:
    assert run(home, "doctor").stdout.endswith("all is well\n")
    assert all(it["state"] == "fine" for it in answer(home, "doctor")["findings"] if it["area"] != "backup")
    (home / "recnews.toml").write_text("[service]\npage = 900\ndepth = 100\n")
    shown = run(home, "doctor", code=1).stdout
    assert "ACT" in shown
    assert shown.endswith("1 thing to do\n")
    found = process("--home", str(home), "doctor", "--json", env=environment({}))
    assert found.returncode == 1
    assert json.loads(found.stdout)["findings"]
