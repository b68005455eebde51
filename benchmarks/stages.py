"""Where the processor's time of an ingest goes: seconds of each stage, without what it calls of the others, and
microseconds an article. One process, so that nothing runs beside; `ingest.py` has what comes of it on all cores.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from data import xwlb
from report import save, table

from recnews import Newsroom

STAGES = {
    "read, clean, count": "recnews.newsroom.intake:ingest_articles",
    "store": "recnews.store.articles:Articles.upsert",
    "look up what is pending": "recnews.store.vectors:Vectors.pending",
    "cut into words": "recnews.text.cuts:Cuts.__call__",
    "find new words": "recnews.generation:Generation.new_words",
    "store new words": "recnews.store.words:Words.count",
    "find ripe words": "recnews.store.words:Words.ripe",
    "vectors of new words": "recnews.embed.word2vec:Word2VecEmbedder.induce",
    "store these": "recnews.store.words:Words.induce",
    "take these over": "recnews.embed.word2vec:Word2VecEmbedder.extend",
    "weigh": "recnews.embed.base:Vocabulary.weigh",
    "keywords": "recnews.embed.base:Vocabulary.keywords",
    "sums, lexical part": "recnews.embed.word2vec:Word2VecEmbedder.encode",
    "store vectors": "recnews.store.vectors:Vectors.write",
    "stories": "recnews.stories:group_pending",
    "snapshot": "recnews.newsroom.intake:save_snapshot",
}


class Stages:
    """Seconds by stage. A stage that calls another stands still until that is done."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)
        self._within: list[str] = []
        self._since = time.process_time()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @wraps(function)
        def counted(*given: Any, **named: Any) -> Any:
            self._count()
            self._within.append(stage)
            try:
                return function(*given, **named)
            finally:
                self._count()
                self._within.pop()

        return counted

    def _count(self) -> None:
        now = time.process_time()
        self.seconds[self._within[-1] if self._within else "the rest"] += now - self._since
        self._since = now


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=9594, help="articles to train on")
    parser.add_argument("--new", type=int, default=10_000, help="articles to take in, the latest")
    asked = parser.parse_args()
    rows = xwlb()[-asked.train - asked.new :]
    with tempfile.TemporaryDirectory() as folder, Newsroom.open(Path(folder)) as room:
        room.ingest(rows[: asked.train])
        room.train(room.settings.override("embedding", epochs=1))
        room.settings = room.settings.override("ingest", processes=1)
        stages = Stages()
        for stage, place in STAGES.items():
            module, _, name = place.partition(":")
            owner, _, attribute = name.rpartition(".")
            holder = attrgetter(owner)(import_module(module)) if owner else import_module(module)
            setattr(holder, attribute, stages.timed(stage, getattr(holder, attribute)))
        stages.timed("the rest", room.ingest)(rows[asked.train :])
    lines = [(stage, f"{seconds:.2f}", f"{seconds / asked.new * 1e6:.0f}") for stage, seconds in stages.seconds.items()]
    table([("stage", "seconds", "microseconds an article"), *lines])
    save("stages", vars(asked) | {"seconds": dict(stages.seconds)})


if __name__ == "__main__":
    main()
