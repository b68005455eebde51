"""Encoding and grouping in processes beside an ingest: the same outcome, whatever becomes of them."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recnews import Newsroom
from recnews.newsroom.beside import Beside, _Process
from recnews.newsroom.intake import take_articles
from recnews.newsroom.upkeep import is_searchable
from recnews.records import Draft
from recnews.text import Parcel
from tests.conftest import WORLD
from tests.crash_world import differences, state_of
from tests.worlds import NOW, article, small_settings


def row(category: str, number: int) -> Draft:
    """An article with a word that training did not see: they are given vectors on the way, each in the light of those
    before it."""
    draft = article(category, number, NOW)
    return replace(draft, body=f"{draft.body} {('zorvex', 'quellim', 'mirtana')[number // 3 % 3]} " * 2)


ROWS = [row(category, number) for number in range(40, 60) for category in WORLD]


def ingest(home: Path, processes: int) -> dict[str, Any]:
    """What a home holds once all rows have been taken in, twenty at a time."""
    with Newsroom.open(home, small_settings().override("ingest", processes=processes, batch=20)) as room:
        report = room.ingest(ROWS, now=NOW)
        assert report.added == report.indexed == len(ROWS)
        assert report.pending == 0
    return state_of(home)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is worth a process here."""
    monkeypatch.setattr("recnews.newsroom.beside._WORTH", 20)


@pytest.fixture
def alone(trained: Path, tmp_path: Path) -> dict[str, Any]:
    """What one process makes of them."""
    return ingest(Path(shutil.copytree(trained, tmp_path / "alone")), 1)


def test_processes_beside_change_nothing(home: Path, alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    more = Beside.more

    def counted(self: Beside, rows: int) -> int:
        told.append(more(self, rows))
        return told[-1]

    monkeypatch.setattr(Beside, "more", counted)
    assert differences(ingest(home, 2), alone) == []
    assert alone["induced_words"], "words were given vectors"
    assert sum(told) < len(ROWS), "what was stored last was not waited for before the end"


def test_a_process_that_dies_costs_time_only(
    home: Path, alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    more = Beside.more

    def killing(self: Beside, rows: int) -> int:
        found = more(self, rows)
        if self._process and self._process._process:
            self._process._process.kill()
        return found

    monkeypatch.setattr(Beside, "more", killing)
    with caplog.at_level(logging.WARNING, "recnews"):
        assert differences(ingest(home, 2), alone) == []
    assert "the process beside that should encode is gone" in caplog.text


def test_a_process_that_cannot_be_started_is_done_without(
    home: Path, alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", str(home / "no-python"))
    with caplog.at_level(logging.WARNING, "recnews"):
        assert differences(ingest(home, 2), alone) == []
    assert "going on without it" in caplog.text


class _EndedError(Exception):
    """The service ends."""


def test_what_ends_it_between_two_batches_leaves_what_is_stored(home: Path, alone: dict[str, Any]) -> None:
    """All rows are read long before all are encoded: a stop does not wait for the latter."""
    with Newsroom.open(home, small_settings().override("ingest", processes=2, batch=20)) as room:

        def heed() -> None:
            raise _EndedError

        before = room.status().articles
        with pytest.raises(_EndedError):
            take_articles(room, iter(ROWS), [], on_error="abort", dry_run=False, now=NOW, heed=heed)
        assert room.status().articles == before + len(ROWS)
        assert not is_searchable(room)
        room.ingest(ROWS, now=NOW)
    assert differences(state_of(home), alone) == []


def test_what_comes_next_is_cut_while_the_other_is_busy(
    home: Path, alone: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And storing waits when it is a batch ahead."""
    handed, waiting = list[int](), list[int]()
    send, more = _Process.send, Beside.more

    def counted(self: _Process, message: Any) -> None:
        if isinstance(message, Parcel):
            handed.append(len(message.keys))
        send(self, message)

    def watched(self: Beside, rows: int) -> int:
        found = more(self, rows)
        waiting.append(self._process.waiting if self._process else 0)
        return found

    monkeypatch.setattr(_Process, "send", counted)
    monkeypatch.setattr(Beside, "more", watched)
    monkeypatch.setattr("recnews.newsroom.beside._AHEAD", 40)
    assert differences(ingest(home, 2), alone) == []
    assert handed
    assert set(handed) == {20}
    assert 20 <= max(waiting) <= 40
