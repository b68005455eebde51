"""Generations: which serves, what happens when one is spoilt, and who may change them."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recnews.errors import (
    BusyError,
    DamagedGenerationError,
    RecnewsError,
    StorageError,
    UnknownGenerationError,
    UsageError,
)
from recnews.generation import FORMAT, load_generation
from recnews.generations import Current, Generations
from recnews.newsroom import Newsroom
from tests.conftest import EACH
from tests.worlds import NOW, article, read, small_settings

ROOT = Path(__file__).parent.parent
ONE, TWO, THREE = "g000001", "g000002", "g000003"


@pytest.fixture(scope="session")
def trained_twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained home with a second generation, which is live."""
    home = Path(shutil.copytree(trained, tmp_path_factory.mktemp("twice") / "home"))
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many([read("ann", f"足球-{number}") for number in range(3)])
        newsroom.record_many([read("bob", f"航天-{number}") for number in range(EACH)])  # 航天 is all bob wants
        newsroom.train(small_settings().override("embedding", seed=2))
    return home


@pytest.fixture
def twice(trained_twice: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_twice, tmp_path / "home"))


@contextmanager
def opened(home: Path) -> Iterator[Newsroom]:
    with Newsroom.open(home, small_settings()) as newsroom:
        yield newsroom


def serving(home: Path) -> str:
    """Who answers, as a process that has just started sees it."""
    with opened(home) as newsroom:
        return newsroom.serving.current()[0].id


def test_training_switches_and_remembers(twice: Path) -> None:
    with opened(twice) as newsroom:
        assert newsroom.generations.names() == (ONE, TWO)
        assert newsroom.generations.current() == Current(TWO, (ONE,))
        assert serving(twice) == TWO


def test_roll_back_and_forth(twice: Path) -> None:
    with opened(twice) as newsroom:
        after = newsroom.recommend("ann", 5, at=NOW)
        assert newsroom.generations.rollback() == ONE
        assert newsroom.generations.current() == Current(ONE, (), (TWO,))
        before = newsroom.recommend("ann", 5, at=NOW)
        assert before != after, "an open newsroom notices"
        assert serving(twice) == ONE
        with pytest.raises(UsageError, match="no earlier generation"):
            newsroom.generations.rollback()
        newsroom.generations.promote(TWO)
        assert newsroom.generations.current() == Current(TWO, (ONE,), ())
        assert newsroom.recommend("ann", 5, at=NOW) == after


def test_what_was_ingested_meanwhile_is_there_after_a_switch(twice: Path) -> None:
    with opened(twice) as newsroom:
        newsroom.ingest([article("航天", 50, NOW)])
        newsroom.generations.rollback()
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"
        newsroom.ingest([article("航天", 51, NOW)])
        newsroom.generations.promote(TWO)
        assert {item.key for item in newsroom.recommend("bob", 2, at=NOW)} == {"航天-50", "航天-51"}
        assert newsroom.verify() == []


def test_promoting_the_live_one_changes_nothing(twice: Path) -> None:
    with opened(twice) as newsroom:
        newsroom.generations.promote(TWO)
        assert newsroom.generations.current() == Current(TWO, (ONE,))


@pytest.mark.parametrize("name", ["g000009", "../../etc", "g1", "", "CURRENT"])
def test_an_unknown_generation_is_refused_with_those_there_are(twice: Path, name: str) -> None:
    with opened(twice) as newsroom, pytest.raises(UnknownGenerationError, match="there is g000001, g000002"):
        newsroom.generations.promote(name)


def test_names_are_never_given_twice(twice: Path) -> None:
    """A name that came back with other vectors would pull the ground from under a service that still holds it."""
    with opened(twice) as newsroom:
        newsroom.generations.rollback()
        assert newsroom.train().id == THREE
        assert newsroom.generations.current() == Current(THREE, (ONE,), (TWO,))


@pytest.mark.parametrize(("keep", "gone"), [(1, [ONE, TWO]), (2, [ONE]), (3, []), (9, []), (0, [ONE, TWO])])
def test_prune_keeps_the_live_one_and_the_latest(twice: Path, keep: int, gone: list[str]) -> None:
    with opened(twice) as newsroom:
        newsroom.train()
        assert newsroom.generations.prune(keep) == gone
        left = [name for name in (ONE, TWO, THREE) if name not in gone]
        assert list(newsroom.generations.names()) == left
        assert sorted(newsroom.store.vectors.counts()) == left
        assert newsroom.generations.current().live == THREE
        assert set(newsroom.generations.current().previous) == set(left) - {THREE}
        assert newsroom.verify() == []
        if len(left) == 1:
            with pytest.raises(UsageError, match="no earlier generation"):
                newsroom.generations.rollback()


