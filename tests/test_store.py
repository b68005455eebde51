"""Articles and events in a real store: what goes in comes out, and nothing is lost on the way."""

import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, inspect, select, text
from sqlalchemy.dialects import sqlite

from recnews.errors import SchemaError, StorageError, UnknownArticleError
from recnews.records import ArticleId, Draft, EventDraft, EventKind
from recnews.store import STORE_FILE, LoggedEvent, SeenKeys, Store, schema
from recnews.store.database import from_micros, to_micros
from recnews.store.dialects import among
from tests.worlds import DAY, HOUR, NOW, article, articles, read

MICROSECOND = timedelta(microseconds=1)
LATER = NOW + DAY


def test_many_ids_are_looked_up_by_an_index(tmp_path: Path) -> None:
    """As a condition, not as a value that is compared with 1: SQLite would read the whole table."""
    Store(tmp_path).close()
    found = among(schema.articles.c.article_id, [1, 2])
    asked = select(schema.articles.c.title).where(found, ~among(schema.articles.c.article_id, [2]))
    compiled = asked.compile(dialect=sqlite.dialect())
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as file:
        plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {compiled}", ("[1, 2]", "[2]"))]
    assert plan[0].startswith("SEARCH articles USING"), plan


# Articles


def test_outcomes(store: Store) -> None:
    one, two, three = articles(["足球"], 3)
    assert store.articles.compare([one, two]) == ["added", "added"]
    assert store.articles.upsert([one, two], NOW) == ["added", "added"]
    changed = replace(two, category="航天")
    assert store.articles.compare([three, one, changed]) == ["added", "unchanged", "changed"]
    assert store.articles.count() == 2, "comparing writes nothing"
    assert store.articles.upsert([three, one, changed], LATER) == ["added", "unchanged", "changed"]
    assert store.articles.upsert([three, one, changed], LATER) == ["unchanged"] * 3
    assert store.articles.count() == 3
    assert store.articles.get(two.key).category == "航天"
    assert store.articles.get(two.key).ingested_at == NOW, "a change is not a first ingest"


