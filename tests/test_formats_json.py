"""JSON lines and JSON documents: each bad row ends as a reject with its exact place and reason."""

import gzip
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.formats import ReadOptions, read_articles, read_events, to_row
from recnews.formats.json_array import elements
from recnews.formats.stream import lines
from recnews.records import Draft, EventDraft, Reject, Where

GOOD = '{"id": "a", "title": "港口"}'


def written(folder: Path, name: str, data: str | bytes) -> str:
    file = folder / name
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(file)


def only_reject(path: str, options: ReadOptions | None = None) -> Reject:
    [reject] = [item for item in read_articles([path], options or ReadOptions()) if isinstance(item, Reject)]
    return reject


def test_a_full_row_becomes_the_draft_it_describes(tmp_path: Path) -> None:
    row = {
        "id": 12,
        "title": "  港口扩建\r\n",
        "body": "第一段\r\n第二段\x07",
        "summary": "摘要",
        "url": "https://example.org/12",
        "author": "李雷",
        "source": "晚报",
        "category": "财经",
        "tags": "港口、贸易，港口;航运|船",
        "lang": "zh",
        "published_at": "2026-05-01T08:00:00+08:00",
        "expires_at": "Sat, 02 May 2026 00:00:00 GMT",
        "unknown": {"is": "ignored"},
    }
    path = written(tmp_path, "a.jsonl", json.dumps(row))
    [draft] = read_articles([path])
    assert draft == Draft(
        key="12",
        title="港口扩建",
        body="第一段\n第二段",
        summary="摘要",
        url="https://example.org/12",
        author="李雷",
        source="晚报",
        category="财经",
        tags=("港口", "贸易", "航运", "船"),
        lang="zh",
        published_at=datetime(2026, 5, 1, tzinfo=UTC),
        expires_at=datetime(2026, 5, 2, tzinfo=UTC),
    )
    assert isinstance(draft, Draft)
    assert draft.where == Where(path, 1)


def test_a_missing_id_is_the_url(tmp_path: Path) -> None:
    path = written(tmp_path, "a.ndjson", '{"id": " ", "url": " https://example.org/x ", "body": "b"}\n')
    assert list(read_articles([path])) == [
        Draft(key="https://example.org/x", url="https://example.org/x", title="", body="b")
    ]


BAD_LINES = [
    ('{"id": "b", "title": ', None, "is not valid JSON: Expecting value at character 22"),
    ("[1, 2]", None, "is an array, not a JSON object"),
    ('"text"', None, "is a string, not a JSON object"),
    ("null", None, "is null, not a JSON object"),
    ("17", None, "is a number, not a JSON object"),
    ('{"id": NaN, "title": "x"}', None, "is not valid JSON: NaN is not JSON"),
    ('{"id": "b", "title": -Infinity}', None, "is not valid JSON: -Infinity is not JSON"),
    ("[" * 100_000, None, "is not usable JSON: it is nested too deep"),
    ('{"title": "x"}', "id", "is missing, and so is 'url'"),
    ('{"id": true, "title": "x"}', "id", "is true or false, not an id"),
    ('{"id": 1.5, "title": "x"}', "id", "is a number, not an id"),
    ('{"id": 1e300, "title": "x"}', "id", "is a floating-point number too large to be exact"),
    ('{"id": "b\\nc", "title": "x"}', "id", "holds a control character or half a character"),
    (json.dumps({"id": "k" * 2049, "title": "x"}), "id", "is 2,049 characters long, the limit is 2,048"),
    ('{"id": "b", "title": "", "body": "  "}', "title", "is missing, and so is 'body'"),
    ('{"id": "b", "title": {"zh": "x"}}', "title", "is an object, not text"),
    ('{"id": "b", "title": 5}', "title", "is a number, not text"),
    ('{"id": "b", "title": "x", "body": ["y"]}', "body", "is a list, not text"),
    ('{"id": "b", "title": "x\\u0000y"}', "title", "holds a NUL byte"),
    ('{"id": "b", "title": "x\x00y"}', "title", "holds a NUL byte"),
    ('{"id": "b", "title": "x\\ud83d"}', "title", "holds half a character (\\ud83d)"),
    ('{"id": "b", "title": "x", "tags": {"a": 1}}', "tags", "is an object, not a list"),
    ('{"id": "b", "title": "x", "tags": ["a", ["b"]]}', "tags", "is a list, not text"),
    ('{"id": "b", "title": "x", "published_at": "yesterday"}', "published_at", "is not a date: 'yesterday'"),
    ('{"id": "b", "title": "x", "published_at": "2026-02-30"}', "published_at", "is not a date: '2026-02-30'"),
    ('{"id": "b", "title": "x", "published_at": 1700000000}', "published_at", "is a number, not a date"),
    (
        '{"id": "b", "title": "x", "published_at": "2026-05-01 08:00"}',
        "published_at",
        "has no time zone: '2026-05-01 08:00'",
    ),
    (
        '{"id": "b", "title": "x", "published_at": "1899-12-31T00:00:00Z"}',
        "published_at",
        "is not between the years 1900 and 2200: '1899-12-31T00:00:00Z'",
    ),
    (
        '{"id": "b", "title": "x", "published_at": "0001-01-01T00:00:00+14:00"}',
        "published_at",
        "is not between the years 1900 and 2200: '0001-01-01T00:00:00+14:00'",
    ),
    (
        '{"id": "b", "title": "x", "published_at": "2026-05-02T00:00:00Z", "expires_at": "2026-05-01T00:00:00Z"}',
        "expires_at",
        "is before 'published_at'",
    ),
]


