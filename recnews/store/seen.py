"""Which ids a run has already read from a file: kept on disk, so that memory does not grow with the file."""

import sqlite3

from recnews.records import Draft


class SeenKeys:
    """The keys of one input file in a private temporary database, gone when closed."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER, same INTEGER) WITHOUT ROWID")
        self._connection.execute("BEGIN")

    def first(self, draft: Draft) -> tuple[int, bool] | None:
        """None for a new key; else the line that had it first, and whether the content was the same."""
        content, line = hash(draft), draft.where.line if draft.where else 0
        row = self._connection.execute("SELECT line, same FROM seen WHERE key = ?", (draft.key,)).fetchone()
        if row is None:
            self._connection.execute("INSERT INTO seen VALUES (?, ?, ?)", (draft.key, line, content))
            return None
        return int(row[0]), row[1] == content

    def close(self) -> None:
        """Drop the temporary database."""
        self._connection.close()
