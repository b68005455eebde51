"""Settings of a home: the only place that reads settings files and environment variables.

Constants that tune quality stand here with the measurement that chose them; `docs/settings.md` lists them all.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    SerializationInfo,
    TypeAdapter,
    ValidationError,
    field_serializer,
    field_validator,
)

from recnews.errors import SettingsError, StorageError

SETTINGS_FILE = "recnews.toml"
_ENV_PREFIX = "RECNEWS_"
_ENV_HOME = "RECNEWS_HOME"
_ENV_READER_KEY = "RECNEWS_READER_KEY"
_ARCHIVE = re.compile(r"faiss|postgresql\+psycopg://.+|milvus\+https?://.+")
_STORE_ADDRESS = re.compile(r"postgresql(\+psycopg)?://.+")


_WITH_SECRETS = {"secrets": True}


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


class BehaviourSettings(_Section):
    """The part of an article vector that is learned from who read what. Figures are in docs/behaviour.md."""

    enabled: bool = True
    """Learn it when the log is large enough: twenty readers of twenty articles."""
    dim: int = Field(default=128, ge=4, le=512)
    """Length of this part; at most a fifth of the articles and of the readers in the log."""
    reader_power: float = Field(default=0.5, ge=0, le=1)
    """A reader of h articles counts h to the power of minus this, so that the busiest do not decide alone."""
    history: int = Field(default=500, ge=2, le=100_000)
    """A reader's latest reads that count."""
    half_life_days: float = Field(default=30.0, gt=0)
    """What a read says of its article's readers halves after this many days; a log without times does not age."""
    ridge: float = Field(default=0.05, gt=0)
    """Regularisation of what is learned, as a share of the mean variance of readers' profiles."""
    evidence: float = Field(default=5.0, ge=0)
    """Readers at which what is learned of an article and what its text predicts count the same."""
    kernel: float = Field(default=1.0, gt=0)
    """How quickly likeness of texts fades with their distance, when text predicts readers."""
    spread: float = Field(default=0.5, ge=0, le=2)
    """How far that likeness undoes the whitening of article vectors: an article hidden from training was found by .271
    of its readers at .5, by .265 at 0 (means of two trainings)."""
    noise: float = Field(default=1.0, gt=0)
    """Regularisation of that prediction."""
    landmarks: int = Field(default=2048, ge=16, le=20_000)
    """At most this many articles span that prediction."""
    exposure: float = Field(default=2.0, gt=0)
    """Places that articles nobody has read take in feeds, as a multiple of their share of the articles. 1 finds most of
    what readers read; more gives new articles their chance."""
    content: float = Field(default=0.3, ge=0.001, le=1000)
    """How much the text counts beside behaviour where every article has many readers; more where few have any ..."""
    thin: float = Field(default=4.0, ge=0)
    """... namely times 1 + this / (mean readers an article - 1)."""
    recount_share: float = Field(default=0.01, ge=0, le=1)
    """What the log says is taken in again once it has grown by this share; a reader's own reads count at once."""
    tolerance: float = Field(default=0.02, ge=0, le=1)
    """Vectors that moved less than this, relative to the usual length, are not written anew."""


