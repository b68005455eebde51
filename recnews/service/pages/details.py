"""What is said of a problem, in Chinese: sentences that are composed elsewhere, found again by their fixed parts.

`texts/said.toml` pairs English sentences with Chinese ones; `{}` stands for what is filled in, in the same order. A
sentence that is not in it stays English, and is marked as such for readers of screens.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

_FILE = Path(__file__).parent / "texts" / "said.toml"
_LONGEST = 4000
_GAP = "((?:(?!; ).)+?)"  # what is filled in; where it holds what parts sentences, it is not guessed at


def said(text: str, lang: str) -> Markup:
    """A sentence in the language of a page, escaped."""
    found = in_chinese(text) if lang == "zh" else None
    if found is not None:
        return escape(found)
    return Markup('<span lang="en">{}</span>').format(text) if lang != "en" else escape(text)


def in_chinese(text: str) -> str | None:
    """A sentence in Chinese; of "what; remedy" each part by itself. None when a part is not known."""
    if len(text) > _LONGEST:
        return None
    whole = _sentence(text)
    if whole is not None or "; " not in text:
        return whole
    first, _, rest = text.partition("; ")
    one, two = _sentence(first), in_chinese(rest)
    return f"{one}；{two}" if one is not None and two is not None else None


def _sentence(text: str) -> str | None:
    for pattern, chinese in _sentences():
        if match := pattern.fullmatch(text):
            return chinese.format(*match.groups())
    return None


@cache
def _sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    with _FILE.open("rb") as file:
        pairs = tomllib.load(file)["said"]
    return tuple((re.compile(_GAP.join(map(re.escape, it["en"].split("{}"))), re.DOTALL), it["zh"]) for it in pairs)
