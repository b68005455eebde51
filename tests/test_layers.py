"""Who may import whom: the rooms of the design, held by import-linter."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "recnews"


@pytest.mark.skipif(not importlib.util.find_spec("importlinter"), reason="import-linter is not installed")
def test_no_room_imports_from_above() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


FOREIGN = {
    "sqlalchemy": {"store"}, "pgvector": {"index"}, "pymilvus": {"index"},
    "faiss": {"index"}, "jieba": {"text"}, "rjieba": {"text"}, "opencc": {"text"},
    "pydantic": {"config.py", "service"}, "pyarrow": {"formats"}, "rich": {"cli"}, "typer": {"cli"},
    "fastapi": {"service"}, "starlette": {"service"}, "uvicorn": {"service"}, "prometheus_client": {"service"},
    "jinja2": {"service"}, "python_multipart": {"service"},
    "feedparser": {"formats"}, "trafilatura": {"formats"}, "lxml": {"formats"}, "httpx": {"web", "client"},
    "sklearn": {"categories.py", "maps"}, "threadpoolctl": {"categories.py", "evaluate", "maps", "threads.py"},
    "openTSNE": {"maps"},
    "gensim": {"embed", "evaluate"},  # `evaluate` sets recnews beside plain gensim
}  # fmt: skip


@pytest.mark.parametrize("library", FOREIGN)
def test_a_foreign_library_is_imported_in_one_room(library: str) -> None:
    imports = re.compile(rf"^\s*(?:from|import) {library}\b", re.MULTILINE)
    rooms = {
        file.relative_to(PACKAGE).parts[0] for file in sources() if imports.search(file.read_text(encoding="utf-8"))
    }
    assert rooms <= FOREIGN[library]


def test_no_clock_is_read_below_the_faces() -> None:
    """Promise 5: `now` is an argument."""
    clock = re.compile(r"\.now\(|\.utcnow\(|\.today\(|time\.time\(")
    readers = {
        file.relative_to(PACKAGE).parts[0] for file in sources() if clock.search(file.read_text(encoding="utf-8"))
    }
    assert readers <= {"newsroom", "cli", "service", "demo"}


def test_no_module_bears_a_standard_librarys_name() -> None:
    names = {file.stem for file in sources()} | {file.parent.name for file in sources()}
    assert not (names - {"__init__", "__main__"}) & set(sys.stdlib_module_names)


def test_nothing_saved_is_unpickled() -> None:
    """A pickle from a backup could run code. Those that are read are written by the same function, and come by a pipe
    from the process that started this one."""
    unsafe = re.compile(r"pickle\.load|allow_pickle=True|torch\.load")
    readers = [str(file.relative_to(PACKAGE)) for file in sources() if unsafe.search(file.read_text(encoding="utf-8"))]
    assert readers == ["ingest.py", "newsroom/beside.py"]