class CategorySettings(_Section):
    """Which category an article gets that has none. Figures are in docs/categories.md."""

    enabled: bool = True
    """Learn categories where enough articles carry one."""
    min_articles: int = Field(default=20, ge=5)
    """A category of fewer articles is not predicted; copies of one article count once."""
    min_total: int = Field(default=100, ge=10)
    """With fewer articles that carry a category, none is predicted."""
    max_articles: int = Field(default=20_000, ge=100)
    """At most this many are learned from, drawn at random."""
    strength: float = Field(default=3.0, gt=0)
    """Inverse of the regularisation: how closely the articles learned from are followed."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """0 lets each article count the same, 1 each category; between, the small ones are heard and the large ones not
    wronged."""
    min_probability: float = Field(default=0.6, ge=0, le=1)
    """No category is given that is less likely than this."""


class MapSettings(_Section):
    """The map of the articles, fitted by a training where the extra `map` is installed. Figures are in docs/map.md."""

    enabled: bool = True
    """Fit it."""
    least: int = Field(default=100, ge=4)
    """With fewer articles there is no map."""
    articles: int = Field(default=10_000, ge=100, le=100_000)
    """It is fitted on at most this many, drawn at random; the others are placed among them."""
    perplexity: float = Field(default=30.0, ge=2, le=200)
    """How many neighbours of each article the layout heeds."""
    topics: int = Field(default=0, ge=0, le=200)
    """How many topics the articles are grouped into; 0 for the root of an eighth of the articles fitted on, from 2 to
    40."""
    weeks: int = Field(default=4, ge=1, le=52)
    """How many weeks before this one say what is usual, when the map shows what rises."""


class FeedSettings(_Section):
    """How a feed is put together."""

    history: int = Field(default=200, ge=1, le=10_000)
    """At most this many of a reader's latest events make the reader vector, so a feed's cost is bounded."""
    half_life_days: float = Field(default=30.0, gt=0)
    """A read counts half as much after this many days."""
    like_weight: float = Field(default=2.0, ge=0)
    """How much a like counts beside a read."""
    share_weight: float = Field(default=2.0, ge=0)
    """How much a share counts beside a read."""
    dislike_weight: float = Field(default=1.0, ge=0)
    """Subtracted: the reader vector moves away from what was disliked (Rocchio 1971)."""
    bounce_seconds: float = Field(default=3.0, ge=0)
    """A read with a shorter dwell time does not count towards interests."""
    interests: int = Field(default=6, ge=1, le=20)
    """A reader has at most this many interests."""
    interest_gain: float = Field(default=0.01, ge=0, le=1)
    """A history is split further as long as its articles become this much more alike within each interest."""
    interest_power: float = Field(default=0.5, ge=0, le=1)
    """An interest's share of a feed grows with its reads to this power: a binge does not drown the rest."""
    session_minutes: float = Field(default=30.0, ge=0, le=100_000)
    """Reads of the last minutes belong to the visit that is going on, which is an interest of its own ..."""
    session: float = Field(default=0.25, ge=0, lt=1)
    """... with this share of a feed."""
    candidates: int = Field(default=200, ge=1, le=10_000)
    """How many nearest articles are ranked, shared out among a reader's interests."""
    window_days: float | None = Field(default=None, ge=0, le=36_500)
    """Articles older than this come last; 0 for no limit. Else what the reading log teaches: twice the age within which
    99% of reads fall; no limit where it has no times."""
    freshness: float | None = Field(default=None, ge=0)
    """Score of an article published this instant. Else .3 where the reading log tells how old articles are when they
    are read, .1 where it does not."""
    freshness_half_life_hours: float | None = Field(default=None, gt=0)
    """After this many hours an article's freshness has halved. Else the median age of articles when they are read, of
    each category where it has enough reads; 24 where the log has no times."""
    freshness_half_lives: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Half-lives by category, in hours, such as `{ 体育 = 12.0 }`; they go before what was learned."""
    popularity: float | None = Field(default=None, ge=0)
    """Score of the most read article of the last `popularity_days`, by the logarithm of its readers. Else .15 where the
    reading log has such times; else .05, or 0 beside a behaviour part, which knows what is read."""
    fallback_popularity: float | None = Field(default=None, ge=0)
    """The same for readers of whom nothing is known. Else `popularity`, or .15 and .05 as above."""
    popularity_days: float = Field(default=7.0, gt=0, le=36_500)
    """How far back readers are counted ..."""
    popularity_half_life_hours: float = Field(default=48.0, gt=0)
    """... each counting half as much after this many hours."""
    exploration: float = Field(default=0.02, ge=0)
    """Largest score for what is not known yet of an article's readers (Thompson sampling); 0 switches it off."""
    diversity: float = Field(default=0.2, ge=0, le=1)
    """0 ranks by score alone; towards 1 an article like one already chosen is pushed down (MMR, Carbonell 1998)."""
    coverage: float = Field(default=0.3, ge=0)
    """How hard a feed is held to the shares of a reader's interests, a place that one is short of (after Dang and Croft
    2012): simulated readers of three topics found all three in 96 to 99% of their first tens, in 14 to 22% without
    the ranker (`benchmarks/feeds.py`)."""
    most_of_source: int = Field(default=0, ge=0)
    """At most this many articles of one source in a feed, as long as there are others; 0 for no limit."""
    most_of_category: int = Field(default=0, ge=0)
    """The same for one category."""

    def learned(self, ageing: Mapping[str, Any], behaviour: bool = False) -> "FeedSettings":
        """These settings, with what is not set taken from what a log taught (`recnews.ageing`), else from defaults;
        `behaviour` says whether there is a behaviour part."""
        usual = {"freshness": 0.3 if ageing else 0.1}
        popularity = 0.15 if ageing else 0.05
        usual["popularity"] = 0.0 if behaviour and not ageing else popularity
        usual["fallback_popularity"] = popularity if self.popularity is None else self.popularity
        found = {} if self.freshness_half_life_hours else dict(ageing.get("by_category", {}))
        values = {
            **{name: value for name, value in usual.items() if getattr(self, name) is None},
            "freshness_half_life_hours": self.freshness_half_life_hours or ageing.get("half_life_hours", 24.0),
            "freshness_half_lives": found | self.freshness_half_lives,
            "window_days": ageing.get("window_days", 0.0) if self.window_days is None else self.window_days,
        }
        return self.model_copy(update=values)


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
    processes: int = Field(default=0, ge=0, le=256)
    """1 ingests in one process; 0 and others encode in one beside it once a thousand articles have come, where there
    are cores for that."""
    timezone: str = ""
    """Zone for dates without an offset, such as `Asia/Shanghai`; empty sends such rows to the quarantine."""
    max_row_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    """A longer line is quarantined without being read into memory."""


