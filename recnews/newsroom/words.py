"""What an analyst asks of words: what lies around them, and how often they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
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
    """Words over time: step `i` begins at `begins[i]`; `articles` (n,) were published in it, and `holding` (words, n)
    of them hold each word."""

    begins: list[datetime]
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

    def written(self, words: Sequence[str], bounds: Sequence[datetime]) -> Written:
        """How many articles hold each word in title, summary or text, by steps of time, each from one of `bounds` up to
        the next: the days of a calendar need not be equally long. Needs no generation. Raises `UsageError`.

        What is looked for is the text itself, so a word within a longer one counts. The articles of that time are
        read: docs/newsroom.md says how long that takes.
        """
        writable(*words)
        steps, moments = len(bounds) - 1, [to_micros(aware(it)) for it in bounds]
        if not 1 <= steps <= _MOST_STEPS or not words or not all(words):
            raise UsageError(f"give at least one word, and at most {_MOST_STEPS:,} steps of time")
        if any(one >= two for one, two in pairwise(moments)):
            raise UsageError("give bounds of steps that ascend")
        written = Written([*bounds[:-1]], [0] * steps, [[0] * steps for _ in words])
        for found in self._room.store.listing.mentions(words, moments):
            written.articles[found.step] = found.articles
            for place, count in enumerate(found.holding):
                written.holding[place][found.step] = count
        return written
