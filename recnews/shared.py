"""Generations put into the store, and taken from there by nodes with disks of their own."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from recnews.errors import DamagedGenerationError, RecnewsError, SharedGenerationError
from recnews.generation import MANIFEST_FILE, Generation, load_generation, sync
from recnews.store import SharedFile, Store

COMING = ".fetching-"
PIECE = 4 << 20
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*(/[\w-]+(\.[\w-]+)*)?")


def share(store: Store, generation: Generation, check: bool = False) -> None:
    """Put a generation's files into the store, a piece a transaction, and let it count there at last. What is there
    already stays; with `check`, all of it is read, and what is not what it was is written again.

    Killed and run again, it goes on. Raises `DamagedGenerationError` for a file that has changed since training.
    """
    if not check and generation.id in store.shared.names():
        return
    files = []
    for name in (*generation.manifest.files, MANIFEST_FILE):
        whole, size, digests = hashlib.sha256(), 0, list[str]()
        for content in _pieces(generation.folder / name):
            whole.update(content)
            size += len(content)
            digests.append(hashlib.sha256(content).hexdigest())
            if not store.shared.has(digests[-1]) or (check and store.shared.piece(digests[-1]) is None):
                store.shared.put(content)
        if name in generation.manifest.files and whole.hexdigest() != generation.manifest.files[name]["sha256"]:
            raise DamagedGenerationError(
                generation.id, generation.folder / name, "its content has changed since training"
            )
        files.append(SharedFile(name, size, PIECE, tuple(digests)))
    store.shared.add(generation.id, files)


def fetch(store: Store, generation: str, indexes: Path) -> None:
    """Take a generation from the store into a folder of generations, where it gets its name in one rename, after every
    checksum was found right. For one process at a time.

    Killed and run again, it goes on with what is missing. Raises `SharedGenerationError` when the store does not hold
    what it should.
    """
    files, coming = store.shared.files(generation), indexes / f"{COMING}{generation}"
    if not files:
        raise SharedGenerationError(generation, store.place, "it is not there")
    names = {file.name for file in files}
    strange = [name for name in names if not _NAME.fullmatch(name)]
    if strange:
        raise SharedGenerationError(generation, store.place, f"{strange[0]!r} is no name of a file")
    if any(path.is_file() and path.relative_to(coming).as_posix() not in names for path in coming.rglob("*")):
        shutil.rmtree(coming)  # of another generation that had this name
    for file in files:
        _complete(store, generation, file, coming / file.name)
    try:
        load_generation(coming, generation).verify()
    except DamagedGenerationError as error:
        raise SharedGenerationError(generation, store.place, f"{Path(error.file).name} {error.reason}") from error
    for path in (*coming.rglob("*"), coming):
        sync(path)
    coming.rename(indexes / generation)
    sync(indexes)


def _complete(store: Store, generation: str, file: SharedFile, place: Path) -> None:
    """Write the pieces of a file that are not there yet."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    with place.open("r+b") as opened:
        for number, digest in enumerate(file.pieces):
            opened.seek(number * file.piece)
            if hashlib.sha256(opened.read(file.piece)).hexdigest() == digest:
                continue
            content = store.shared.piece(digest)
            if content is None:
                reason = f"piece {number + 1} of {len(file.pieces)} of {file.name} is missing or has changed"
                raise SharedGenerationError(generation, store.place, reason)
            opened.seek(number * file.piece)
            opened.write(content)
        opened.truncate(file.size)


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while content := opened.read(PIECE):
                yield content
    except OSError as error:
        raise RecnewsError(f"{file}: cannot be read ({error.strerror})") from error
