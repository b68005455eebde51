"""The texts of the pages: one catalogue a language, and which language is asked for."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES: Mapping[str, str] = {"zh": "zh-Hans", "en": "en"}
"""The languages there are, and how HTML names them."""
_FOLDER = Path(__file__).parent / "texts"
_OTHERWISE = "en"


@cache
def texts(lang: str) -> Mapping[str, str]:
    """All texts of a language, by dotted name."""
    with (_FOLDER / f"{lang}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file), ""))


def language(cookie: str, accepted: str) -> str:
    """The language that was chosen, else the first of `Accept-Language` that there is, by its weights."""
    if cookie in LANGUAGES:
        return cookie
    wanted = []
    for place, part in enumerate(accepted[:500].split(",")):
        name, _, rest = part.strip().partition(";")
        wanted.append((-_weight(rest), place, name.split("-")[0].strip().lower()))
    return next((name for weight, _, name in sorted(wanted) if weight < 0 and name in LANGUAGES), _OTHERWISE)


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _flat(found: Mapping[str, Any], before: str) -> list[tuple[str, str]]:
    flat = list[tuple[str, str]]()
    for name, value in found.items():
        flat += _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else [(f"{before}{name}", str(value))]
    return flat
