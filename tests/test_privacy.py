"""What a reader may ask for: all that is held on them, and to be forgotten to the last byte."""

import gzip
import json
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recnews import privacy
from recnews.config import Settings
from recnews.errors import BusyError, SettingsError, StorageError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import EventDraft
from recnews.rejected import Finder
from recnews.repository import Repository
from recnews.restore import restore
from recnews.store import STORE_FILE, ReaderIds, Store
from tests.cli_world import SMALL, answer, environment, process, run
from tests.service_world import running
from tests.worlds import DAY, HOUR, NOW, articles, read, small_settings

pytestmark = pytest.mark.engines("pgvector", "faiss")  # no vector of an old article is asked for
ANN, BOB = "reader-ann-7391", "reader-bob-2846"
KEY = bytes(range(32))


def hashing() -> Settings:
    return small_settings().override("privacy", hash_ids=True)


def log_rows(user: str) -> list[dict[str, object]]:
    """Reads of stored articles and of one that has not come, and a row that cannot be taken."""
    at = (NOW - HOUR).isoformat()
    rows: list[dict[str, object]] = [{"user": user, "article": f"足球-{n}", "at": at} for n in range(4)]
    return [
        *rows,
        {"user": user, "article": f"waiting of {user}", "at": at},
        {"user": user, "article": "x", "at": "never"},
    ]


def filled(room: Newsroom, folder: Path) -> None:
    """Logs of two readers, among them lines that nobody can parse."""
    lines = [json.dumps(row, ensure_ascii=False) for user in (ANN, BOB) for row in log_rows(user)]
    lines += [f'{{"user": "{ANN}", "article": ', f'{{"user": "{BOB}", "article": ', "neither"]
    file = folder / "log.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    room.record_many(file)
    file.unlink()


def places(home: Path, *needles: str) -> set[str]:
    """Files of a home that hold one of some texts, as UTF-8 or in hexadecimal digits."""
    forms = [form for needle in needles for form in (needle.encode(), needle.encode().hex().encode())]
    return {
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    }


@pytest.fixture
def world(home: Path, tmp_path: Path) -> Iterator[Newsroom]:
    with Newsroom.open(home, small_settings()) as room:
        filled(room, tmp_path)
        yield room


# Forgetting


def test_forgotten_to_the_last_byte(world: Newsroom) -> None:
    assert places(world.home, ANN)
    bobs = world.store.privacy.held(BOB)
    found = world.readers.forget(ANN)
    assert (found.events, found.rejected, found.elsewhere) == (5, 2, ())
    assert places(world.home, ANN) == set(), "while the home is open"
    assert world.store.privacy.held(BOB) == bobs
    assert world.store.check() == []
    world.close()
    assert places(world.home, ANN) == set()
    assert places(world.home, BOB), "the other reader is still there, and would be found"
    [file] = (world.home / "corpora" / "quarantine").iterdir()
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.only_sqlite
def test_pages_that_sqlite_has_moved_rows_between(store: Store) -> None:
    """Where deleted rows would leave copies behind: many readers, some gone, over many pages."""
    users = [f"somebody-{number:05d}" for number in range(400)]
    for batch in range(12):
        store.events.add([read(users[(n * 7 + batch * 131) % 400], f"article {n}") for n in range(300)])
    gone = users[::9]
    for user in gone:
        assert store.privacy.forget(user, 0, NOW) > 0
    store.privacy.scrub()
    left = b"".join(file.read_bytes() for file in store.folder.iterdir())
    assert [user for user in gone if user.encode() in left] == []
    assert all(user.encode() in left for user in set(users) - set(gone))


def test_a_reader_who_is_not_known_and_one_who_is_forgotten(world: Newsroom) -> None:
    assert world.readers.forget("nobody").events == 0
    audit = world.home / "corpora" / privacy.AUDIT_FILE
    assert not audit.exists()
    world.readers.forget(ANN)
    told = audit.read_bytes()
    again = world.readers.forget(ANN)
    assert (again.events, again.rejected) == (0, 0)
    assert audit.read_bytes() == told
    with pytest.raises(UsageError, match="nobody"):
        world.readers.forget(" ")
    with pytest.raises(UsageError, match="half a character"):
        world.readers.forget("\ud800")