@pytest.mark.parametrize(("line", "field", "reason"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_rejected_and_the_lines_around_it_are_not(
    tmp_path: Path, line: str, field: str | None, reason: str
) -> None:
    path = written(tmp_path, "a.jsonl", f"{GOOD}\n\n{line}\n{GOOD}\n")
    before, reject, after = read_articles([path])
    assert before == after == Draft(key="a", title="港口")
    assert isinstance(reject, Reject)
    assert (reject.where, reject.field, reject.reason) == (Where(path, 3), field, reason)
    assert reject.remedy
    if field is None:
        assert reject.raw == line
    else:
        assert reject.row == json.loads(line, strict=False)


# An element without its closing bracket cannot be told from the rest of the array.
BAD_ELEMENTS = [bad for bad in BAD_LINES if bad[0].count("{") == bad[0].count("}") and not bad[0].startswith("[[")]


@pytest.mark.parametrize(("line", "field", "reason"), BAD_ELEMENTS, ids=range(len(BAD_ELEMENTS)))
def test_the_same_element_of_an_array_is_rejected(tmp_path: Path, line: str, field: str | None, reason: str) -> None:
    path = written(tmp_path, "a.json", f"[\n{GOOD},\n{line},\n {GOOD}\n]\n")
    before, reject, after = read_articles([path])
    assert before == after == Draft(key="a", title="港口")
    assert isinstance(after, Draft)
    assert isinstance(reject, Reject)
    assert (reject.where, reject.field, reject.reason) == (Where(path, 3), field, reason)
    assert after.where == Where(path, 4)


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".jsonl.gz", ".json.gz"])
def test_an_empty_file_has_no_rows(tmp_path: Path, suffix: str, size: int) -> None:
    data = b"\n" * size
    path = written(tmp_path, f"a{suffix}", gzip.compress(data) if suffix.endswith(".gz") and size else data)
    assert list(read_articles([path])) == []


