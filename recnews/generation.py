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
from typing import TYPE_CHECKING, Any

import numpy as np

from recnews.config import EmbeddingSettings
from recnews.errors import DamagedGenerationError, TrainingError
from recnews.records import Encoded, Float32, Guess, HasText, Layout
from recnews.store import BehaviourRows, InducedWord, Met, Often, Store

if TYPE_CHECKING:
    from queue import SimpleQueue

    from recnews.behaviour.model import Behaviour
    from recnews.categories import Categories
    from recnews.embed.base import Embedder
    from recnews.embed.continuing import Start
    from recnews.maps.layout import ArticleMap
    from recnews.text import Cuts, Parcel, Tokenizer

FORMAT = 2
MANIFEST_FILE = "manifest.json"
TOKENIZER_FILE = "tokenizer.json"
EMBEDDER_FOLDER = "embedder"
_LONGEST_WORD = 64
LEARNED_FOLDER = "learned"
BEHAVIOUR_FOLDER = "behaviour"
CATEGORIES_FOLDER = "categories"
MAP_FOLDER = "map"
_FOLDERS = (EMBEDDER_FOLDER, LEARNED_FOLDER, BEHAVIOUR_FOLDER, CATEGORIES_FOLDER, MAP_FOLDER)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is, and the size and SHA-256 of each of its files.

    `quality` holds figures measured at training time on the generation's own articles, `drift` how far it went from
    the generation `drift_from` that was live before, and `continued_from` the one whose weights it started from;
    `behaviour` what the behaviour part was learned from, empty without one, and `ageing` how long articles are read
    (see `recnews.ageing`), empty where the log does not tell; `categories` how well categories are predicted, empty
    where too few articles carried one; `map` what the map was fitted on, or under `missing` why there is none
    (`off`, `few`, `extra`); `promote` is False for one that was trained to be looked at first.
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
    drift: Mapping[str, float] = field(default_factory=dict)
    drift_from: str | None = None
    continued_from: str | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    ageing: Mapping[str, Any] = field(default_factory=dict)
    categories: Mapping[str, Any] = field(default_factory=dict)
    map: Mapping[str, Any] = field(default_factory=dict)
    promote: bool = True
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT


