"""The records that travel between rooms: frozen, slotted, no behaviour beyond what follows from their fields.

Times are aware and UTC. `key` is the publisher's own id or URL; `article_id` is the store's integer id and the
FAISS id. Only `recnews.store` converts between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

ArticleId = NewType("ArticleId", int)
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

EventKind = Literal["read", "like", "share", "dislike", "impression"]
EVENT_KINDS: tuple[EventKind, ...] = ("read", "like", "share", "dislike", "impression")
FeedSource = Literal["interests", "behaviour", "fresh", "popular", "pinned"]


@dataclass(frozen=True, slots=True)
class Where:
    """Where a row was read: `line` counts from 1; for tables without lines (Parquet) it is the row number."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Draft:
    """An article as a publisher hands it in, already cleaned; it has no `article_id` yet."""

    key: str
    title: str
    body: str = ""
    summary: str = ""
    url: str = ""
    author: str = ""
    source: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    lang: str = ""
    published_at: datetime | None = None
    expires_at: datetime | None = None
    where: Where | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class EventDraft:
    """One line of a reading log. `at` is None where the log has no times; `dwell` is seconds on the page."""

    user_id: str
    key: str
    kind: EventKind = "read"
    weight: float = 1.0
    dwell: float | None = None
    at: datetime | None = None
    event_id: str = ""
    where: Where | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken. `row` holds its columns, or `raw` its text where it could not be parsed."""

    where: Where
    reason: str
    remedy: str
    field: str | None = None
    row: Mapping[str, Any] | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Article:
    """A stored article. `published_at` is the time of first ingest where the publisher gave none;
    `category_probability` is None unless its category was predicted."""

    article_id: ArticleId
    key: str
    title: str
    body: str
    summary: str
    url: str
    author: str
    source: str
    category: str
    tags: tuple[str, ...]
    lang: str
    published_at: datetime
    expires_at: datetime | None
    hidden: bool
    ingested_at: datetime
    category_probability: float | None = None


class ArticleEdit(TypedDict, total=False):
    """What editors change of an article; what is left out stays. None takes back what was set by hand."""

    hidden: bool
    expires_at: datetime | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One act of one reader. `at` is None for logs without times."""

    user_id: str
    article_id: ArticleId
    kind: EventKind
    weight: float
    dwell: float | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event as its reader gets it: `title` is None when the article is not stored, `dwell` is in seconds."""

    key: str
    title: str | None
    kind: EventKind
    weight: float
    dwell: float | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """All that is held on one reader; `stored_as` is their id as the store has it. `rejected` are rows of a reading log
    that could not be taken and wait to be mended, as they are in the quarantine."""

    user: str
    stored_as: str
    events: tuple[HeldEvent, ...]
    rejected: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """An article that editors have put into place `slot` (from 1) of every feed while `starts_at <= time < until`;
    None does not restrict."""

    article_id: ArticleId
    key: str
    slot: int
    starts_at: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What editors keep out: blocked articles are in no feed; those of `impersonal_categories` are never chosen for a
    reader by what they read. Each is sorted."""

    blocked_categories: tuple[str, ...] = ()
    blocked_sources: tuple[str, ...] = ()
    impersonal_categories: tuple[str, ...] = ()


class HasText(Protocol):
    """Anything with the three texts of an article."""

    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def body(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """An article, cut: the tokens of its title, and those of everything below it. A free text is all body."""

    title: list[str]
    body: list[str]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Articles, cut, with a number for each token: `ids` (tokens,) int32, one article after the other, title first, of
    which each has `lengths` (n,) int64. Numbers below `size` are rows of a vocabulary; the others, less `size`, are
    places in `words`, which are none of these rows."""

    ids: Int32
    lengths: Int64
    size: int
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of texts: `vectors` (n, dim) float32, C-contiguous, each row of unit length or zero; `known` (n,) bool
    is False exactly where the row is zero because nothing in the text is known."""

    vectors: Float32
    known: Bools


@dataclass(frozen=True, slots=True)
class Guess:
    """A predicted category, and how likely it is, 0 to 1."""

    category: str
    probability: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Answer to one query: `ids` (k',) int64 (never -1), `scores` (k',) float32, descending, k' <= k.

    `partial`: a part of the index could not be asked, so that others may belong here, too."""

    ids: Int64
    scores: Float32
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How a row of an index is made: `dim` numbers of the article vector, then `behaviour` numbers of the outer
    behaviour vector. `content` is the share of the former in a likeness, `1 - content` that of the latter."""

    dim: int
    behaviour: int = 0
    content: float = 1.0

    @property
    def width(self) -> int:
        """Length of a row."""
        return self.dim + self.behaviour


@dataclass(frozen=True, slots=True)
class Interests:
    """What a reader is interested in: `vectors` (m, dim) float32 of unit length, `importance` (m,) summing to 1.

    `of_read` (n,) says to which of them each article of the history belongs, -1 for none.
    """

    vectors: Float32
    importance: Float32
    of_read: Int64


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as it was cut: its tokens in order, and those that the live generation has no vector for."""

    tokens: tuple[str, ...]
    unknown: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A rejected row in the quarantine. `digest` names its line; `text` is what can be mended, a row as JSON or, where
    it could not be parsed, the raw text; None where it is too long to be shown. `line` counts from 1 in `file`."""

    digest: str
    file: str
    line: int
    field: str | None
    reason: str
    remedy: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Taste:
    """One interest of a reader in words: `importance` is its share of a feed, all of them sum to 1; `words` are the
    most telling of its read articles, and `articles` is how many of these there are."""

    importance: float
    words: tuple[str, ...]
    articles: int


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a recommendation's score. The `value`s of its reasons sum to the score.

    `similarity` names the read article that speaks most for it by its text (`key`, `title`) and the words both share,
    `behaviour` the one that speaks most for it by who else has read both.
    """

    part: Literal["similarity", "behaviour", "freshness", "popularity", "exploration"]
    value: float
    key: str = ""
    title: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One place of a feed. `source` says how it got there; a higher score is better. `category_probability` is None
    unless the category was predicted."""

    key: str
    title: str
    score: float
    source: FeedSource
    reasons: tuple[Reason, ...]
    url: str
    category: str
    published_at: datetime
    category_probability: float | None = None


@dataclass(frozen=True, slots=True)
class WordNeighbor:
    """A word near a query; `score` is the cosine of the two word vectors."""

    word: str
    score: float


@dataclass(frozen=True, slots=True)
class ArticleNeighbor:
    """An article near a query; `score` is the inner product with its unit vector."""

    key: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Neighbors:
    """What lies near a word, article, reader or text. `tokens` is how a text was cut; `unknown` are those of its
    words that the live generation has no vector for. `partial`: older articles could not be searched just now."""

    words: tuple[WordNeighbor, ...]
    articles: tuple[ArticleNeighbor, ...]
    tokens: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    partial: bool = False
