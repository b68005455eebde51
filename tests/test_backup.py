"""Backups of a home in use, and the way back."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recnews.errors import BusyError, DamagedBackupError, RecnewsError, StorageError, UsageError
from recnews.newsroom import Newsroom
from recnews.repository import Repository
from recnews.restore import restore
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


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and size of what a folder of backups keeps."""
    found = ((path, path.stat()) for path in (folder / "objects").rglob("*") if path.is_file())
    return {path.name: (it.st_ino, it.st_size) for path, it in found}


def test_there_and_back(lived_in: Newsroom, tmp_path: Path) -> None:
    expected = feeds(lived_in.home)
    (lived_in.home / "keys.json").write_text('{"format": 1, "keys": []}')
    assert lived_in.backup(tmp_path / "backups", now=NOW).problems == ()
    lived_in.delete(["足球-50"])
    lived_in.train()

    home = tmp_path / "restored"
    done = restore(tmp_path / "backups", home, replace=False, now=NOW)
    assert (done.backup, done.aside, done.forgotten_since) == ("20260310T120000Z", None, 0)
    assert feeds(home) == expected
    assert (home / "keys.json").exists()
    with Newsroom.open(home) as restored:
        assert restored.verify() == []
        assert restored.dictionary.words() == (DictionaryWord("云边协同"),)
        assert len(restored.status().quarantine) == 1
        assert restored.settings.feed.diversity == 0.3
        assert restored.article("金融-0").hidden


def test_restoring_over_a_home_moves_it_aside(lived_in: Newsroom, tmp_path: Path) -> None:
    expected = feeds(lived_in.home)
    lived_in.backup(tmp_path / "backups")
    lived_in.delete(["足球-50"])
    lived_in.train()
    lived_in.close()
    (lived_in.home / "keys.json").write_text("the keys of today")
    (lived_in.home / "recnews.toml").write_text("[feed]\ndiversity = 0.4\n")
    with pytest.raises(UsageError, match="holds data already; --replace moves it aside"):
        restore(tmp_path / "backups", lived_in.home, replace=False, now=NOW)
    aside = lived_in.home / "before-restore-20260310T120000"
    assert restore(tmp_path / "backups", lived_in.home, replace=True, now=NOW).aside == str(aside)
    assert feeds(lived_in.home) == expected
    assert (lived_in.home / "keys.json").read_text() == "the keys of today", "one that was taken back stays so"
    assert "0.4" in (lived_in.home / "recnews.toml").read_text()
    with Newsroom.open(aside) as before:
        assert before.generations.names() == ("g000001", "g000002")
        assert before.store.articles.count() == 48
    assert [path.name for path in lived_in.home.iterdir() if path.name.startswith(".")] == []


