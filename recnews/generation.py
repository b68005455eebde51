"""One generation on disk: tokenizer, embedder and space that belong together, with a manifest of their checksums.

What it takes to encode is imported when it is asked for: a feed needs only the vectors that are stored already.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recnews.config import EmbeddingSettings
from recnews.errors import DamagedGenerationError
from recnews.records import Encoded

if TYPE_CHECKING:
    from recnews.embed.base import Embedder
    from recnews.text import Tokenizer

FORMAT = 1
MANIFEST_FILE = "manifest.json"
TOKENIZER_FILE = "tokenizer.json"
EMBEDDER_FOLDER = "embedder"


class HasText(Protocol):
    """Anything with the three texts of an article."""

    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def body(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is, and the size and SHA-256 of each of its files.

    `quality` holds figures measured at training time on the generation's own articles; `promoted` is False for one
    that was trained to be looked at first.
    """

    generation: str
    created_at: str
    embedder: str
    dim: int
    articles: int
    tokens: int
    vocabulary: int
    settings: Mapping[str, Any]
    libraries: Mapping[str, str]
    quality: Mapping[str, float] = field(default_factory=dict)
    promote: bool = True
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT


class Generation:
    """A generation that can encode. Its files are checked against the manifest before they are used."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.id = manifest.generation

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self.manifest.dim

    @cached_property
    def settings(self) -> EmbeddingSettings:
        """The settings it was trained with."""
        return EmbeddingSettings.model_validate(self.manifest.settings)

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer. Raises `DamagedGenerationError`."""
        from recnews.text import Tokenizer

        self.verify([TOKENIZER_FILE])
        try:
            return Tokenizer.from_state(json.loads((self.folder / TOKENIZER_FILE).read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedGenerationError(self.id, self.folder / TOKENIZER_FILE, f"cannot be read ({error})") from error

    @cached_property
    def embedder(self) -> "Embedder":
        """The embedder. Raises `DamagedGenerationError`."""
        self.verify([name for name in self.manifest.files if name.startswith(f"{EMBEDDER_FOLDER}/")])
        folder = self.folder / EMBEDDER_FOLDER
        try:
            if self.manifest.embedder == "word2vec":
                from recnews.embed.word2vec import Word2VecEmbedder

                return Word2VecEmbedder.load(folder, self.settings)
            from recnews.embed.doc2vec import Doc2VecEmbedder

            return Doc2VecEmbedder.load(folder, self.settings)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedGenerationError(self.id, folder, f"cannot be read ({error})") from error

    def prepare(self) -> None:
        """Read and check all it takes to encode. Raises `DamagedGenerationError`."""
        _ = self.tokenizer, self.embedder

    def encode(self, texts: Sequence[HasText]) -> tuple[Encoded, list[str]]:
        """Vectors of articles, and of each its most telling words, separated by spaces, the most telling first."""
        tokens = [self.tokenizer.document(text.title, text.summary, text.body) for text in texts]
        embedder = self.embedder
        weighed = embedder.weigh(tokens)
        keywords = embedder.vocabulary.keywords(weighed, self.settings.keywords)
        return embedder.encode(tokens, weighed), [" ".join(words) for words in keywords]

    def verify(self, names: Sequence[str] | None = None) -> None:
        """Check files (all when None) against the manifest. Raises `DamagedGenerationError` at the first bad one."""
        for name in self.manifest.files if names is None else names:
            record = self.manifest.files[name]
            found = file_record(self.folder / name, self.id)
            if found["bytes"] != record["bytes"]:
                raise DamagedGenerationError(
                    self.id, self.folder / name, f"has {found['bytes']} bytes, should have {record['bytes']}"
                )
            if found["sha256"] != record["sha256"]:
                raise DamagedGenerationError(self.id, self.folder / name, "its content has changed since training")

    def disk_bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


def load_generation(folder: Path, name: str) -> Generation:
    """Read a generation's manifest and look at its files' sizes.

    Raises `DamagedGenerationError` when a file is missing or too short, or the format is not known.
    """
    file = folder / MANIFEST_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise DamagedGenerationError(
                name, file, f"has format {values['format']!r}, this recnews reads format {FORMAT}"
            )
        manifest = Manifest(**values)
        if not isinstance(manifest.dim, int) or not isinstance(manifest.settings, dict):
            raise TypeError("its dim or settings are not what they should be")
        for entry, record in manifest.files.items():
            size = (folder / entry).stat().st_size
            if size != record["bytes"]:
                raise DamagedGenerationError(name, folder / entry, f"has {size} bytes, should have {record['bytes']}")
    except (OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise DamagedGenerationError(name, file, f"cannot be read ({error})") from error
    return Generation(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> Generation:
    """Record the generation's files in its manifest, and force all of it to the disk."""
    names = [TOKENIZER_FILE, *sorted(f"{EMBEDDER_FOLDER}/{file.name}" for file in (folder / EMBEDDER_FOLDER).iterdir())]
    files = {name: file_record(folder / name, manifest.generation) for name in names}
    values = asdict(manifest) | {"files": files}
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")
    for name in [*names, MANIFEST_FILE, EMBEDDER_FOLDER, "."]:
        sync(folder / name)
    return Generation(folder, Manifest(**values))


def file_record(file: Path, generation: str) -> dict[str, Any]:
    """Size and SHA-256 of a file. Raises `DamagedGenerationError` when it cannot be read."""
    try:
        with file.open("rb") as opened:
            return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}
    except OSError as error:
        raise DamagedGenerationError(generation, file, f"cannot be read ({error.strerror})") from error


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
