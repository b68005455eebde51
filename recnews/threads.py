"""How many threads arithmetic takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS works on one thread inside, whichever thread asks.

    The products of a feed are small: threads of which each waits for the others, spinning, take three times as long as
    one where the cores have other work.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    import numpy.linalg  # noqa: F401 - what is loaded later would not be limited

    return ThreadpoolController()
