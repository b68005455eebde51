"""Which files are read, in which order; encodings; compressed and damaged files; progress."""

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recnews.errors import UnreadableFileError, UsageError
from recnews.formats import ReadOptions, find_files, read_articles
from recnews.formats.charset import guess_encoding
from recnews.records import Draft, Reject, Where

ROW = '{"id": "1", "title": "x"}\n'
NEWS = "记者从市场监管总局获悉，今年以来全国新增企业数量稳步增长，市民对公共交通的满意度持续提高。"
TRADITIONAL = "記者從市場監管總局獲悉，今年以來全國新增企業數量穩步增長，市民對公共交通的滿意度持續提高。"
JAPANESE = "東京都は二十日、新しい交通計画を発表した。市民の意見を聞いて、来年の春までに決める予定です。"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may read everything: permissions can only be tested as someone else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folders_are_read_in_order_without_hidden_and_other_files(tmp_path: Path) -> None:
    for name in ["b.jsonl", "a/z.csv.gz", "a/c.TSV", ".hidden.jsonl", ".git/x.jsonl", "notes.txt", "a/x.parquet"]:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    found = find_files([tmp_path, tmp_path / "a", f"{tmp_path}/a/../b.jsonl"])
    assert [(source.name, source.format, source.gzip) for source in found] == [
        (str(tmp_path / "b.jsonl"), "jsonl", False),
        (str(tmp_path / "a/c.TSV"), "tsv", False),
        (str(tmp_path / "a/x.parquet"), "parquet", False),
        (str(tmp_path / "a/z.csv.gz"), "csv", True),
    ]


def test_folders_in_a_folder_are_sorted_too(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(40)]
    for name in reversed(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").touch()
    assert [source.name for source in find_files([tmp_path])] == [str(tmp_path / name / "a.jsonl") for name in names]


def test_what_cannot_be_an_input_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"no.jsonl: there is no such file"):
        find_files([tmp_path / "no.jsonl"])
    with pytest.raises(UsageError, match=r"notes.txt: unknown kind of file; known are .jsonl, .ndjson, .json, .csv,"):
        read_articles([tmp_path / "notes.txt"])
    with pytest.raises(UsageError, match="the folder holds no file to read"):
        find_files([tmp_path])
    with pytest.raises(UsageError, match="no input"):
        find_files([])
    with pytest.raises(UsageError, match="unknown format 'xml'; known are jsonl, ndjson, json, csv, tsv, parquet"):
        find_files(["-"], ReadOptions(format="xml"))
    with pytest.raises(UsageError, match="no field is called 'text'; known are id, title, body"):
        read_articles(["-"], ReadOptions(rename={"text": "content"}))


def test_a_format_can_be_given_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "export.txt").write_text(ROW)
    [draft] = read_articles([tmp_path / "export.txt"], ReadOptions(format="ndjson"))
    assert draft == Draft(key="1", title="x")


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    fifo = tmp_path / "feed.jsonl"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)  # both, so that opening does not wait for the other end
    os.write(writer, ROW.encode())
    items = read_articles([fifo])
    assert next(items) == Draft(key="1", title="x")
    os.close(writer)
    assert list(items) == []


def test_a_folder_or_file_without_permission_is_told_before_anything_is_read(
    open_folder: Path, ordinary_user: None
) -> None:
    with _as_owner():
        (open_folder / "closed").mkdir()
        (open_folder / "closed/a.jsonl").write_text(ROW)
        (open_folder / "closed").chmod(0o000)
    with pytest.raises(UnreadableFileError, match=r"closed: cannot be listed \(Permission denied\)"):
        read_articles([open_folder])
    with _as_owner():
        (open_folder / "closed").chmod(0o755)
        (open_folder / "closed/a.jsonl").chmod(0o000)
    with pytest.raises(UnreadableFileError, match=r"a.jsonl: may not be read"):
        read_articles([open_folder])
    with _as_owner():
        (open_folder / "closed/a.jsonl").chmod(0o644)
    assert list(read_articles([open_folder])) == [Draft(key="1", title="x")]


class _as_owner:  # noqa: N801 - reads as a verb where it is used
    def __enter__(self) -> None:
        self.user = os.geteuid()
        os.seteuid(os.getuid())

    def __exit__(self, *_: object) -> None:
        os.seteuid(self.user)


def rows_of(text: str, count: int = 3) -> str:
    return "".join(f'{{"id": "{number}", "title": "{text}"}}\n' for number in range(count))


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".jsonl.gz"])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (NEWS, "utf-8"),
        (NEWS, "utf-8-sig"),
        (NEWS, "utf-16"),
        (NEWS, "utf-32"),
        (NEWS, "gbk"),
        (NEWS, "gb2312"),
        (NEWS + "㐀𠀀", "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        ("Le maire a annoncé à l’été que la forêt près du château sera protégée", "cp1252"),
    ],
)
def test_the_encoding_is_found_out(tmp_path: Path, text: str, encoding: str, suffix: str) -> None:
    data = rows_of(text).encode(encoding)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert list(read_articles([path])) == [Draft(key=str(number), title=text) for number in range(3)]


