"""The runbook of docs/operations.md, played on a small home, command by command."""

import shutil
from pathlib import Path

import pytest

from recnews.newsroom import Newsroom
from tests.cli_world import SMALL, answer, run
from tests.worlds import DAY, NOW, article, read, small_settings


@pytest.fixture
def backups(home: Path, tmp_path: Path) -> Path:
    """Of a home that is used."""
    with Newsroom.open(home, small_settings()) as room:
        room.record_many([read("ann", f"足球-{number}") for number in range(3)])
        room.backup(tmp_path / "backups")
    return tmp_path / "backups"


def served(home: Path) -> list[str]:
    found = answer(home, "recommend", "--user", "ann", "--at", NOW.isoformat(), "-n", "5")
    return [it["key"] for it in found["recommendations"]]


def test_a_lost_disk(home: Path, backups: Path, tmp_path: Path) -> None:
    expected, fresh = served(home), tmp_path / "new machine"
    shutil.rmtree(home)
    assert answer(fresh, "restore", str(backups))["forgotten_since"] == 0
    run(fresh, "doctor")
    run(fresh, "verify")
    assert served(fresh) == expected


def test_a_damaged_store(home: Path, backups: Path) -> None:
    expected = served(home)
    for file in (home / "corpora").glob("recnews.sqlite*"):
        file.write_bytes(b"nothing that could be read " * 400)
    assert "ACT" in run(home, "doctor", code=1).stdout
    assert "is not a recnews store" in run(home, "verify", "--repair", code=1).stderr
    aside = answer(home, "restore", str(backups), "--replace")["aside"]
    assert Path(aside).is_dir()
    run(home, "verify")
    assert served(home) == expected


def test_a_bad_generation(home: Path, backups: Path, tmp_path: Path) -> None:
    expected = served(home)
    run(home, "train", *SMALL)
    shutil.rmtree(home / "indexes" / "g000002" / "embedder")
    assert "g000002 is damaged" in run(home, "doctor", code=1).stdout
    assert served(home) == expected, "the one before serves meanwhile"
    assert "g000001 is live" in run(home, "generations", "rollback").stdout
    run(home, "generations", "prune", "--keep", "1")
    run(home, "doctor")
    run(home, "verify")
    assert served(home) == expected


def test_what_came_since_the_backup_is_fed_again(home: Path, backups: Path, tmp_path: Path) -> None:
    new = [article("航天", 70, NOW - DAY), article("足球", 0)]
    with Newsroom.open(home, small_settings()) as room:
        room.ingest(new, now=NOW)
    run(home, "restore", str(backups), "--replace")
    with Newsroom.open(home, small_settings()) as room:
        report = room.ingest(new, now=NOW)
        assert (report.added, report.unchanged) == (1, 1)
        assert room.verify() == []
