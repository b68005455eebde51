"""The generations of an open home: what goes live has encoded what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recnews.generations import Generations
from recnews.newsroom.upkeep import catch_up

if TYPE_CHECKING:
    from recnews.newsroom.home import Home


class HomeGenerations(Generations):
    """What was trained in a home, which of it is live, and how to change that."""

    def __init__(self, home: "Home") -> None:
        super().__init__(home.home / "indexes")
        self._home = home

    @contextmanager
    def training(self) -> Iterator[None]:
        """As `Generations.training`, and among all machines that share the store."""
        with super().training(), self._home.store.alone("the right to train and promote"):
            yield

    def promote(self, name: str) -> None:
        """Make a generation live. What was ingested since it was trained is encoded first.

        Raises `UnknownGenerationError`, `DamagedGenerationError`, `BusyError` during a training.
        """
        with self.training():
            chosen = self.load(name)
            chosen.verify()
            catch_up(self._home, chosen)
            self.switch_to(name)
            catch_up(self._home, chosen)  # what another process ingested between the two

    def rollback(self) -> str:
        """Make the generation before the live one live again; returns its id. Raises `UsageError` without one; else as
        `promote`."""
        with self.training():
            name = self.before_live()
            chosen = self.load(name)
            catch_up(self._home, chosen)
            self.switch_back(name)
            catch_up(self._home, chosen)  # as in `promote`
        return name

    def prune(self, keep: int = 2) -> list[str]:
        """Remove all generations but the live one and the latest `keep - 1` others, with their vectors; their ids.

        Raises `BusyError` during a training.
        """
        with self.training():
            removed = self.remove_old(keep)
            self._home.store.vectors.retain(self.names())
        return removed
