"""What an analyst asks of words: what lies around them, and how often they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from recnews.errors import UsageError
from recnews.newsroom.given import aware, writable
from recnews.store import to_micros

if TYPE_CHECKING:
    from recnews.explore import Around
    from recnews.newsroom import Newsroom

_MOST_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Written:
    """Words over time: step `i` begins at `begin` + i * `step`; `articles` (n,) were published in it, and `holding`
    (words, n) of them hold each word."""

    begin: datetime
    step: timedelta
    articles: list[int]
    holding: list[list[int]]


class Words:
    """The words of a home."""

    def __init__(self, room: "Newsroom") -> None:
        self._room = room

    def around(
        self, plus: Sequence[str], minus: Sequence[str] = (), k: int = 12, *, at: datetime | None = None
    ) -> "Around":
        """Words and articles near some words and away from others. A word that was not learned is an answer, not an
        error. Raises `NoGenerationError`."""
        if not plus or k < 1:
            raise UsageError("give at least one word to look around, and at least one neighbour")
        writable(*plus, *minus)
        return self._room.explorer().around(tuple(plus), tuple(minus), k, aware(at))

    def written(
        self, words: Sequence[str], begin: datetime, step: timedelta, *, until: datetime | None = None
    ) -> Written:
        """How many articles hold each word in title, summary or text, by steps from `begin` on; needs no generation.

        What is looked for is the text itself, so a word within a longer one counts. The articles of that time are
        read: docs/newsroom.md says how long that takes.
        """
        writable(*words)
        steps = (aware(until) - aware(begin)) // step + 1
        if not 1 <= steps <= _MOST_STEPS or not words or not all(words):
            raise UsageError(f"give at least one word, and at most {_MOST_STEPS:,} steps of time")
        start, size = to_micros(begin), step // timedelta(microseconds=1)
        written = Written(begin, step, [0] * steps, [[0] * steps for _ in words])
        for found in self._room.store.listing.mentions(words, start, size, start):
            if found.step < steps:
                written.articles[found.step] = found.articles
                for place, count in enumerate(found.holding):
                    written.holding[place][found.step] = count
        return written
