"""Settings of a home: the only place that reads settings files and environment variables.

Constants that tune quality stand here with the measurement that chose them; `docs/settings.md` lists them all.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recnews.errors import SettingsError, StorageError

SETTINGS_FILE = "recnews.toml"
_ENV_PREFIX = "RECNEWS_"
_ENV_HOME = "RECNEWS_HOME"


class _Section(BaseModel):
    """A group of settings. An unknown key is an error: a typo must not silently mean the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextSettings(_Section):
    """How text becomes tokens. Frozen into each generation, so training, ingest and queries always agree."""

    tokenizer: Literal["rjieba", "jieba"] = "rjieba"
    """`rjieba` cuts about 25 times faster; `jieba` is pure Python (F1 of word boundaries between them .99995)."""
    hmm: bool = True
    """Let the hidden Markov model of jieba propose words that are not in its dictionary."""
    stop_words: bool = True
    """Drop the words of the Chinese and the English stop list that ship with recnews."""
    simplify: bool = False
    """Convert traditional to simplified characters first (extra `opencc`)."""


class EmbeddingSettings(_Section):
    """How words and articles become vectors. Figures are in docs/embedding.md."""

    embedder: Literal["word2vec", "doc2vec"] = "word2vec"
    """`word2vec`: weighted sums of word vectors, thousands of articles a second; `doc2vec`: inferred one by one."""
    dim: int = Field(default=256, ge=8, le=1024)
    """Length of a word vector."""
    epochs: int = Field(default=5, ge=1, le=200)
    """Passes over the corpus when words are learned."""
    continue_epochs: int = Field(default=2, ge=1, le=200)
    """Passes over the corpus when a training goes on from the live generation (`recnews train --continue`)."""
    continue_alpha: float = Field(default=0.01, gt=0, le=0.1)
    """Learning rate that starts from; a full training starts from .025, which would move neighbours as far as it does
    (overlap of nearest tens .87 after three passes, .89 after a full training, .92 after two passes from .01)."""
    window: int = Field(default=20, ge=1, le=100)
    """How many words to each side are a word's context: wide, so that words of one topic meet."""
    negative: int = Field(default=5, ge=1, le=50)
    """Random words set against each true context."""
    min_count: int = Field(default=2, ge=1, le=1000)
    """A word must occur this often in the corpus to be learned; once is enough with fewer than 200 articles."""
    subsample_above: float = Field(default=30.0, gt=0)
    """A word that occurs more often than this is skipped now and then in training (Mikolov et al. 2013, 2.3)."""
    word_whitening: float = Field(default=0.75, ge=0, le=1)
    """How far the spread of word vectors is evened out: 0 not at all, 1 fully."""
    article_whitening: float = Field(default=0.5, ge=0, le=1)
    """The same for article vectors."""
    fit_articles: int = Field(default=50_000, ge=100)
    """At most this many articles are looked at to fit the space."""
    position: float = Field(default=15.0, gt=0)
    """A token at place p, counted from the title's first, weighs position / (position + p)."""
    semantic_dim: int = Field(default=128, ge=1, le=1024)
    """Length of the part of an article vector that is learned."""
    lexical_dim: int = Field(default=384, ge=8, le=4096)
    """Length of the part that holds the words themselves."""
    lexical_weight: float = Field(default=1.1, ge=0)
    """How much the lexical part counts beside the learned one."""
    lexical_idf: float = Field(default=0.75, ge=0)
    """Power of idf in the lexical part: higher favours rare words."""
    infer_epochs: int = Field(default=20, ge=1, le=500)
    """Doc2Vec only: passes over a text when its vector is inferred."""
    induce_articles: int = Field(default=3, ge=1, le=1000)
    """A word unseen in training gets a vector from the words around it once it stands in this many articles ..."""
    induce_occurrences: int = Field(default=5, ge=1, le=10_000)
    """... and was met this often, or as often as `min_count` asks of a word in training, if that is more."""
    induce_stages: int = Field(default=3, ge=1, le=6)
    """Its vector is made anew when it has been met 4 times as often, and again: so many times in all."""
    workers: int = Field(default=0, ge=0, le=256)
    """Training threads; 0 uses every core. One worker makes training reproducible to the byte."""
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    """Where all randomness of a training starts."""
    keywords: int = Field(default=32, ge=1, le=200)
    """How many of an article's most telling words are kept beside its vector, to say which words two articles share."""

    def subsampling(self, tokens: int) -> float:
        """gensim's `sample` for a corpus of that many tokens."""
        return min(max(self.subsample_above / max(tokens, 1), 1e-5), 1e-3)