def test_a_line_of_50_mb_is_rejected_without_being_held(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    head = b'{"id": "b", "title": "' + "长".encode() * 10
    with file.open("wb") as out:
        out.write(GOOD.encode() + b"\n" + head)
        for _ in range(50):
            out.write(b"x" * 1_000_000)
        out.write(b'"}\n' + GOOD.encode() + b"\n")
    tracemalloc.start()
    before, reject, after = read_articles([file])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert before == after == Draft(key="a", title="港口")
    assert isinstance(reject, Reject)
    offset = len(GOOD.encode()) + 1
    assert reject.where == Where(str(file), 2)
    assert reject.reason == f"the row is {len(head) + 50_000_002:,} bytes long, the limit is 8,388,608"
    assert f"the whole row stands at byte {offset:,} of {file}" in reject.remedy
    assert reject.raw is not None
    assert reject.raw.startswith('{"id": "b", "title": "长长长')
    assert len(reject.raw.encode()) == 65536
    assert peak < 25_000_000  # the 8 MiB of the limit, twice


def test_an_element_over_the_limit_is_rejected_alone(tmp_path: Path) -> None:
    long = json.dumps({"id": "b", "title": "{[" * 200_000})
    path = written(tmp_path, "a.json", f"[{GOOD},\n\n  {long},\n{GOOD}]")
    before, reject, after = read_articles([path], ReadOptions(max_row_bytes=100_000))
    assert before == after == Draft(key="a", title="港口")
    assert isinstance(after, Draft)
    assert isinstance(reject, Reject)
    assert (reject.where, after.where) == (Where(path, 3), Where(path, 4))
    assert reject.reason == f"the row is {len(long):,} bytes long, the limit is 100,000"
    assert f"at byte {len(GOOD.encode()) + 6} of {path}" in reject.remedy
    assert reject.raw == long[:65536]


def test_an_element_of_20_mb_is_not_held(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", f'[{GOOD},{{"id": "{"x" * 20_000_000}"}},{GOOD}]')
    tracemalloc.start()
    before, reject, after = read_articles([path], ReadOptions(max_row_bytes=1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert before == after == Draft(key="a", title="港口")
    assert isinstance(reject, Reject)
    assert reject.reason == "the row is 20,000,010 bytes long, the limit is 1,000,000"
    assert peak < 8_000_000


def test_one_object_and_objects_after_one_another_are_documents_too(tmp_path: Path) -> None:
    one = written(tmp_path, "one.json", '\n{"id": "1",\n "title": "x"}\n')
    assert list(read_articles([one])) == [Draft(key="1", title="x")]
    two = written(tmp_path, "two.json", '{"id": "1", "title": "x"}\n{"id": "2", "title": "y"}')
    assert [(d.key, d.where) for d in read_articles([two]) if isinstance(d, Draft)] == [
        ("1", Where(two, 1)),
        ("2", Where(two, 2)),
    ]


@pytest.mark.parametrize(
    ("document", "line", "reason", "raw"),
    [
        (f"[{GOOD},\n{GOOD}", 2, "the file ends before its array is closed", ""),
        (f'[{GOOD},\n{{"id": "b", "ti', 2, "the file ends before its array is closed", '{"id": "b", "ti'),
        (f'{GOOD}\n{{"id": "b"', 2, "the file ends inside an object", '{"id": "b"'),
        (f"[{GOOD}]\ntail", 2, "is not valid JSON: Expecting value at character 1", "tail"),
        (f"[{GOOD}]\n}}", 2, "is not valid JSON: Expecting value at character 1", "}"),
        (f"[{GOOD},\noops, {GOOD}]", 2, "is not valid JSON: Expecting value at character 1", "oops"),
        ("<html>", 1, "is not valid JSON: Expecting value at character 1", "<html>"),
    ],
)
def test_a_broken_document_keeps_its_good_elements(
    tmp_path: Path, document: str, line: int, reason: str, raw: str
) -> None:
    path = written(tmp_path, "a.json", document)
    items = list(read_articles([path]))
    assert items.count(Draft(key="a", title="港口")) == document.count(GOOD)
    [reject] = [item for item in items if isinstance(item, Reject)]
    assert (reject.where, reject.reason, reject.raw) == (Where(path, line), reason, raw)


def test_a_stray_quote_in_an_array_costs_its_own_element(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", f'[\n{{\n"id": "b",\n"title": "the 3" pipe"\n}},\n{GOOD},\n{GOOD}]')
    reject, first, second = read_articles([path])
    assert isinstance(reject, Reject)
    assert reject.where == Where(path, 2)
    assert first == second == Draft(key="a", title="港口")


json_texts = st.text('ab"\\{}[],\n中\ud83d', max_size=6)
json_values = st.recursive(
    st.none() | st.integers(0, 9) | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(st.dictionaries(json_texts, json_values, max_size=3), max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 40),
)
def test_an_array_is_cut_into_its_elements_wherever_the_chunks_end(
    rows: list[dict[str, object]], indent: int | None, ascii_only: bool, size: int
) -> None:
    data = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    pieces = list(elements(chunks, 10**6, pulled=1))
    assert [json.loads(piece.data.decode("utf-8", "surrogatepass")) for piece in pieces] == rows
    for piece in pieces:
        assert data[piece.offset : piece.offset + piece.length] == piece.data
        assert data[: piece.offset].count(b"\n") == piece.line - 1
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    short = list(elements(chunks, 8, pulled=1))
    assert [piece[:3] for piece in short] == [piece[:3] for piece in pieces]
    assert all(whole.data.startswith(piece.data) for piece, whole in zip(short, pieces, strict=True))


@given(st.binary(), st.integers(1, 7), st.integers(1, 50))
def test_lines_are_those_of_the_bytes_wherever_the_chunks_end(data: bytes, size: int, limit: int) -> None:
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    pieces = list(lines((data[at : at + size] for at in range(0, len(data), size)), limit))
    assert [piece.length for piece in pieces] == [len(line) for line in expected]
    assert [data[piece.offset : piece.offset + piece.length] for piece in pieces] == expected
    for piece, line in zip(pieces, expected, strict=True):
        assert line.startswith(piece.data)
        assert piece.data == line or piece.length > limit


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(str.strip)
keys = (
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=50)
    .map(str.strip)
    .filter(bool)
)
times = st.datetimes(datetime(1900, 1, 2), datetime(2200, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    ends = sorted([draw(times), draw(times)])
    return Draft(
        key=draw(keys),
        title=draw(texts.filter(bool)),
        body=draw(texts),
        summary=draw(texts),
        url=draw(texts),
        author=draw(texts),
        source=draw(texts),
        category=draw(texts),
        tags=tuple(draw(st.lists(texts.filter(bool), unique=True))),
        lang=draw(texts),
        published_at=draw(st.sampled_from([None, ends[0]])),
        expires_at=draw(st.sampled_from([None, ends[1]])),
    )


events = st.builds(
    EventDraft,
    user_id=keys,
    key=keys,
    kind=st.sampled_from(["read", "like", "share", "dislike", "impression"]),
    weight=st.floats(0, exclude_min=True, allow_infinity=False),
    dwell=st.none() | st.floats(0, allow_infinity=False).map(abs),
    at=st.none() | times,
    event_id=st.just("") | keys,
)


@given(st.lists(drafts()), st.booleans())
def test_drafts_survive_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, written_drafts: list[Draft], as_array: bool
) -> None:
    file = tmp_path_factory.mktemp("round") / ("a.json" if as_array else "a.jsonl")
    rows = [to_row(draft) for draft in written_drafts]
    file.write_text(
        json.dumps(rows, ensure_ascii=False)
        if as_array
        else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        encoding="utf-8",
    )
    assert list(read_articles([file])) == written_drafts


@given(st.lists(events))
def test_events_survive_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, written_events: list[EventDraft]
) -> None:
    file = tmp_path_factory.mktemp("round") / "a.jsonl"
    file.write_text("".join(json.dumps(to_row(event)) + "\n" for event in written_events), encoding="utf-8")
    assert list(read_events([file])) == written_events


def test_standard_input_is_json_lines_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode() + b"\n[]\n")))
    draft, reject = read_articles(["-"])
    assert draft == Draft(key="a", title="港口")
    assert isinstance(draft, Draft)
    assert draft.where == Where("<stdin>", 1)
    assert isinstance(reject, Reject)
    assert reject.where == Where("<stdin>", 2)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"id,title\n1,x\n")))
    assert list(read_articles(["-"], ReadOptions(format="csv"))) == [Draft(key="1", title="x")]


