"""Keeping house beside the workers, in a process of its own with a low priority: what the reading log teaches is taken
in here, so that no feed and no ingest waits for it.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from recnews.config import load_settings
from recnews.service import logs
from recnews.service.room import ServiceRoom

_NICE = 10


def keep(home: Path, parent: int) -> None:
    """Look after a home until told to stop, or until the parent process is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    os.nice(_NICE)
    logs.set_up(with_ids=False)
    settings = load_settings(home)
    with ServiceRoom.open(home, settings) as room:
        while not stop.wait(settings.service.house_seconds) and os.getppid() == parent:
            try:
                room.keep_house()
            except Exception as error:  # whatever it is, the next round tries again
                logs.tell("house", logging.ERROR, error)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
