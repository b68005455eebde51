"""The user dictionary of a home: words that must be kept whole, in the format of jieba's own dictionaries."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recnews.errors import StorageError, UnreadableFileError, UsageError
from recnews.text.normalize import normalize


@dataclass(frozen=True, slots=True)
class DictionaryWord:
    """A word, how often to take it to occur (None: as often as needed to keep it whole) and its part of speech."""

    word: str
    frequency: int | None = None
    tag: str | None = None

    def line(self) -> str:
        """As written in the file."""
        return " ".join(str(part) for part in (self.word, self.frequency, self.tag) if part is not None)


def parse_word(text: str, file: str = "dictionary", line: int = 1) -> DictionaryWord:
    """Read `word [frequency] [tag]`. Raises `UsageError` naming file and line."""
    word, *rest = text.split()
    frequency = int(rest.pop(0)) if rest and rest[0].isdecimal() else None
    if len(rest) > 1:
        raise UsageError(f"{file}:{line}: {text!r} is not `word [frequency] [tag]`; a word cannot contain a space")
    clean = normalize(word).strip()
    if not clean:
        raise UsageError(f"{file}:{line}: {word!r} holds no word")
    return DictionaryWord(clean, frequency, rest[0] if rest else None)


class UserDictionary:
    """The dictionary file. A change takes effect in the next generation, never in one that exists."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def words(self) -> tuple[DictionaryWord, ...]:
        """All words, in the order of the file. Raises `UsageError` for a line that is not an entry."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableFileError(str(self.path), f"cannot be read as UTF-8 ({error})") from error
        return tuple(
            parse_word(line, str(self.path), number) for number, line in enumerate(lines, start=1) if line.strip()
        )

    def add(self, word: DictionaryWord) -> bool:
        """Add or replace a word; False when it was there as it is."""
        words = {entry.word: entry for entry in self.words()}
        if words.get(word.word) == word:
            return False
        self._write([*({**words, word.word: word}).values()])
        return True

    def remove(self, word: str) -> bool:
        """Remove a word; False when it was not there."""
        clean = normalize(word).strip()
        words = self.words()
        kept = [entry for entry in words if entry.word != clean]
        if len(kept) == len(words):
            return False
        self._write(kept)
        return True

    def _write(self, words: list[DictionaryWord]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.path.parent, prefix=".dictionary-", delete=False
            ) as file:
                file.write("".join(f"{word.line()}\n" for word in words))
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self.path)
        except OSError as error:
            raise StorageError(
                self.path, f"cannot be written ({error.strerror})", "check the folder's rights and free space"
            ) from error
