"""A round of watching: every source once, one after another."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from recnews.config import WatchSettings
from recnews.errors import BusyError, FetchError, StorageError, UsageError
from recnews.formats import ReadOptions
from recnews.reports import Polled, Watched
from recnews.store import Store
from recnews.watch.feeds import Feeds, Take
from recnews.watch.folders import Folders
from recnews.watch.state import State, moment
from recnews.web import Client, Limits, check_address

_LOCK = "watch.lock"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def is_address(source: str) -> bool:
    """Whether a source is an address, else it is a path."""
    return "://" in source


class Watcher:
    """Polls sources into a store. `take` takes in what they give; `full_text` also fetches the pages of entries that
    come without a text; `allow_private` lets addresses be asked that are not of the open internet."""

    def __init__(
        self, store: Store, take: Take, options: ReadOptions, settings: WatchSettings,
        *, full_text: bool = False, allow_private: bool = False,
    ) -> None:  # fmt: skip
        self._store, self._take, self._options, self._settings = store, take, options, settings
        self._full_text = full_text
        self._limits = Limits(settings.seconds, settings.max_bytes, settings.redirects, allow_private)

    def round(self, sources: Sequence[str], home: Path, now: datetime) -> Iterator[Polled]:
        """Poll each source once: addresses, and paths, which are relative to `home`.

        Raises `UsageError` for an address that cannot be one, before any is asked; `BusyError` while another process
        watches this home.
        """
        names = list(dict.fromkeys(source if is_address(source) else str(home / source) for source in sources))
        if not names:
            raise UsageError("nothing to watch: name feeds and folders, or list them as feeds under [watch]")
        for name in filter(is_address, names):
            try:
                check_address(name)
            except FetchError as error:
                raise UsageError(str(error)) from error
        return self._polled(names, now)

    def _polled(self, names: list[str], now: datetime) -> Iterator[Polled]:
        settle = timedelta(seconds=self._settings.settle_seconds)
        folders = Folders(self._store, self._take, self._options, settle)
        with _alone(self._store.folder), self._store.alone("watching this home"), ExitStack() as stack:
            feeds = self._feeds(stack) if any(map(is_address, names)) else None
            for name in names:
                yield feeds.poll(name, now) if feeds and is_address(name) else folders.poll(name, now)

    def _feeds(self, stack: ExitStack) -> Feeds:
        client = stack.enter_context(Client(self._limits))
        pages = self._settings.pages if self._full_text else 0
        every = seconds_of(self._settings.every)
        return Feeds(self._store, self._take, client, self._options, every=every, pages=pages)


def seconds_of(every: str) -> timedelta:
    """`90s`, `5m`, `2h` or `1d` as a time."""
    return timedelta(seconds=int(every[:-1]) * _SECONDS[every[-1]])


def watched(store: Store) -> list[Watched]:
    """All that was ever watched, by name."""
    found = {name: State.of(stored) for name, stored in store.sources.all().items()}
    return [
        Watched(
            name,
            "folder" if it.kind == "folder" else "feed",
            moment(it.polled_at),
            moment(it.read_at),
            it.failures,
            moment(it.next_at) if it.failures else None,
            it.problem,
        )
        for name, it in sorted(found.items())
    ]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the right to watch; it goes with the process, however that ends."""
    try:
        file = (folder / _LOCK).open("a+")
    except OSError as error:
        raise StorageError(folder / _LOCK, f"cannot be written ({error.strerror})", "mend its rights") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError("watching this home", f"process {file.read() or '?'}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
