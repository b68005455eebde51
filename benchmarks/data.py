"""The real corpora that benchmarks measure on. They are not part of the project; where one is absent, say so and skip."""

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

DATA = Path(os.environ.get("RECNEWS_BENCH_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


def xwlb_path() -> Path:
    """The file of Chinese television news; ends the program with a notice when it is absent."""
    return _present(DATA / "xwlb.jsonl.gz")


def xwlb() -> list[dict[str, Any]]:
    """19,594 Chinese television news items, oldest first."""
    with gzip.open(xwlb_path(), "rt", encoding="utf-8") as file:
        return sorted((json.loads(line) for line in file), key=lambda row: (row["published_at"], row["id"]))


def _present(file: Path) -> Path:
    if not file.exists():
        skip(f"{file} is not here")
    return file


def skip(why: str) -> NoReturn:
    """End the program well, saying why nothing was measured."""
    print(f"skipped: {why}; RECNEWS_BENCH_DATA names another folder")
    sys.exit(0)