class WatchSettings(_Section):
    """What `recnews watch` polls, and how far it goes for it."""

    feeds: list[str] = Field(default_factory=list)
    """Addresses of feeds, and folders (relative to the home), that are watched when none is named."""
    every: str = Field(default="5m", pattern=r"^[1-9]\d{0,4}[smhd]$")
    """How long after a round the next one begins; what fails is left alone for longer each time, up to a day."""
    seconds: float = Field(default=30.0, gt=0, le=600)
    """A fetch may take so long all told."""
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """A document may be so large, once unpacked."""
    redirects: int = Field(default=5, ge=0, le=20)
    """So many redirects are followed; each is checked as the first address was."""
    pages: int = Field(default=50, ge=1, le=10_000)
    """With `--full-text`, at most so many pages are fetched for one feed in a round; the others follow in the next."""
    settle_seconds: float = Field(default=5.0, ge=0)
    """A file of a folder is read once it has been left alone for so long, or since the last round."""


class PrivacySettings(_Section):
    """How readers are kept."""

    hash_ids: bool = False
    """Keep ids of readers as keyed hashes. Ids that are stored already are hashed, too: that cannot be undone."""


class RetentionSettings(_Section):
    """What `recnews prune` removes. What is not set is kept for good."""

    expired_days: float | None = Field(default=None, ge=0, le=36_500)
    """Articles that have not been served for so many days, because they expired."""
    events_days: float | None = Field(default=None, ge=1, le=36_500)
    """What readers did longer ago: reads, likes, shares, dislikes. Events without a time are kept."""
    impressions_days: float | None = Field(default=None, ge=1, le=36_500)
    """What readers were shown longer ago."""
    generations: int | None = Field(default=None, ge=1, le=1000)
    """All generations but the live one and the latest others, so many in all."""