def test_the_audit_says_what_and_not_who(world: Newsroom) -> None:
    world.readers.forget(ANN, now=NOW)
    world.readers.forget(BOB, now=NOW)
    lines = (world.home / "corpora" / privacy.AUDIT_FILE).read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert [(it["at"], it["what"], it["events"], it["rejected"]) for it in told] == [
        (NOW.isoformat(), "forget", 5, 2), (NOW.isoformat(), "forget", 5, 2),
    ]  # fmt: skip


def test_an_audit_line_that_was_cut_off_is_written_again(world: Newsroom) -> None:
    audit = world.home / "corpora" / privacy.AUDIT_FILE
    audit.write_bytes(b'{"at": "before"}\n{"at": "2026-0')
    world.readers.forget(ANN, now=NOW)
    assert [json.loads(line)["at"] for line in audit.read_text().splitlines()] == ["before", NOW.isoformat()]


def test_keys_that_only_the_forgotten_reader_named_go(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 2), NOW)
    store.events.add([read(ANN, key) for key in ("足球-0", "足球-1", "hers", "both's")] + [read(BOB, "both's")])
    store.articles.delete(["足球-1"])
    store.privacy.forget(ANN, 0, NOW)
    assert set(store.articles.ids(["足球-0", "足球-1", "hers", "both's"])) == {"足球-0", "足球-1", "both's"}
    changes, _ = store.vectors.changes("g000001", "0:0", 100)
    assert [change.stored for change in changes] == [True, False], "followers still learn of the deletion"
    assert store.events.counts() == (1, 1, 1)


def test_only_rows_of_the_reader_leave_the_quarantine() -> None:
    finder = Finder({"12", "李雷"}, ("user", "user_id"), {"article", "at"})

    def finds(row: object, events: bool = True) -> bool:
        return finder.finds((row if isinstance(row, str) else json.dumps(row)).encode(), events)

    why = {"_reject": {"reason": "12", "line": 12}}
    for mine in (
        {"user": "12"}, {"user": 12}, {"uid": 12.0, "user": "the name"}, {"uid": " 12 "}, {"user": "李雷"},
        {"_cells": ["12", "a", "b"]}, {"_raw": '{"user": "12", '}, {"_raw": "李雷,足球-1"}, {"_raw": '"\\u674e\\u96f7'},
    ):  # fmt: skip
        assert finds(why | mine), mine
    assert finds('{"user": 12, ')
    for other in (
        {"user": "123"}, {"user": "34", "article": "12", "at": 12}, {"user": True}, {"_raw": "112,2026"},
        {"user": None}, {"_raw": "a12"}, {"_cells": ["120"]},
    ):  # fmt: skip
        assert not finds(why | other), other
    assert not finds("no entry any more, 2012")
    assert finds({"user_id": "12", "article": "a"}, events=False), "a log that was taken for articles"
    assert not finds({"id": "12", "title": "12"}, events=False)
    assert not finds({"_raw": "12"}, events=False)


def test_what_killed_runs_have_left_in_the_quarantine_goes(world: Newsroom) -> None:
    folder = world.home / "corpora" / "quarantine"
    (folder / ".run-dead").mkdir()
    for name in (".run-dead/events-log-x.jsonl", ".forgetting-events-log-x.jsonl"):
        (folder / name).write_text(ANN)
    world.readers.forget(ANN)
    assert places(world.home, ANN) == set()


