"""How much of what is nearest a structure finds, asked as it will be asked.

A row of the segment is no such question: it finds itself and its near copies, which any structure finds. So some rows
are held out with what is nearly a copy of them, and asked about as an article's neighbours are (its text, and nothing
of who read it) and as a feed asks for an interest of a reader (the direction of the sum of articles that are alike).
"""

from collections.abc import Iterator, Mapping
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
        """Of rows whose first `content` numbers are of the text."""
        chosen = random.choice(len(rows), min(_HELD_OUT, len(rows) // _SHARE // _READ), replace=False)
        read = _read(rows, chosen, content)
        held = np.union1d(read, _copies(rows, np.unique(read), content))
        others = np.ones(len(rows), dtype=bool)
        others[held] = False
        numbers, answers = np.arange(len(rows)), {}
        questions = _questions(rows, read, content) if len(chosen) else {}
        for kind, queries in questions.items():
            answers[kind] = [hits.ids for hits in search_exactly(rows, numbers, queries, _NEAREST, others)]
        return cls(rows, held, questions, answers)

    def recall(self, structure: Structure, effort: Effort, kind: str) -> tuple[float, float]:
        """recall@10 of one kind of question, and its standard error."""
        queries, answers = self.questions[kind], self.answers[kind]
        count = min(2 * _NEAREST + effort.more, len(self.rows) - len(self.held))
        rows = structure.candidates(queries, count, effort.breadth)
        found = score_candidates(self.rows, np.arange(len(self.rows)), queries, _NEAREST, rows)
        shares = np.array(
            [np.isin(right, hits.ids).mean() for hits, right in zip(found, answers, strict=True) if len(right)]
        )
        return float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))


def _read(rows: Rows, chosen: Int64, content: int) -> Int64:
    """(m, 3) what a reader of each of `chosen` (m,) may have read: it, and those most like it that are no copies."""
    near, found = [np.empty((len(chosen), 0), np.float32)], [np.empty((len(chosen), 0), np.int64)]
    for start, likeness in _likenesses(rows, chosen, content):
        likeness[likeness >= _COPY] = -1
        best = np.argpartition(likeness, -_READ + 1, axis=1)[:, -_READ + 1 :]
        near.append(np.take_along_axis(likeness, best, axis=1))
        found.append(best + start)
    scores, others = np.concatenate(near, axis=1), np.concatenate(found, axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : _READ - 1]
    return np.hstack([chosen[:, None], np.take_along_axis(others, best, axis=1)])


def _copies(rows: Rows, chosen: Int64, content: int) -> Int64:
    """Rows that are nearly copies of some; where they are too many, the nearest of each."""
    if not len(chosen):
        return chosen
    near, found = list[Float32](), list[Int64]()
    for start, likeness in _likenesses(rows, chosen, content):
        which, places = np.nonzero(likeness >= _COPY)
        near.append(np.stack([which, likeness[which, places]]))
        found.append(places + start)
    (which, likeness), places = np.concatenate(near, axis=1), np.concatenate(found)
    order = np.lexsort((-likeness, which))
    rank = np.arange(len(order)) - np.searchsorted(which[order], which[order])
    most = max(len(rows) // _SHARE - len(chosen), 0)
    return np.asarray(places[order[np.argsort(rank, kind="stable")[:most]]], dtype=np.int64)


def _likenesses(rows: Rows, chosen: Int64, content: int) -> Iterator[tuple[int, Float32]]:
    """How like the texts of `chosen` (m,) are to those of all rows, (m, block) with the first row of each block."""
    texts = _units(rows.take(chosen)[:, :content])
    for start in range(0, len(rows), _BLOCK):
        block = rows.take(np.arange(start, min(start + _BLOCK, len(rows))))
        yield start, texts @ _units(block[:, :content]).T


def _questions(rows: Rows, read: Int64, content: int) -> dict[str, Float32]:
    """What is asked about the first of each line of `read` (m, 3), and for a reader of all three."""
    vectors = rows.take(read.ravel()).reshape(*read.shape, rows.dim)
    about = np.zeros_like(vectors[:, 0])
    about[:, :content] = _units(vectors[:, 0, :content])
    texts = _units(vectors[:, :, :content].reshape(-1, content)).reshape(*read.shape, content)
    reader = np.hstack([_units(texts.sum(axis=1)), _units(vectors[:, :, content:].sum(axis=1))])
    return {"article": about, "reader": np.ascontiguousarray(reader)}


def _units(rows: Float32) -> Float32:
    """Rows of length 1, or zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)