class Generation:
    """A generation that can encode. Its files are checked against the manifest before they are used."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.id = manifest.generation
        self._induced: list[tuple[str, int]] = []  # words and their stages, as they were taken over
        self._counted: set[str] = set()  # those of them that have further stages to reach

    @property
    def dim(self) -> int:
        """Length of an article vector."""
        return self.manifest.dim

    @property
    def layout(self) -> Layout:
        """How its article vectors and its behaviour vectors stand together in an index."""
        found = self.manifest.behaviour
        return Layout(self.dim, found["dim"], found["content"]) if found else Layout(self.dim)

    @cached_property
    def behaviour(self) -> "Behaviour | None":
        """What was learned from who read what; None without a log. Raises `DamagedGenerationError`."""
        if not self.manifest.behaviour:
            return None
        from recnews.behaviour.model import Behaviour

        self.verify([name for name in self.manifest.files if name.startswith(f"{BEHAVIOUR_FOLDER}/")])
        folder = self.folder / BEHAVIOUR_FOLDER
        try:
            return Behaviour.load(folder)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedGenerationError(self.id, folder, f"cannot be read ({error})") from error

    def predict(self, ids: Sequence[int], vectors: Float32) -> BehaviourRows | None:
        """Behaviour vectors of articles as their text predicts them, given their article vectors (n, dim)."""
        if self.behaviour is None:
            return None
        inner, outer = self.behaviour.predict(vectors)
        return BehaviourRows(np.array(ids, dtype=np.int64), np.zeros(len(ids), dtype=np.int64), inner, outer)

    @cached_property
    def categories(self) -> "Categories | None":
        """What predicts categories; None where too few articles carried one. Raises `DamagedGenerationError`."""
        if not self.manifest.categories:
            return None
        from recnews.categories import Categories

        self.verify([name for name in self.manifest.files if name.startswith(f"{CATEGORIES_FOLDER}/")])
        folder = self.folder / CATEGORIES_FOLDER
        try:
            return Categories.load(folder)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedGenerationError(self.id, folder, f"cannot be read ({error})") from error

    @cached_property
    def map(self) -> "ArticleMap | None":
        """The map of its articles; None where there is none, and the manifest says why. Raises
        `DamagedGenerationError`."""
        names = [name for name in self.manifest.files if name.startswith(f"{MAP_FOLDER}/")]
        if not names:
            return None
        from recnews.maps.layout import ArticleMap

        self.verify(names)
        folder = self.folder / MAP_FOLDER
        try:
            return ArticleMap.load(folder)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedGenerationError(self.id, folder, f"cannot be read ({error})") from error

    def guess(self, vectors: Float32) -> list[Guess | None]:
        """The category that each article vector (n, dim) speaks for; None where none is likely enough."""
        return [None] * len(vectors) if self.categories is None else self.categories.predict(vectors)

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

    def start(self) -> "Start":
        """What a training needs to go on from this one. Raises `DamagedGenerationError`, and `TrainingError` when it
        did not keep its weights."""
        from recnews.embed.continuing import Learned, Start
        from recnews.embed.space import Space

        names = [name for name in self.manifest.files if name.startswith(f"{LEARNED_FOLDER}/")]
        if not names:
            raise TrainingError(
                f"generation {self.id} did not keep what it takes to go on from it; run `recnews train`"
            )
        self.verify(names)
        embedder, folder = self.embedder, self.folder / LEARNED_FOLDER
        try:
            learned = Learned.load(folder)
            return Start(embedder.vocabulary, embedder.words, Space.load(self.folder / EMBEDDER_FOLDER), learned)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedGenerationError(self.id, folder, f"cannot be read ({error})") from error

    def close(self) -> None:
        """Give back what the embedder holds beside memory; it can be used again."""
        if "embedder" in self.__dict__:
            self.embedder.close()

    @cached_property
    def _cuts(self) -> "Cuts":
        from recnews.text import Cuts

        rows = self.embedder.vocabulary.ids if "embedder" in self.__dict__ else self._trained_rows()
        return Cuts(self.tokenizer, rows, self.manifest.vocabulary, of=self.id)

    def _trained_rows(self) -> Mapping[str, int]:
        """The rows of the words learned in training, without the rest of the embedder. Raises
        `DamagedGenerationError`."""
        from recnews.embed.base import WORDS_FILE

        name = f"{EMBEDDER_FOLDER}/{WORDS_FILE}"
        self.verify([name])
        words = (self.folder / name).read_text(encoding="utf-8").split("\n")[:-1]
        return {word: row for row, word in enumerate(words)}

    def remember(self, tokens: int, handed: "SimpleQueue[Parcel] | None" = None) -> None:
        """Keep the tokens of the latest articles that were cut, so many in all, for when they are asked for again;
        other processes' cuts come in `handed`."""
        _ = self.embedder
        self._cuts.most = tokens
        self._cuts.handed = handed or self._cuts.handed

    def parcel(self, texts: Sequence[HasText]) -> "Parcel":
        """Texts, cut for another process that encodes them. Raises `DamagedGenerationError`."""
        return self._cuts.parcel(texts)

    def prepare(self) -> None:
        """Read and check all it takes to encode. Raises `DamagedGenerationError`."""
        _ = self.tokenizer, self.embedder, self.behaviour, self.categories

    def encode(self, texts: Sequence[HasText]) -> tuple[Encoded, list[str]]:
        """Vectors of articles, and of each its most telling words, separated by spaces, the most telling first."""
        numbered, embedder = self._cuts(texts), self.embedder
        weighed = embedder.weigh(numbered)
        keywords = embedder.vocabulary.keywords(weighed, self.settings.keywords)
        return embedder.encode(numbered, weighed), [" ".join(words) for words in keywords]

    def study(self, texts: Sequence[HasText]) -> tuple[Encoded, list[str], Met | None]:
        """What `encode` and `new_words` give."""
        return *self.encode(texts), self.new_words(texts)

    def new_words(self, texts: Sequence[HasText]) -> Met | None:
        """The words in texts that it has not learned; None when it cannot take any over."""
        if not self.embedder.induces:
            return None
        numbered, known = self._cuts(texts), self.embedder.vocabulary.ids
        found, places = np.unique(numbered.ids, return_inverse=True)
        names = [numbered.words[it - numbered.size] if it >= numbered.size else "" for it in found.tolist()]
        new = np.array([_may_be_learned(it) and (it not in known or it in self._counted) for it in names], dtype=bool)
        rows = np.repeat(np.arange(len(numbered)), numbered.lengths)[new[places]]
        pairs, counts = np.unique(rows * len(found) + places[new[places]], return_counts=True)
        words: list[dict[str, int]] = [{} for _ in texts]
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            row, place = divmod(pair, len(found))
            words[row][names[place]] = count
        return self.met(words)

    def met(self, words: Sequence[Mapping[str, int]]) -> Met:
        """What texts hold of words that it has not learned, as it knows them now."""
        return Met(words, self._often, self.rank)

    def refresh(self, store: Store) -> bool:
        """Take over the words that were induced since, by any process; whether there were any.

        To be called before encoding or looking up words: vectors in the store were made with all of them.
        """
        since = len(self._induced)
        found = store.words.induced(self.id, max(since - 1, 0))
        if not since and not found:
            return False
        if since and (not found or found[0].key != self._induced[-1]):  # a backup was restored: begin again
            del self.embedder
            self._induced, self._counted = [], set()
            self.refresh(store)
            return True
        new = [word for word in found if word.rank >= since]
        self.take_over(new)
        return bool(new)

    @property
    def rank(self) -> int:
        """How many words it has taken over, one at a further stage counted anew: the rank of the next."""
        return len(self._induced)

    def take_over(self, new: Sequence[InducedWord]) -> None:
        """Take over words by rank, the first of rank `rank`."""
        if not new:
            return
        latest = {word.word: word for word in new}  # in the order of their first stages
        counts = np.array([word.articles for word in latest.values()], dtype=np.int64)
        self.embedder.extend(list(latest), np.stack([word.vector for word in latest.values()]), counts)
        self._induced += [word.key for word in new]
        self._counted -= latest.keys()
        self._counted |= {name for name, word in latest.items() if word.stage < self._often.stages - 1}

    def taken_since(self, rank: int) -> set[str]:
        """The words it has taken over from a rank on."""
        return {word for word, _ in self._induced[rank:]}

    def induce(self, store: Store) -> bool:
        """Give vectors to words that have been met often enough, and take them over; whether there were any."""
        ripe = store.words.ripe(self.id, self._often)
        if not ripe:
            return False
        texts = {text.article_id: text for word in ripe for text in word.texts}
        place = {article_id: row for row, article_id in enumerate(texts)}
        holding = [[place[text.article_id] for text in word.texts] for word in ripe]
        vectors = self.embedder.induce([word.word for word in ripe], self._cuts(list(texts.values())), holding)
        pairs = list(zip(ripe, vectors, strict=True))
        found = [InducedWord(*word.key, len(word.texts), vector) for word, vector in pairs if vector.any()]
        store.words.induce(self.id, found, [word.key for word, vector in pairs if not vector.any()], self._often)
        self.refresh(store)
        return True

    @cached_property
    def _often(self) -> Often:
        from recnews.embed.base import effective_min_count

        least = effective_min_count(self.settings.min_count, self.manifest.articles)
        settings = self.settings
        return Often(settings.induce_articles, max(settings.induce_occurrences, least), settings.induce_stages)

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


def _may_be_learned(word: str) -> bool:
    """A word of one character, or without a letter, is no name; a long one is no word."""
    return 2 <= len(word) <= _LONGEST_WORD and (word.isalpha() or any(map(str.isalpha, word)))


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
    folders = [name for name in _FOLDERS if (folder / name).exists()]
    names = [TOKENIZER_FILE, *sorted(f"{name}/{file.name}" for name in folders for file in (folder / name).iterdir())]
    files = {name: file_record(folder / name, manifest.generation) for name in names}
    values = asdict(manifest) | {"files": files}
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")
    for name in [*names, MANIFEST_FILE, *folders, "."]:
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
