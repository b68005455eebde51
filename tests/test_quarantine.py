"""What is rejected is kept, can be mended and taken again, and a run that fails changes nothing."""

import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from recnews.errors import StorageError, UsageError
from recnews.formats import ReadOptions, articles_from_rows, find_files, read_articles
from recnews.quarantine import Quarantine
from recnews.records import Reject, Where

DAY = date(2026, 8, 22)
GOOD = {"id": "1", "title": "港口"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corpora" / "quarantine"


def ingest(folder: Path, *paths: Path, options: ReadOptions | None = None) -> tuple[list[str], tuple[str, ...]]:
    """What an ingest does with formats and quarantine: the keys of the drafts, the quarantine files."""
    used = options or ReadOptions()
    drafts = []
    with Quarantine(folder, "articles", DAY, [source.name for source in find_files(paths, used)]) as quarantine:
        for item in read_articles(paths, used):
            if isinstance(item, Reject):
                quarantine.add(item)
            else:
                drafts.append(item.key)
    return drafts, quarantine.files


def entries(file: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def write_lines(file: Path, *rows: object) -> Path:
    file.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows),
        encoding="utf-8",
    )
    return file


def test_rejected_rows_are_kept_with_their_columns_or_their_text(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "晚报 feed.jsonl", GOOD, {"id": "2", "content": ""}, "{oops", {"id": "3", "title": 5})
    drafts, [file] = ingest(folder, feed)
    assert drafts == ["1"]
    assert listed(folder) == [Path(file).name]
    assert Path(file).name.startswith("articles-晚报_feed-")
    remedy = "give one of them, or --map title=COLUMN"
    assert entries(file) == [
        {
            "_reject": {
                "file": str(feed),
                "line": 2,
                "field": "title",
                "reason": "is missing, and so is 'body'",
                "remedy": remedy,
            },
            "id": "2",
            "content": "",
        },
        {
            "_reject": {
                "file": str(feed),
                "line": 3,
                "field": None,
                "reason": "is not valid JSON: Expecting property name enclosed in double quotes at character 2",
                "remedy": "write one JSON object, checked with a JSON tool",
            },
            "_raw": "{oops",
        },
        {
            "_reject": {
                "file": str(feed),
                "line": 4,
                "field": "title",
                "reason": "is a number, not text",
                "remedy": "write a string",
            },
            "id": "3",
            "title": 5,
        },
    ]


