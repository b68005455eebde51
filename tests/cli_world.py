"""How the tests of the command line call it: in this process, or as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from recnews.cli import app
from recnews.records import Draft

ROOT = Path(__file__).parent.parent
SMALL = ("--dim", "16", "--epochs", "3", "--min-count", "1", "--workers", "1")


def run(home: Path, *words: str, code: int = 0, **given: Any) -> Any:
    """What a command answers; `code` is the exit code it must have."""
    result = CliRunner().invoke(app, ["--home", str(home), *words], **given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def answer(home: Path, *words: str, code: int = 0) -> Any:
    """The JSON document of a command."""
    return json.loads(run(home, *words, "--json", code=code).stdout)


def process(
    *words: str, python: tuple[str, ...] = (), env: Mapping[str, str] | None = None, stdin: str = "", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """`python -m recnews` as a process of its own, with no terminal in sight."""
    return subprocess.run(
        [sys.executable, *python, "-m", "recnews", *words],
        env=environment(env),
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a process."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | dict(more or {})


def write(file: Path, drafts: Iterable[Draft], *more: Mapping[str, Any] | str) -> Path:
    """Articles as JSON lines; `more` rows follow, a text as it is."""
    rows: list[str] = []
    for draft in drafts:
        row = {"id": draft.key, "title": draft.title, "body": draft.body, "category": draft.category}
        row |= {"published_at": draft.published_at.isoformat()} if draft.published_at else {}
        rows.append(json.dumps(row, ensure_ascii=False))
    rows += [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in more]
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return file