class IndexSettings(_Section):
    """How the vectors of older articles are kept. Figures are in docs/performance.md."""

    memory: str = ""
    """Memory that the index may take, such as `500MB`, without the mapped pages of vectors, which processes share;
    empty for no limit. Segments are of the quickest kind that fits."""
    hot_days: int = Field(default=0, ge=0, le=3650)
    """What is younger is searched exactly and in memory; 0 for the usual: a day where older articles are sealed on the
    disk, a week where an engine has them."""
    least: int = Field(default=20_000, ge=1)
    """Older articles are sealed once there are so many; later a 200th of what is sealed is enough, 2,000 or more."""
    most: int = Field(default=2_000_000, ge=1)
    """A segment holds at most so many."""
    recall: float = Field(default=0.95, gt=0, le=1)
    """Of ten nearest articles a sealed segment must find this share, to an article as to a reader's interest, measured
    when it is sealed, with articles that are not in it then."""
    archive: SecretStr = SecretStr("faiss")
    """Where older articles are searched: `faiss`, in sealed segments on the disk; by pgvector at an address
    `postgresql+psycopg://…`; by Milvus at `milvus+http://…`. See docs/scaling.md. Never shown."""
    archive_prefix: str = Field(default="recnews", pattern=r"^[a-z][a-z0-9_]{0,31}$")
    """What tables or collections of this home begin with there; homes that share an engine need one each."""
    archive_seconds: float = Field(default=2.0, gt=0, le=60)
    """An engine that has not answered after so long is left alone for five seconds; answers are partial then."""

    @field_validator("archive")
    @classmethod
    def _names_an_engine(cls, given: SecretStr) -> SecretStr:
        if not _ARCHIVE.fullmatch(given.get_secret_value()):
            raise ValueError("is neither faiss nor an address that begins with postgresql+psycopg:// or milvus+http://")
        return given

    @field_serializer("archive")
    def _without_address(self, given: SecretStr, info: SerializationInfo) -> str:
        address = given.get_secret_value()
        return address if address == "faiss" or (info.context or {}).get("secrets") else "**********"

    @field_validator("memory")
    @classmethod
    def _is_a_size(cls, text: str) -> str:
        if text:
            TypeAdapter(ByteSize).validate_python(text)
        return text

    @property
    def hot(self) -> int:
        """`hot_days`, as they are."""
        return self.hot_days or (1 if self.archive.get_secret_value() == "faiss" else 7)

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes; None without a limit."""
        return int(TypeAdapter(ByteSize).validate_python(self.memory)) if self.memory else None


class DoctorSettings(_Section):
    """What `recnews doctor` complains about."""

    backup_days: float = Field(default=2.0, gt=0, le=36_500)
    """The latest backup that was made from here is older."""
    standby_bytes: int = Field(default=16_777_216, ge=0)
    """The standby is further behind in the log of changes; it is not read from then."""


class ServiceSettings(_Section):
    """What `recnews serve` takes and bears. Limits hold in each worker; see docs/service.md."""

    page: int = Field(default=100, ge=1, le=1000)
    """Most articles in one answer."""
    depth: int = Field(default=500, ge=1, le=10_000)
    """Last place of a feed that can be paged to."""
    readers: int = Field(default=100, ge=1, le=10_000)
    """Most readers in one question for many feeds."""
    batch: int = Field(default=1000, ge=1, le=100_000)
    """Most articles or events in one request."""
    body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Largest body of a request."""
    waiting: int = Field(default=256, ge=1, le=100_000)
    """Requests that may wait for their turn in a worker; further ones are told to come again (503)."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=3600)
    """A request that has waited this long for its turn, or for the rest of its own body, is given up."""
    rate: float = Field(default=1000.0, ge=0)
    """Requests a second that a key may make of a worker for long; 0 for no limit ..."""
    burst: int = Field(default=2000, ge=1)
    """... and how many at once after a pause."""
    pages: bool = True
    """Whether the newsroom's pages are served at `/`; see docs/newsroom.md."""
    allow_private: bool = False
    """Whether a feed address that an editor types may lead to one that is not of the open internet."""
    upload_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """Largest file that can be handed in on a page."""
    cors_origins: str = ""
    """Origins whose pages may call the service from a browser, such as `https://news.example`, with commas between."""
    grace_seconds: int = Field(default=20, ge=1, le=3600)
    """How long a service that is told to stop finishes what it has begun."""
    house_seconds: float = Field(default=10.0, gt=0, le=86_400)
    """How often the reading log is looked at to learn from it, beside the answering."""


