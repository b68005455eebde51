"""Doc2Vec inference: a vector for each text, the same bytes in this process or shared out over several.

gensim's own `infer_vector` starts from a vector drawn by Python's process-wide hash and goes on with a shared random
state: it answers differently in each process and on each call. Here every inference starts from the same state, so
that a text's vector depends on nothing but the text.

A worker that cannot be had or dies costs time only: its texts are inferred here.
"""

import json
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np

from recnews import processes
from recnews.config import EmbeddingSettings
from recnews.embed.base import Vocabulary
from recnews.records import Float32

_LONGEST = 10_000  # gensim looks at no more of a document
# A shorter text is gone over until it is so long: a title's few steps would leave its vector near where all start.
# Learned part alone, titles of 1,716 inews bodies found (R@1 / R@10): .05 / .15 as they are, .14 / .31 from 50 tokens,
# .22 / .41 from 200, .24 / .43 from 400.
_SHORTEST = 400
_STARTED_FROM = 256  # so many texts are worth starting processes, which takes two seconds at 80,000 words
_SHARED_FROM = 64  # and so many, sending them to processes that run; a text takes some 5 ms
_CHUNK = 32  # texts sent at a time
_log = logging.getLogger("recnews")


class Inference:
    """Infers vectors of texts against the output weights of a trained model."""

    def __init__(self, vocabulary: Vocabulary, hidden: Float32, settings: EmbeddingSettings) -> None:
        """`hidden` is (v, d) float32."""
        self.vocabulary, self.hidden, self.settings = vocabulary, hidden, settings
        self._model: Any = None
        self._workers: list[_Worker] = []
        self._processes = settings.workers or os.cpu_count() or 1
        self._lock = threading.Lock()

    def vectors(self, texts: Sequence[list[str]]) -> Float32:
        """(n, d) raw vectors of texts of known words, at least one each."""
        rows = [row[:_LONGEST] for row in texts]
        rows = [row * -(-_SHORTEST // len(row)) for row in rows]
        with self._lock:
            fewest = _SHARED_FROM if self._workers else _STARTED_FROM
            if len(rows) < fewest or self._processes < 2:
                return self._here(rows)
            return self._shared_out(rows)

    def close(self) -> None:
        """End the processes. They start again when they are needed."""
        with self._lock:
            for worker in self._workers:
                worker.end()
            self._workers = []

    def _shared_out(self, rows: list[list[str]]) -> Float32:
        chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
        waiting, found = deque(enumerate(chunks)), dict[int, Float32]()
        with ThreadPoolExecutor(self._processes) as threads:  # each waits for one process, which takes what comes next
            for done in threads.map(lambda worker: worker.work(waiting, self.settings.dim), self._pool()):
                found |= done
        alive = [worker for worker in self._workers if worker.alive()]
        self._processes -= len(self._workers) - len(alive)  # what does not live here is not started again and again
        self._workers = alive
        return np.concatenate([found[at] if at in found else self._here(chunk) for at, chunk in enumerate(chunks)])

    def _here(self, rows: list[list[str]]) -> Float32:
        self._model = self._model or model_around(self.vocabulary, self.hidden, self.settings)
        return infer(self._model, rows, self.settings)

    def _pool(self) -> "list[_Worker]":
        if not self._workers:
            head = _head(self.vocabulary, self.settings)
            try:
                for _ in range(self._processes):
                    self._workers.append(_Worker(head, self.hidden))
            except OSError as error:
                _log.warning("no more than %s processes to infer vectors (%s)", len(self._workers), error)
                self._processes = len(self._workers)
        return self._workers


class _Worker:
    """A process that infers."""

    def __init__(self, head: bytes, hidden: Float32) -> None:
        self._process = processes.start("recnews.embed.inference")
        self._first: tuple[bytes, Float32] | None = (head, hidden)
        self.end = weakref.finalize(self, processes.end, self._process)

    def alive(self) -> bool:
        return self._process.poll() is None

    def work(self, waiting: "deque[tuple[int, list[list[str]]]]", dim: int) -> dict[int, Float32]:
        """Take chunks from `waiting` until none is left; their vectors. A chunk that fails is left out."""
        found: dict[int, Float32] = {}
        to, back = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 - asked for above
        assert back is not None  # noqa: S101
        while waiting:
            try:
                at, chunk = waiting.popleft()
            except IndexError:  # another took the last
                break
            try:
                if self._first:
                    head, hidden = self._first
                    to.write(head)
                    to.write(np.ascontiguousarray(hidden).data)
                    self._first = None
                to.write(json.dumps(chunk).encode() + b"\n")
                to.flush()
                answer = back.read(len(chunk) * dim * 4)
                found[at] = np.frombuffer(answer, dtype=np.float32).reshape(len(chunk), dim)
            except (OSError, ValueError) as error:
                _log.warning("a process that infers vectors is gone (%s); going on without it", error)
                self.end()
                break
        return found


def _head(vocabulary: Vocabulary, settings: EmbeddingSettings) -> bytes:
    """A line that says all but the weights, which follow as bytes."""
    values = {
        "settings": settings.model_dump(), "words": vocabulary.words, "counts": vocabulary.counts.tolist(),
        "articles": vocabulary.total_articles,
    }  # fmt: skip
    return json.dumps(values).encode() + b"\n"


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """What a worker does: read a model, then texts, a chunk a line, and answer each with the bytes of its vectors."""
    head = json.loads(given.readline())
    settings = EmbeddingSettings.model_validate(head["settings"])
    none = np.zeros(len(head["words"]), dtype=np.int64)
    vocabulary = Vocabulary(head["words"], np.array(head["counts"], dtype=np.int64), none, head["articles"])
    size = len(vocabulary) * settings.dim
    hidden = np.frombuffer(given.read(size * 4), dtype=np.float32).reshape(-1, settings.dim)
    model = model_around(vocabulary, hidden, settings)
    for line in given:
        answers.write(infer(model, json.loads(line), settings).tobytes())
        answers.flush()


def infer(model: Any, rows: list[list[str]], settings: EmbeddingSettings) -> Float32:
    """(n, d) vectors of texts of known words: gensim's schedule from a fixed state, none of its shared randomness."""
    from gensim.models.doc2vec import train_document_dbow

    start = np.random.default_rng(settings.seed).random(settings.dim, dtype=np.float32)
    vectors = np.tile((start - np.float32(0.5)) / np.float32(settings.dim), (len(rows), 1))
    work, free = np.zeros(model.layer1_size, np.float32), np.ones(1, np.float32)
    alphas = np.linspace(model.alpha, model.min_alpha, settings.infer_epochs).tolist()
    for row, tokens in enumerate(rows):
        model.random = np.random.RandomState(settings.seed)
        for alpha in alphas:
            train_document_dbow(
                model, tokens, [0], alpha, work,
                learn_words=False, learn_hidden=False, doctag_vectors=vectors[row : row + 1], doctags_lockf=free,
            )  # fmt: skip
    return vectors


def parameters(settings: EmbeddingSettings) -> dict[str, Any]:
    """What gensim is told of a model, in training and after."""
    return {
        "vector_size": settings.dim,
        "window": settings.window,
        "negative": settings.negative,
        "dm": 0,
        "dbow_words": 1,
        "epochs": settings.epochs,
        "seed": settings.seed,
    }


def model_around(vocabulary: Vocabulary, hidden: Float32, settings: EmbeddingSettings) -> Any:
    """A gensim model that can infer, put together from the saved arrays."""
    from gensim.models import Doc2Vec

    # Every word is learned and none is skipped at inference: a short text has none to spare.
    model = Doc2Vec(min_count=1, sample=0, **parameters(settings))
    frequencies = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    model.build_vocab_from_freq(frequencies, corpus_count=vocabulary.total_articles)
    model.syn1neg = np.array(hidden)
    return model


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