def test_the_same_run_leaves_the_same_file_and_a_mended_source_none(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", GOOD, {"id": "2"})
    other = write_lines(tmp_path / "other.jsonl", {"id": "3"})
    _, files = ingest(folder, feed, other)
    before = {file: Path(file).read_bytes() for file in files}
    assert len(before) == 2
    assert ingest(folder, feed, other)[1] == files
    assert {file: Path(file).read_bytes() for file in files} == before

    write_lines(feed, GOOD)
    assert ingest(folder, feed) == (["1"], ())
    assert listed(folder) == [Path(files[1]).name]


def test_mended_entries_go_in_and_the_others_stay_where_they_came_from(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", {"id": "2", "content": 1}, "{oops", "{again", {"id": "3"})
    options = ReadOptions(rename={"body": "content"})
    _, [file] = ingest(folder, feed, options=options)
    two, oops, again, three = entries(file)
    two["content"] = "mended"
    oops["_raw"] = '{"id": "4", "content": "mended"}'
    again["_raw"] = '{"id": "5"}'
    write_lines(Path(file), two, oops, again, three)

    assert ingest(folder, Path(file), options=options) == (["2", "4"], (file,))
    left_five, left_three = entries(file)
    assert left_three == three
    assert left_five == {
        "_reject": {**again["_reject"], "field": "title", "reason": "is missing, and so is 'body'"}
        | {"remedy": "give one of them, or --map title=COLUMN"},
        "id": "5",
    }
    assert (left_five["_reject"]["file"], left_five["_reject"]["line"]) == (str(feed), 3)

    write_lines(Path(file), {**left_five, "title": "x"}, {**left_three, "title": "y"})
    assert ingest(folder, Path(file), options=options) == (["5", "3"], ())
    assert listed(folder) == []


def test_a_broken_entry_is_left_byte_by_byte_as_it_is(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", {"id": "2"}, {"id": "3"}, {"id": "4"}, {"id": "5"})
    _, [file] = ingest(folder, feed)
    two, _, _, five = Path(file).read_bytes().splitlines(keepends=True)
    broken = b'{"_reject": {}, "id": "3", "title": "half \n'
    too_long = b'{"_reject": {}, "title": "' + b"x" * 3_000_000 + b"\n"
    undecodable = b'{"id": "\xff"}\n'
    left = two + broken + too_long + undecodable + five
    Path(file).write_bytes(left + b'{"id": "6", "title": "x"}\n')
    drafts, _ = ingest(folder, Path(file), options=ReadOptions(max_row_bytes=1_000_000, encoding="utf-8"))
    assert drafts == ["6"]
    assert Path(file).read_bytes() == left


def test_csv_rows_that_did_not_fit_are_not_taken_before_they_are_mended(tmp_path: Path, folder: Path) -> None:
    feed = tmp_path / "feed.csv"
    feed.write_text('id,title,body\n1,Hello, world,b\n2,"x\n', encoding="utf-8")
    assert ingest(folder, feed)[0] == []
    [file] = folder.iterdir()
    before = file.read_bytes()
    wide, broken = entries(file)
    assert ingest(folder, file)[0] == []
    assert [entry["id"] for entry in entries(file)[:1]] == ["1"]
    assert before != file.read_bytes()  # the reason now says that it waits for mending
    assert entries(file)[0]["_reject"] | {"reason": "", "remedy": ""} == wide["_reject"] | {
        "reason": "",
        "remedy": "",
    }
    assert broken["_raw"] == '2,"x'

    del wide["_cells"]
    write_lines(file, {**wide, "title": "Hello, world", "body": "b"}, {"id": "2", "title": "x"})
    assert ingest(folder, file) == (["1", "2"], ())


def test_a_run_that_fails_changes_nothing(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", {"id": "2"})
    _, [file] = ingest(folder, feed)
    before = Path(file).read_bytes()
    reject = Reject(Where(str(feed), 9), "r", "m", row={"id": "9"})

    def run() -> None:
        with Quarantine(folder, "articles", DAY, [str(feed)]) as quarantine:
            quarantine.add(reject)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert Path(file).read_bytes() == before
    assert listed(folder) == [Path(file).name]


def test_a_run_that_is_killed_changes_nothing_and_leaves_nothing_for_ever(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", {"id": "2"})
    _, [file] = ingest(folder, feed)
    before = Path(file).read_bytes()
    program = f"""
import os, signal
from datetime import date
from recnews.quarantine import Quarantine
from recnews.records import Reject, Where
with Quarantine({str(folder)!r}, "articles", date(2026, 8, 22), [{str(feed)!r}]) as quarantine:
    quarantine.add(Reject(Where({str(feed)!r}, 9), "r", "m", row={{"id": "9"}}))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parent.parent)
    assert killed.returncode == -signal.SIGKILL
    assert Path(file).read_bytes() == before
    assert len(listed(folder)) == 2  # the dead run's folder is still there,

    with Quarantine(folder, "articles", DAY, [str(feed)]) as alive:
        alive.add(Reject(Where(str(feed), 1), "r", "m", row={"id": "2"}))
        with Quarantine(folder, "events", DAY, []):
            pass
        assert len([name for name in listed(folder) if name.startswith(".run-")]) == 1  # a live one stays,
    assert listed(folder) == [Path(file).name]  # and a dead one goes with the next run.


def test_standard_input_adds_to_what_was_kept(folder: Path) -> None:
    def run(*lines: tuple[int, str]) -> tuple[str, ...]:
        with Quarantine(folder, "articles", DAY, ["<stdin>"]) as quarantine:
            for line, raw in lines:
                quarantine.add(Reject(Where("<stdin>", line), "r", "m", raw=raw))
        return quarantine.files

    [file] = run((1, "a"), (2, "b"))
    assert Path(file).name.startswith("articles-stdin-")
    assert run((1, "a"), (7, "c")) == (file,)
    assert run() == (file,)
    assert [entry["_raw"] for entry in entries(file)] == ["a", "b", "c"]


def test_events_and_articles_are_kept_apart(tmp_path: Path, folder: Path) -> None:
    feed = write_lines(tmp_path / "feed.jsonl", {"id": "2"})
    _, [file] = ingest(folder, feed)
    with Quarantine(folder, "events", DAY, [str(feed)]) as quarantine:
        quarantine.add(Reject(Where(str(feed), 1), "r", "m", row={"id": "2"}))
    assert len(listed(folder)) == 2
    with pytest.raises(UsageError, match=r"holds rejected articles; give it to `recnews ingest`"):
        Quarantine(folder, "events", DAY, [file])


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a\nb.jsonl",
        "..",
        ".jsonl",
        "x" * 250 + ".csv",
        "\udcff.csv",
        "<script>.csv",
        "- -.csv",
        "长" * 80,
    ],
)
def test_a_hostile_source_name_stays_in_the_folder(folder: Path, name: str) -> None:
    for source in (name, f"/no/such/folder/{name}"):
        with Quarantine(folder, "articles", DAY) as quarantine:
            quarantine.add(Reject(Where(source, 1), "r", "m", row={"id": "2"}))
        [file] = map(Path, quarantine.files)
        assert file.parent == folder
        assert len(file.name.encode()) < 255
        assert file.name.isprintable()
        assert not set(file.name) & set("/<> \n")
        [entry] = entries(file)
        assert entry["_reject"]["file"] == source
    assert len(listed(folder)) == 2


def test_values_that_json_has_not_are_kept_as_text(folder: Path) -> None:
    row = {
        "nan": float("nan"),
        "time": datetime(2026, 5, 1, tzinfo=UTC),
        "bytes": b"a\xff",
        "tags": ("a", {"b": float("inf")}),
        "half": "\ud83d",
        "long": 1 << 20_000,
    }
    with Quarantine(folder, "articles", DAY) as quarantine:
        quarantine.add(Reject(Where("f.parquet", 1), "r", "m", row=row))
    [entry] = entries(quarantine.files[0])
    del entry["_reject"]
    assert entry == {
        "nan": "nan",
        "time": "2026-05-01T00:00:00+00:00",
        "bytes": "a\\xff",
        "tags": ["a", {"b": "inf"}],
        "half": "\ud83d",
        "long": hex(1 << 20_000),
    }


def test_a_reject_column_of_a_foreign_row_is_not_believed(folder: Path) -> None:
    rejects = list(articles_from_rows([{"id": "1", "_reject": "a column of the feed"}]))
    with Quarantine(folder, "articles", DAY) as quarantine:
        for reject in rejects:
            assert isinstance(reject, Reject)
            quarantine.add(reject)
    [entry] = entries(quarantine.files[0])
    assert (entry["_reject"]["file"], entry["_reject"]["line"]) == ("<rows>", 1)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match="the quarantine cannot be written"),
        Quarantine(tmp_path / "file" / "quarantine", "articles", DAY) as quarantine,
    ):
        quarantine.add(Reject(Where("f", 1), "r", "m", row={}))
