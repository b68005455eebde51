"""Articles studied ahead of when they are asked for: `indexing` goes on as it does, batch by batch, and finds done what
it would do next.

What a worker makes of a text depends on the words its generation had taken over by then. Where a word of the text has
been given a vector since, the text is studied again here; nothing else can differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recnews.cluster import worker
from recnews.cluster.team import Team
from recnews.generation import Generation
from recnews.records import Encoded
from recnews.store import Met, Pending, Store, Token

Studied = tuple[Encoded, list[str], Met | None]
_WORTH = 64  # fewer articles are sooner encoded than sent
_TAUGHT = 256  # so many words are taught at a time; what comes in between goes along with each task
_WINDOW = 1000


@dataclass(slots=True)
class _Chunk:
    """Articles that were sent together, and what came back."""

    task: Any
    studied: Studied | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an article's result will be."""

    digest: bytes
    chunk: _Chunk
    row: int


class Studies:
    """The articles that a generation has yet to encode, on their way through a cluster."""

    def __init__(self, team: Team, store: Store, generation: Generation, chunk: int) -> None:
        self._team, self._store, self._generation, self._size = team, store, generation, chunk
        self._token: Token | None = None
        self._places: dict[int, _Place] = {}
        self._tasks: list[Any] = []

    def study(self, pending: Pending) -> Studied:
        """What `Generation.study` gives for the texts of `pending`, to the byte."""
        if len(pending.texts) < _WORTH and not self._places:
            return self._generation.study(pending.texts)
        self._look_ahead()
        count, dim = len(pending.texts), self._generation.dim
        vectors, known = np.zeros((count, dim), np.float32), np.zeros(count, np.bool_)
        keywords, words = [""] * count, [dict[str, int]()] * count
        here, met = list[int](), None

        def fill(row: int, studied: Studied, at: int) -> None:
            vectors[row], known[row], keywords[row] = studied[0].vectors[at], studied[0].known[at], studied[1][at]
            if studied[2] is not None:
                words[row] = dict(studied[2].words[at])

        for row, (text, digest) in enumerate(zip(pending.texts, pending.text_digests, strict=True)):
            place = self._places.pop(text.article_id, None)
            studied = self._studied(place) if place and place.digest == digest else None
            if place is None or studied is None or self._outdated(studied[2], place.row):
                here.append(row)
            else:
                fill(row, studied, place.row)
        if here or not count:
            mine = self._generation.study([pending.texts[row] for row in here])
            for at, row in enumerate(here):
                fill(row, mine, at)
            met = mine[2]
        elif self._generation.embedder.induces:
            met = self._generation.met([])
        return Encoded(vectors, known), keywords, None if met is None else Met(words, met.often, met.induced)

    def _look_ahead(self) -> None:
        """Send what comes next, so much that every worker is busy."""
        if self._generation.rank - self._team.taught >= _TAUGHT:
            self._team.teach()
        self._tasks = [task for task in self._tasks if not task.done()]
        while len(self._tasks) < self._team.ahead:
            window = self._store.vectors.pending(self._generation.id, _WINDOW, after=self._token)
            self._token = window.token
            for start in range(0, len(window.texts), self._size):
                self._send(window, start)
            if window.last:
                break
        for old in list(self._places)[: -4 * _WINDOW - self._size * self._team.ahead]:
            del self._places[old]  # articles that were changed or deleted meanwhile are never asked for

    def _send(self, window: Pending, start: int) -> None:
        texts = window.texts[start : start + self._size]
        words = self._team.not_taught() if self._generation.rank > self._team.taught else ()
        task = self._team.submit(worker.study, texts, words)
        if task is None:
            return
        self._tasks.append(task)
        chunk = _Chunk(task)
        for row, text in enumerate(texts):
            self._places[text.article_id] = _Place(window.text_digests[start + row], chunk, row)

    def _studied(self, place: _Place) -> Studied | None:
        chunk = place.chunk
        if chunk.task is not None:
            chunk.studied, chunk.task = self._team.result(chunk.task), None
        return chunk.studied

    def _outdated(self, met: Met | None, row: int) -> bool:
        """Whether a word of the text has been given a vector since it was studied."""
        return met is not None and not self._generation.taken_since(met.induced).isdisjoint(met.words[row])
