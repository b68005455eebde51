"""What only a process of its own can show: imports, exit codes, signals, pipes and terminals."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_world import environment, process, run, write
from tests.worlds import article, articles

SLOW = {"gensim", "jieba", "rjieba", "pandas", "scipy", "rich", "pyarrow"}
_IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\w+)", re.MULTILINE)


def imported(*words: str) -> set[str]:
    """The top-level modules that a command imports."""
    done = process(*words, python=("-X", "importtime"))
    assert done.returncode == 0, done.stderr
    return set(_IMPORTED.findall(done.stderr))


def test_a_feed_needs_nothing_slow(home: Path) -> None:
    found = imported("--home", str(home), "recommend", "--user", "x", "--explain")
    assert {"recnews", "faiss", "sqlalchemy"} <= found
    assert not SLOW & found


def test_help_needs_nothing_at_all(home: Path) -> None:
    for words in (("--help",), ("recommend", "--help"), ("--version",)):
        found = imported(*words)
        assert "recnews" in found
        assert not (SLOW | {"sqlalchemy", "faiss", "numpy"}) & found


def test_exit_codes_and_where_errors_go(home: Path, tmp_path: Path) -> None:
    for words, code in (
        (("--home", str(home), "recommend", "--user", "x", "--json"), 0),
        (("--home", str(home), "articles", "show", "none", "--json"), 1),
        (("--home", str(home), "recommend", "--user", "x", "--at", "now", "--json"), 2),
        (("recommend",), 2),
        (("nonsense",), 2),
    ):
        done = process(*words)
        assert done.returncode == code
        assert bool(done.stdout) == (code == 0)
        assert bool(done.stderr) == (code != 0)
        assert "Traceback" not in done.stderr
    (tmp_path / "recnews.toml").write_text("[feed]\ndiversety = 1\n")
    done = process("--home", str(tmp_path), "status")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "feed.diversety" in done.stderr


def test_bytes_that_are_no_text(home: Path, tmp_path: Path) -> None:
    for words in (("recommend", "--user", "\udcff"), ("articles", "show", "\udcff"), ("dict", "add", "\udcff")):
        done = process("--home", str(home), *words)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert "is not valid UTF-8" in done.stderr
    file = write(tmp_path / "\udcff.jsonl", [article("足球", 77)], "{broken")
    assert "1 added" in process("--home", str(home), "ingest", str(file)).stdout
    assert '"rejected": 1' in process("--home", str(home), "ingest", str(file), "--json").stdout


def test_json_is_utf8_in_any_locale(home: Path) -> None:
    done = process("--home", str(home), "articles", "show", "足球-1", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert "足球" in done.stdout
    plain = process("--home", str(home), "articles", "show", "足球-1", env={"PYTHONIOENCODING": "ascii"})
    assert (plain.returncode, plain.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    line = f'"{sys.executable}" -m recnews --home "{home}" articles list -n 1000 --json; echo "code $?" >&2'
    done = subprocess.run(
        ["bash", "-c", f"({line}) | true"], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == "code 1\n"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell has what it starts in the background ignore interrupts, and so would all that is started from here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_that_the_same_command_continues(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "recnews", "--home", str(tmp_path), "ingest", "-"],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr
        for _ in range(600):
            if (tmp_path / "indexes").exists():
                break
            time.sleep(0.05)
        time.sleep(0.3)  # it now waits for its standard input
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
        running.wait(timeout=30)
    assert running.returncode == 130
    assert told == "recnews: stopped; nothing stored is lost, and the same command run again continues\n"


def on_terminal(*words: str, typed: str = "") -> tuple[int, str]:
    """Exit code and everything shown when a command runs on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "recnews", *words],
        env=environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    ) as running:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux's way to say that the other side is closed
            pass
        code = running.wait(timeout=60)
    os.close(ours)
    return code, shown.decode("utf-8", "replace")


def test_progress_bars_only_on_a_terminal(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", articles(("足球", "医疗"), 30))
    assert process("--home", str(tmp_path / "quiet"), "ingest", str(file)).stderr == ""
    code, shown = on_terminal("--home", str(tmp_path / "loud"), "ingest", str(file))
    assert code == 0
    assert "100%" in shown
    assert "read 60 = 60 added" in shown


def test_delete_asks_on_a_terminal(home: Path) -> None:
    code, shown = on_terminal("--home", str(home), "articles", "delete", "足球-1", typed="n\n")
    assert (code, "nothing deleted" in shown) == (0, True)
    run(home, "articles", "show", "足球-1")
    code, shown = on_terminal("--home", str(home), "articles", "delete", "足球-1", typed="y\n")
    assert (code, "1 article deleted" in shown) == (0, True)
    run(home, "articles", "show", "足球-1", code=1)


def test_warnings_go_to_standard_error(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [article("足球", 99)])
    run(home, "train", "--dim", "16", "--epochs", "2", "--workers", "1")
    (home / "indexes" / "g000002" / "tokenizer.json").write_text("{}")
    done = process("--home", str(home), "ingest", str(file), "--json")
    assert done.returncode == 0
    assert done.stdout.startswith("{")
    assert done.stderr.startswith("recnews: warning: generation g000002 is damaged")
    assert "g000001 serves instead" in done.stderr