class FeedSettings(_Section):
    """How a feed is put together."""

    history: int = Field(default=200, ge=1, le=10_000)
    """At most this many of a reader's latest events make the reader vector, so a feed's cost is bounded."""
    half_life_days: float = Field(default=14.0, gt=0)
    """A read counts half as much after this many days."""
    like_weight: float = Field(default=2.0, ge=0)
    """How much a like counts beside a read."""
    share_weight: float = Field(default=2.0, ge=0)
    """How much a share counts beside a read."""
    dislike_weight: float = Field(default=1.0, ge=0)
    """Subtracted: the reader vector moves away from what was disliked (Rocchio 1971)."""
    bounce_seconds: float = Field(default=3.0, ge=0)
    """A read with a shorter dwell time does not count towards interests."""
    candidates: int = Field(default=200, ge=1, le=10_000)
    """How many nearest articles are ranked."""
    freshness: float = Field(default=0.1, ge=0)
    """Score of an article published this instant; halves every `freshness_half_life_hours`."""
    freshness_half_life_hours: float = Field(default=24.0, gt=0)
    """After this many hours an article's freshness has halved."""
    popularity: float = Field(default=0.05, ge=0)
    """Score of the most read article of the last `popularity_days`."""
    popularity_days: float = Field(default=7.0, gt=0)
    """How far back readers are counted."""
    diversity: float = Field(default=0.2, ge=0, le=1)
    """0 ranks by score alone; towards 1 an article like one already chosen is pushed down (MMR, Carbonell 1998)."""


class StorySettings(_Section):
    """Which articles are taken to tell the same story: copies and light rewrites, of which a feed shows one."""

    likeness: float = Field(default=0.55, gt=0, le=1)
    """Smallest share of common character 5-grams (Jaccard) of two articles of one story: precision .96, recall .998 of
    copies with a tenth of their sentences replaced (.95 / 1.0 at .5, .975 / .996 at .6: `benchmarks/duplicates.py`)."""
    days: int = Field(default=7, ge=0, le=3650)
    """Articles published further apart are not compared: news repeats its formulas every few weeks."""
    cosine: float = Field(default=0.7, ge=-1, le=1)
    """Smallest cosine of the two article vectors, where a generation has both."""


class IngestSettings(_Section):
    """How articles and events are taken in."""

    batch: int = Field(default=1000, ge=1, le=10_000)
    """Rows of one transaction."""
    timezone: str = ""
    """Zone for dates without an offset, such as `Asia/Shanghai`; empty sends such rows to the quarantine."""
    max_row_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    """A longer line is quarantined without being read into memory."""


class Settings(_Section):
    """All settings of a home, as read from `recnews.toml` and `RECNEWS_SECTION__KEY` variables."""

    text: TextSettings = TextSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    feed: FeedSettings = FeedSettings()
    stories: StorySettings = StorySettings()
    ingest: IngestSettings = IngestSettings()

    def override(self, section: str, **values: Any) -> "Settings":
        """A copy with some values of one section replaced; `None` values are left as they are.

        Raises `SettingsError` when a value is out of range.
        """
        given = {name: value for name, value in values.items() if value is not None}
        merged = self.model_dump()
        merged[section] = merged[section] | given
        return _validated(merged, "command line")


def home_folder(home: str | Path | None) -> Path:
    """The home to use: the argument, else `RECNEWS_HOME`, else the current folder."""
    return Path(home or os.environ.get(_ENV_HOME) or ".").expanduser().absolute()


def load_settings(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of `home`: defaults, then `recnews.toml`, then `RECNEWS_SECTION__KEY` variables.

    Raises `SettingsError` naming the file or variable and the key; `StorageError` when the file cannot be read.
    """
    file = home / SETTINGS_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(file, f"cannot be read ({error})", "make it a readable UTF-8 file") from error
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(file), "(whole file)", f"is not TOML: {error}") from error
    _validated(values, str(file))
    return _validated(_with_environment(values, os.environ if environ is None else environ), "environment")


def _with_environment(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """`values` with `RECNEWS_FEED__DIVERSITY=0.3` and the like laid over them."""
    merged = {section: dict(keys) for section, keys in values.items()}
    for name, value in sorted(environ.items()):
        section, separator, key = name.removeprefix(_ENV_PREFIX).lower().partition("__")
        if name.startswith(_ENV_PREFIX) and separator:
            merged.setdefault(section, {})[key] = value
    return merged


def _validated(values: Mapping[str, Any], origin: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(origin, ".".join(str(part) for part in first["loc"]), first["msg"]) from error
