"""Every command explains itself to a stranger, and every example in its help is a real command."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from recnews.cli import app
from tests.cli_world import process, run

ROOT: Any = typer.main.get_command(app)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(ROOT))


def examples(path: tuple[str, ...], tmp_path: Path) -> list[list[str]]:
    text = run(tmp_path, *path, "--help").stdout
    _, _, after = text.partition("Example:\n")
    return [shlex.split(line.strip()) for line in after.splitlines() if line.strip()]


def test_all_commands_are_there() -> None:
    leaves = {" ".join(path) for path, command in COMMANDS.items() if not hasattr(command, "commands")}
    assert leaves == {
        "ingest", "watch", "events", "train", "recommend", "neighbors", "status", "verify", "migrate", "backup",
        "backups", "restore", "reindex", "seal", "demo", "serve", "keys create", "keys list", "keys revoke",
        "duplicates", "map", "report", "doctor", "prune",
        "evaluate similarity", "evaluate feeds", "tune", "pin", "unpin", "pins", "block", "unblock", "impersonal",
        "personal", "rules", "forget", "export", "articles show", "articles list", "articles hide", "articles unhide",
        "articles delete", "articles expire", "articles categorize", "generations list", "generations show",
        "generations promote", "generations rollback", "generations prune", "dict add", "dict list", "dict remove",
        "dict test",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "recnews")
def test_help_and_its_example(path: tuple[str, ...], tmp_path: Path) -> None:
    command = COMMANDS[path]
    assert command.help
    options = [parameter for parameter in command.params if parameter.opts[0].startswith("-")]
    assert all(option.help for option in options), [option.name for option in options]
    found = examples(path, tmp_path)
    assert found, "the help has no example"
    for words in found:
        assert words[0] == "recnews"
        assert parsed(words[1:])[: len(path)] == path


def parsed(words: list[str]) -> tuple[str, ...]:
    """The path of the command that would run. Raises when a word of it is not one."""
    command, name, parent, path = ROOT, "recnews", None, list[str]()
    while True:
        context = command.make_context(name, list(words), parent=parent)
        if not hasattr(command, "commands"):
            return tuple(path)
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, words = command.resolve_command(context, rest)
        path.append(name)
        parent = context


def test_an_example_that_is_wrong_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed(["recommend", "--user", "a", "--nonsense"])


def test_version_and_no_command(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.startswith("recnews 0.")
    shown = process()
    assert "Commands:" in shown.stdout + shown.stderr
