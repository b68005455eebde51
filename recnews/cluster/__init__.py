"""Bulk work on a Dask cluster: its workers cut articles into words and encode them; everything else is done here.

The store stays with this process: a worker gets texts and gives back what was made of them, so a worker that is lost
costs the time of its batch. Whatever a cluster cannot do is done here. Workers must answer with the very bytes that
this process would; those that do not are not used (see `recnews.cluster.team`).
"""

import logging
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from recnews.cluster import kits, worker
from recnews.cluster.studies import Studies
from recnews.cluster.team import Team
from recnews.errors import ClusterError, MissingExtraError, UsageError
from recnews.generation import Generation
from recnews.records import Tokens
from recnews.store import ArticleText, Store
from recnews.text import Tokenizer

if TYPE_CHECKING:
    from types import TracebackType

_ADDRESS = re.compile(r"(?:[a-z]+://)?[^/\s@]+:\d{1,5}")
_SECONDS = 10
_CHUNK = 200  # articles a task: a few hundredths of a second with word vectors, a second with Doc2Vec
_log = logging.getLogger("recnews")


class Cluster:
    """A connection to a Dask scheduler. Use it as a context manager, in one thread."""

    def __init__(self, address: str, client: Any) -> None:
        """Use `open`."""
        self.address, self._client = address, client
        self._studying: tuple[Generation, Team] | None = None

    @classmethod
    def open(cls, address: str) -> Self:
        """Connect to the scheduler at an address such as `tcp://10.0.0.5:8786`.

        Raises `UsageError` for what is no address, `ClusterError` when no scheduler answers, `MissingExtraError`.
        """
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"--cluster {address}: write the scheduler's address, such as tcp://10.0.0.5:8786")
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError("distributed", "cluster", "work on a Dask cluster") from error
        connect: Any = distributed.Client
        try:
            client = connect(address, timeout=_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(
                address, f"no scheduler answers ({error})",
                "start one with `dask scheduler` and workers with `dask worker ADDRESS`, or leave --cluster out",
            ) from error  # fmt: skip
        return cls(address, client)

    def close(self) -> None:
        """Leave the cluster; its workers forget what they were given."""
        if self._studying is not None:
            self._studying[1].dismiss()
        self._client.close(timeout=_SECONDS)

    def cut(self, tokenizer: Tokenizer, texts: Iterator[ArticleText]) -> Iterator[Tokens]:
        """The tokens of articles, in their order."""
        team = Team(self._client, kits.tokenizer_kit(tokenizer))
        waiting = deque[tuple[list[ArticleText], Any]]()
        try:
            while batch := list(islice(texts, _CHUNK)):
                waiting.append((batch, team.submit(worker.cut, batch)))
                if len(waiting) > team.ahead:
                    yield from _cut(tokenizer, team, *waiting.popleft())
            while waiting:
                yield from _cut(tokenizer, team, *waiting.popleft())
        finally:
            team.dismiss()

    def studies(self, store: Store, generation: Generation) -> Studies:
        """What has articles of `store` studied in terms of `generation`, ahead of when they are asked for."""
        if self._studying is None or self._studying[0] is not generation:
            if self._studying is not None:
                self._studying[1].dismiss()
            self._studying = generation, Team(self._client, kits.generation_kit(store, generation))
        return Studies(self._studying[1], store, generation, _CHUNK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


def _cut(tokenizer: Tokenizer, team: Team, batch: list[ArticleText], task: Any) -> list[Tokens]:
    found = team.result(task)
    if found is None:
        return [tokenizer.document(text.title, text.summary, text.body) for text in batch]
    return list(found)
