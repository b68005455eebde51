"""The store: articles, events and vectors. The truth of a home; every SQL statement of recnews is in here."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from recnews.errors import StorageError
from recnews.store.articles import ArticleCard, Articles, ArticleText
from recnews.store.behaviours import BehaviourRows, Behaviours
from recnews.store.database import Database, from_micros, to_micros
from recnews.store.editorial import Editorial, RuleField, RuleKind
from recnews.store.events import Events, LoggedEvent
from recnews.store.guesses import GivenCategory, Guesses
from recnews.store.listing import CameIn, Listing, Published, ReadBy
from recnews.store.on_sqlite import SqliteDatabase
from recnews.store.privacy import Forgetting, ForgottenReader, Privacy
from recnews.store.pruning import Pruning
from recnews.store.readers import ReaderIds
from recnews.store.readings import Hours, Pairs, ReadAges, Readings
from recnews.store.rows import Rows
from recnews.store.seen import SeenKeys
from recnews.store.shared import SharedFile, SharedGenerations
from recnews.store.sources import SeenFile, Sources
from recnews.store.stories import Stories
from recnews.store.transfer import Sum, Told, Transfer, sums
from recnews.store.vectors import START, Change, Pending, Token, Vectors
from recnews.store.words import InducedWord, Met, Often, RipeWord, Words

__all__ = [
    "START",
    "ArticleCard",
    "ArticleText",
    "BehaviourRows",
    "CameIn",
    "Change",
    "Forgetting",
    "ForgottenReader",
    "GivenCategory",
    "Guesses",
    "Hours",
    "InducedWord",
    "LoggedEvent",
    "Met",
    "Often",
    "Pairs",
    "Pending",
    "Published",
    "ReadAges",
    "ReadBy",
    "ReaderIds",
    "RipeWord",
    "Rows",
    "RuleField",
    "RuleKind",
    "SeenFile",
    "SeenKeys",
    "SharedFile",
    "SharedGenerations",
    "Store",
    "Sum",
    "Token",
    "Told",
    "free_bytes",
    "from_micros",
    "to_micros",
]

STORE_FILE = "recnews.sqlite"


class Store:
    """An open store. Safe to use from several threads and, as a file, from several processes."""

    def __init__(self, folder: Path, readers: ReaderIds | None = None, address: str = "", replica: str = "") -> None:
        """Open the store at `address`, a URL of PostgreSQL, else the file in `folder`; what is not there is created.
        `replica` is a standby of it to read from. `readers` says how their ids are kept, else as they come.

        Raises `StorageError`, `SchemaError`; `MissingExtraError` where the driver is not installed.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                folder, f"cannot be created ({error.strerror})", "choose a folder you may write"
            ) from error
        self.folder = folder
        self._database = _opened(folder, address, replica)
        self.articles = Articles(self._database)
        self.readers = readers or ReaderIds()
        self.events = Events(self._database, self.readers)
        self.privacy = Privacy(self._database, self.readers)
        self.vectors = Vectors(self._database)
        self.stories = Stories(self._database)
        self.words = Words(self._database)
        self.behaviours = Behaviours(self._database)
        self.readings = Readings(self._database)
        self.guesses = Guesses(self._database)
        self.editorial = Editorial(self._database)
        self.sources = Sources(self._database)
        self.listing = Listing(self._database)
        self.rows = Rows(self._database)
        self.pruning = Pruning(self._database)
        self.shared = SharedGenerations(self._database)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    @property
    def place(self) -> str:
        """Where it lies, for messages: a file, or a server and its database."""
        return self._database.place

    def alone(self, what: str, wait: bool = False) -> AbstractContextManager[None]:
        """Hold a right that one process of all machines has at a time, beside the locks in the home's folders, which
        keep those of one machine apart. Raises `BusyError` when it is taken and not waited for."""
        return self._database.alone(what, wait)

    def one_view(self) -> AbstractContextManager[None]:
        """All that this thread reads inside sees one state of the store: a feed is one transaction, not a dozen."""
        return self._database.one_view()

    def check(self) -> list[str]:
        """What is wrong with the file itself; empty when all is well."""
        return self._database.check()

    def copy_into(self, target: "Store", told: Told | None = None) -> None:
        """Make another store hold what this one holds; see `Transfer.run`."""
        Transfer(self._database, target._database).run(told)

    def sums(self) -> dict[str, Sum]:
        """The rows of each table, and a checksum of them that every engine gives alike."""
        return sums(self._database)

    def standby_behind(self) -> int | None:
        """How many bytes of changes the standby has not replayed; None when there is none that answers."""
        return self._database.standby_behind()

    def disk_bytes(self) -> int:
        """Size on disk, a write-ahead log beside the store included."""
        return self._database.disk_bytes()

    def free_bytes(self) -> int:
        """Free space of the disk that the home lies on."""
        return shutil.disk_usage(self.folder).free


def _opened(folder: Path, address: str, replica: str) -> Database:
    if not address:
        return SqliteDatabase(folder / STORE_FILE)
    from recnews.store.on_postgres import PostgresDatabase

    return PostgresDatabase(address, replica)