def test_an_overlong_line_of_standard_input_says_that_only_its_beginning_was_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x" * 200_000)))
    [reject] = read_articles(["-"], ReadOptions(max_row_bytes=100_000))
    assert isinstance(reject, Reject)
    assert reject.reason == "the row is 200,000 bytes long, the limit is 100,000"
    assert reject.remedy.endswith("only its first 65,536 bytes were kept")
    assert reject.raw == "x" * 65536


def test_a_quarantine_entry_is_read_as_the_row_it_holds(tmp_path: Path) -> None:
    why = {"file": "feed.jsonl", "line": 7, "field": None, "reason": "r", "remedy": "m"}
    entries = [
        {"_reject": why, "id": "1", "content": "mended"},
        {"_reject": why, "_raw": '{"id": "2", "content": "mended"}'},
        {"_reject": why, "_raw": '{"id": "2", '},
        {"_reject": why, "_raw": "[]"},
        {"_reject": why, "_raw": 5},
        {"_reject": why, "id": "3", "content": "x", "_cells": ["3", "x", "y"]},
        {"_reject": why, "_raw": '{"id": "4"}'},
        {"_raw": "no entry, so a column like any other", "id": "5", "content": "x"},
    ]
    path = written(tmp_path, "q.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))
    first, second, broken, array, five, cells, no_title, plain = read_articles(
        [path], ReadOptions(rename={"body": "content"})
    )
    assert [first, second, plain] == [
        Draft(key="1", title="", body="mended"),
        Draft(key="2", title="", body="mended"),
        Draft(key="5", title="", body="x"),
    ]
    rejects = [item for item in (broken, array, five, cells, no_title) if isinstance(item, Reject)]
    assert [(item.where.line, item.field, item.reason) for item in rejects] == [
        (3, None, "_raw is not valid JSON: Expecting property name enclosed in double quotes at character 13"),
        (4, None, "_raw is an array, not a JSON object"),
        (5, None, "_raw is not valid JSON: expected string or bytes-like object, got 'int'"),
        (6, None, "its cells did not fit the header and it was not mended yet"),
        (7, "title", "is missing, and so is 'body'"),
    ]
    assert [item.row for item in rejects] == [*entries[2:6], {"id": "4", "_reject": why}]
