"""The quarantine, row by row: looked at, and emptied of what was mended."""

from pathlib import Path

from recnews import rejected
from recnews.errors import UsageError
from recnews.newsroom.home import Home
from recnews.records import KeptRow


class RejectedRows:
    """Rejected rows that wait to be mended. A file is named by its name in the quarantine."""

    def __init__(self, home: Home) -> None:
        self._folder = home.corpora / "quarantine"

    def files(self) -> list[tuple[str, int]]:
        """The files and their sizes in bytes, the latest first."""
        found = [(file.name, file.stat()) for file in self._folder.glob("*.jsonl")]
        return [(name, it.st_size) for name, it in sorted(found, key=lambda one: (-one[1].st_mtime, one[0]))]

    def page(self, file: str, offset: int, most: int) -> tuple[list[KeptRow], int | None]:
        """At most so many rows from a place in a file on, and the place after them, None at the end.

        Raises `UsageError` for a file that is not there.
        """
        return rejected.page_of(self._path(file), offset, most)

    def take_out(self, file: str, digest: str) -> bool:
        """Remove a row that was mended; False when it was not there any more. Raises `UsageError`, `StorageError`."""
        return rejected.take_out(self._path(file), digest)

    def _path(self, file: str) -> Path:
        found = next((path for path in self._folder.glob("*.jsonl") if path.name == file), None)
        if found is None:
            raise UsageError(f"the quarantine holds no file {file!r}; it may have been mended meanwhile")
        return found
