"""CSV, TSV, Parquet, and rows that are in memory."""

import gzip
import math
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from recnews.errors import MissingExtraError, UnreadableFileError, UsageError
from recnews.formats import ReadOptions, articles_from_rows, events_from_rows, read_articles, read_events
from recnews.records import Draft, EventDraft, Reject, Where

SHANGHAI = ZoneInfo("Asia/Shanghai")


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


def test_csv_with_quoted_line_ends_is_placed_by_the_first_line_of_a_record(tmp_path: Path) -> None:
    text = 'id,title,body,extra\r\n1,x,"one\r\ntwo, ""three""",e\r\n\r\n2,y\x00,z,e\r\n3,"v","w\r\n\r\n",\r\n'
    path = written(tmp_path, "a.csv", text, "utf-8-sig")
    first, reject, third = read_articles([path])
    assert first == Draft(key="1", title="x", body='one\ntwo, "three"')
    assert third == Draft(key="3", title="v", body="w")
    assert isinstance(first, Draft)
    assert isinstance(third, Draft)
    assert (first.where, third.where) == (Where(path, 2), Where(path, 6))
    assert isinstance(reject, Reject)
    assert (reject.where, reject.field, reject.reason) == (Where(path, 5), "title", "holds a NUL byte")
    assert reject.row == {"id": "2", "title": "y\x00", "body": "z", "extra": "e"}


def test_tsv_is_read_with_tabs(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "id\ttitle\ttags\n1\tx, y\ta|b\n")
    assert list(read_articles([path])) == [Draft(key="1", title="x, y", tags=("a", "b"))]


