"""Every row ends somewhere, and the counts say where."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnews.errors import RowError, StorageError, UsageError
from recnews.newsroom import Newsroom
from recnews.reports import IngestReport
from recnews.store import STORE_FILE
from tests.worlds import HOUR, NOW, article, articles, read, small_settings

pytestmark = [pytest.mark.engines("pgvector", "faiss"), pytest.mark.usefixtures("engines")]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Newsroom]:
    with Newsroom.open(tmp_path / "home", small_settings()) as newsroom:
        yield newsroom


def dump(newsroom: Newsroom) -> list[str]:
    """The whole store, as SQL or as checksums, but for how far a generation has looked."""
    if newsroom.settings.store.get_secret_value():
        return [f"{table} {rows}" for table, rows in newsroom.store.sums().items() if table != "indexed_through"]
    connection = sqlite3.connect(newsroom.store.folder / STORE_FILE)
    lines = [line for line in connection.iterdump() if 'INTO "indexed_through"' not in line]
    connection.close()
    return lines


def files(home: Path) -> dict[str, bytes]:
    """Every file of a home; SQLite's shared memory is no content."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def counts(report: IngestReport) -> dict[str, int]:
    names = ("read", "added", "changed", "unchanged", "duplicate", "rejected")
    return {name: getattr(report, name) for name in names}


def write_lines(file: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_each_row_ends_somewhere(empty: Newsroom, tmp_path: Path) -> None:
    empty.ingest([{"id": "old", "title": "a"}, {"id": "older", "title": "a"}])
    rows = [
        {"id": "new", "title": "a"}, {"id": "old", "title": "a"}, {"id": "older", "title": "b"},
        {"id": "new", "title": "a"}, {"id": "new", "title": "other"}, {"id": "bad"}, "{broken",
    ]  # fmt: skip
    file = write_lines(tmp_path / "feed.jsonl", rows)
    report = empty.ingest(file)
    assert counts(report) == {
        "read": 7, "added": 1, "changed": 1, "unchanged": 1, "duplicate": 1, "rejected": 3,
    }  # fmt: skip
    assert [(reject.where.line, reject.field) for reject in report.rejects] == [(5, "id"), (6, "title"), (7, None)]
    assert "line 1" in report.rejects[0].reason
    [quarantine] = report.quarantine
    assert len(Path(quarantine).read_text(encoding="utf-8").splitlines()) == 3
    assert empty.article("new").title == "a", "the first of two rows that contradict each other"
    assert (report.indexed, report.pending) == (0, 2)


def test_another_file_may_bring_an_update(empty: Newsroom, tmp_path: Path) -> None:
    one = write_lines(tmp_path / "1.jsonl", [{"id": "a", "title": "first"}, {"id": "b", "title": "same"}])
    two = write_lines(tmp_path / "2.jsonl", [{"id": "a", "title": "second"}, {"id": "b", "title": "same"}])
    report = empty.ingest([one, two])
    assert counts(report) == {"read": 4, "added": 2, "changed": 1, "unchanged": 1, "duplicate": 0, "rejected": 0}
    assert empty.article("a").title == "second"


def test_batches_do_not_matter(tmp_path: Path) -> None:
    """Three rows a transaction: duplicates and contradictions are found across transactions."""
    used = small_settings().override("ingest", batch=3)
    rows = [{"id": f"{n % 7}", "title": f"{n % 7}"} for n in range(20)] + [{"id": "0", "title": "other"}]
    with Newsroom.open(tmp_path, used) as newsroom:
        report = newsroom.ingest(rows)
        assert counts(report) == {
            "read": 21, "added": 7, "changed": 0, "unchanged": 0, "duplicate": 13, "rejected": 1,
        }  # fmt: skip


def test_the_same_run_twice_changes_nothing(newsroom: Newsroom) -> None:
    rows: list[Any] = [*articles(["足球"], 3), {"id": "new", "title": "火箭"}]
    newsroom.ingest(rows, now=NOW)
    before = dump(newsroom)
    report = newsroom.ingest(rows, now=NOW + HOUR)
    assert (report.unchanged, report.indexed, report.pending) == (4, 0, 0)
    assert dump(newsroom) == before


def test_what_needs_no_encoding_is_not_pending(newsroom: Newsroom) -> None:
    """Another category is a change, but the article is as searchable as before."""
    report = newsroom.ingest([replace(article("足球", 0), category="体育")])
    assert (report.changed, report.pending) == (1, 0)
    assert newsroom.status().pending == 0


def test_what_a_killed_run_left_is_indexed_by_the_next(newsroom: Newsroom) -> None:
    newsroom.store.articles.upsert([article("足球", 50)], NOW)
    report = newsroom.ingest([article("足球", 51)])
    assert (report.added, report.indexed, report.pending) == (1, 2, 0)


def test_a_dry_run_writes_nothing(newsroom: Newsroom, home: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "new", "title": "火箭"}, {"id": "new", "title": "火箭"}, {"id": "足球-0", "title": "new"}, {"id": "x"},
    ]  # fmt: skip
    file = write_lines(tmp_path / "feed.jsonl", rows)
    before = files(home)
    dry = newsroom.ingest(file, dry_run=True)
    assert files(home) == before
    assert counts(dry) == {"read": 4, "added": 1, "changed": 1, "unchanged": 0, "duplicate": 1, "rejected": 1}
    assert (dry.indexed, dry.quarantine, len(dry.rejects)) == (0, (), 1)
    events = [read("ann", "足球-0"), read("ann", "足球-0"), read("ann", "nowhere")]
    said = newsroom.record_many(events, dry_run=True)
    assert (said.read, said.added, said.duplicate, said.waiting) == (3, 2, 1, 1)
    assert files(home) == before
    assert counts(newsroom.ingest(file)) == counts(dry)
    done = newsroom.record_many(events)
    assert (done.added, done.duplicate, done.waiting) == (2, 1, 1)


