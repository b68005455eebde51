"""Ingests so many new articles a second until it is ended: what `serve.py` has going on beside the service."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import data

from recnews import Newsroom


def main() -> None:
    """`ingesting.py HOME ARTICLES_A_SECOND`."""
    home, a_second = Path(sys.argv[1]), int(sys.argv[2])
    rows, number, mark = data.xwlb(), 0, time.time_ns()
    with Newsroom.open(home) as room:
        while True:
            begun, now = time.monotonic(), datetime.now(UTC).isoformat()
            batch = [rows[(number + it) % len(rows)] for it in range(a_second)]
            room.ingest(
                [row | {"id": f"new-{mark}-{number + it}", "published_at": now} for it, row in enumerate(batch)]
            )
            number += a_second
            time.sleep(max(1 - (time.monotonic() - begun), 0))


if __name__ == "__main__":
    main()
