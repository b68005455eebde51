"""Generations as all nodes can reach them: files in pieces under their checksums, and which generation is live."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from recnews.store.database import Database
from recnews.store.dialects import insert_or
from recnews.store.schema import current_generation, generation_pieces, shared_generations


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file of a generation: path below its folder, size in bytes, and SHA-256 of each of its pieces, in hexadecimal,
    each of `piece` bytes but the last."""

    name: str
    size: int
    piece: int
    pieces: tuple[str, ...]


class SharedGenerations:
    """What the store keeps of generations. A generation counts once all of its pieces are there; pieces are never
    changed, and kept once however many files hold them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> str | None:
        """What was last made known by `make_current`; None when nothing is shared."""
        with self._database.read() as connection:
            return connection.execute(select(current_generation.c.content)).scalar_one_or_none()

    def make_current(self, content: str) -> None:
        """Say which generation is live, in one transaction."""
        with self._database.write() as connection:
            connection.execute(delete(current_generation))
            connection.execute(insert(current_generation).values(content=content))

    def names(self) -> tuple[str, ...]:
        """Ids of the generations that are here as a whole, oldest first."""
        query = select(shared_generations.c.generation).order_by(shared_generations.c.generation)
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def files(self, generation: str) -> tuple[SharedFile, ...]:
        """The files of a generation; none for one that is not here."""
        query = select(shared_generations.c.files).where(shared_generations.c.generation == generation)
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return tuple(
            SharedFile(it["name"], it["size"], it["piece"], tuple(it["pieces"]))
            for it in (json.loads(found) if found else ())
        )

    def add(self, generation: str, files: Sequence[SharedFile]) -> None:
        """Let a generation count, all of whose pieces are here."""
        with self._database.write() as connection:
            values = {"files": json.dumps([asdict(file) for file in files])}
            statement = insert_or(connection, shared_generations).values(generation=generation, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["generation"], set_=values))

    def has(self, digest: str) -> bool:
        """Whether a piece is here; its content is not looked at."""
        query = select(generation_pieces.c.digest).where(generation_pieces.c.digest == bytes.fromhex(digest))
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def piece(self, digest: str) -> bytes | None:
        """The content of a piece; None when it is not here, or is not what its checksum says."""
        query = select(generation_pieces.c.content).where(generation_pieces.c.digest == bytes.fromhex(digest))
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return bytes(found) if found is not None and hashlib.sha256(found).hexdigest() == digest else None

    def put(self, content: bytes) -> None:
        """Keep a piece, in the place of one under its name that was spoilt."""
        with self._database.write() as connection:
            values = {"digest": hashlib.sha256(content).digest(), "content": content}
            statement = insert_or(connection, generation_pieces).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=["digest"], set_={"content": content}))

    def retain(self, generations: Collection[str]) -> None:
        """Remove all other generations, and pieces that none of these needs."""
        kept = [file for name in generations for file in self.files(name)]
        needed = {bytes.fromhex(digest) for file in kept for digest in file.pieces}
        with self._database.write() as connection:
            connection.execute(
                delete(shared_generations).where(shared_generations.c.generation.not_in(list(generations)))
            )
            there = set(map(bytes, connection.execute(select(generation_pieces.c.digest)).scalars()))
            for digest in there - needed:
                connection.execute(delete(generation_pieces).where(generation_pieces.c.digest == digest))

    def clear(self) -> None:
        """Share nothing any more."""
        with self._database.write() as connection:
            connection.execute(delete(current_generation))
        self.retain(())
