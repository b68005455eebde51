"""The generations of a home: which is live, which were, and how one takes another's place."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
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

CURRENT_FILE = "CURRENT"
_DAMAGED_FILE = "DAMAGED"
_LOCK_FILE = ".train.lock"
_BUILDING = ".building-"
_NAME = re.compile(r"g\d{6,}")
_HISTORY = 10


@dataclass(frozen=True, slots=True)
class Current:
    """What `CURRENT` says: the live generation, those live before it (latest first), and those rolled back from."""

    live: str | None
    previous: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Current":
        """The inverse of `text`. Raises `ValueError`, `KeyError`, `TypeError`."""
        values = json.loads(text)
        return cls(values["live"], tuple(values["previous"]), tuple(values["retired"]))

    @property
    def text(self) -> str:
        """As the file has it."""
        return json.dumps(asdict(self)) + "\n"

    def names(self) -> set[str]:
        """All generations that are or were live."""
        return {name for name in (self.live, *self.previous, *self.retired) if name}


class Generations:
    """The `indexes/` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[tuple[int, int, int], Current] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                folder, f"cannot be created ({error.strerror})", "choose a folder you may write"
            ) from error

    def current(self) -> Current:
        """Which generation is live. Raises `StorageError` when the file that says so cannot be read."""
        file = self.folder / CURRENT_FILE
        try:
            found = file.stat()  # every question asks; the file is replaced, never written into
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._seen is None or self._seen[0] != seen:
                self._seen = seen, Current.read(file.read_text(encoding="utf-8"))
            return self._seen[1]
        except FileNotFoundError:
            return Current(None)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                file, f"cannot be read ({error})", "run `recnews generations promote ID` to say which one is live"
            ) from error

    def live(self, prepared: bool) -> tuple[Generation | None, list[DamagedGenerationError]]:
        """The generation that serves: the live one, or the latest before it that is whole; and what was wrong with
        those passed over. (None, []) before the first training.

        `prepared` reads and checks all it takes to encode; else manifest and file sizes are looked at. Raises the
        first damage when no generation is whole.
        """
        current, damages = self.current(), list[DamagedGenerationError]()
        for name in (current.live, *current.previous) if current.live else ():
            try:
                generation = self.load(str(name))
                if prepared:
                    self._prepare(generation)
            except DamagedGenerationError as error:
                damages.append(error)
            except UnknownGenerationError:
                damages.append(DamagedGenerationError(str(name), self.folder / str(name), "is missing"))
            else:
                return generation, damages
        if damages:
            raise damages[0]
        return None, []

    def load(self, name: str) -> Generation:
        """A generation by id. Raises `UnknownGenerationError`, `DamagedGenerationError`."""
        if not _NAME.fullmatch(name) or not (self.folder / name).is_dir():
            raise UnknownGenerationError(name, self.held())
        found = self.folder / name / _DAMAGED_FILE
        if found.exists():
            file, _, reason = found.read_text(encoding="utf-8").strip().partition("\n")
            raise DamagedGenerationError(name, file, f"{reason}; noted in {found}, delete that once it is mended")
        return load_generation(self.folder / name, name)

    def names(self) -> tuple[str, ...]:
        """Ids of all finished generations, oldest first."""
        return self.held()

    def held(self) -> tuple[str, ...]:
        """Those of them that are in the folder."""
        return tuple(sorted(entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name)))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the right to build, promote and prune. Raises `BusyError` when another process has it."""
        with self._alone():
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the right to change this folder. Raises `BusyError`."""
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

    def begin(self) -> tuple[str, Path]:
        """Clear what a killed training left, and make a folder for the next generation: its id and the folder. The
        store should then forget the vectors of all but `names()`. Call it inside `training()`."""
        self._clear()
        known = self.current().names()
        for name in self.held():
            if name not in known and not self._kept(name):
                self._remove(name)
        name = f"g{max((int(name[1:]) for name in {*self.names(), *known}), default=0) + 1:06d}"
        folder = self.folder / f"{_BUILDING}{name}"
        folder.mkdir()
        return name, folder

    def finish(self, name: str, folder: Path) -> None:
        """Give a built generation its name, in one rename."""
        folder.rename(self.folder / name)
        sync(self.folder)

    def switch_to(self, name: str) -> None:
        """Make a generation live, in one rename, after checking every file of it. Call it inside `training()`."""
        self.load(name).verify()
        try:
            current = self.current()
        except StorageError:  # its message says to run this very command
            current = Current(None)
        if name != current.live:
            earlier = [entry for entry in (current.live, *current.previous) if entry and entry != name]
            retired = tuple(entry for entry in current.retired if entry != name)
            self._switch(Current(name, tuple(earlier[:_HISTORY]), retired))

    def before_live(self) -> str:
        """The generation that was live before the live one and is still there. Raises `UsageError` without one."""
        standing = [name for name in self.current().previous if name in self.names()]
        if not standing:
            raise UsageError("there is no earlier generation to roll back to")
        return standing[0]

    def switch_back(self, name: str) -> None:
        """Make `before_live()` live again, after checking it. The one it replaces is kept, to be promoted or pruned.
        Call it inside `training()`."""
        self.load(name).verify()
        current = self.current()
        later = [entry for entry in current.previous[: current.previous.index(name)] if entry in self.names()]
        retired = tuple(entry for entry in (current.live, *later, *current.retired) if entry)
        self._switch(Current(name, current.previous[current.previous.index(name) + 1 :], retired))

    def disk_bytes(self) -> int:
        """Size on disk of all generations."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def old(self, keep: int) -> list[str]:
        """All but the live generation and the latest `keep - 1` others, the latest first."""
        live = self.current().live
        return [name for name in reversed(self.names()) if name != live][max(keep - 1, 0) :]

    def remove_old(self, keep: int) -> list[str]:
        """Remove all but the live generation and the latest `keep - 1` others; returns the ids removed. The store
        should then forget the vectors of all but `names()`. Call it inside `training()`."""
        current, dropped = self.current(), self.old(keep)
        if current.live:
            standing = set(self.names()) - set(dropped)
            previous, retired = (
                tuple(name for name in names if name in standing) for names in (current.previous, current.retired)
            )
            # The newest of those that are gone stays on record, so that no later one takes the name of a generation
            # that a running service may still hold.
            gone = {*dropped, *current.names()} - standing
            newest = sorted(gone, key=lambda name: int(name[1:]))[-1:]
            self._switch(Current(current.live, previous, (*retired, *newest)))
        self._clear()
        for name in dropped:
            self._remove(name)
        return sorted(dropped)

    def _clear(self) -> None:
        """Remove what a killed training or pruning left."""
        for entry in self.folder.glob(f"{_BUILDING}*"):
            shutil.rmtree(entry)

    def _prepare(self, generation: Generation) -> None:
        """Read and check all it takes to encode. A damage that shows only here is written down: a process that serves
        looks at sizes alone, and must not go on with a generation into which nothing can be encoded any more."""
        try:
            generation.prepare()
        except DamagedGenerationError as error:
            with suppress(OSError):
                (generation.folder / _DAMAGED_FILE).write_text(f"{error.file}\n{error.reason}\n", encoding="utf-8")
            raise

    def _kept(self, name: str) -> bool:
        """Whether a generation that never went live was meant to wait; a killed training leaves some that were not."""
        try:
            return not self.load(name).manifest.promote
        except RecnewsError:
            return False

    def _switch(self, current: Current) -> None:
        temporary = self.folder / f".{CURRENT_FILE}"  # one name: only who holds `training()` comes here
        temporary.write_text(current.text, encoding="utf-8")
        sync(temporary)
        temporary.replace(self.folder / CURRENT_FILE)
        sync(self.folder)

    def _remove(self, name: str) -> None:
        """Rename first: nobody must find half a generation under its name."""
        if name not in self.held():
            return
        gone = self.folder / f"{_BUILDING}gone-{name}"
        (self.folder / name).rename(gone)
        shutil.rmtree(gone)