@pytest.mark.parametrize(
    "change",
    [
        {"title": "新"}, {"body": "新"}, {"summary": "新"}, {"url": "https://a.example"}, {"author": "新"},
        {"source": "新"}, {"category": "新"}, {"tags": ("新",)}, {"lang": "en"}, {"published_at": NOW + MICROSECOND},
        {"published_at": None}, {"expires_at": LATER},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_change_of_any_field_is_one(store: Store, change: dict[str, object]) -> None:
    draft = article("足球", 0)
    store.articles.upsert([draft], NOW)
    changed = replace(draft, **change)  # type: ignore[arg-type]
    assert store.articles.upsert([changed], NOW) == ["changed"]
    stored = store.articles.get(draft.key)
    for field, value in change.items():
        assert getattr(stored, field) == (value or NOW)


def test_words_that_move_from_one_field_to_the_next_are_a_change(store: Store) -> None:
    store.articles.upsert([Draft("a", "标题", summary="摘要", body="正文")], NOW)
    assert store.articles.upsert([Draft("a", "标题摘要", summary="", body="正文")], NOW) == ["changed"]
    assert store.articles.upsert([Draft("a", "标题摘要", summary="正文", body="")], NOW) == ["changed"]


def test_ids_are_given_once_and_stay(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 3), NOW)
    before = store.articles.ids([f"足球-{number}" for number in range(3)])
    assert sorted(before.values()) == [1, 2, 3]
    store.articles.delete(["足球-1"])
    store.articles.upsert(articles(["金融", "足球"], 3), NOW)
    assert store.articles.ids(list(before)) == before


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
times = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Any article whatever, quotes, astral characters and controls included."""
    return Draft(
        key=draw(words.filter(bool)), title=draw(words), body=draw(words) * draw(st.sampled_from([1, 1, 1, 2000])),
        summary=draw(words), url=draw(words), author=draw(words), source=draw(words), category=draw(words),
        tags=tuple(draw(st.lists(words, max_size=3))), lang=draw(words), published_at=draw(times),
        expires_at=draw(times),
    )  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(drafts(), max_size=5, unique_by=lambda draft: draft.key))
def test_any_article_comes_back_as_it_went_in(store: Store, batch: list[Draft]) -> None:
    store.articles.upsert(batch, NOW)
    assert store.articles.upsert(batch, LATER) == ["unchanged"] * len(batch)
    for draft in batch:
        stored = store.articles.get(draft.key)
        assert stored.published_at == (draft.published_at or stored.ingested_at)
        for field in ("key", "title", "body", "summary", "url", "author", "source", "category", "tags", "lang"):
            assert getattr(stored, field) == getattr(draft, field)
        assert stored.expires_at == draft.expires_at


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_exact_to_the_microsecond(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_a_time_in_another_zone_is_the_same_time() -> None:
    from zoneinfo import ZoneInfo

    assert to_micros(datetime(1970, 1, 1, 8, 0, 1, tzinfo=ZoneInfo("Asia/Shanghai"))) == 1_000_000


def test_what_editors_decide_survives_a_change(store: Store) -> None:
    draft = article("足球", 0)
    store.articles.upsert([draft], NOW)
    store.articles.hide([draft.key], hidden=True)
    store.articles.expire([draft.key], LATER)
    store.articles.upsert([replace(draft, body="新", expires_at=LATER + DAY)], LATER)
    stored = store.articles.get(draft.key)
    assert (stored.hidden, stored.expires_at, stored.body) == (True, LATER, "新")
    store.articles.upsert([replace(draft, expires_at=LATER - HOUR)], LATER)
    assert store.articles.get(draft.key).expires_at == LATER - HOUR, "the earlier of the two"
    store.articles.hide([draft.key], hidden=False)
    store.articles.expire([draft.key], None)
    assert (store.articles.get(draft.key).hidden, store.articles.get(draft.key).expires_at) == (False, LATER - HOUR)


def test_a_deleted_article_is_gone_and_may_come_back_fresh(store: Store) -> None:
    draft = article("足球", 0)
    store.articles.upsert([draft], NOW)
    store.articles.hide([draft.key], hidden=True)
    store.articles.delete([draft.key])
    with pytest.raises(UnknownArticleError, match="足球-0"):
        store.articles.get(draft.key)
    assert store.articles.upsert([draft], LATER) == ["added"]
    assert (store.articles.get(draft.key).hidden, store.articles.get(draft.key).ingested_at) == (False, LATER)


@pytest.mark.parametrize("verb", ["hide", "expire", "delete"])
@pytest.mark.parametrize("missing", ["never heard of", "named by an event only", "deleted"])
def test_an_unknown_key_is_named_and_nothing_is_done(store: Store, verb: str, missing: str) -> None:
    store.articles.upsert([article("足球", 0), replace(article("足球", 1), key="deleted")], NOW)
    store.articles.delete(["deleted"])
    store.events.add([read("ann", "named by an event only")])
    calls = {
        "hide": lambda keys: store.articles.hide(keys, True),
        "expire": lambda keys: store.articles.expire(keys, NOW),
        "delete": store.articles.delete,
    }
    before = store.articles.get("足球-0")
    with pytest.raises(UnknownArticleError, match=missing):
        calls[verb](["足球-0", missing])
    assert store.articles.get("足球-0") == before


def test_the_newest(store: Store) -> None:
    store.articles.upsert([*articles(["足球", "金融"], 3), Draft("100%", "50_50")], NOW)
    store.articles.hide(["金融-1"], hidden=True)
    keys = [found.key for found in store.articles.newest(20)]
    assert keys == ["100%", "金融-0", "足球-0", "金融-1", "足球-1", "金融-2", "足球-2"]
    assert [found.key for found in store.articles.newest(2)] == keys[:2]
    assert [found.key for found in store.articles.newest(20, category="足球")] == ["足球-0", "足球-1", "足球-2"]
    assert [found.key for found in store.articles.newest(20, contains="-2")] == ["金融-2", "足球-2"]
    assert [found.key for found in store.articles.newest(20, contains="%")] == ["100%"], "no wildcard"
    assert [found.key for found in store.articles.newest(20, contains="0_5")] == ["100%"]
    assert [found.key for found in store.articles.newest(20, hidden=True)] == ["金融-1"]
    assert store.articles.count(hidden=True) == 1
    assert store.articles.count(hidden=False) == 6


def test_texts_are_read_page_by_page(store: Store) -> None:
    """Over two pages, with a hole; somebody else writes in between."""
    store.articles.upsert([Draft(f"{number:04d}", "", f"b{number}") for number in range(1100)], NOW)
    store.articles.delete(["0501"])
    found = store.articles.texts()
    first = next(found)
    store.articles.upsert([Draft("later", "", "later")], NOW)
    bodies = [first.body, *(entry.body for entry in found)]
    assert bodies == [f"b{number}" for number in range(1100) if number != 501] + ["later"]


def test_cards(store: Store) -> None:
    store.articles.upsert([Draft("a", "标题", url="u", category="c", published_at=NOW), Draft("b", "无日期")], LATER)
    ids = store.articles.ids(["a", "b"])
    cards = store.articles.cards([*ids.values(), 999])
    assert set(cards) == set(ids.values())
    card = cards[ids["a"]]
    assert (card.key, card.title, card.url, card.category, card.published_at) == ("a", "标题", "u", "c", NOW)
    assert cards[ids["b"]].published_at == LATER


# Events


def test_the_same_event_counts_once(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 2), NOW)
    events = [read("ann", "足球-0"), read("ann", "足球-0"), read("bob", "足球-0"), read("ann", "足球-1")]
    assert store.events.compare(events) == (3, 0)
    assert store.events.add(events) == (3, 0)
    assert store.events.compare(events) == (0, 0)
    assert store.events.add(events) == (0, 0)
    assert store.events.counts() == (3, 2, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"at": NOW}, {"kind": "like"}, {"key": "足球-1"}, {"user_id": "bob"}, {"at": None}, {"event_id": "7"},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_what_makes_another_event(store: Store, other: dict[str, object]) -> None:
    event = read("ann", "足球-0")
    assert store.events.add([event, replace(event, **other)])[0] == 2  # type: ignore[arg-type]


def test_an_events_own_id_is_its_identity(store: Store) -> None:
    one = read("ann", "足球-0", event_id="7")
    assert store.events.add([one, replace(one, at=NOW, key="足球-1", kind="like")])[0] == 1
    assert store.events.add([replace(one, user_id="bob")])[0] == 1, "ids are a reader's own"


def test_events_may_come_before_their_article(store: Store) -> None:
    events = [read("ann", "足球-0"), read("bob", "足球-0"), read("ann", "足球-1")]
    store.articles.upsert([article("足球", 1)], NOW)
    assert store.events.compare(events) == (3, 2)
    assert store.events.add(events) == (3, 2)
    assert store.events.counts() == (3, 2, 2)
    assert store.articles.upsert([article("足球", 0)], NOW) == ["added"]
    assert store.events.counts() == (3, 2, 0)
    article_id = store.articles.get("足球-0").article_id
    assert article_id in [event.article_id for event in store.events.of_user("ann", NOW, 10)]


def test_events_outlive_their_article(store: Store) -> None:
    store.articles.upsert([article("足球", 0)], NOW)
    store.events.add([read("ann", "足球-0")])
    store.articles.delete(["足球-0"])
    assert store.events.counts() == (1, 1, 1)


def test_a_history_is_newest_first_and_ends_before_the_time_asked_for(store: Store) -> None:
    """Half-open: what happened at the very moment has not happened yet."""
    moments = {"past": NOW - DAY, "just before": NOW - MICROSECOND, "now": NOW, "future": NOW + DAY, "untimed": None}
    store.articles.upsert([Draft(key, key) for key in moments], NOW)
    store.events.add([replace(read("ann", key), at=at) for key, at in moments.items()])
    store.events.add([read("bob", "past")])
    names = {article_id: key for key, article_id in store.articles.ids(list(moments)).items()}

    def history(before: datetime, limit: int = 10) -> list[str]:
        return [names[event.article_id] for event in store.events.of_user("ann", before, limit)]

    assert history(NOW) == ["just before", "past", "untimed"]
    assert history(NOW + MICROSECOND) == ["now", "just before", "past", "untimed"]
    assert history(NOW, 1) == ["just before"]
    assert history(NOW - 2 * DAY) == ["untimed"]
    assert {names[ArticleId(i)] for i in store.events.articles_seen("ann", NOW)} == {"just before", "past", "untimed"}
    assert store.events.of_user("carol", NOW, 10) == []
    assert store.events.articles_seen("carol", NOW) == []


def test_an_event_comes_back_as_it_went_in(store: Store) -> None:
    draft = EventDraft("李雷 😀", "足球-0", "like", 0.1, 12.5, NOW - MICROSECOND)
    store.events.add([draft])
    [event] = store.events.of_user("李雷 😀", NOW, 10)
    assert (event.user_id, event.kind, event.weight, event.dwell, event.at) == (
        draft.user_id, draft.kind, draft.weight, draft.dwell, draft.at,
    )  # fmt: skip


def test_impressions_are_not_seen_and_not_popular(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 5), NOW)
    kinds: list[EventKind] = ["read", "like", "share", "dislike", "impression"]
    store.events.add([EventDraft("ann", f"足球-{row}", kind, at=NOW - HOUR) for row, kind in enumerate(kinds)])
    ids = store.articles.ids([f"足球-{row}" for row in range(5)])
    assert set(store.events.articles_seen("ann", NOW)) == {ids[f"足球-{row}"] for row in range(4)}
    assert store.events.reader_counts(NOW - DAY, NOW) == {ids[f"足球-{row}"]: 1 for row in range(3)}


def test_impressions_do_not_push_reads_out_of_a_history(store: Store) -> None:
    """A reader who is shown 300 articles after their last read is still the reader of that article."""
    store.events.add([read("ann", "足球-0", NOW - DAY)])
    store.events.add(
        [replace(read("ann", f"金融-{n}", NOW - n * MICROSECOND), kind="impression") for n in range(1, 301)]
    )
    assert [event.kind for event in store.events.of_user("ann", NOW, 200)] == ["read"]


def test_reader_counts_count_readers_in_a_half_open_time(store: Store) -> None:
    store.articles.upsert(articles(["足球"], 3), NOW)
    ids = store.articles.ids([f"足球-{row}" for row in range(3)])
    store.events.add([
        read("ann", "足球-0", NOW - DAY), read("ann", "足球-0", NOW - HOUR), read("bob", "足球-0", NOW - MICROSECOND),
        read("eve", "足球-0", NOW), read("fay", "足球-0", NOW - DAY - MICROSECOND),
        read("ann", "足球-1", NOW - DAY), EventDraft("bob", "足球-2"), EventDraft("eve", "足球-2"),
    ])  # fmt: skip
    assert store.events.reader_counts(NOW - DAY, NOW) == {ids["足球-0"]: 2, ids["足球-1"]: 1, ids["足球-2"]: 2}
    assert store.events.reader_counts(NOW + DAY, NOW + 2 * DAY) == {ids["足球-2"]: 2}


def test_followers_of_the_log_get_every_event_once(store: Store) -> None:
    assert (store.events.since(0, 10), store.events.through()) == ([], 0)
    store.events.add([read("bob", "足球-1"), read("ann", "足球-0", dwell=2.5)])
    store.articles.upsert([article("足球", 0)], NOW)
    store.events.add([read("ann", "足球-0", dwell=2.5), EventDraft("ann", "足球-2", "like", 0.5)])
    store.events.add([read("eve", "足球-1")])
    ids = store.articles.ids(["足球-0", "足球-1", "足球-2"])
    found = store.events.since(0, 100)
    assert [(event.user_id, event.article_id) for event in found] == [
        ("ann", ids["足球-0"]), ("bob", ids["足球-1"]), ("ann", ids["足球-2"]), ("eve", ids["足球-1"]),
    ]  # fmt: skip
    assert (found[0].kind, found[0].dwell, found[0].at) == ("read", 2.5, to_micros(NOW - HOUR))
    assert (found[2].kind, found[2].weight, found[2].dwell, found[2].at) == ("like", 0.5, None, None)
    assert store.events.through() == found[-1].seq
    assert store.events.since(store.events.through(), 10) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_follower_in_pages_misses_nothing(store: Store, limit: int) -> None:
    """A transaction that is longer than a page comes whole."""
    for batch in range(6):
        store.events.add([read(f"reader {number}", f"article {batch}") for number in range(batch)])
    seq, taken = 0, list[LoggedEvent]()
    while page := store.events.since(seq, limit):
        assert len(page) >= min(limit, 15 - len(taken))
        taken += page
        seq = page[-1].seq
    assert taken == store.events.since(0, 1000)
    assert len(taken) == 15


# Several at once

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from recnews.store import Store
from tests.worlds import NOW, article, read
who, folder = sys.argv[1], Path(sys.argv[2])
store = Store(folder, address=sys.argv[3])
for number in range(40):
    store.articles.upsert([replace(article("足球", number), key=f"{who} {number}"), article("金融", number)], NOW)
    store.events.add([read(who, f"{who} {number}"), read("both", f"金融-{number}")])
"""


def test_two_processes_lose_nothing(tmp_path: Path, address: str) -> None:
    """Both open a store that is not there yet, and write the same articles among their own."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, who, str(tmp_path), address], cwd=Path(__file__).parent.parent)
        for who in ("one", "two")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    store = Store(tmp_path, address=address)
    assert store.articles.count() == 120
    assert store.events.counts() == (120, 3, 0)
    assert store.check() == []
    store.close()


def test_two_threads_lose_nothing(store: Store) -> None:
    failures: list[BaseException] = []

    def write(who: str) -> None:
        try:
            for number in range(40):
                store.articles.upsert([Draft(f"{who} {number}", "t"), Draft("shared", who)], NOW)
                store.events.add([read(who, f"{who} {number}")])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.articles.count() == 81
    assert store.events.counts() == (80, 2, 0)


# The schema


def version_of(store: Store) -> int:
    with store._database.read() as connection:
        return schema.found_version(connection)


def test_a_new_store_has_the_latest_schema(store: Store) -> None:
    assert version_of(store) == len(schema.STEPS)


def test_a_newer_schema_is_refused_and_left_alone(store: Store, address: str) -> None:
    store.articles.upsert([article("足球", 0)], NOW)
    newer = len(schema.STEPS) + 1
    with store._database.write() as connection:
        connection.execute(text(f"UPDATE schema_version SET version = {newer}"))
    said = rf"{re.escape(store.place)}: .* version {newer}, .* up to {newer - 1}; install a newer"
    with pytest.raises(SchemaError, match=said):
        Store(store.folder, address=address)
    assert version_of(store) == newer


def test_an_older_schema_is_migrated(store: Store, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that recnews does not have yet: it runs once, and what was stored is still there."""
    store.articles.upsert([article("足球", 0)], NOW)
    store.close()

    def add_a_column(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE articles ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0"))

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, add_a_column))
    for _ in range(2):
        migrated = Store(store.folder, address=address)
        assert migrated.articles.get("足球-0").title == article("足球", 0).title
        assert version_of(migrated) == len(schema.STEPS)
        migrated.close()


