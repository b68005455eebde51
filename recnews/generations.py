"""The generations of a home: which is live, which were, and how one takes another's place."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recnews.errors import (
    BusyError,
    DamagedGenerationError,
    RecnewsError,
    StorageError,
    UnknownGenerationError,
    UsageError,
)
from recnews.generation import Generation, load_generation, sync

_CURRENT_FILE = "CURRENT"
_LOCK_FILE = ".train.lock"
_BUILDING = ".building-"
_NAME = re.compile(r"g\d{6,}")
_HISTORY = 10


@dataclass(frozen=True, slots=True)
class Current:
    """What `CURRENT` says: the live generation and, latest first, those that were live before it."""

    live: str | None
    previous: tuple[str, ...] = ()


class Generations:
    """The `indexes/` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                folder, f"cannot be created ({error.strerror})", "choose a folder you may write"
            ) from error

    def current(self) -> Current:
        """Which generation is live. Raises `StorageError` when the file that says so cannot be read."""
        file = self.folder / _CURRENT_FILE
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return Current(values["live"], tuple(values["previous"]))
        except FileNotFoundError:
            return Current(None)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                file, f"cannot be read ({error})", "run `recnews generations promote ID` to say which one is live"
            ) from error

    def live(self) -> tuple[Generation | None, list[DamagedGenerationError]]:
        """The generation that serves: the live one, or the latest before it that is whole; and what was wrong with
        those passed over. (None, …) when there is none."""
        current, damages = self.current(), list[DamagedGenerationError]()
        for name in [current.live, *current.previous] if current.live else []:
            try:
                return self.load(str(name)), damages
            except DamagedGenerationError as error:
                damages.append(error)
            except UnknownGenerationError:
                damages.append(DamagedGenerationError(str(name), self.folder / str(name), "is missing"))
        if damages:
            raise damages[0]
        return None, damages

    def load(self, name: str) -> Generation:
        """A generation by id. Raises `UnknownGenerationError`, `DamagedGenerationError`."""
        if not _NAME.fullmatch(name) or not (self.folder / name).is_dir():
            raise UnknownGenerationError(name, self.names())
        return load_generation(self.folder / name, name)

    def names(self) -> tuple[str, ...]:
        """Ids of all finished generations, oldest first."""
        return tuple(sorted(entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name)))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the right to build, promote and prune. Raises `BusyError` when another process has it."""
        with (self.folder / _LOCK_FILE).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise BusyError(f"the right to change {self.folder}", f"process {lock.read() or '?'}") from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def begin(self) -> tuple[str, Path, list[str]]:
        """Clear what a killed training left, and make a folder for the next generation: its id, the folder, and the
        ids whose vectors the store should forget. Call it inside `training()`."""
        for entry in self.folder.glob(f"{_BUILDING}*"):
            shutil.rmtree(entry)
        current = self.current()
        known = {current.live, *current.previous}
        dropped = [name for name in self.names() if name not in known and not self._kept(name)]
        for name in dropped:
            self._remove(name)
        remembered = [name for name in (*self.names(), *known) if name]
        name = f"g{max((int(name[1:]) for name in remembered), default=0) + 1:06d}"
        folder = self.folder / f"{_BUILDING}{name}"
        folder.mkdir()
        return name, folder, [*dropped, name]

    def finish(self, name: str, folder: Path) -> None:
        """Give a built generation its name, in one rename."""
        folder.rename(self.folder / name)
        sync(self.folder)

    def promote(self, name: str) -> None:
        """Make a generation live, in one rename, after checking every file of it."""
        self.load(name).verify()
        current = self.current()
        if name != current.live:
            earlier = [entry for entry in (current.live, *current.previous) if entry and entry != name]
            self._switch(Current(name, tuple(earlier[:_HISTORY])))

    def rollback(self) -> str:
        """Make the generation before the live one live again, checked; returns its id. Raises `UsageError`."""
        current = self.current()
        standing = [name for name in current.previous if name in self.names()]
        if not standing:
            raise UsageError("there is no earlier generation to roll back to")
        self.load(standing[0]).verify()
        self._switch(Current(standing[0], tuple(standing[1:])))
        return standing[0]

    def prune(self, keep: int) -> list[str]:
        """Remove all but the live generation and the latest `keep - 1` others; returns the ids removed."""
        current = self.current()
        others = [name for name in reversed(self.names()) if name != current.live]
        dropped = others[max(keep - 1, 0) :]
        if current.live:
            self._switch(Current(current.live, tuple(name for name in current.previous if name not in dropped)))
        for name in dropped:
            self._remove(name)
        return sorted(dropped)

    def _kept(self, name: str) -> bool:
        """Whether a generation that never went live was meant to wait; a killed training leaves some that were not."""
        try:
            return not self.load(name).manifest.promote
        except RecnewsError:
            return False

    def _switch(self, current: Current) -> None:
        temporary = self.folder / f".{_CURRENT_FILE}-{os.getpid()}"
        temporary.write_text(json.dumps({"live": current.live, "previous": current.previous}) + "\n", encoding="utf-8")
        sync(temporary)
        temporary.replace(self.folder / _CURRENT_FILE)
        sync(self.folder)

    def _remove(self, name: str) -> None:
        """Rename first: nobody must find half a generation under its name."""
        gone = self.folder / f"{_BUILDING}gone-{name}"
        (self.folder / name).rename(gone)
        shutil.rmtree(gone)
