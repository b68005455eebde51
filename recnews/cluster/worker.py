"""What runs inside a Dask worker. Files come through the cluster, or lie where the client has them; either way they are
used only once their checksums are those that the client states."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recnews.cluster.kits import probe_generation, probe_tokenizer
from recnews.errors import ClusterError
from recnews.generation import Generation, Manifest
from recnews.records import Encoded, Tokens
from recnews.store import ArticleText, InducedWord, Met
from recnews.text import Tokenizer

Files = Mapping[str, Mapping[str, Any]]
_LIBRARIES = ("recnews", "numpy", "scipy", "gensim", "jieba", "rjieba", "opencc")
_SESSIONS = 4  # clients that work here at the same time; one that died leaves its own behind
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*(/[\w-]+(\.[\w-]+)*)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class _Held:
    """What one client had opened here. A generation is changed by the words it takes over, so one thread at a time."""

    thing: Tokenizer | Generation
    lock: threading.Lock = field(default_factory=threading.Lock)


_held: OrderedDict[str, _Held] = OrderedDict()
_holding = threading.Lock()


def versions() -> dict[str, str]:
    """Of all that decides what bytes come out."""
    return {name: found for name in _LIBRARIES if (found := _version(name))}


def place(digest: str, files: Files, told: str, dask_worker: Any = None) -> tuple[str, list[str]]:
    """Where the files are used from, and which of them are still to be sent there: the folder `told` by the client, if
    it is on this machine and every file in it has the right checksum, else one of the worker's own."""
    if told and not _lacking(Path(told), files):
        return told, []
    folder = _own(digest, dask_worker)
    return str(folder), _lacking(folder, files)


def receive(digest: str, name: str, offset: int, data: bytes, dask_worker: Any = None) -> None:
    """Write a piece of a file."""
    if not _NAME.fullmatch(name):
        raise ClusterError(digest, f"{name!r} is no name of a file", "use the recnews that belongs to this worker")
    file = _own(digest, dask_worker) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("r+b" if offset else "wb") as opened:
        opened.seek(offset)
        opened.write(data)


def prepare(session: str, kind: str, state: Mapping[str, Any], folder: str, files: Files) -> None:
    """Open what a session works with. Raises `ClusterError` for a file that is not what it should be."""
    if kind == "tokenizer":
        thing: Tokenizer | Generation = Tokenizer.from_state(dict(state))
    else:
        wrong = _lacking(Path(folder), files)
        if wrong:
            raise ClusterError(folder, f"{wrong[0]} is not what it should be", "see whether the disk is full")
        thing = Generation(Path(folder), Manifest(**state["manifest"]))
        _ = thing.tokenizer, thing.embedder
    with _holding:
        _held[session] = _Held(thing)
        while len(_held) > _SESSIONS:
            _held.popitem(last=False)


def take(session: str, words: Sequence[InducedWord]) -> None:
    """Take over words that the client's generation has taken over, except those that are known here."""
    held = _of(session)
    with held.lock:
        _take(held.thing, words)


def probe(session: str) -> bytes:
    """What the probe gives here."""
    held = _of(session)
    with held.lock:
        thing = held.thing
        return probe_tokenizer(thing) if isinstance(thing, Tokenizer) else probe_generation(thing)


def forget(session: str) -> None:
    """Give back what a session holds; files stay for the next one."""
    with _holding:
        _held.pop(session, None)


def cut(session: str, texts: Sequence[ArticleText]) -> list[Tokens]:
    """Tokens of articles."""
    held = _of(session)
    assert isinstance(held.thing, Tokenizer)  # noqa: S101
    with held.lock:
        return [held.thing.document(text.title, text.summary, text.body) for text in texts]


def study(
    session: str, texts: Sequence[ArticleText], words: Sequence[InducedWord]
) -> tuple[Encoded, list[str], Met | None]:
    """What `Generation.study` gives, once these words are taken over."""
    held = _of(session)
    assert isinstance(held.thing, Generation)  # noqa: S101
    with held.lock:
        _take(held.thing, words)
        return held.thing.study(texts)


def _take(thing: Tokenizer | Generation, words: Sequence[InducedWord]) -> None:
    assert isinstance(thing, Generation)  # noqa: S101
    new = [word for word in words if word.rank >= thing.rank]
    if new and new[0].rank > thing.rank:
        raise ClusterError(thing.id, f"words from {thing.rank} to {new[0].rank} were not sent", "let it be sent again")
    thing.take_over(new)


def _of(session: str) -> _Held:
    with _holding:
        if session not in _held:
            raise ClusterError(session, "this worker was not prepared, or was restarted", "let it be prepared again")
        return _held[session]


def _own(digest: str, dask_worker: Any) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ClusterError(digest, "is no checksum", "use the recnews that belongs to this worker")
    return Path(dask_worker.local_directory) / "recnews" / digest


def _lacking(folder: Path, files: Files) -> list[str]:
    """Files that are not there as they should be."""
    return [name for name, record in files.items() if not _same(folder / name, record)]


def _same(file: Path, record: Mapping[str, Any]) -> bool:
    try:
        if file.stat().st_size != record["bytes"]:
            return False
        with file.open("rb") as opened:
            return bool(hashlib.file_digest(opened, "sha256").hexdigest() == record["sha256"])
    except OSError:
        return False


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
