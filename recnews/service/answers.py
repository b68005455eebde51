"""Answers as the OpenAPI page describes them. `render` writes them directly: they need no checking by pydantic, which
would take its time for each feed. A test holds the two together.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recnews.records import EventKind, FeedSource


class ReasonOut(BaseModel):
    """One part of a score; the values of all parts sum to it. `id` and `title` are of the read article that speaks most
    for the recommendation, `words` those that the two share."""

    part: Literal["similarity", "behaviour", "freshness", "popularity", "exploration"]
    value: float
    id: str
    title: str
    words: list[str]


class Place(BaseModel):
    """One place of a feed. `reasons` only when asked for."""

    id: str
    title: str
    score: float
    source: FeedSource
    url: str
    category: str
    category_probability: float | None
    published_at: datetime
    reasons: list[ReasonOut] | None = None


_PLACE: dict[str, Any] = {
    "id": "a-17", "title": "地铁新线今天开通", "score": 0.6621, "source": "interests", "url": "https://news.example/a-17",
    "category": "本地", "category_probability": None, "published_at": "2026-05-01T00:00:00+00:00",
}  # fmt: skip


class Feed(BaseModel):
    """A page of a feed. Ask for the next with `session` and a larger `offset`; `more` says whether there may be one."""

    user: str | None
    at: datetime
    session: str
    offset: int
    more: bool
    recommendations: list[Place]
    model_config = ConfigDict(json_schema_extra={"examples": [{
        "user": "alice", "at": "2026-05-01T00:30:00+00:00", "session": "650dbb3d68000.a.4c8a.6c4bb9d3", "offset": 0,
        "more": True, "recommendations": [_PLACE],
    }]})  # fmt: skip


class UserFeed(BaseModel):
    """The feed of one of many readers."""

    user: str
    recommendations: list[Place]


class Feeds(BaseModel):
    """Feeds in the order of the readers asked for."""

    at: datetime
    feeds: list[UserFeed]


class WordOut(BaseModel):
    """A word near by."""

    word: str
    score: float


class ArticleNear(BaseModel):
    """An article near by."""

    id: str
    title: str
    score: float


class Near(BaseModel):
    """What lies near; `tokens` is how a text was cut, `unknown` the words that were not learned. `partial`: older
    articles could not be searched just now."""

    words: list[WordOut]
    articles: list[ArticleNear]
    tokens: list[str]
    unknown: list[str]
    partial: bool


class ArticleOut(BaseModel):
    """A stored article."""

    id: str
    title: str
    body: str
    summary: str
    url: str
    author: str
    source: str
    category: str
    category_probability: float | None
    tags: list[str]
    lang: str
    published_at: datetime
    expires_at: datetime | None
    hidden: bool
    ingested_at: datetime


class RowOutcome(BaseModel):
    """What became of one row, and the status it would have had alone. A rejected one has `reason` and `remedy`."""

    id: str
    status: Literal[200, 201, 422]
    became: Literal["added", "changed", "unchanged", "duplicate", "rejected"]
    waiting: bool | None = Field(None, description="Of an event: its article is not stored yet.")
    field: str | None = None
    reason: str | None = None
    remedy: str | None = None


class Report(BaseModel):
    """What became of rows, in their order."""

    outcomes: list[RowOutcome]
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcomes": [{"id": "a-17", "status": 201, "became": "added"}]}]}
    )


class PinOut(BaseModel):
    """A pinned article."""

    article: str
    slot: int
    starts_at: datetime | None
    until: datetime | None


class Pins(BaseModel):
    """Pins by slot."""

    pins: list[PinOut]


class RulesOut(BaseModel):
    """What editors keep out."""

    blocked_categories: list[str]
    blocked_sources: list[str]
    impersonal_categories: list[str]


class HeldEventOut(BaseModel):
    """An event of a reader."""

    article: str
    title: str | None
    kind: EventKind
    weight: float
    dwell: float | None
    at: datetime | None


class HeldOut(BaseModel):
    """All that is held on a reader."""

    user: str
    stored_as: str
    events: list[HeldEventOut]
    rejected: list[dict[str, Any]]


class ForgottenOut(BaseModel):
    """How much was removed; `elsewhere` counts folders of the home with older data, in which nothing was looked at."""

    events: int
    rejected: int
    elsewhere: int


class Health(BaseModel):
    """How the service is."""

    status: Literal["live", "ready"]
    generation: str | None = None


class FieldProblem(BaseModel):
    """What is wrong with a field."""

    field: str
    reason: str


class ProblemOut(BaseModel):
    """RFC 9457. `type` is a name that does not change."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = None
    model_config = ConfigDict(json_schema_extra={"examples": [{
        "type": "urn:recnews:problem:unknown-article", "title": "No article has this id", "status": 404,
        "detail": "no article has the id 'a-99'",
    }]})  # fmt: skip
