"""`recnews ingest` and `recnews events`: the report adds up, and what was rejected can be taken in again."""

import json
import shlex
from pathlib import Path
from typing import Any

from tests.cli_world import SMALL, answer, process, run, write
from tests.worlds import articles

TOPICS = ("足球", "医疗")


def test_ingest_train_recommend(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 30))
    first = run(tmp_path, "ingest", str(file)).stdout
    assert "read 60 = 60 added + 0 changed + 0 unchanged + 0 duplicate + 0 rejected" in first
    assert "0 searchable now, 60 waiting for `recnews train`" in first
    assert "it is live now" in run(tmp_path, "train", *SMALL).stdout
    again = run(tmp_path, "ingest", str(file)).stdout
    assert "read 60 = 0 added + 0 changed + 60 unchanged" in again
    log = tmp_path / "log.csv"
    log.write_text("who,article,at\n" + "".join(f"ann,足球-{n},2026-03-10T0{n}:00\n" for n in range(5)))
    taken = run(tmp_path, "events", str(log), "--map", "user=who", "--timezone", "Asia/Shanghai").stdout
    assert taken.startswith("read 5 = 5 added + 0 duplicate + 0 rejected")
    feed = answer(tmp_path, "recommend", "--user", "ann", "-n", "5")
    assert {item["key"].split("-")[0] for item in feed["recommendations"]} == {"足球"}
    words = answer(tmp_path, "neighbors", "word", "足球", "-n", "5")["words"]
    assert len(words) == 5


def test_json_report(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 2), {"id": "x", "title": 5}, "{broken")
    report = answer(tmp_path, "ingest", str(file))
    counts = {name: report[name] for name in ("added", "changed", "unchanged", "duplicate", "rejected")}
    assert counts == {"added": 4, "changed": 0, "unchanged": 0, "duplicate": 0, "rejected": 2}
    assert report["read"] == sum(counts.values())
    assert [reject["where"]["line"] for reject in report["rejects"]] == [5, 6]
    assert [Path(name).is_file() for name in report["quarantine"]] == [True]


def test_a_mended_quarantine_goes_in_with_the_command_that_was_printed(tmp_path: Path) -> None:
    home = tmp_path / "my home"
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 1, "title": "好", "content": "正文"}\n{"id": 2, "title": 5, "content": "正文"}\n')
    shown = run(home, "ingest", str(file), "--map", "body=content").stdout.splitlines()
    assert any(line.startswith(f"  {file}:2: field 'title': is a number, not text; ") for line in shown)
    command = shlex.split(shown[-1])
    kept = Path(command[-1])
    kept.write_text(kept.read_text(encoding="utf-8").replace('"title": 5', '"title": "五"'), encoding="utf-8")
    again = run(tmp_path / "ignored", *command[1:])
    assert "read 1 = 1 added" in again.stdout
    assert not kept.exists()
    assert answer(home, "articles", "show", "2")["body"] == "正文"


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 2), "{broken")
    shown = run(tmp_path, "ingest", str(file), "--dry-run").stdout
    assert "read 5 = 4 added" in shown
    assert "dry run: nothing was written" in shown
    status = answer(tmp_path, "status")
    assert (status["articles"], status["quarantine"]) == (0, [])


def test_abort_stops_at_the_first_bad_row(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 2), "{broken")
    result = run(tmp_path, "ingest", str(file), "--on-error", "abort", code=1)
    assert result.stderr.startswith(f"recnews: {file}:5: ")
    assert result.stdout == ""
    assert answer(tmp_path, "status")["articles"] == 0


def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 1))
    for words, told in (
        (("ingest", str(tmp_path / "none.jsonl")), "there is no such file"),
        (("ingest", str(file), "--map", "body"), "--map body: write it as FIELD=COLUMN"),
        (("ingest", str(file), "--map", "bdy=x"), "no field is called 'bdy'"),
        (("ingest", str(file), "--timezone", "Mars/Base"), "'Mars/Base' is not a time zone"),
        (("ingest", str(file), "--format", "docx"), "unknown format 'docx'"),
        (("train", "--dim", "3"), "embedding.dim"),
        (("train", "--embedder", "bert"), "embedding.embedder"),
    ):
        assert told in run(tmp_path, *words, code=2).stderr


def test_events_wait_for_their_article_and_count_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"user": "ann", "article": "later", "at": "2026-03-01T08:00:00Z"}\n' * 2)
    assert answer(tmp_path, "events", str(log)) == {
        "read": 2, "added": 1, "duplicate": 1, "rejected": 0, "waiting": 1, "quarantine": [], "rejects": [],
    }  # fmt: skip
    assert "2 = 0 added + 2 duplicate" in run(tmp_path, "events", str(log)).stdout


def test_only_the_first_rejects_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text("{broken\n" * 30)
    shown = run(tmp_path, "ingest", str(file)).stdout
    assert shown.count(f"{file}:") == 10
    assert "and 20 more" in shown


def test_standard_input_and_the_home_of_the_environment(tmp_path: Path) -> None:
    row: dict[str, Any] = {"id": "a", "title": "标题", "body": "正文"}
    done = process("ingest", "-", "--json", env={"RECNEWS_HOME": str(tmp_path)}, stdin=json.dumps(row))
    assert (done.returncode, done.stderr, json.loads(done.stdout)["added"]) == (0, "", 1)
    assert answer(tmp_path, "articles", "show", "a")["title"] == "标题"


def test_the_home_after_the_command_counts(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(TOPICS, 1))
    run(tmp_path / "one", "ingest", str(file), "--home", str(tmp_path / "two"))
    assert not (tmp_path / "one").exists()
    assert answer(tmp_path / "two", "status")["articles"] == 2
