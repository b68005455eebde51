"""Puts one generation after the other live, every three seconds until it is ended: what `serve.py` has going on."""

import sys
import time
from pathlib import Path

from recnews import Newsroom


def main() -> None:
    """`swapping.py HOME`."""
    with Newsroom.open(Path(sys.argv[1])) as room:
        while True:
            for name in room.generations.names():
                time.sleep(3)
                room.generations.promote(name)


if __name__ == "__main__":
    main()
