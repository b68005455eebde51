"""What is watched, and how far it was taken in. The state of a source is the watcher's own; here it is kept."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from recnews.store.database import Database
from recnews.store.dialects import insert_or
from recnews.store.schema import sources, watched_files

_BATCH = 500


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was when it was last seen; `digest` of what was taken in, None before that."""

    mtime_ns: int
    size: int
    digest: bytes | None = None


class Sources:
    """The watched feeds and folders, by name: an address or a path."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, dict[str, Any]]:
        """The state of each, by name."""
        with self._database.read() as connection:
            return {row.name: json.loads(row.state) for row in connection.execute(select(sources))}

    def state(self, name: str) -> dict[str, Any]:
        """The state of one; empty where there is none."""
        with self._database.read() as connection:
            found = connection.execute(select(sources.c.state).where(sources.c.name == name)).scalar()
        return json.loads(found) if found else {}

    def keep(self, name: str, state: Mapping[str, Any]) -> None:
        """Put the state of one in the place of what was kept before."""
        text = json.dumps(state, ensure_ascii=False, sort_keys=True)
        with self._database.write() as connection:
            statement = insert_or(connection, sources).values(name=name, state=text)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[sources.c.name], set_={"state": statement.excluded.state}
                )
            )

    def files(self, name: str) -> dict[str, SeenFile]:
        """The files of a folder, by path."""
        query = select(watched_files).where(watched_files.c.source == name)
        with self._database.read() as connection:
            return {_path(row.path): SeenFile(row.mtime_ns, row.size, row.digest) for row in connection.execute(query)}

    def keep_files(self, name: str, seen: Mapping[str, SeenFile]) -> None:
        """Remember files as they are now."""
        rows = [
            {"source": name, "path": _text(path), "mtime_ns": it.mtime_ns, "size": it.size, "digest": it.digest}
            for path, it in seen.items()
        ]
        if not rows:
            return
        key = [watched_files.c.source, watched_files.c.path]
        with self._database.write() as connection:
            statement = insert_or(connection, watched_files)
            columns = {column: statement.excluded[column] for column in ("mtime_ns", "size", "digest")}
            connection.execute(statement.on_conflict_do_update(index_elements=key, set_=columns), rows)

    def drop_files(self, name: str, paths: Iterable[str]) -> None:
        """Forget files that are gone."""
        gone = [_text(path) for path in paths]
        with self._database.write() as connection:
            for first in range(0, len(gone), _BATCH):
                one = watched_files.c.path.in_(gone[first : first + _BATCH])
                connection.execute(delete(watched_files).where(watched_files.c.source == name, one))


def _text(path: str) -> str:
    # A name that is no valid text is kept with its odd bytes as escapes; JSON knows a way back.
    return path if path.isprintable() else json.dumps(path)


def _path(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text
