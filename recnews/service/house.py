"""Keeping house beside the workers, in a process of its own with a low priority: what the reading log teaches is taken
in here, so that no feed and no ingest waits for it.

A round may seal many articles, which takes minutes; nobody who stops the service waits for that. Whatever a round
writes is a transaction of the store or is written beside its place and renamed, and what lies there half written is
cleared away by the next round, so the process just ends: as its signals do to any process, and with its parent.
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from recnews.config import load_settings
from recnews.service import logs
from recnews.service.room import ServiceRoom

_NICE = 10


def keep(home: Path) -> None:
    """Look after a home until SIGTERM or SIGINT, or until the pipe that the parent holds to standard input closes."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # the system's, which does not wait for Python to come to it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)
    logs.set_up(with_ids=False)
    settings = load_settings(home)
    with ServiceRoom.open(home, settings) as room:
        while True:
            time.sleep(settings.service.house_seconds)
            try:
                room.keep_house()
            except Exception as error:  # whatever it is, the next round tries again
                logs.tell("house", logging.ERROR, error)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