class Settings(_Section):
    """All settings of a home, as read from `recnews.toml` and `RECNEWS_SECTION__KEY` variables."""

    store: SecretStr = SecretStr("")
    """Where articles and events are kept: `postgresql+psycopg://user:password@host/database` (extra `postgres`, see
    docs/scaling.md); empty for the file `corpora/recnews.sqlite`. Never shown."""
    replica: SecretStr = SecretStr("")
    """A standby of that server to read from as long as it is not behind, and while the server does not answer. Never
    shown."""
    share_generations: bool = True
    """Keep generations in the store as well, where that is PostgreSQL, so that nodes with disks of their own get them
    there (docs/scaling.md). The same on all nodes."""
    text: TextSettings = TextSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    behaviour: BehaviourSettings = BehaviourSettings()
    categories: CategorySettings = CategorySettings()
    map: MapSettings = MapSettings()
    feed: FeedSettings = FeedSettings()
    index: IndexSettings = IndexSettings()
    stories: StorySettings = StorySettings()
    ingest: IngestSettings = IngestSettings()
    watch: WatchSettings = WatchSettings()
    privacy: PrivacySettings = PrivacySettings()
    retention: RetentionSettings = RetentionSettings()
    doctor: DoctorSettings = DoctorSettings()
    service: ServiceSettings = ServiceSettings()

    @field_validator("store", "replica")
    @classmethod
    def _is_an_address(cls, given: SecretStr) -> SecretStr:
        if given.get_secret_value() and not _STORE_ADDRESS.fullmatch(given.get_secret_value()):
            raise ValueError("is no address such as postgresql+psycopg://user:password@host/database")
        return given

    @field_serializer("store", "replica")
    def _masked(self, given: SecretStr, info: SerializationInfo) -> str:
        secret = given.get_secret_value()
        return secret if (info.context or {}).get("secrets") else secret and "**********"

    def with_secrets(self) -> str:
        """As JSON, to be handed to a process of our own over a pipe and not to be shown."""
        return self.model_dump_json(context=_WITH_SECRETS)

    def override(self, section: str, **values: Any) -> "Settings":
        """A copy with some values of one section replaced; `None` values are left as they are.

        Raises `SettingsError` when a value is out of range.
        """
        given = {name: value for name, value in values.items() if value is not None}
        merged = self.model_dump(context=_WITH_SECRETS)
        merged[section] = merged[section] | given
        return _validated(merged, "command line")


def home_folder(home: str | Path | None) -> Path:
    """The home to use: the argument, else `RECNEWS_HOME`, else the current folder."""
    return Path(home or os.environ.get(_ENV_HOME) or ".").expanduser().absolute()


def given_reader_key() -> bytes | None:
    """The key for `privacy.hash_ids` from `RECNEWS_READER_KEY`, None where it is not set. Raises `SettingsError` for a
    text that can be guessed."""
    text = os.environ.get(_ENV_READER_KEY)
    if text is not None and len(text) < 32:
        raise SettingsError("environment", _ENV_READER_KEY, "is shorter than 32 characters")
    return None if text is None else blake2b(text.encode(), digest_size=32).digest()


def load_settings(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of `home`: defaults, then `recnews.toml`, then `RECNEWS_SECTION__KEY` variables.

    Raises `SettingsError` naming the file or variable and the key; `StorageError` when the file cannot be read.
    """
    file = home / SETTINGS_FILE
    values = _read(file)
    return _validated(_with_environment(values, os.environ if environ is None else environ), "environment")


def read_settings(file: Path) -> Settings:
    """Settings of one file, whatever the environment says. Raises as `load_settings`."""
    return _validated(_read(file), str(file))


def _read(file: Path) -> dict[str, Any]:
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
    return values


def _with_environment(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """`values` with `RECNEWS_FEED__DIVERSITY=0.3`, `RECNEWS_STORE=…` and the like laid over them."""
    merged = {name: dict(given) if isinstance(given, Mapping) else given for name, given in values.items()}
    for name, value in sorted(environ.items()):
        section, separator, key = name.removeprefix(_ENV_PREFIX).lower().partition("__")
        if not name.startswith(_ENV_PREFIX):
            continue
        if separator:
            merged.setdefault(section, {})[key] = value
        elif section in Settings.model_fields:
            merged[section] = value
    return merged


def _validated(values: Mapping[str, Any], origin: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(origin, ".".join(str(part) for part in first["loc"]), first["msg"]) from error
