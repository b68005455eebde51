"""What a worker must have before it can do a piece of work: described here, checked and opened by the worker."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recnews.generation import EMBEDDER_FOLDER, TOKENIZER_FILE, Generation
from recnews.records import Tokens
from recnews.store import InducedWord, Store
from recnews.text import Tokenizer

PROBE = (
    "国务院今天召开常务会议，研究部署下一阶段的经济工作，会议指出要进一步扩大有效投资、稳定就业和物价。",
    "央行宣布下调存款准备金率0.5个百分点，股市应声上涨，分析人士认为流动性将保持合理充裕。",
    "神舟飞船成功对接空间站，三名航天员进驻核心舱；covid-19 疫苗 C++ F-16 U.S. naïve Москва 서울。",
    "The central bank raised interest rates again on Wednesday, and officials said that inflation remains too high.",
    "",
)
"""Texts by which a worker shows that it answers with the same bytes."""


@dataclass(frozen=True, slots=True)
class Kit:
    """`state` is all that is not in files; `files` have name, size and SHA-256, and lie in `folder` of this machine."""

    kind: str
    state: Mapping[str, Any]
    probe: Callable[[], bytes]
    """What the probe gives here."""
    folder: Path | None = None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    words: Callable[[int], Sequence[InducedWord]] = lambda _since: ()
    """Words that were taken over here after training, from a rank on."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the files are said to be."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()


def tokenizer_kit(tokenizer: Tokenizer) -> Kit:
    """What it takes to cut."""
    return Kit("tokenizer", tokenizer.state(), lambda: probe_tokenizer(tokenizer))


def generation_kit(store: Store, generation: Generation) -> Kit:
    """What it takes to encode."""

    def words(since: int) -> Sequence[InducedWord]:
        found = store.words.induced(generation.id, since)
        return [word for word in found if word.rank < generation.rank]  # others may be further than this process

    names = (name for name in generation.manifest.files if _needed(name))
    files = {name: dict(generation.manifest.files[name]) for name in names}
    state = {"manifest": asdict(generation.manifest)}
    return Kit("generation", state, lambda: probe_generation(generation), generation.folder, files, words)


def probe_tokenizer(tokenizer: Tokenizer) -> bytes:
    """The tokens of the probe."""
    cut: list[Tokens] = [tokenizer.document(text[:12], "", text) for text in PROBE]
    return json.dumps([[list(text.title), list(text.body)] for text in cut]).encode()


def probe_generation(generation: Generation) -> bytes:
    """Vectors and words of the probe, by what the generation has learned and taken over."""
    encoded, keywords = generation.encode([Probe(text[:12], "", text) for text in PROBE])
    return encoded.vectors.tobytes() + json.dumps(keywords).encode()


@dataclass(frozen=True, slots=True)
class Probe:
    """A text of the probe as an article."""

    title: str
    summary: str
    body: str


def _needed(name: str) -> bool:
    return name == TOKENIZER_FILE or name.startswith(f"{EMBEDDER_FOLDER}/")