def test_rows_that_do_not_fit_the_header_are_rejected_with_their_cells(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,title,body\n1,Hello, world,b\n2,y\n3,z,b,,\n")
    long, short, fine = read_articles([path])
    assert fine == Draft(key="3", title="z", body="b")
    assert isinstance(long, Reject)
    assert isinstance(short, Reject)
    assert (long.where.line, long.reason) == (2, "has 4 cells, the header has 3 columns")
    assert (short.where.line, short.reason) == (3, "has 2 cells, the header has 3 columns")
    assert long.row == {"id": "1", "title": "Hello", "body": " world", "_cells": ["1", "Hello", " world", "b"]}
    assert short.row == {"id": "2", "title": "y", "_cells": ["2", "y"]}


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,title\n1,"a\n2,b\n3,"c"\n4,d\n')
    broken, *rest = read_articles([path])
    assert isinstance(broken, Reject)
    assert broken.where == Where(path, 2)
    assert broken.raw == '1,"a'
    assert broken.reason.startswith("is not a valid row: ")
    assert rest == [Draft(key="2", title="b"), Draft(key="3", title="c"), Draft(key="4", title="d")]

    unclosed = written(tmp_path, "b.csv", 'id,title\n1,a\n2,"b\n3,c\n')
    first, broken, last = read_articles([unclosed])
    assert [first, last] == [Draft(key="1", title="a"), Draft(key="3", title="c")]
    assert isinstance(broken, Reject)
    assert (broken.where, broken.raw) == (Where(unclosed, 3), '2,"b')
    assert broken.reason == "is not a valid row: the quoted cell is not closed before the file ends"


def test_a_quoted_cell_is_not_read_beyond_the_limit(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,title\n1,"a\n' + "22,b\n" * 40)
    broken, *rest = read_articles([path], ReadOptions(max_row_bytes=100))
    assert isinstance(broken, Reject)
    assert broken.reason == "is not a valid row: the quoted cell is not closed within 100 bytes"
    assert rest == [Draft(key="22", title="b")] * 40


def test_a_huge_cell_is_no_error(tmp_path: Path) -> None:
    body = "长" * 200_000  # more than the 131,072 characters that the csv module stops at
    path = written(tmp_path, "a.csv", f"id,body\n1,{body}\n")
    assert list(read_articles([path])) == [Draft(key="1", title="", body=body)]


def test_a_header_that_lacks_a_column_names_those_it_has(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "nr,headline,text\n1,x,y\n")
    with pytest.raises(UsageError) as caught:
        list(read_articles([path]))
    assert str(caught.value) == (
        f"{path}: no column for 'id' or 'url' and for 'title' or 'body'; "
        "the columns are: nr, headline, text; say which holds it, such as --map id=COLUMN"
    )
    with pytest.raises(UsageError, match="no column for 'author'"):
        list(read_articles([path], ReadOptions(rename={"id": "nr", "body": "text", "author": "by"})))
    mapped = ReadOptions(rename={"id": "nr", "body": "text", "title": "headline"})
    assert list(read_articles([path], mapped)) == [Draft(key="1", title="x", body="y")]
    with pytest.raises(UsageError, match="no column for 'user' and for 'article'"):
        list(read_events([path]))
    twice = written(tmp_path, "b.csv", "id,title,title\n1,x,y\n")
    with pytest.raises(UsageError, match="there is more than one column 'title'"):
        list(read_articles([twice]))
    (tmp_path / "c.csv").write_bytes(b"id,title,\xff\xfe\xfd\n1,x,y\n")
    with pytest.raises(UnreadableFileError, match="the header cannot be read: is not valid utf-8"):
        list(read_articles([tmp_path / "c.csv"], ReadOptions(encoding="utf-8")))


def test_a_reading_log_gives_events_and_rejects(tmp_path: Path) -> None:
    log = written(
        tmp_path,
        "log.csv",
        "user_id,key,timestamp,kind,weight,dwell,event_id\n"
        "u1,a,2026-05-01T08:00:00Z,LIKE,2.5,0,e1\n"
        "u1,a,,,,,\n"
        ",a,,,,,\n"
        "u1,,,,,,\n"
        "u1,a,,open,,,\n"
        "u1,a,,,0,,\n"
        "u1,a,,,nan,,\n"
        "u1,a,,,,-1,\n"
        "u1,a,,,,inf,\n"
        "u1,a,2026-05-01,,,,\n",
    )
    first, second, *rejects = read_events([log])
    assert first == EventDraft("u1", "a", "like", 2.5, 0.0, datetime(2026, 5, 1, 8, tzinfo=UTC), "e1")
    assert second == EventDraft("u1", "a")
    assert [(r.where.line, r.field, r.reason) for r in rejects if isinstance(r, Reject)] == [
        (4, "user", "is missing"),
        (5, "article", "is missing"),
        (6, "kind", "is not a kind of event: 'open'"),
        (7, "weight", "is not a finite number above 0: '0'"),
        (8, "weight", "is not a finite number above 0: 'nan'"),
        (9, "dwell", "is not a finite number from 0 on: '-1'"),
        (10, "dwell", "is not a finite number from 0 on: 'inf'"),
        (11, "at", "has no time zone: '2026-05-01'"),
    ]
    *_, last = read_events([log], ReadOptions(timezone=SHANGHAI))
    assert last == EventDraft("u1", "a", at=datetime(2026, 4, 30, 16, tzinfo=UTC))


@pytest.mark.parametrize("item", [{"weight": True}, {"weight": [1]}, {"weight": 10**400}, {"dwell": False}])
def test_a_weight_that_is_no_number_is_rejected(item: dict[str, Any]) -> None:
    [reject] = events_from_rows([{"user": "u", "article": 7, **item}])
    assert isinstance(reject, Reject)
    assert reject.field in item


def test_a_whole_number_too_long_to_write_is_rejected() -> None:
    long = 10**5000  # Python itself refuses to write it in decimal
    items = [
        *articles_from_rows([{"id": long, "title": "x"}, {"id": 1, "title": "x", "author": long}]),
        *events_from_rows([{"user": "u", "article": "a", "weight": long}]),
    ]
    assert [(item.field, item.reason) for item in items if isinstance(item, Reject)] == [
        ("id", "is a number of more than 40 digits"),
        ("author", "is a number of more than 40 digits"),
        ("weight", "is not a finite number above 0: 'a number'"),
    ]


def test_rows_drafts_and_what_is_neither() -> None:
    draft = Draft(key="b", title=" y ", where=Where("feed", 9))
    bad = Draft(key="", title="y", where=Where("feed", 10))
    first, second, third, fourth = articles_from_rows([{"id": 1, "title": "x"}, draft, bad, 5])  # type: ignore[list-item]
    assert first == Draft(key="1", title="x")
    assert second == Draft(key="b", title="y")
    assert isinstance(first, Draft)
    assert isinstance(second, Draft)
    assert (first.where, second.where) == (Where("<rows>", 1), Where("feed", 9))
    assert isinstance(third, Reject)
    assert (third.where, third.field) == (Where("feed", 10), "id")
    assert fourth == Reject(
        Where("<rows>", 4), "is of type int, not a mapping of columns", "hand in a dict or a Draft", raw="5"
    )


def test_a_data_frame_is_read_with_its_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "nr": [12.0, math.nan, 3.0],
            "title": ["x", "y", None],
            "url": [None, "https://example.org/2", None],
            "tags": [np.array(["a", "b"]), None, ["c"]],
            "published_at": pd.Series(
                [pd.Timestamp("2026-05-01T08:00:00.123456789"), pd.NaT, pd.Timestamp("2026-05-02")]
            ),
            "category": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    options = ReadOptions(rename={"id": "nr"}, timezone=SHANGHAI)
    first, second, third = articles_from_rows(frame, options, name="frame")
    assert first == Draft(
        key="12",
        title="x",
        tags=("a", "b"),
        category="1",
        published_at=datetime(2026, 5, 1, 0, 0, 0, 123456, tzinfo=UTC),
    )
    assert second == Draft(key="https://example.org/2", title="y", url="https://example.org/2")
    assert isinstance(third, Reject)
    assert (third.where, third.field, third.reason) == (Where("frame", 3), "title", "is missing, and so is 'body'")


def parquet(file: Path, columns: dict[str, Any]) -> str:
    pyarrow = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    writer = pytest.importorskip("pyarrow.parquet")
    writer.write_table(pyarrow.table(columns), file)
    return str(file)


def test_parquet_with_its_own_types(tmp_path: Path) -> None:
    east = timezone(timedelta(hours=8))
    path = parquet(
        tmp_path / "a.parquet",
        {
            "id": [1, 2, None],
            "title": ["x", "y", "z"],
            "tags": [["a", "b"], None, []],
            "published_at": [datetime(2026, 5, 1, 8, tzinfo=east), None, None],
            "expires_at": [None, date(2026, 5, 2), None],
            "embedding": [[0.5] * 4] * 3,
        },
    )
    first, second, third = read_articles([path])
    assert first == Draft(key="1", title="x", tags=("a", "b"), published_at=datetime(2026, 5, 1, tzinfo=UTC))
    assert isinstance(second, Reject)
    assert (second.where, second.field, second.reason) == (
        Where(path, 2),
        "expires_at",
        "has no time zone: '2026-05-02'",
    )
    assert second.row is not None
    assert "embedding" not in second.row
    assert isinstance(third, Reject)
    assert (third.where, third.field) == (Where(path, 3), "id")


def test_parquet_of_many_batches_compressed_damaged_and_too_long(tmp_path: Path) -> None:
    path = Path(parquet(tmp_path / "a.parquet", {"id": list(range(2500)), "title": ["x"] * 2499 + ["x" * 5000]}))
    *drafts, reject = read_articles([path], ReadOptions(max_row_bytes=4096))
    assert [draft.key for draft in drafts if isinstance(draft, Draft)] == [str(number) for number in range(2499)]
    assert isinstance(reject, Reject)
    assert reject.where == Where(str(path), 2500)
    assert reject.reason == "the row is 5,000 characters long, the limit is 4,096"

    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert sum(isinstance(item, Draft) for item in read_articles([packed])) == 2500

    for name, data in [("c.parquet", path.read_bytes()[:-20]), ("d.parquet", b""), ("e.parquet.gz", b"no gzip")]:
        (tmp_path / name).write_bytes(data)
        [reject] = read_articles([tmp_path / name])
        assert isinstance(reject, Reject)
        assert reject.where == Where(str(tmp_path / name), 1)
        assert reject.reason.startswith("the Parquet file is damaged (")


def test_parquet_without_a_needed_column_or_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", {"nr": [1], "title": ["x"]})
    with pytest.raises(UsageError, match="no column for 'id' or 'url'; the columns are: nr, title"):
        list(read_articles([path]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recnews\[parquet\]'"):
        list(read_articles([path]))


def test_a_parquet_time_that_python_cannot_hold_costs_its_own_row(tmp_path: Path) -> None:
    far = np.array(["2026-05-01", "20260-05-01"], dtype="datetime64[us]")
    path = parquet(tmp_path / "a.parquet", {"id": [1, 2], "title": ["x", "y"], "published_at": far})
    first, second = read_articles([path], ReadOptions(timezone=UTC))
    assert first == Draft(key="1", title="x", published_at=datetime(2026, 5, 1, tzinfo=UTC))
    assert isinstance(second, Reject)
    assert second.where == Where(path, 2)
    assert second.reason.startswith("holds a value that cannot be read (")