@pytest.mark.parametrize("dry_run", [False, True])
def test_abort_writes_nothing(newsroom: Newsroom, home: Path, tmp_path: Path, dry_run: bool) -> None:
    rows = [*({"id": f"new {n}", "title": "火箭"} for n in range(600)), {"id": "bad", "title": 5}, "{broken"]
    file = write_lines(tmp_path / "feed.jsonl", rows)
    before = dump(newsroom)
    with pytest.raises(RowError, match=rf"{file.name}:601: field 'title': is a number, not text"):
        newsroom.ingest(file, on_error="abort", dry_run=dry_run)
    assert dump(newsroom) == before
    assert list((home / "corpora").rglob("*.jsonl")) == []
    good = write_lines(tmp_path / "good.jsonl", rows[:600])
    assert newsroom.ingest(good, on_error="abort", dry_run=dry_run).added == 600


def test_a_contradiction_aborts_too(newsroom: Newsroom) -> None:
    before = dump(newsroom)
    with pytest.raises(RowError, match="already stands in line 1"):
        newsroom.ingest([{"id": "a", "title": "1"}, {"id": "a", "title": "2"}], on_error="abort")
    assert dump(newsroom) == before


def test_abort_of_events_writes_nothing(newsroom: Newsroom) -> None:
    before = dump(newsroom)
    with pytest.raises(RowError, match="'user'"):
        newsroom.record_many([{"user": "ann", "article": "足球-0"}, {"user": "", "article": "b"}], on_error="abort")
    assert dump(newsroom) == before


def test_a_missing_file_is_told_before_anything_is_written(newsroom: Newsroom, tmp_path: Path) -> None:
    good = write_lines(tmp_path / "good.jsonl", [{"id": "new", "title": "火箭"}])
    before = dump(newsroom)
    with pytest.raises(UsageError, match=r"missing\.jsonl"):
        newsroom.ingest([good, tmp_path / "missing.jsonl"])
    assert dump(newsroom) == before


@pytest.mark.only_sqlite
def test_a_full_disk_keeps_whole_batches(tmp_path: Path) -> None:
    used = small_settings().override("ingest", batch=10)
    with Newsroom.open(tmp_path, used) as newsroom:
        with newsroom.store._database.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 200")
        rows = [{"id": f"{n}", "title": "t", "body": f"{n} " + "x" * 8000} for n in range(500)]
        with pytest.raises(StorageError, match="the disk is full"):
            newsroom.ingest(rows)
        assert newsroom.store.check() == []
        stored = newsroom.store.articles.count()
        assert stored % 10 == 0
        assert 0 < stored < 500
        with newsroom.store._database.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        report = newsroom.ingest(rows)
        assert (report.unchanged, report.added) == (stored, 500 - stored)


KEYS = st.sampled_from(["a", "b", "c", "d"])
ROWS = st.one_of(
    st.builds(lambda key, title: {"id": key, "title": title}, KEYS, st.sampled_from(["1", "2"])),
    st.sampled_from(
        [{"id": "x"}, {"title": "no id"}, {"id": "a", "title": 5}, {"id": "b", "title": "1", "published_at": "?"}]
    ),
)


@pytest.mark.only_sqlite
@settings(max_examples=40)
@given(first=st.lists(ROWS, max_size=6), second=st.lists(ROWS, max_size=10), batch=st.integers(1, 4))
def test_the_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory, first: list[dict[str, Any]], second: list[dict[str, Any]], batch: int
) -> None:
    """Against a dict: what is stored, and what this run has seen."""
    stored: dict[str, str] = {}
    used = small_settings().override("ingest", batch=batch)
    with Newsroom.open(tmp_path_factory.mktemp("home"), used) as newsroom:
        for rows in (first, second):
            expected = dict.fromkeys(("read", "added", "changed", "unchanged", "duplicate", "rejected"), 0)
            seen: dict[str, str] = {}
            for row in rows:
                expected["read"] += 1
                key, title = row.get("id"), row.get("title")
                if not key or not isinstance(title, str) or "published_at" in row:
                    expected["rejected"] += 1
                elif key in seen:
                    expected["duplicate" if seen[key] == title else "rejected"] += 1
                else:
                    outcome = "added" if key not in stored else "unchanged" if stored[key] == title else "changed"
                    expected[outcome] += 1
                    seen[key] = title
            dry = newsroom.ingest(rows, dry_run=True)
            report = newsroom.ingest(rows)
            stored |= seen
            assert counts(report) == counts(dry) == expected
            assert report.read == sum(value for name, value in expected.items() if name != "read")
            assert {key: newsroom.article(key).title for key in stored} == stored
            assert newsroom.store.articles.count() == len(stored)
