"""What README and docs tell people to type works, in the order in which it is told."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recnews.cli import app, common
from tests import settings_page
from tests.worlds import NOW, articles

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = {"dim": 16, "semantic_dim": 16, "epochs": 3, "window": 5, "min_count": 1, "workers": 1}


def commands(page: str) -> list[str]:
    """What stands after a `$` in the console blocks of a page."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    return [line[2:].partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line[:2] == "$ "]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that README names, for a reader that README names."""
    rows = [
        {
            "id": draft.key,
            "title": f"芯片 {draft.title}",
            "body": f"{draft.body}，国产，大飞机，首飞，成功",
            "published_at": draft.published_at.isoformat() if draft.published_at else None,
        }
        for draft in articles(["足球", "金融"], 20)
    ]
    rows.append(rows[0] | {"id": "breaking-20260822-03", "body": "台风登陆，铁路停运"})
    rows.append(rows[0] | {"id": "xwlb-20260822-03", "body": "航天员返回地面"})
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    (tmp_path / "articles.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "reads.csv").write_text(f"user,article,at\nreader-7,足球-1,{NOW.isoformat()}\n", encoding="utf-8")
    monkeypatch.setenv("RECNEWS_MAP__LEAST", "10")
    for name, value in SMALL.items():
        monkeypatch.setenv(f"RECNEWS_EMBEDDING__{name.upper()}", str(value))
    monkeypatch.chdir(tmp_path)
    common.set_home(None)
    return tmp_path


def typed(line: str) -> str:
    """Run a command as it would be typed; its output."""
    words = shlex.split(line.replace("/srv/backups", "backups"))
    assert words[0] == "recnews", line
    result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}: {result.output}"
    return result.output


def test_the_commands_of_the_readme(desk: Path) -> None:
    told = [line for line in commands(README) if line.startswith("recnews ")]
    assert len(told) >= 10
    for line in told:
        if line == "recnews generations rollback":
            typed("recnews train")  # so that there is one to go back to
        output = typed(line)
        if "recommend" in line:
            assert "you read 足球-1" in output
    assert len(list((desk / "backups" / "backups").glob("*.json"))) == 1


def test_the_two_commands_are_made(desk: Path) -> None:
    made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = [line.removeprefix("make ") for line in commands(README) if line.startswith("make ")]
    assert told == ["demo", "test"]
    assert set(told) <= set(made)


def test_the_python_of_the_readme(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), scope)  # noqa: S102 - our own page
    assert "interests" in capsys.readouterr().out


def test_every_setting_is_told_with_its_default() -> None:
    told = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert told == settings_page.page(), "python -m tests.settings_page > docs/settings.md"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_commands_named_in_the_docs_exist(page: Path) -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    known = {command.name for command in app.registered_commands} | set(groups)
    for command, sub in re.findall(r"`recnews ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8")):
        assert command in known, f"{page.name}: recnews {command}"
        if sub and command in groups:
            inner = groups[command]
            assert inner is not None
            assert sub in {found.name for found in inner.registered_commands}, f"{page.name}: recnews {command} {sub}"