def test_an_interrupted_migration_leaves_nothing(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two steps fails: neither is there, and the next start takes both."""
    steps = schema.STEPS

    def half_done(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (a INTEGER)"))
        raise RuntimeError("the power went out")

    monkeypatch.setattr(schema, "STEPS", (*steps, half_done))
    with pytest.raises(RuntimeError, match="power"):
        Store(tmp_path, address=address)
    engine = create_engine(address or f"sqlite:///{tmp_path / STORE_FILE}")
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    monkeypatch.setattr(schema, "STEPS", steps)
    store = Store(tmp_path, address=address)
    assert store.articles.upsert([article("足球", 0)], NOW) == ["added"]
    store.close()


@pytest.mark.only_sqlite
def test_tables_are_strict_and_refer_to_each_other(store: Store) -> None:
    with sqlite3.connect(store.folder / STORE_FILE) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO events VALUES ('ann', x'00', 99, 'read', 1.0, NULL, NULL, 1)")
    connection.close()
    assert {name for name, _ in tables} >= {"articles", "events", "vectors", "article_ids"}
    assert all("STRICT" in sql for _, sql in tables)
    assert store.check() == ["events row None refers to a missing article_ids"]


# When the disk refuses


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(store: Store) -> int:
    """Store articles of 64 kB until it is refused; how many were stored."""
    for number in range(1000):
        store.articles.upsert([Draft(f"{number}", "t", "x" * 65536)], NOW)
    return 1000


def test_a_full_disk_names_the_store_and_leaves_it_whole(tiny_disk: Path) -> None:
    store = Store(tiny_disk / "corpora")
    with pytest.raises(StorageError, match=rf"{STORE_FILE}: the disk is full; free some space"):
        fill(store)
    count = store.articles.count()
    assert 0 < count < 40
    assert store.check() == []
    store.close()
    again = Store(tiny_disk / "corpora")
    assert [again.articles.get(f"{number}").title for number in range(count)] == ["t"] * count
    again.close()


@pytest.mark.only_sqlite
def test_a_full_file_is_told_like_a_full_disk(store: Store) -> None:
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 64")
    with pytest.raises(StorageError, match="the disk is full"):
        fill(store)
    assert store.check() == []
    count = store.articles.count()
    assert store.articles.upsert([Draft("small", "t")], NOW) in (["added"], ["changed"])
    assert store.articles.count() == count + 1


def test_a_folder_below_a_file_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/corpora: cannot be created \(Not a directory\); choose a folder"):
        Store(tmp_path / "file" / "corpora")


OPENER = """
import os
import sys
from pathlib import Path
from recnews.errors import StorageError
from recnews.records import Draft
from recnews.store import Store
from tests.worlds import NOW
import sqlalchemy.dialects.sqlite.pysqlite
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Store(Path(sys.argv[1])).articles.upsert([Draft("b", "t")], NOW)
except StorageError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("there", [False, True], ids=["no store", "a store"])
def test_a_folder_without_rights_is_named(there: bool) -> None:
    """Root may write anywhere, so somebody else has to try."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if there:
            store = Store(folder)
            store.articles.upsert([Draft("a", "t")], NOW)
            store.close()
            (folder / STORE_FILE).chmod(0o444)
        folder.chmod(0o555)
        tried = subprocess.run(
            [sys.executable, "-c", OPENER, name],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        folder.chmod(0o755)
        assert tried.stdout.startswith(f"refused: {folder / STORE_FILE}: cannot be"), tried.stdout + tried.stderr


def test_a_folder_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).mkdir()
    with pytest.raises(StorageError, match=f"{STORE_FILE}: cannot be opened"):
        Store(tmp_path)


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(StorageError, match="is not a recnews store; move it away"):
        Store(tmp_path)


def test_rows_there_and_back(store: Store, address: str, tmp_path: Path) -> None:
    """Every table, as it was at one moment, whatever is written meanwhile."""
    store.articles.upsert(articles(["足球"], 5), NOW)
    store.events.add([read("ann", "足球-0"), read("\x00odd\n", "not there")])
    with store.one_view():
        before = {table: list(store.rows.lines(table, ())) for table in store.rows.tables}
        other = Store(store.folder, address=address)
        other.articles.upsert(articles(["金融"], 5), NOW)
        other.close()
        assert {table: list(store.rows.lines(table, ())) for table in store.rows.tables} == before
    copy = Store(tmp_path / "copy")
    copy.rows.fill((table, line) for table, lines in before.items() for line in lines)
    assert {table: list(copy.rows.lines(table, ())) for table in copy.rows.tables} == before
    assert (copy.articles.count(), copy.check()) == (5, [])
    with pytest.raises(StorageError, match="holds data already"):
        copy.rows.fill([])
    copy.close()
    assert store.disk_bytes() > 0
    assert store.free_bytes() > 0


# Ids seen in one file


def test_seen_keys() -> None:
    seen = SeenKeys()
    draft = article("足球", 0)
    assert seen.first(draft) is None
    assert seen.first(draft) == (0, True)
    assert seen.first(replace(draft, title="新")) == (0, False)
    assert seen.first(article("足球", 1)) is None
    seen.close()
