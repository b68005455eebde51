"""What a reader may ask for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from recnews.config import given_reader_key
from recnews.newsroom.given import aware, writable
from recnews.newsroom.home import Home
from recnews.newsroom.upkeep import count_log
from recnews.records import Held, HeldEvent
from recnews.reports import Forgotten


class Readers:
    """What is held on readers, each named by their id."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def history(self, user_id: str, limit: int, *, at: datetime | None = None) -> list[HeldEvent]:
        """A reader's latest acts before a time, newest first; impressions are none."""
        writable(user_id)
        return self._home.store.events.history(user_id, aware(at), limit)

    def recent(self, limit: int) -> list[str]:
        """Ids of readers whose events came last, the latest first, as they are stored: hashed ids say nothing to who
        asks, so there are none then."""
        return [] if self._home.settings.privacy.hash_ids else self._home.store.events.recent_readers(limit)

    def export(self, user_id: str) -> Held:
        """All that is held on a reader, in an order that does not change."""
        from recnews.privacy import export

        writable(user_id)
        return export(self._home.store, self._home.corpora, user_id)

    def forget(self, user_id: str, *, backups: Sequence[str | Path] = (), now: datetime | None = None) -> Forgotten:
        """Remove all that is held on a reader, to the last byte: events, article keys that only these named, rejected
        rows with their id. The store is written anew for it. `Status.forgotten` counts it until the next training.
        `backups` are folders of backups in which the reader is forgotten, too. A keyed hash of the id is kept, by which
        a restore of any other backup that is older forgets the reader again.

        A reader who is not known is forgotten already. Killed at any moment and run again, all is gone. Raises
        `StorageError`; `BusyError` while another process reads an older state of the store, or makes a backup;
        `UsageError` for a folder that is none of backups, before anything is removed.
        """
        from recnews.erasure import forget_in_backups
        from recnews.privacy import forget, noting
        from recnews.repository import Repository

        writable(user_id)
        moment, folders = aware(now), [Repository(Path(folder).absolute()).folder for folder in backups]
        key = given_reader_key()
        noted = noting(self._home.store, self._home.corpora, key)
        forgotten = forget(self._home.store, self._home.corpora, user_id, moment, noted)
        count_log(self._home)
        changed = [
            f"{folder}: {name}" for folder in folders for name in forget_in_backups(folder, user_id, moment, key)
        ]
        return replace(forgotten, backups=tuple(changed))
