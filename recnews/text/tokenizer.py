"""Text to tokens. One tokenizer belongs to one generation and is saved with it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from recnews.config import TextSettings
from recnews.records import Tokens
from recnews.text.dictionary import DictionaryWord, parse_word
from recnews.text.normalize import normalize, simplifier

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
# Letters that jieba's own pattern tears apart: accented Latin, Cyrillic, Hangul, kana and so on.
_OTHER_LETTER = re.compile(r"[^\W\d_a-z\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_WORD = re.compile(r"[^\W_]+(?:[-.'’&+#][^\W_]+)*[+#]{0,2}")
_LETTER = re.compile(r"[^\W\d_]")
_EDGES = "-._%&'’"
_REMEMBERED = 1 << 18

Cut = Callable[[str], list[str]]


class Tokenizer:
    """Cuts text into tokens: lower case, no punctuation, no bare numbers, no stop words.

    Chinese is cut by jieba's dictionary and hidden Markov model; other scripts at everything that is not a letter or
    a digit, where `covid-19`, `u.s` or `c++` stay whole. Same settings, same dictionary, same library: same tokens.
    """

    def __init__(
        self,
        settings: TextSettings,
        dictionary: Sequence[DictionaryWord] = (),
        stop_words: frozenset[str] | None = None,
    ) -> None:
        self.settings = settings
        self.dictionary = tuple(dictionary)
        shipped = shipped_stop_words() if settings.stop_words else frozenset[str]()
        self.stop_words = shipped if stop_words is None else stop_words
        self._simplify = simplifier() if settings.simplify else None
        words = [
            word if self._simplify is None else replace(word, word=self._simplify(word.word)) for word in dictionary
        ]
        self._cut: Cut = _ENGINES[settings.tokenizer](tuple(words), settings.hmm)
        self._kept = _Remembered(self.token_of)

    def __call__(self, text: str) -> list[str]:
        """Tokens of a text in their order; empty when it has none."""
        return list(filter(None, map(self._kept.__getitem__, self.pieces(text))))

    def document(self, title: str, summary: str, body: str) -> Tokens:
        """Tokens of an article."""
        return Tokens(self(title), self(below(summary, body)))

    def pieces(self, text: str) -> list[str]:
        """What a text is cut into, before `token_of` says which of it are tokens."""
        plain = normalize(text if self._simplify is None else self._simplify(text))
        if not _HAN.search(plain):
            return _WORD.findall(plain)
        if not _OTHER_LETTER.search(plain):
            return self._cut(plain)
        return [piece for run in _WORD.findall(plain) for piece in (self._cut(run) if _HAN.search(run) else [run])]

    def token_of(self, piece: str) -> str:
        """The token that a piece is, or an empty string when it is none."""
        token = piece.strip(_EDGES).removesuffix("'s").removesuffix("’s")
        lone_letter = len(token) == 1 and token.isascii()
        if lone_letter or not _LETTER.search(token) or piece in self.stop_words or token in self.stop_words:
            return ""
        return token

    def state(self) -> dict[str, Any]:
        """All that decides how text is cut, as JSON values."""
        return {
            "settings": self.settings.model_dump(),
            "dictionary": [word.line() for word in self.dictionary],
            "stop_words": sorted(self.stop_words),
            "library": f"{self.settings.tokenizer} {version(self.settings.tokenizer)}",
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Tokenizer":
        """The tokenizer whose `state()` this is. Raises `KeyError` or `ValueError` when it is not one."""
        return cls(
            TextSettings.model_validate(state["settings"]),
            [parse_word(line) for line in state["dictionary"]],
            frozenset(state["stop_words"]),
        )


def below(summary: str, body: str) -> str:
    """What is read of an article after its title."""
    return f"{summary}\n{body}" if summary else body


class _Remembered(dict[str, str]):
    """What a function made of each string, forgotten all at once when it gets too much: news repeats its words, and
    looking one up is all that is done a few hundred times for each article."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[key] = self._function(key)
        return value


@lru_cache(1)
def shipped_stop_words() -> frozenset[str]:
    """The Chinese and the English stop list that ship with recnews."""
    folder = files("recnews.text")
    return frozenset(
        word for name in ("stop_zh.txt", "stop_en.txt") for word in (folder / name).read_text("utf-8").split()
    )


# Kept: making an engine stops every thread of the process for as long as it takes to read the dictionary, and the next
# generation most often has the same one.
@lru_cache(2)
def _rjieba(dictionary: tuple[DictionaryWord, ...], hmm: bool) -> Cut:
    import rjieba

    engine = rjieba.Jieba()
    for word in dictionary:
        engine.add_word(word.word, word.frequency, word.tag)
    return lambda text: engine.cut(text, hmm)


@lru_cache(2)
def _jieba(dictionary: tuple[DictionaryWord, ...], hmm: bool) -> Cut:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    # An instance of its own: the module's functions share one global dictionary.
    engine = jieba.Tokenizer()
    for word in dictionary:
        engine.add_word(word.word, word.frequency, word.tag)
    return lambda text: engine.lcut(text, HMM=hmm)


_ENGINES: dict[str, Callable[[tuple[DictionaryWord, ...], bool], Cut]] = {"rjieba": _rjieba, "jieba": _jieba}
