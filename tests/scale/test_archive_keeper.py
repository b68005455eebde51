"""The one process that hands older articles over to an engine: killed in the middle of it, and two machines at once."""

import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from recnews import Newsroom
from tests.conftest import database, settings_at
from tests.scale.keeper import keeper
from tests.scale.postgres import Postgres
from tests.scale.servers import Server
from tests.scale.test_archive_home import LATER, archived, near, until
from tests.scale.test_postgres_home import settings_file
from tests.worlds import small_settings

_OLD = 48
"""Articles of the trained home, all older than the hot window by `LATER`."""


def test_killed_in_the_middle_and_run_again(home: Path, server: Server) -> None:
    """Whatever has been written by then, answers are whole and the next run ends it."""
    settings = small_settings().override("index", archive=server.url, archive_prefix="killed")
    with Newsroom.open(home, settings) as reader:
        whole = near(reader)
        assert len(whole.articles) == _OLD
        for point in (("upsert", 3), ("publish", 1)):
            process = keeper(home, settings, LATER, point, signal.SIGKILL)
            _, told = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL, told
            assert near(reader) == whole
            assert archived(reader) == 0, "nothing was published"
        with Newsroom.open(home, settings) as other:
            assert near(other) == whole
            other.seal(LATER)
            assert archived(other) == _OLD
            assert near(other) == whole
        until(lambda: archived(reader) == _OLD)
        assert near(reader) == whole
        archive = reader.serving.current()[1]._archive
        assert archive is not None
        assert len(archive) == _OLD
        archive.drop()


def test_of_two_machines_one_hands_over(home: Path, server: Server, postgres: Postgres, tmp_path: Path) -> None:
    """The other leaves it alone as long as the first one lives, and takes over when it dies."""
    with ExitStack() as ends:
        address = ends.enter_context(database(postgres, "template1"))
        with Newsroom.open(home, small_settings()) as newsroom:
            newsroom.migrate(settings_file(tmp_path / "one", address))
        shutil.copytree(tmp_path / "one", tmp_path / "two")  # so that no lock of a file is between the two
        settings = settings_at(address).override("index", archive=server.url, archive_prefix="two")
        second = ends.enter_context(Newsroom.open(tmp_path / "two", settings))
        whole = near(second)
        first = keeper(tmp_path / "one", settings, LATER, ("upsert", 3), signal.SIGSTOP)
        ends.callback(first.communicate)
        ends.callback(first.kill)
        until(lambda: _is_stopped(first.pid))
        second.seal(LATER)
        archive = second.serving.current()[1]._archive
        assert archive is not None
        ends.callback(archive.drop)
        assert archived(second) == 0, "another machine does it"
        assert archive.mark().version == 0
        first.kill()
        first.wait()
        end = time.monotonic() + 60
        while archived(second) == 0 and time.monotonic() < end:  # the server notices its end in a moment
            second.seal(LATER)
        assert archived(second) == len(archive) == _OLD
        assert near(second) == whole


def _is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    if state in "ZX":
        pytest.fail("it ended by itself")
    return state == "T"