@pytest.mark.only_sqlite
def test_a_reader_of_an_older_state_holds_the_log(world: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are still in the log then: it is said, and the same command later on finishes."""
    reader = Store(world.home / "corpora")
    with world.store._database._engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA busy_timeout = 50")  # type: ignore[union-attr]
    with reader._database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM events").all()
        with pytest.raises(BusyError, match="an earlier state of"):
            world.readers.forget(ANN)
        assert not (world.home / "corpora" / privacy.AUDIT_FILE).exists()
    assert world.readers.forget(ANN).events == 0
    assert places(world.home, ANN) == set()
    assert (world.home / "corpora" / privacy.AUDIT_FILE).exists()
    reader.close()


def test_others_write_meanwhile(world: Newsroom) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with Newsroom.open(world.home, small_settings()) as other:
                for number in range(30):
                    other.record("somebody else", "足球-1", at=NOW - timedelta(seconds=number))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for user in (ANN, BOB):
        world.readers.forget(user)
    thread.join()
    assert failures == []
    assert len(world.store.privacy.held("somebody else")) == 30
    assert places(world.home, ANN, BOB) == set()


# What was learned


def test_status_counts_until_the_next_training(world: Newsroom) -> None:
    assert world.status().forgotten == 0
    world.readers.forget("nobody")
    world.readers.forget(ANN)
    world.readers.forget(BOB)
    assert world.status().forgotten == 2
    world.train()
    assert world.status().forgotten == 0
    world.generations.rollback()
    assert world.status().forgotten == 2, "the generation before still knows them"


def test_commands(home: Path, tmp_path: Path) -> None:
    with Newsroom.open(home, small_settings()) as room:
        filled(room, tmp_path)
    shown = run(home, "export", ANN).stdout.splitlines()
    assert len(shown) == 5 + 1 + 2
    document = answer(home, "export", ANN)
    assert (document["user"], document["stored_as"], len(document["events"])) == (ANN, ANN, 5)
    target = tmp_path / "ann.json"
    assert run(home, "export", ANN, "-o", str(target)).stdout == f"5 events written to {target}\n"
    assert json.loads(target.read_text(encoding="utf-8")) == document
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "cannot be written" in run(home, "export", ANN, "-o", str(tmp_path), code=1).stderr
    assert run(home, "forget", ANN).stdout == "5 events and 2 rejected rows removed for good\n"
    assert run(home, "forget", ANN).stdout == "nothing was held\n"
    assert run(home, "export", ANN).stdout == "nothing is held\n"
    assert answer(home, "forget", BOB) == {"events": 5, "rejected": 2, "elsewhere": [], "backups": []}
    assert "2 readers forgotten since g000001 was trained; run `recnews train`" in run(home, "status").stdout
    run(home, "train", *SMALL)
    assert "forgotten" not in run(home, "status").stdout


# What is told


def test_export_is_complete_and_in_order(world: Newsroom) -> None:
    world.record(ANN, "足球-1", "like", at=NOW, weight=0.5, dwell=12.5)
    world.store.events.add([EventDraft(ANN, "足球-2")])
    found = world.readers.export(f" {ANN} ")
    assert found == world.readers.export(ANN)
    assert [(it.key, it.at) for it in found.events] == [
        ("足球-2", None),
        (f"waiting of {ANN}", NOW - HOUR),
        *((f"足球-{number}", NOW - HOUR) for number in range(4)),
        ("足球-1", NOW),
    ]
    last = found.events[-1]
    assert (last.kind, last.weight, last.dwell, last.title) == ("like", 0.5, 12.5, world.article("足球-1").title)
    assert [it.title for it in found.events if it.key.startswith("waiting")] == [None]
    assert [row.get("user", row.get("_raw")) for row in found.rejected] == [ANN, f'{{"user": "{ANN}", "article": ']
    assert world.readers.export("nobody").events == ()


# Backups


def in_backups(folder: Path, *needles: str) -> set[str]:
    """As `places`, for a folder of backups, packed files unpacked."""
    for file in folder.rglob("*.gz"):
        file.with_suffix(".txt").write_bytes(gzip.decompress(file.read_bytes()))
    found = places(folder, *needles)
    for file in folder.rglob("*.txt"):
        file.unlink()
    return found


@pytest.mark.only_sqlite
@pytest.mark.only_sqlite
def test_forgetting_reaches_backups(world: Newsroom, tmp_path: Path) -> None:
    """No byte is left in any of them; they stay what they were otherwise, and can be restored."""
    folder = tmp_path / "backups"
    world.backup(folder, now=NOW)
    world.record("someone else", "足球-0", at=NOW)
    world.backup(folder, now=NOW + HOUR)
    assert in_backups(folder, ANN, f"waiting of {ANN}")
    before = Repository(folder).backups()
    told = run(world.home, "forget", ANN, "--backups", str(folder)).stdout
    assert [f"and in the backup {folder}: {it.name}" in told for it in before] == [True, True]
    assert places(world.home, ANN) == set()
    assert in_backups(folder, ANN, f"waiting of {ANN}") == set()
    after = Repository(folder).backups()
    assert [(it.name, it.at, set(it.files)) for it in after] == [
        (it.name, it.at, {*it.files, "corpora/audit.jsonl"}) for it in before
    ]
    assert [it.rows["articles"] for it in after] == [48, 48]
    assert (folder / "audit.jsonl").read_text().count("\n") == 1
    done = restore(folder, tmp_path / "restored", replace=False, now=NOW, name=after[1].name)
    assert done.forgotten_since == 0
    with Newsroom.open(tmp_path / "restored", small_settings()) as restored:
        assert restored.verify() == []
        assert restored.readers.export(ANN).events == ()
        assert len(restored.readers.export("someone else").events) == 1
        assert restored.status().forgotten == 1, "what was learned knows the reader still"


@pytest.mark.only_sqlite
def test_a_reader_forgotten_over_http_is_not_in_a_backup_that_is_restored(world: Newsroom, tmp_path: Path) -> None:
    """Not into the same home, nor, by what later backups know, into an empty one; and none of it is kept in clear."""
    folder = tmp_path / "backups"
    before = datetime.now(UTC) - DAY
    world.backup(folder, now=before)
    world.close()
    with running(world.home, workers=1) as service:
        assert service.ask("DELETE", f"/v1/users/{ANN}").is_success
    assert places(world.home, ANN) == set()
    with Newsroom.open(world.home, small_settings()) as room:
        [note] = room.store.privacy.forgotten_readers()
        key = (room.corpora / privacy.KEY_FILE).read_bytes()
        assert note.reader == ReaderIds(key).note(ANN) == ReaderIds(key).note(hashed(ANN, key))
        assert note.reader != ReaderIds(bytes(32)).note(ANN)
        room.backup(folder, now=before + HOUR)
    assert len(Repository(folder).backups()) == 2
    old = Repository(folder).backups()[0].name
    told = run(world.home, "restore", str(folder), "--backup", old, "--replace").stdout
    assert "forgotten since that backup, and not brought back: 1 reader" in told
    assert "may be back" not in told
    fresh = restore(folder, tmp_path / "fresh", replace=False, now=NOW, name=old)
    assert (fresh.forgotten_again, fresh.forgotten_since) == (1, 0)
    for place in (world.home, tmp_path / "fresh"):
        kept = {it for it in places(place, ANN) if not it.startswith("before-restore-")}
        assert kept == set()
        with Newsroom.open(place, small_settings()) as room:
            assert room.verify() == []
            assert room.readers.export(ANN).events == ()
            assert len(room.readers.export(BOB).events) == 5
            assert len(room.readers.export(BOB).rejected) == 2
            assert room.store.privacy.forgotten_readers() == [note], "for the next restore"
    assert (
        run(tmp_path / "fresh", "restore", str(folder), "--backup", old, "--replace").stdout.count("1 reader") == 1
    ), "as before"


@pytest.mark.only_sqlite
def test_a_reader_who_came_back_is_not_forgotten_again(world: Newsroom, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    world.backup(folder, quick=True, now=NOW)
    world.readers.forget(ANN, now=NOW + HOUR)
    world.record(ANN, "足球-0", at=NOW + 2 * HOUR)
    world.backup(folder, quick=True, now=NOW + 3 * HOUR)
    for backup, events in zip(Repository(folder).backups(), (0, 1), strict=True):
        place = tmp_path / backup.name
        restore(folder, place, replace=False, now=NOW, name=backup.name)
        with Newsroom.open(place, small_settings()) as room:
            assert len(room.readers.export(ANN).events) == events


@pytest.mark.only_sqlite
def test_a_reader_unknown_by_now_is_not_brought_back_either(world: Newsroom, tmp_path: Path) -> None:
    """Their events were pruned, and stand in an older backup."""
    world.backup(tmp_path / "backups", now=NOW)
    with world.store._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    assert world.readers.forget(ANN, now=NOW + HOUR).events == 0
    world.close()
    done = restore(tmp_path / "backups", world.home, replace=True, now=NOW + HOUR)
    assert (done.forgotten_again, done.forgotten_since) == (1, 0)


@pytest.mark.only_sqlite
def test_a_note_that_no_key_can_read_is_told_of(world: Newsroom, tmp_path: Path) -> None:
    world.backup(tmp_path / "backups", now=NOW)
    world.readers.forget(ANN, now=NOW + HOUR)
    world.close()
    (world.home / "corpora" / privacy.KEY_FILE).unlink()
    told = run(world.home, "restore", str(tmp_path / "backups"), "--replace").stdout
    assert "1 reader forgotten since that backup may be back: run `recnews forget USER` for each again" in told


@pytest.mark.only_sqlite
def test_hashed_readers_are_not_brought_back(private: Newsroom, tmp_path: Path) -> None:
    private.record(ANN, "足球-0", at=NOW)
    private.record(BOB, "足球-0", at=NOW)
    private.backup(tmp_path / "backups", now=NOW)
    private.readers.forget(ANN, now=NOW + HOUR)
    private.close()
    done = restore(tmp_path / "backups", private.home, replace=True, now=NOW + HOUR)
    assert (done.forgotten_again, done.forgotten_since) == (1, 0)
    with Newsroom.open(private.home, hashing()) as room:
        assert room.readers.export(ANN).events == ()
        assert len(room.readers.export(BOB).events) == 1


def test_no_reader_is_forgotten_when_a_folder_holds_no_backups(world: Newsroom, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder of backups"):
        world.readers.forget(ANN, backups=[tmp_path])
    assert world.readers.export(ANN).events


def test_hashed_readers_are_forgotten_in_backups(private: Newsroom, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    private.record(ANN, "足球-0", at=NOW)
    private.backup(folder, now=NOW)
    mine = private.readers.export(ANN).stored_as
    assert in_backups(folder, mine)
    assert private.readers.forget(ANN, backups=[folder], now=NOW).backups
    assert in_backups(folder, mine, ANN) == set()


@pytest.mark.only_sqlite
@pytest.mark.only_sqlite
def test_what_a_restore_moved_aside_is_named(home: Path, tmp_path: Path) -> None:
    with Newsroom.open(home, small_settings()) as room:
        filled(room, tmp_path)
        room.backup(tmp_path / "backup")
    run(home, "restore", str(tmp_path / "backup"), "--replace")
    [aside] = home.glob("before-restore-*")
    told = run(home, "forget", ANN).stdout
    assert f"recnews --home {aside} forget USER" in told
    assert {place.split("/")[0] for place in places(home, ANN)} == {aside.name}
    run(aside, "forget", ANN)
    assert places(home, ANN) == set()


# Hashed ids


def hashed(user: str, key: bytes = KEY) -> str:
    return ReaderIds(key)(user)


def test_hashes() -> None:
    assert ReaderIds()(ANN) == ANN
    assert hashed(ANN) != hashed(BOB)
    assert hashed(hashed(ANN)) == hashed(ANN), "what was read from the store can be asked for"
    assert hashed(ANN) != hashed(ANN, bytes(32))
    assert hashed("keyed:short") != "keyed:short"
    assert ReaderIds().fingerprint is None
    assert ReaderIds(KEY).fingerprint != ReaderIds(bytes(32)).fingerprint


@pytest.fixture
def private(home: Path) -> Iterator[Newsroom]:
    (home / "corpora" / privacy.KEY_FILE).write_bytes(KEY)
    with Newsroom.open(home, hashing()) as room:
        yield room


def test_no_plain_id_is_stored(private: Newsroom, tmp_path: Path) -> None:
    """Rows that could be parsed included; one that could not is kept as it is, and said to be in docs/privacy.md."""
    rows = [*log_rows(ANN), *log_rows(BOB)]
    private.record_many(rows)
    private.record(ANN, "足球-1", "like")
    assert places(private.home, ANN.encode().decode()) <= {f"corpora/{STORE_FILE}", f"corpora/{STORE_FILE}-wal"}
    waiting = f"waiting of {ANN}"  # the key of an article, which is not an id
    raw = b"".join(file.read_bytes() for file in (private.home / "corpora").glob(f"{STORE_FILE}*"))
    assert raw.replace(waiting.encode(), b"").count(ANN.encode()) == 0
    assert private.readers.export(ANN).stored_as == hashed(ANN)
    assert len(private.readers.export(ANN).events) == 6
    assert [row["user"] for row in private.readers.export(ANN).rejected] == [hashed(ANN)]


@pytest.mark.only_sqlite
def test_everything_that_takes_an_id_finds_the_hashed_one(private: Newsroom, trained: Path, tmp_path: Path) -> None:
    with Newsroom.open(shutil.copytree(trained, tmp_path / "plain"), small_settings()) as plain:
        for room in (private, plain):
            room.record_many([read(ANN, f"足球-{n}") for n in range(3)])
            assert room.record(ANN, "足球-0", at=NOW - HOUR) is False, "it was there already"
            assert room.record_many([read(ANN, "足球-0")], dry_run=True).added == 0
        assert private.recommend(ANN, at=NOW) == plain.recommend(ANN, at=NOW) != private.recommend(BOB, at=NOW)
        seen = private.store.events.articles_seen(ANN, NOW)
        assert sorted(private.store.events.articles_seen(hashed(ANN), NOW)) == sorted(seen)
        assert len(seen) == 3
        assert private.neighbors(user=ANN, at=NOW) == plain.neighbors(user=ANN, at=NOW)
    assert {event.user_id for event in private.store.events.since(0, 10)} == {hashed(ANN)}
    assert private.readers.forget(ANN).events == 3
    private.close()
    assert places(private.home, ANN, hashed(ANN)) == set()


def test_a_rejected_row_is_mended_and_taken_in_with_its_hash(private: Newsroom) -> None:
    private.record_many(log_rows(ANN))
    [file] = (private.home / "corpora" / "quarantine").glob("events-*.jsonl")
    file.write_text(file.read_text(encoding="utf-8").replace("never", NOW.isoformat()), encoding="utf-8")
    assert private.record_many(file).added == 1
    assert len(private.readers.export(ANN).events) == 6


def test_a_renamed_column_is_hashed_in_the_quarantine_too(private: Newsroom) -> None:
    from recnews.newsroom import Reading

    private.record_many([{"uid": ANN, "article": "a", "at": "never"}], Reading({"user": "uid"}))
    [row] = private.readers.export(ANN).rejected
    assert row["uid"] == hashed(ANN)


def test_a_home_with_plain_ids_is_converted_once_and_for_good(world: Newsroom) -> None:
    feed = world.recommend(ANN, at=NOW)
    world.close()
    with Newsroom.open(world.home, hashing()) as room:
        assert room.recommend(ANN, at=NOW) == feed
        assert len(room.readers.export(ANN).events) == 5
        key = (world.home / "corpora" / privacy.KEY_FILE).read_bytes()
        assert room.readers.export(ANN).stored_as == hashed(ANN, key)
    waiting = f"waiting of {ANN}"
    raw = b"".join(file.read_bytes() for file in (world.home / "corpora").glob(f"{STORE_FILE}*"))
    assert raw.replace(waiting.encode(), b"").count(ANN.encode()) == 0
    with Newsroom.open(world.home, hashing()) as room:
        assert room.recommend(ANN, at=NOW) == feed
        rows = room.readers.export(ANN).rejected
        assert [row.get("user", "") for row in rows] == [hashed(ANN, key), ""]
    with pytest.raises(
        SettingsError, match=r"privacy\.hash_ids.*is off, and the ids of readers in this home are hashed"
    ):
        Newsroom.open(world.home, small_settings())


def test_a_conversion_that_was_killed_is_finished(world: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    world.close()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(privacy, "hash_what_is_stored", killed)
    with pytest.raises(KeyboardInterrupt):
        Newsroom.open(world.home, hashing())
    monkeypatch.undo()
    with Newsroom.open(world.home, hashing()) as room:
        assert [row.get("user", "")[:6] for row in room.readers.export(ANN).rejected] == ["keyed:", ""]
        assert not room.store.privacy.adopt()


def test_another_key_is_refused(private: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    private.record(ANN, "足球-1")
    private.close()
    file = private.home / "corpora" / privacy.KEY_FILE
    file.write_bytes(bytes(32))
    with pytest.raises(SettingsError, match="another key"):
        Newsroom.open(private.home, hashing())
    file.write_bytes(KEY[:-1])
    with pytest.raises(StorageError, match="is not a key of 32 bytes"):
        Newsroom.open(private.home, hashing())
    file.write_bytes(KEY)
    Newsroom.open(private.home, hashing()).close()
    monkeypatch.setenv("RECNEWS_READER_KEY", "a secret that is kept elsewhere, and long")
    with pytest.raises(SettingsError, match="another key"):
        Newsroom.open(private.home, hashing())
    monkeypatch.setenv("RECNEWS_READER_KEY", "short")
    with pytest.raises(SettingsError, match="is shorter than 32 characters"):
        Newsroom.open(private.home, hashing())


def test_a_key_of_the_environment_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECNEWS_READER_KEY", "a secret that is kept elsewhere, and long")
    with Newsroom.open(tmp_path, hashing()) as room:
        room.record(ANN, "a")
        stored = room.readers.export(ANN).stored_as
    assert not (tmp_path / "corpora" / privacy.KEY_FILE).exists()
    with Newsroom.open(tmp_path, hashing()) as room:
        assert (room.readers.export(ANN).stored_as, len(room.readers.export(ANN).events)) == (stored, 1)


def test_a_new_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "corpora"
    key = privacy.reader_key(folder, None)
    file = folder / privacy.KEY_FILE
    assert (len(key), stat.S_IMODE(file.stat().st_mode)) == (32, 0o600)
    assert privacy.reader_key(folder, None) == key
    assert privacy.reader_key(folder, KEY) == KEY
    privacy._make_key(file)
    assert file.read_bytes() == key, "one that is there stays"
    assert list(folder.iterdir()) == [file]


def test_a_process_that_does_not_know_of_the_switch_stores_no_plain_id(world: Newsroom) -> None:
    with Newsroom.open(world.home, hashing()), pytest.raises(SettingsError, match="switch it on and start again"):
        world.record(ANN, "足球-0")


def test_hashed_by_the_command_line(home: Path) -> None:
    env = environment({"RECNEWS_PRIVACY__HASH_IDS": "true", "RECNEWS_HOME": str(home)})
    shown = process("export", ANN, "--json", env=env)
    assert json.loads(shown.stdout)["stored_as"].startswith("keyed:"), shown.stderr
    refused = process("status", env=environment({"RECNEWS_HOME": str(home)}))
    assert refused.returncode == 2
    assert "privacy.hash_ids" in refused.stderr


@pytest.mark.only_sqlite
@pytest.mark.only_sqlite
def test_a_backup_of_a_hashed_home_is_one(private: Newsroom, tmp_path: Path) -> None:
    private.record(ANN, "足球-0", at=datetime(2026, 1, 1, tzinfo=UTC))
    assert private.backup(tmp_path / "backup").problems == ()
    restore(tmp_path / "backup", tmp_path / "restored", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "restored", hashing()) as copy:
        assert len(copy.readers.export(ANN).events) == 1


def test_plain_settings_are_the_default() -> None:
    assert Settings().privacy.hash_ids is False
    assert replace(read(ANN, "a"), user_id=hashed(ANN)).user_id.startswith("keyed:")
