"""Backups of a home in use, and the way back."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recnews.backup import check_backup, restore
from recnews.errors import RecnewsError, StorageError, UsageError
from recnews.newsroom import Newsroom
from recnews.store import Store
from recnews.text import DictionaryWord
from tests.test_generations import flip
from tests.worlds import DAY, HOUR, NOW, article, read, small_settings

ROOT = Path(__file__).parent.parent


def feeds(home: Path) -> list[object]:
    with Newsroom.open(home, small_settings()) as newsroom:
        return [newsroom.recommend(user, 10, at=NOW) for user in ("ann", "nobody")]


@pytest.fixture
def lived_in(newsroom: Newsroom) -> Newsroom:
    """A home with a bit of everything."""
    newsroom.record_many([read("ann", f"足球-{n}") for n in range(3)])
    newsroom.ingest([article("足球", 50, NOW)])
    newsroom.ingest([{"id": "bad"}])
    newsroom.editors.hide(["金融-0"])
    newsroom.dictionary.add(DictionaryWord("云边协同"))
    (newsroom.home / "recnews.toml").write_text("[feed]\ndiversity = 0.3\n")
    return newsroom


def test_there_and_back(lived_in: Newsroom, tmp_path: Path) -> None:
    expected = feeds(lived_in.home)
    assert lived_in.backup(tmp_path / "backup") == []
    lived_in.delete(["足球-50"])
    lived_in.train()
    assert feeds(tmp_path / "backup") == expected, "a backup is a home"

    home = tmp_path / "restored"
    assert restore(tmp_path / "backup", home, replace=False, now=NOW) is None
    assert feeds(home) == expected
    with Newsroom.open(home) as restored:
        assert restored.verify() == []
        assert restored.dictionary.words() == (DictionaryWord("云边协同"),)
        assert len(restored.status().quarantine) == 1
        assert restored.settings.feed.diversity == 0.3
        assert restored.article("金融-0").hidden


def test_restoring_over_a_home_moves_it_aside(lived_in: Newsroom, tmp_path: Path) -> None:
    expected = feeds(lived_in.home)
    lived_in.backup(tmp_path / "backup")
    lived_in.delete(["足球-50"])
    lived_in.train()
    lived_in.close()
    with pytest.raises(UsageError, match="holds data already; --replace moves it aside"):
        restore(tmp_path / "backup", lived_in.home, replace=False, now=NOW)
    aside = restore(tmp_path / "backup", lived_in.home, replace=True, now=NOW)
    assert aside == lived_in.home / "before-restore-20260310T120000"
    assert feeds(lived_in.home) == expected
    with Newsroom.open(aside) as before:
        assert before.generations.names() == ("g000001", "g000002")
        assert before.store.articles.count() == 48
    assert [path.name for path in lived_in.home.iterdir() if path.name.startswith(".")] == []


WRITER = """
import sys
from recnews import Newsroom
from tests.worlds import NOW, article, read, small_settings
newsroom = Newsroom.open(sys.argv[1], small_settings())
print("writing", flush=True)
for number in range(100, 100000):
    newsroom.ingest([article("足球", number, NOW)])
    newsroom.record_many([read("ann", f"足球-{number}")])
