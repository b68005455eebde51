"""An open home: what is stored, what was learned from it, and what answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from recnews.config import Settings, given_reader_key, home_folder, load_settings
from recnews.newsroom.generations import HomeGenerations
from recnews.newsroom.upkeep import archive_settings
from recnews.serving import Serving
from recnews.store import ReaderIds, Store

if TYPE_CHECKING:
    from recnews.cluster import Cluster


class Home:
    """A folder with `corpora/` (what is stored) and `indexes/` (what was learned from it), in use.

    `settings` may be replaced by others: they are looked at when something is done.
    """

    def __init__(self, home: Path, settings: Settings) -> None:
        """Use `open`."""
        self.home, self.settings = home, settings
        self.corpora = home / "corpora"
        self.store = _open_store(self.corpora, settings)
        self.generations = HomeGenerations(self)
        self.generations.follow_store()
        self.serving = Serving(self.store, self.generations, archive_settings(settings))
        self.cluster: Cluster | None = None

    @classmethod
    def open(cls, home: str | Path | None = None, settings: Settings | None = None) -> Self:
        """Open a home, creating it when absent: `home`, else `RECNEWS_HOME`, else the current folder.

        Raises `SettingsError` for a setting that is not one, or when ids of readers are hashed in this home and the
        settings do not say so with the same key; `StorageError` when the folder cannot be used.
        """
        folder = home_folder(home)
        return cls(folder, load_settings(folder) if settings is None else settings)

    @contextmanager
    def on_cluster(self, address: str | None) -> Iterator[Self]:
        """Have articles cut into words and encoded by the workers of a Dask cluster, as long as this lasts; None for
        this machine alone. What is stored is the same.

        Raises `UsageError` for what is no address, `ClusterError` when no scheduler answers, `MissingExtraError`.
        """
        if address is None:
            yield self
            return
        from recnews.cluster import Cluster

        with Cluster.open(address) as cluster:
            self.cluster = cluster
            try:
                yield self
            finally:
                self.cluster = None

    def close(self) -> None:
        """Give files and processes back."""
        self.serving.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_store(corpora: Path, settings: Settings) -> Store:
    """The store, with ids of readers kept as the settings say: those that are there are hashed before it is used."""
    if settings.privacy.hash_ids:
        from recnews.privacy import reader_key

        readers = ReaderIds(reader_key(corpora, given_reader_key()))
    else:
        readers = ReaderIds()
    store = Store(corpora, readers, settings.store.get_secret_value(), settings.replica.get_secret_value())
    try:
        if store.privacy.adopt():
            from recnews.privacy import hash_what_is_stored

            hash_what_is_stored(store, corpora)
    except BaseException:
        store.close()
        raise
    return store