def test_prune_after_a_roll_back_keeps_what_serves(twice: Path) -> None:
    with opened(twice) as newsroom:
        newsroom.generations.rollback()
        assert newsroom.generations.prune(1) == [TWO]
        assert (newsroom.generations.current().live, newsroom.generations.current().previous) == (ONE, ())
        assert serving(twice) == ONE
        assert newsroom.train().id == THREE, "the name of one that is gone is not given again"


def test_one_that_is_trained_to_be_looked_at_waits(twice: Path) -> None:
    with opened(twice) as newsroom:
        waiting = newsroom.train(promote=False)
        assert waiting.id == THREE
        assert newsroom.generations.current() == Current(TWO, (ONE,))
        assert newsroom.train().id == "g000004", "training again does not sweep it away"
        assert THREE in newsroom.generations.names()
        newsroom.ingest([article("航天", 50, NOW)])
        newsroom.generations.promote(THREE)
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"
        assert newsroom.generations.current() == Current(THREE, ("g000004", TWO, ONE))
        assert newsroom.verify() == []


def test_a_first_generation_may_wait_too(tmp_path: Path) -> None:
    with opened(tmp_path) as newsroom:
        newsroom.ingest([article("足球", number) for number in range(3)])
        newsroom.train(promote=False)
        assert newsroom.status().live is None
        newsroom.generations.promote(ONE)
        assert newsroom.status().live == ONE
        assert newsroom.status().pending == 0


# Damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def another_format(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"format": FORMAT + 1}), encoding="utf-8")


def garbage(file: Path) -> None:
    file.write_bytes(b"\xff\x00 not json")


MANIFEST, TOKENIZER = "manifest.json", "tokenizer.json"
SEEN_AT_ONCE: list[tuple[str, Callable[[Path], None]]] = [
    (MANIFEST, cut), (MANIFEST, garbage), (MANIFEST, another_format), (MANIFEST, Path.unlink),
    (TOKENIZER, cut), (TOKENIZER, Path.unlink), ("embedder/words.txt", cut), ("embedder/words.txt", Path.unlink),
]  # fmt: skip
SEEN_WHEN_USED: list[tuple[str, Callable[[Path], None]]] = [
    (TOKENIZER, flip), ("embedder/words.txt", flip), ("embedder/counts.npy", flip),
]  # fmt: skip


def named(damages: list[tuple[str, Callable[[Path], None]]]) -> list[object]:
    return [pytest.param(file, how, id=f"{file} {how.__name__}") for file, how in damages]