"""


def test_a_backup_while_another_process_writes(newsroom: Newsroom, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(newsroom.home)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    copied = []
    for turn in range(3):
        newsroom.backup(tmp_path / f"backup {turn}")
        with Newsroom.open(tmp_path / f"backup {turn}", small_settings()) as copy:
            copied.append(copy.status())
            copy.ingest([article("金融", 900, NOW)])  # what had been stored and not indexed yet, too
            assert copy.verify() == []
    deadline = time.monotonic() + 60
    while newsroom.status().articles == copied[0].articles and time.monotonic() < deadline:
        time.sleep(0.05)  # on a busy machine its first article takes longer than three copies
    assert writer.poll() is None, "it was writing all the while"
    writer.kill()
    writer.communicate()
    numbers = [status.articles for status in copied]
    assert numbers == sorted(numbers)
    assert numbers[0] < newsroom.status().articles
    for status in copied:
        assert status.articles - 48 - status.events in (0, 1), "whole transactions: an article, then its event"


def test_a_backup_shares_no_file_that_changes(lived_in: Newsroom, tmp_path: Path) -> None:
    lived_in.backup(tmp_path / "backup")
    mine = {
        path.stat().st_ino: path.name
        for path in lived_in.home.rglob("*")
        if path.is_file() and "indexes" not in path.parts
    }
    assert not [mine[path.stat().st_ino] for path in (tmp_path / "backup").rglob("*") if path.stat().st_ino in mine]
    expected = feeds(tmp_path / "backup")
    lived_in.train()
    lived_in.generations.prune(1)
    assert feeds(tmp_path / "backup") == expected
    assert check_backup(tmp_path / "backup") == []


@pytest.mark.parametrize("inside", ["corpora/backup", "indexes/backup", "."])
def test_a_backup_does_not_go_into_what_it_copies(newsroom: Newsroom, inside: str) -> None:
    with pytest.raises(UsageError):
        newsroom.backup(newsroom.home / inside)


def test_a_backup_needs_a_new_folder(newsroom: Newsroom, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        newsroom.backup(tmp_path / "there")


def test_a_backup_that_fails_leaves_nothing(newsroom: Newsroom, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="the backup cannot be written"):
        newsroom.backup(tmp_path / "file" / "backup")
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]  # noqa: PTH208


def test_a_damaged_backup_is_not_restored(lived_in: Newsroom, tmp_path: Path) -> None:
    lived_in.backup(tmp_path / "backup")
    tokenizer = tmp_path / "backup" / "indexes" / "g000001" / "tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.unlink()  # a hard link: to change it in place would change the home
    tokenizer.write_bytes(content)
    flip(tokenizer)
    before = feeds(lived_in.home)
    lived_in.close()
    with pytest.raises(RecnewsError, match=r"the backup is damaged: .*tokenizer\.json"):
        restore(tmp_path / "backup", lived_in.home, replace=True, now=NOW)
    assert feeds(lived_in.home) == before


def test_what_is_no_backup_is_not_restored(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(UsageError, match=r"is not a backup: it has no corpora/recnews\.sqlite"):
        restore(tmp_path / "something", tmp_path / "home", replace=True, now=NOW)
    assert not (tmp_path / "home").exists()


def test_a_backup_is_one_file_when_it_is_done(store: Store, tmp_path: Path) -> None:
    """No write-ahead log is left that holds what the file does not, however late the garbage is collected."""
    store.articles.upsert([article("足球", 0)], NOW)
    gc.disable()
    try:
        target = store.backup(tmp_path / "copy")
        assert [path.name for path in target.parent.iterdir()] == [target.name]
    finally:
        gc.enable()


def test_what_lies_in_the_write_ahead_log_of_a_backup_is_restored(lived_in: Newsroom, tmp_path: Path) -> None:
    """Somebody has opened the backup as a home, and something in it was not moved out of the log."""
    lived_in.backup(tmp_path / "backup")
    open_still = Store(tmp_path / "backup" / "corpora")
    open_still.events.add([read("ann", "航天-0", NOW)])
    restore(tmp_path / "backup", tmp_path / "restored", replace=False, now=NOW)
    open_still.close()
    with Newsroom.open(tmp_path / "restored") as restored:
        assert restored.status().events == 4


def test_a_restored_home_goes_on(lived_in: Newsroom, tmp_path: Path) -> None:
    lived_in.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "restored", small_settings()) as restored:
        assert restored.ingest([article("航天", 51, NOW)]).indexed == 1
        assert restored.train().id == "g000002"
        assert restored.generations.rollback() == "g000001"
        assert restored.verify() == []
    assert HOUR < DAY
