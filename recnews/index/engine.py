"""FAISS, as it is used here: without its types, which tell of half its names, and on how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as _faiss

faiss: Any = _faiss


_MANY = 32


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """FAISS works on one thread inside, but for very many queries, which go their ways without waiting for each other
    until the end: those it shares out to as many threads as it was given."""
    if queries >= _MANY:
        yield
        return
    with one_thread():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS works on one thread inside, as seen from the calling thread.

    A query lasts about a millisecond. OpenMP's threads wait for each other spinning; where the cores have other work
    too, a query on two threads took ten times as long as on one. And what is built on one thread is the same to the
    byte everywhere.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def instruction_sets() -> list[str]:
    """The vector instructions of the processor that FAISS has found and uses; empty when it goes without any."""
    return [word for word in faiss.get_compile_options().split() if word.startswith(("AVX", "NEON", "SVE"))]
