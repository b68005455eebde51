"""What is said of a problem, in Chinese: sentences that are composed elsewhere, found again by their fixed parts.

`texts/said.toml` pairs English sentences with Chinese ones; `{}` stands for what is filled in, in the same order, and
`{said}` for a sentence that must be known itself. A sentence that is not in it stays English, and is marked as such for
readers of screens.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

_FILE = Path(__file__).parent / "texts" / "said.toml"
_LONGEST, _DEEPEST = 4000, 3
_FILLED = re.compile(r"(\{(?:said)?\})")
_GAP = "((?:(?!; ).)+?)"  # what is filled in; where it holds what parts sentences, it is not guessed at


def said(text: str, lang: str) -> Markup:
    """A sentence in the language of a page, escaped."""
    found = in_chinese(text) if lang == "zh" else None
    if found is not None:
        return escape(found)
    return Markup('<span lang="en">{}</span>').format(text) if lang != "en" else escape(text)


def in_chinese(text: str) -> str | None:
    """A sentence in Chinese; of "what; remedy" each part by itself. None when a part is not known."""
    return _told(text, _DEEPEST) if len(text) <= _LONGEST else None


def _told(text: str, depth: int) -> str | None:
    whole = _sentence(text, depth)
    if whole is not None or "; " not in text:
        return whole
    first, _, rest = text.partition("; ")
    one = _sentence(first, depth)
    two = _told(rest, depth) if one is not None else None
    return f"{one}；{two}" if two is not None else None


def _sentence(text: str, depth: int) -> str | None:
    if text in _words():
        return _words()[text]
    for pattern, sentences, chinese in _sentences():
        if (match := pattern.fullmatch(text)) and (depth or not sentences):
            filled = [
                _told(it, depth - 1) if place in sentences else _words().get(it, it)
                for place, it in enumerate(match.groups())
            ]
            if None not in filled:
                return chinese.format(*filled)
    return None


@cache
def _sentences() -> tuple[tuple[re.Pattern[str], frozenset[int], str], ...]:
    """Patterns, which of their groups hold a sentence, and how they are told; those with most fixed text first."""
    made = []
    fixed_most = sorted(_pairs(), key=lambda it: (-len(_FILLED.sub("", it[0])), "{said}" not in it[0]))
    for english, chinese in fixed_most:
        if english in _words():
            continue
        parts = _FILLED.split(english)
        fixed, gaps = parts[::2], parts[1::2]
        pattern = re.compile(_GAP.join(map(re.escape, fixed)), re.DOTALL)
        sentences = frozenset(place for place, gap in enumerate(gaps) if gap == "{said}")
        made.append((pattern, sentences, chinese.replace("{said}", "{}")))
    return tuple(made)


@cache
def _words() -> dict[str, str]:
    """Sentences with nothing filled in, and words that may be filled in, told in Chinese, too."""
    return {english: chinese.format() for english, chinese in _pairs() if not _FILLED.search(english)}


@cache
def _pairs() -> tuple[tuple[str, str], ...]:
    with _FILE.open("rb") as file:
        return tuple((it["en"], it["zh"]) for it in tomllib.load(file)["said"])
