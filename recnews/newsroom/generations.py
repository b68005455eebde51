"""The generations of an open home: what goes live has encoded what is stored, and is live on all nodes."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from recnews.errors import BusyError, DamagedGenerationError, SharedGenerationError, StorageError, UnreachableError
from recnews.generation import load_generation
from recnews.generations import Current, Generations
from recnews.newsroom.upkeep import catch_up
from recnews.shared import COMING, fetch, share
from recnews.store import SharedGenerations

if TYPE_CHECKING:
    from recnews.newsroom.home import Home

_FETCH_LOCK = ".fetch.lock"
_log = logging.getLogger("recnews")


class HomeGenerations(Generations):
    """What was trained in a home, which of it is live, and how to change that.

    Where nodes share generations, the store says which one is live and holds a copy of each; this folder follows it.
    """

    def __init__(self, home: "Home") -> None:
        super().__init__(home.home / "indexes")
        self._home = home

    @contextmanager
    def training(self) -> Iterator[None]:
        """As `Generations.training`, and among all machines that share the store."""
        with self._alone(), self._home.store.alone("the right to train and promote"):
            if self._shared and self._shared.current() is None:
                self._share_all()
            elif self._shared:
                self._follow(alone=True)
            yield

    def names(self) -> tuple[str, ...]:
        """Ids of all finished generations of all nodes, oldest first."""
        return tuple(sorted({*self.held(), *(self._shared.names() if self._shared else ())}))

    def follow_store(self) -> None:
        """Hold, and have live, what another node has made live; nothing where nodes do not share generations. What
        cannot be had is told by a warning, and this node goes on with what it has."""
        if self._shared is None:
            return
        said = self._shared.current()
        if said is None:
            if self._here().live is not None:
                with suppress(BusyError, UnreachableError), self.training():
                    pass  # it shares what is here, once the store can be written
        elif said != self._here().text or Current.read(said).live not in self.held():
            self._follow(alone=False)

    def promote(self, name: str) -> None:
        """Make a generation live. What was ingested since it was trained is encoded first.

        Raises `UnknownGenerationError`, `DamagedGenerationError`, `BusyError` during a training.
        """
        with self.training():
            self._hold(name)
            chosen = self.load(name)
            chosen.verify()
            if self._shared:
                share(self._home.store, chosen, check=True)
            catch_up(self._home, chosen)
            self.switch_to(name)
            catch_up(self._home, chosen)  # what another process ingested between the two

    def rollback(self) -> str:
        """Make the generation before the live one live again; returns its id. Raises `UsageError` without one; else as
        `promote`."""
        with self.training():
            name = self.before_live()
            self._hold(name)
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
            kept = set(self.names()) - set(self.old(keep))
            removed = self.remove_old(keep)
            if self._shared:
                self._shared.retain(kept)
            self._home.store.vectors.retain(self.names())
        return removed

    def begin(self) -> tuple[str, Path]:
        if self._shared:
            self._shared.retain(self._shared.names())  # pieces that a killed process has put there
        return super().begin()

    def finish(self, name: str, folder: Path) -> None:
        """As `Generations.finish`. One that is to be looked at first is shared before it counts, so that every node
        knows of it; others are when they go live."""
        built = load_generation(folder, name)
        if self._shared and not built.manifest.promote:
            share(self._home.store, built)
        super().finish(name, folder)

    def _switch(self, current: Current) -> None:
        """The store first: it is what other nodes follow, and what this one does, should it be killed in between."""
        store = self._home.store
        if self._shared and current.live:
            share(store, self.load(current.live))
            self._shared.make_current(current.text)
        elif store.shared.current() is not None:
            store.shared.clear()  # or it would be gone back to when sharing is switched on again
        super()._switch(current)

    @property
    def _shared(self) -> SharedGenerations | None:
        """Where generations are shared; None where they are not."""
        settings = self._home.settings
        on = settings.share_generations and settings.store.get_secret_value()
        return self._home.store.shared if on else None

    def _here(self) -> Current:
        """What this folder says is live; nothing when that cannot be read."""
        try:
            return self.current()
        except StorageError:
            return Current(None)

    def _share_all(self) -> None:
        """The store knows of no generation yet: it learns of those in this folder."""
        live = self._here().live
        for name in self.held():
            try:
                share(self._home.store, self.load(name))
            except DamagedGenerationError:
                if name == live:
                    return
        if live is not None:
            self._home.store.shared.make_current(self._here().text)

    def _hold(self, name: str) -> None:
        """Have a generation in this folder, if another node has shared it."""
        if self._shared and name not in self.held() and name in self._shared.names():
            with self._fetching():
                if name not in self.held():
                    fetch(self._home.store, name, self.folder)

    def _follow(self, alone: bool) -> None:
        """Fetch what the store says is live, then have it live here in one rename, and drop what no node has any more.
        Unless called `alone`, nothing is done while a process of this node is changing generations itself."""
        shared = self._home.store.shared
        said = shared.current()
        current = Current.read(said) if said else Current(None)
        if current.live is None:
            return
        try:
            self._hold(current.live)
            with nullcontext() if alone else self._alone():
                if shared.current() == said:
                    self._take(current, set(shared.names()))
        except BusyError:
            return
        except (SharedGenerationError, StorageError) as error:
            _log.warning("%s", error)

    def _take(self, current: Current, names: set[str]) -> None:
        if current.text != self._here().text:
            super()._switch(current)
        for name in set(self.held()) - names:
            self._remove(name)
        for left in self.folder.glob(f"{COMING}*"):
            if left.name.removeprefix(COMING) not in names or left.name.removeprefix(COMING) in self.held():
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _fetching(self) -> Iterator[None]:
        """Wait for other processes of this node that fetch the same."""
        handle = os.open(self.folder / _FETCH_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