def test_a_later_backup_writes_what_has_changed(lived_in: Newsroom, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    first = lived_in.backup(folder, now=NOW)
    before = contents(folder)
    second = lived_in.backup(folder, now=NOW + HOUR)
    assert (second.new_bytes, contents(folder)) == (0, before)
    lived_in.record_many([read("ann", "航天-0", NOW)])
    third = lived_in.backup(folder, now=NOW + DAY)
    assert 0 < third.new_bytes < first.new_bytes / 5
    assert before.items() <= contents(folder).items(), "what is there is not written again"
    events = []
    for made in (first, third):
        restore(folder, tmp_path / made.name, replace=False, now=NOW, name=made.name)
        with Newsroom.open(tmp_path / made.name) as restored:
            events.append(restored.status().events)
    assert events == [3, 4]


def test_the_latest_are_kept(lived_in: Newsroom, tmp_path: Path) -> None:
    """And what only the removed ones needed goes with them."""
    folder = tmp_path / "backups"
    names = [lived_in.backup(folder, now=NOW + number * HOUR).name for number in range(2)]
    lived_in.train()
    lived_in.generations.prune(1)
    before = contents(folder)
    made = lived_in.backup(folder, keep=1, now=NOW + DAY)
    assert made.removed == tuple(names)
    assert [it.name for it in Repository(folder).backups()] == [made.name]
    assert before.keys() - contents(folder).keys()
    assert Repository(folder).damages(Repository(folder).backup(made.name)) == []
    with pytest.raises(UsageError, match="keep at least one"):
        lived_in.backup(folder, keep=0)


def test_two_backups_of_one_second(newsroom: Newsroom, tmp_path: Path) -> None:
    made = [newsroom.backup(tmp_path / "backups", quick=True, now=NOW).name for _ in range(11)]
    assert made == ["20260310T120000Z", *(f"20260310T120000Z-{number}" for number in range(2, 12))]
    assert [it.name for it in Repository(tmp_path / "backups").backups()] == made


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
        assert newsroom.backup(tmp_path / "backups").problems == ()
        restore(tmp_path / "backups", tmp_path / f"restored {turn}", replace=False, now=NOW)
        with Newsroom.open(tmp_path / f"restored {turn}", small_settings()) as copy:
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


def test_a_backup_shares_no_file_with_the_home(lived_in: Newsroom, tmp_path: Path) -> None:
    """What spoils one does not spoil the other."""
    lived_in.backup(tmp_path / "backups")
    mine = {path.stat().st_ino for path in lived_in.home.rglob("*")}
    assert not [path for path in (tmp_path / "backups").rglob("*") if path.stat().st_ino in mine]


def test_nobody_else_reads_a_backup(lived_in: Newsroom, tmp_path: Path) -> None:
    lived_in.backup(tmp_path / "backups")
    kept = [path for path in (tmp_path / "backups").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


@pytest.mark.parametrize("inside", ["corpora/backup", "indexes/backup", "."])
def test_a_backup_does_not_go_into_what_it_copies(newsroom: Newsroom, inside: str) -> None:
    with pytest.raises(UsageError):
        newsroom.backup(newsroom.home / inside)


def test_a_backup_needs_a_folder_of_its_own(newsroom: Newsroom, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "something").write_text("")
    with pytest.raises(UsageError, match="holds something else than backups"):
        newsroom.backup(tmp_path / "there")


def test_one_backup_at_a_time(newsroom: Newsroom, tmp_path: Path) -> None:
    newsroom.backup(tmp_path / "backups", quick=True)
    with Repository(tmp_path / "backups").alone(), pytest.raises(BusyError, match="held by another backup"):
        newsroom.backup(tmp_path / "backups")


def test_a_backup_that_fails_leaves_nothing(newsroom: Newsroom, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be written \(Not a directory\)"):
        newsroom.backup(tmp_path / "file" / "backup")
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]  # noqa: PTH208


def kept_file(folder: Path, path: str) -> Path:
    """Where the latest backup keeps a file."""
    sha = Repository(folder).backups()[-1].files[path].sha256
    return folder / "objects" / sha[:2] / sha


def kept_rows(folder: Path, table: str) -> Path:
    """Where the latest backup keeps rows."""
    sha = Repository(folder).backups()[-1].tables[table][0]
    return folder / "objects" / sha[:2] / f"{sha}.gz"


def spoilt(folder: Path, kind: str) -> Path:
    """Damage a backup; the file that was damaged."""
    match kind:
        case "a file":
            flip(file := kept_file(folder, "indexes/g000001/tokenizer.json"))
        case "rows":
            flip(file := kept_rows(folder, "articles"))
        case "rows cut short":
            file = kept_rows(folder, "events")
            file.write_bytes(file.read_bytes()[:-9])
        case "rows gone":
            (file := kept_rows(folder, "vectors")).unlink()
        case _:
            (file := kept_file(folder, "indexes/CURRENT")).unlink()
    return file


KINDS = ["a file", "rows", "rows cut short", "rows gone", "a file gone"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_backup_is_not_restored(lived_in: Newsroom, tmp_path: Path, kind: str) -> None:
    """And the next backup mends it, as long as the home still has what was damaged."""
    folder = tmp_path / "backups"
    lived_in.backup(folder)
    file, before = spoilt(folder, kind), feeds(lived_in.home)
    with pytest.raises(DamagedBackupError, match=file.name):
        restore(folder, lived_in.home, replace=True, now=NOW)
    assert feeds(lived_in.home) == before
    [damage] = Repository(folder).damages(Repository(folder).backups()[0])
    assert file.name in str(damage)
    assert lived_in.backup(folder).problems == ()
    assert [Repository(folder).damages(it) for it in Repository(folder).backups()] == [[], []]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('{"format": 2}', "format 2, this recnews knows 1"),
        ("?", "cannot be read"),
        ('"../../x"', "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(newsroom: Newsroom, tmp_path: Path, said: str, found: str) -> None:
    made = newsroom.backup(tmp_path / "backups", quick=True)
    (tmp_path / "backups" / "backups" / f"{made.name}.json").write_text(said)
    with pytest.raises(DamagedBackupError, match=found):
        restore(tmp_path / "backups", tmp_path / "home 2", replace=False, now=NOW)


@pytest.mark.parametrize("path", ["../escaped", "/escaped", "corpora/../../escaped"])
def test_a_list_cannot_write_outside_of_the_home(newsroom: Newsroom, tmp_path: Path, path: str) -> None:
    made = newsroom.backup(tmp_path / "backups", quick=True)
    file = tmp_path / "backups" / "backups" / f"{made.name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    found["files"][path] = found["files"]["indexes/CURRENT"]
    file.write_text(json.dumps(found))
    with pytest.raises(DamagedBackupError, match="does not lie in a home"):
        restore(tmp_path / "backups", tmp_path / "restored", replace=False, now=NOW)


def test_what_is_no_backup_is_not_restored(newsroom: Newsroom, tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(UsageError, match=r"is no folder of backups"):
        restore(tmp_path / "something", tmp_path / "home 2", replace=True, now=NOW)
    Repository.at(tmp_path / "something")
    with pytest.raises(UsageError, match="holds no backup yet"):
        restore(tmp_path / "something", tmp_path / "home 2", replace=True, now=NOW)
    with pytest.raises(UsageError, match=r"has no backup '\.\./x'"):
        restore(tmp_path / "something", tmp_path / "home 2", replace=True, now=NOW, name="../x")
    assert not (tmp_path / "home 2").exists()


def test_a_backup_of_another_form_is_refused(newsroom: Newsroom, tmp_path: Path) -> None:
    made = newsroom.backup(tmp_path / "backups", quick=True)
    file = tmp_path / "backups" / "backups" / f"{made.name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    for change, said in (
        ({"schema": 99}, "schema version 99"),
        ({"columns": found["columns"] | {"pins": ["a"]}}, "kept pins in another form"),
    ):
        file.write_text(json.dumps(found | change))
        with pytest.raises(RecnewsError, match=said):
            restore(tmp_path / "backups", tmp_path / "restored", replace=False, now=NOW)


def test_what_is_wrong_with_a_home_is_told_of_its_backup(lived_in: Newsroom, tmp_path: Path) -> None:
    """It is a backup all the same, removes none that is better, and can be restored."""
    folder = tmp_path / "backups"
    lived_in.backup(folder, now=NOW)
    with lived_in.store._database.write() as connection:
        connection.exec_driver_sql("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE article_id = 7")
    made = lived_in.backup(folder, keep=1, now=NOW + HOUR)
    assert [problem.what for problem in made.problems] == ["1 of 49 stored vectors are not what g000001 gives"]
    assert made.removed == ()
    assert Repository(folder).backups()[-1].problems
    restore(folder, tmp_path / "restored", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "restored", small_settings()) as restored:
        assert restored.status().articles == 49


def test_a_restored_home_goes_on(lived_in: Newsroom, tmp_path: Path) -> None:
    lived_in.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "restored", small_settings()) as restored:
        assert restored.ingest([article("航天", 51, NOW)]).indexed == 1
        assert restored.train().id == "g000002"
        assert restored.generations.rollback() == "g000001"
        assert restored.verify() == []