@pytest.mark.parametrize("title", ["中国新闻", "联通", "蟋蟀鳏寡"])
def test_one_short_chinese_headline_is_enough(title: str) -> None:
    assert guess_encoding(f'{{"id": 1, "title": "{title}"}}'.encode("gbk")) == "gb18030"


def test_a_row_in_another_encoding_is_rejected_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(rows_of("港口").encode() + '{"id": "b", "title": "中"}\n'.encode("gbk") + ROW.encode())
    *before, reject, after = read_articles([path])
    assert before == [Draft(key=str(number), title="港口") for number in range(3)]
    assert after == Draft(key="1", title="x")
    assert reject == Reject(
        Where(str(path), 4),
        "is not valid utf-8 from character 23 on",
        "save the row as UTF-8, or give --encoding if the whole file is in another one",
        raw='{"id": "b", "title": "\\xd6\\xd0"}',
    )


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_damaged_row_of_a_gbk_file_is_rejected_alone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    data = rows_of(NEWS).encode("gbk").split(b"\n")
    data[1] = b'{"id": "b", "title": "\xff\xff"}'
    path.write_bytes(b"\n".join(data))
    first, reject, last = read_articles([path])
    assert [first, last] == [Draft(key="0", title=NEWS), Draft(key="2", title=NEWS)]
    assert isinstance(reject, Reject)
    assert reject.where == Where(str(path), 2)
    assert reject.reason == "is not valid gb18030 from character 23 on"
    assert reject.raw == '{"id": "b", "title": "\\xff\\xff"}'


def test_an_encoding_that_is_given_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"id": "1", "title": "café"}'.encode("cp1252"))
    assert list(read_articles([path], ReadOptions(encoding="cp1252"))) == [Draft(key="1", title="café")]
    path.write_bytes('{"id": "1", "title": "café"}'.encode("utf-16-le"))
    assert list(read_articles([path], ReadOptions(encoding="utf-16"))) == [Draft(key="1", title="café")]
    with pytest.raises(UsageError, match="unknown encoding 'klingon'"):
        list(read_articles([path], ReadOptions(encoding="klingon")))


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_gzip_that_ends_early_gives_the_rows_before_its_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}.gz"
    # Random ids, so that what is cut off the compressed file is about what is cut off the rows.
    rows = "".join(f'{{"id": "{os.urandom(500).hex()}", "title": "x"}}\n' for _ in range(600))
    whole = gzip.compress(rows.encode())
    path.write_bytes(whole[: len(whole) // 2])
    *drafts, reject = read_articles([path])
    assert 250 < len(drafts) < 350
    keys = [draft.key for draft in drafts if isinstance(draft, Draft)]
    assert keys == [line[8:1008] for line in rows.splitlines()[: len(keys)]]
    assert isinstance(reject, Reject)
    assert (reject.where, reject.reason) == (Where(str(path), len(keys) + 1), "the gzip stream ends early")
    assert reject.raw is not None
    assert rows.splitlines()[len(keys)].startswith(reject.raw)
    # The next file is read all the same.
    (tmp_path / "b.jsonl").write_text(ROW)
    assert list(read_articles([path, tmp_path / "b.jsonl"]))[-1] == Draft(key="1", title="x")


def test_a_damaged_gzip_and_one_that_is_none_are_rejects(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    damaged = bytearray(gzip.compress(ROW.encode()))
    damaged[-6] ^= 1  # in the checksum
    path.write_bytes(damaged)
    draft, reject = read_articles([path])
    assert draft == Draft(key="1", title="x")
    assert isinstance(reject, Reject)
    assert reject.where == Where(str(path), 2)
    assert reject.reason.startswith("the gzip stream is damaged (CRC check failed")
    path.write_text(ROW)
    [reject] = read_articles([path])
    assert isinstance(reject, Reject)
    assert reject.where == Where(str(path), 1)
    assert reject.reason.startswith("the gzip stream is damaged (Not a gzipped file")


def test_progress_ends_at_the_bytes_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW * 20_000)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(ROW.encode()))
    total = sum(file.stat().st_size for file in tmp_path.iterdir())
    told: list[tuple[int, int]] = []
    read = sum(1 for _ in read_articles([tmp_path], progress=lambda done, size: told.append((done, size))))
    assert read == 20_001
    assert told == sorted(told)
    assert len(told) > 4
    assert told[-1] == (total, total)
    assert {size for _, size in told} == {total}
