"""How much of what is nearest a structure finds, asked as it will be asked.

A row of the segment is no such question: it finds itself and its near copies, which any structure finds. So some rows
are held out with what is nearly a copy of them, and asked about as an article's neighbours are (its text, and nothing
of who read it) and as a feed asks for a reader (the direction of the sum of several articles).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recnews.index.exact import score_candidates, search_exactly
from recnews.index.rows import Rows
from recnews.index.structures import Effort, Structure
from recnews.records import Float32, Int64

_HELD_OUT = 128
_SHARE = 10  # at most a tenth of the rows is held out with all copies
_COPY = 0.75
"""Cosine from which a row is nearly a copy: between articles of which none is one of another, the nearest is at .66 in
the middle and three quarters are below this (20,000 of Chinese television news)."""
_READ = 3
_NEAREST = 10
_BLOCK = 20_000


@dataclass(frozen=True, slots=True)
class Trial:
    """Questions, (q, dim) of each kind, and the ten rows that are the right answer to each; `held` (m,), ascending, are
    the rows that must not be in the structure when it is asked."""

    rows: Rows
    held: Int64
    questions: Mapping[str, Float32]
    answers: Mapping[str, list[Int64]]

    @classmethod
    def of(cls, rows: Rows, content: int, random: np.random.Generator) -> "Trial":
        """Of rows whose first `content` numbers are of the text, 0 for all."""
        content = content or rows.dim
        chosen = random.choice(len(rows), min(_HELD_OUT, len(rows) // _SHARE), replace=False)
        held = np.union1d(chosen, _copies(rows, chosen, content))
        others = np.ones(len(rows), dtype=bool)
        others[held] = False
        numbers, answers = np.arange(len(rows)), {}
        questions = _questions(rows.take(chosen), content) if len(chosen) else {}
        for kind, queries in questions.items():
            answers[kind] = [hits.ids for hits in search_exactly(rows, numbers, queries, _NEAREST, others)]
        return cls(rows, held, questions, answers)

    def recalls(self, structure: Structure, effort: Effort) -> dict[str, tuple[float, float]]:
        """recall@10 of each kind of question, and its standard error."""
        return {kind: self._recall(structure, effort, kind) for kind in self.questions}

    def _recall(self, structure: Structure, effort: Effort, kind: str) -> tuple[float, float]:
        queries, answers = self.questions[kind], self.answers[kind]
        count = min(2 * _NEAREST + effort.more, len(self.rows) - len(self.held))
        rows = structure.candidates(queries, count, effort.breadth)
        found = score_candidates(self.rows, np.arange(len(self.rows)), queries, _NEAREST, rows)
        shares = np.array(
            [np.isin(right, hits.ids).mean() for hits, right in zip(found, answers, strict=True) if len(right)]
        )
        return float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))


def _copies(rows: Rows, chosen: Int64, content: int) -> Int64:
    """Rows that are nearly copies of some, the nearest first where there are many."""
    if not len(chosen):
        return chosen
    most = max(len(rows) // _SHARE // len(chosen) - 1, 0)
    texts = _units(rows.take(chosen)[:, :content])
    near, found = list[Float32](), list[Int64]()
    for start in range(0, len(rows), _BLOCK):
        block = rows.take(np.arange(start, min(start + _BLOCK, len(rows))))
        likeness = texts @ _units(block[:, :content]).T
        which, places = np.nonzero(likeness >= _COPY)
        near.append(np.stack([which, likeness[which, places]]))
        found.append(places + start)
    (which, likeness), places = np.concatenate(near, axis=1), np.concatenate(found)
    order = np.lexsort((-likeness, which))
    first = np.searchsorted(which[order], which[order])
    return np.asarray(places[order[np.arange(len(order)) - first < most]], dtype=np.int64)


def _questions(held: Float32, content: int) -> dict[str, Float32]:
    """What is asked, of rows held out (m, dim): about each, and for a reader of it and those most like it."""
    texts = _units(held[:, :content])
    likest = np.argsort(-(texts @ texts.T), axis=1, kind="stable")[:, :_READ]
    about = np.zeros_like(held)
    about[:, :content] = texts
    reader = np.hstack([_units(texts[likest].sum(axis=1)), _units(held[likest, content:].sum(axis=1))])
    return {"article": about, "reader": np.ascontiguousarray(reader)}


def _units(rows: Float32) -> Float32:
    """Rows of length 1, or zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)
