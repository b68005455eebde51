"""Dockerfile, compose file and systemd unit, rehearsed with this very source for what pip would install.

`make rehearse` does the same with pip."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
_INSTALL = re.compile(r"/opt/recnews/bin/python -m pip install .*")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the deployment's real files."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "recnews").mkdir()
    script = tmp_path / "recnews" / "installed"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m recnews "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    change(tmp_path, "Dockerfile", "-m venv", "-m venv --without-pip")
    dockerfile = tmp_path / "deploy" / "Dockerfile"
    text, count = _INSTALL.subn("cp recnews/installed /opt/recnews/bin/recnews", dockerfile.read_text(encoding="utf-8"))
    assert count == 1
    dockerfile.write_text(text, encoding="utf-8")
    return tmp_path


def change(project: Path, name: str, old: str, new: str) -> None:
    """Put something else into a file of the deployment."""
    file = project / "deploy" / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def rehearse(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the project's rehearsal."""
    return subprocess.run(
        [sys.executable, str(project / "deploy" / "rehearse.py"), *words],
        env=os.environ | {"RECNEWS_SERVICE__PAGE": "none", "PYTHONPATH": "/nowhere"},  # not the image's
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_all_of_it(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("image")
    done = rehearse(project, str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        "recnews: the health check passes",
        "recnews: opens to the key that was made",
        "watch: its article is in the store",
        "watch: stops when it is told to",
        "recnews: stops when it is told to",
        "recnews.service: the health check passes",
        "recnews.service: stops when it is told to",
    ):
        assert f"\n{told}\n" in done.stdout
    assert not re.search(r"[\w-]{40}", done.stdout.replace(str(folder), "")), "the key may not be in a log"
    assert oct((folder / "var/lib/recnews/corpora/recnews.sqlite").stat().st_mode)[-3:] == "600"
    again = rehearse(project, str(folder))
    assert (again.returncode, again.stderr) == (1, f"{folder} is not empty\n")


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("Dockerfile", "LICENSE", "LICENCE", "Dockerfile: the project has no LICENCE to copy"),
        ("Dockerfile", "WORKDIR /src\n", "WORKDIR /src\nRUN exit 7\n", "Dockerfile: RUN failed with 7: exit 7"),
        ("Dockerfile", "USER", "ONBUILD USER", "Dockerfile: ONBUILD is not known to rehearse.py"),
        ("Dockerfile", "=build /opt/recnews", "=build /opt/recnew", "Dockerfile: no stage before has made /opt/recnew"),
        ("Dockerfile", '["recnews"]', '["recnew"]', "recnews: there is no program recnew"),
        ("compose.yaml", '["watch"]', '["wacth"]', "watch: ended by itself with 2"),
        ("compose.yaml", "healthcheck: {disable: true}", "", "watch: the health check does not pass, after 10 seconds"),
        ("compose.yaml", "home:/data", "home:/date", "home:/date is not one volume for the image's VOLUME"),
        ("compose.yaml", "8080:8080", "8080:80", "recnews: 127.0.0.1:8080:80 leads to a port that the image does not"),
        ("compose.yaml", "init: true", "privileged: true", "compose.yaml: recnews: privileged is not known to"),
        ("compose.yaml", "--profile watch up", "up", "compose.yaml: no command of its comment starts watch"),
        ("compose.yaml", "--scope admin", "--scope none", "recnews keys create --scope none failed with 2: "),
        ("compose.yaml", "keys create --scope admin", "keys list", "recnews: ended by itself with 2"),
        ("compose.yaml", ".toml' <", ".toml; touch ~/me' <", "compose.yaml: written outside the volume: "),
        ("recnews.service", "HOME=/var/lib/recnews", "HOME=/srv/recnews", "RECNEWS_HOME is not its StateDirectory"),
        ("recnews.service", "recnews serve", "recnews sevre", "recnews.service: ended by itself with 2"),
        pytest.param(
            "recnews.service", "RestartSec", "RestartSek", "Unknown key 'RestartSek'",
            marks=pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(project: Path, name: str, old: str, new: str, told: str) -> None:
    change(project, name, old, new)
    done = rehearse(project, "--seconds", "10")
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_docs_tell_the_commands_of_the_compose_file() -> None:
    comment = re.findall(
        r"^#   (docker .*)", (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = re.findall(r"^docker compose .*", (ROOT / "docs" / "service.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert comment
    assert told == comment
