"""A process that hands older articles over to an archive engine, and at a point of it stops or dies.

Run as a script it is that process.
"""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from recnews import Newsroom
from recnews.config import Settings
from recnews.index import archived
from recnews.index.archived import ArchivedIndex
from tests.conftest import settings_at

_ROOT = Path(__file__).parents[2]


def keeper(home: Path, settings: Settings, at: datetime, point: tuple[str, int], number: int) -> subprocess.Popen[str]:
    """Start one that sends itself the signal `number` before it calls the archive's method of `point` that often."""
    addresses = {
        "store": settings.store.get_secret_value(),
        "archive": settings.index.archive.get_secret_value(),
        "archive_prefix": settings.index.archive_prefix,
    }
    given = [str(home), json.dumps(addresses), at.isoformat(), json.dumps(point), str(number)]
    command = [sys.executable, "-m", "tests.scale.keeper", *given]
    return subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.PIPE, text=True)


def _main(home: str, addresses: str, at: str, point: str, number: str) -> None:
    given = json.loads(addresses)
    settings = settings_at(given.pop("store")).override("index", **given)
    method, call = json.loads(point)
    archived._BLOCK = 10
    with Newsroom.open(Path(home), settings) as newsroom:
        index = newsroom.serving.current()[1].index
        assert isinstance(index, ArchivedIndex)
        called = getattr(index._archive, method)
        left = [call]

        def counted(*arguments: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), int(number))
            return called(*arguments)

        setattr(index._archive, method, counted)
        newsroom.seal(datetime.fromisoformat(at))


if __name__ == "__main__":
    _main(*sys.argv[1:])