@pytest.mark.parametrize(("file", "damage"), named(SEEN_AT_ONCE))
def test_the_previous_generation_serves_for_a_damaged_one(
    twice: Path, file: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(twice) as newsroom:
        newsroom.generations.rollback()
        expected = newsroom.recommend("ann", 5, at=NOW)
        newsroom.generations.promote(TWO)
    damage(twice / "indexes" / TWO / file)
    with opened(twice) as newsroom, caplog.at_level(logging.WARNING, logger="recnews"):
        assert newsroom.recommend("ann", 5, at=NOW) == expected
    [warning] = caplog.messages
    assert f"generation {TWO} is damaged: " in warning
    assert str(twice / "indexes" / TWO / file) in warning or file != MANIFEST
    assert warning.endswith(f"{ONE} serves instead")
    with opened(twice) as newsroom:
        report = newsroom.ingest([article("航天", 50, NOW)])
        assert (report.added, report.indexed, report.pending) == (1, 1, 0)
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"
        problems = newsroom.verify()
        assert any(TWO in problem.what and "damaged" in problem.what for problem in problems)


@pytest.mark.parametrize(("file", "damage"), named(SEEN_WHEN_USED))
def test_an_altered_generation_does_not_encode(
    twice: Path, file: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Its stored vectors are good, so feeds go on; but nothing new is encoded by it, nor is it switched to."""
    damage(twice / "indexes" / TWO / file)
    with opened(twice) as newsroom, caplog.at_level(logging.WARNING, logger="recnews"):
        assert len(newsroom.recommend("ann", 5, at=NOW)) == 5
        report = newsroom.ingest([article("航天", 50, NOW)])
        assert (report.added, report.indexed) == (1, 1)
        assert any("content has changed since training" in message and file in message for message in caplog.messages)
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"
        with pytest.raises(DamagedGenerationError, match="content has changed since training"):
            newsroom.generations.promote(TWO)
        assert any("content has changed" in problem.what for problem in newsroom.verify())


def test_what_is_ingested_beside_an_altered_generation_is_served_by_other_processes_too(twice: Path) -> None:
    flip(twice / "indexes" / TWO / TOKENIZER)
    with opened(twice) as newsroom:
        newsroom.ingest([article("航天", 50, NOW)])
    with opened(twice) as newsroom:
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"


def test_when_no_generation_is_whole_the_live_ones_damage_is_told(twice: Path) -> None:
    for name in (ONE, TWO):
        cut(twice / "indexes" / name / TOKENIZER)
    with opened(twice) as newsroom:
        with pytest.raises(DamagedGenerationError, match=rf"generation {TWO} .*tokenizer\.json: has \d+ bytes, should"):
            newsroom.recommend("ann", 5, at=NOW)
        assert newsroom.train().id == THREE, "the remedy that the message names"
        assert len(newsroom.recommend("ann", 5, at=NOW)) == 5


def test_a_missing_folder_is_a_damaged_generation(twice: Path) -> None:
    shutil.rmtree(twice / "indexes" / TWO)
    assert serving(twice) == ONE
    with opened(twice) as newsroom:
        assert newsroom.generations.rollback() == ONE
        assert newsroom.generations.current().live == ONE


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "1", "null", '{"format": 1}', '{"format": 1, "files": [], "extra": 2}', '{"format": 1, "files": 3}'],
)
def test_a_manifest_of_anything_else_is_damage(twice: Path, text: str) -> None:
    folder = twice / "indexes" / TWO
    (folder / MANIFEST).write_text(text)
    with pytest.raises(DamagedGenerationError, match=r"manifest\.json"):
        load_generation(folder, TWO)


@pytest.mark.parametrize("text", ["", "garbage", "[]", '{"live": "g000002"}', "\xff", "null"])
def test_an_unreadable_current_says_how_to_mend_it_and_that_mends_it(twice: Path, text: str) -> None:
    (twice / "indexes" / "CURRENT").write_bytes(text.encode("latin-1"))
    with opened(twice) as newsroom:
        with pytest.raises(StorageError, match=r"CURRENT: cannot be read .*`recnews generations promote ID`"):
            newsroom.recommend("ann", 5, at=NOW)
        assert any("CURRENT" in problem.what for problem in newsroom.verify())
        newsroom.generations.promote(TWO)
        assert newsroom.generations.current().live == TWO
        assert len(newsroom.recommend("ann", 5, at=NOW)) == 5


# Others


HOLDER = """
import sys
from pathlib import Path
from recnews.generations import Generations
with Generations(Path(sys.argv[1])).training():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_only_one_process_may_change_generations(twice: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(twice / "indexes")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, cwd=ROOT,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with opened(twice) as newsroom:
        calls: list[Callable[[], object]] = [
            newsroom.train,
            newsroom.generations.rollback,
            newsroom.generations.prune,
            lambda: newsroom.generations.promote(ONE),
        ]
        for call in calls:
            with pytest.raises(BusyError, match=f"is held by process {holder.pid};"):
                call()
        assert newsroom.ingest([article("航天", 50, NOW)]).indexed == 1, "everything else goes on"
        assert newsroom.recommend("bob", 1, at=NOW)[0].key == "航天-50"
        holder.kill()
        holder.communicate()
        assert newsroom.train().id == THREE, "a killed process holds nothing"


def test_an_error_inside_gives_the_right_back(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    with pytest.raises(RuntimeError), generations.training():
        raise RuntimeError
    with generations.training():
        pass


TRAINER = """
import os, signal, sys
from recnews import Newsroom
from tests.conftest import EACH
from tests.worlds import small_settings
def killed(stage, share):
    if stage == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
Newsroom.open(sys.argv[1], small_settings()).train(progress=killed)
"""


@pytest.mark.parametrize("stage", ["tokens", "words", "articles"])
def test_a_killed_training_leaves_nothing_that_matters(twice: Path, stage: str) -> None:
    killed = subprocess.run([sys.executable, "-c", TRAINER, str(twice), stage], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list((twice / "indexes").glob(".building-*")), "or this test would prove nothing"
    with opened(twice) as newsroom:
        assert newsroom.generations.names() == (ONE, TWO)
        assert len(newsroom.recommend("ann", 5, at=NOW)) == 5
        assert newsroom.train().id == THREE
        assert list((twice / "indexes").glob(".building-*")) == []
        assert sorted(newsroom.store.vectors.counts()) == [ONE, TWO, THREE]
        assert newsroom.verify() == []


def test_one_that_was_finished_and_never_switched_to_is_swept_away(twice: Path) -> None:
    """Killed between the two renames: it was meant to go live, and is not the one that a new training gives."""
    with opened(twice) as newsroom:
        newsroom.train()
        newsroom.generations._switch(Current(TWO, (ONE,)))
    with opened(twice) as newsroom:
        assert newsroom.generations.names() == (ONE, TWO, THREE)
        fresh = newsroom.train()
        assert fresh.id not in (ONE, TWO)
        assert newsroom.generations.current() == Current(fresh.id, (TWO, ONE))
        assert set(newsroom.generations.names()) == {ONE, TWO, fresh.id}
        assert newsroom.verify() == []


def test_a_folder_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/indexes: cannot be created"):
        Generations(tmp_path / "file" / "indexes")


def test_errors_are_one_family() -> None:
    assert issubclass(DamagedGenerationError, RecnewsError)
    assert os.name == "posix", "locks are flocks"
