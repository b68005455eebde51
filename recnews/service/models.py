"""Requests, read and described for the OpenAPI page."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from recnews.formats.base import FieldError
from recnews.formats.values import moment
from recnews.records import EventKind

_LONGEST_ID = 2048
_MANY = 1000


def _moment(value: Any) -> Any:
    if value is None:
        return None
    try:
        return moment("time", value if isinstance(value, str) else None, None) or _no_time()
    except FieldError as error:
        plus = "; write + as %2B in an address" if " " in str(value) else ""
        raise ValueError(f"{error.reason}; write it as 2026-05-01T08:00:00+08:00{plus}") from error


def _no_time() -> datetime:
    raise ValueError("is no time; write it as 2026-05-01T08:00:00+08:00")


Time = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({
        "type": "string", "format": "date-time", "examples": ["2026-05-01T08:00:00+08:00"],
        "description": "A time with its offset, between the years 1900 and 2200.",
    }),
]  # fmt: skip
Id = Annotated[str, Field(min_length=1, max_length=_LONGEST_ID)]
Name = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=1, le=1000, description="At most this many; the service may allow fewer.")]
Since = Annotated[
    str,
    Field(pattern=r"^(\d{1,6}[hdw]|.*\d{4}.*)$", max_length=64, examples=["3d"]),
    Field(description="Published no longer ago than `12h`, `3d` or `2w`, or since a time."),
]


class Request(BaseModel):
    """An unknown field is an error: a typo must not silently mean the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wanted(Request):
    """What a feed may hold, and how it is told."""

    n: Count = 10
    category: list[Name] = Field([], max_length=100, description="Only these categories.", examples=[["体育"]])
    language: list[Name] = Field([], max_length=100, description="Only these languages.", examples=[["zh"]])
    source: list[Name] = Field([], max_length=100, description="Only these sources.", examples=[["晚报"]])
    since: Since | None = None
    exclude: list[Id] = Field([], max_length=50, description="Ids of articles to leave out.", examples=[["a-17"]])
    explain: bool = Field(False, description="Say why, in the reasons of each article.")
    at: Time | None = Field(None, description="Answer as of this time; else now.")


class FeedQuery(Wanted):
    """What is asked of a reader's feed."""

    offset: int = Field(0, ge=0, le=10_000, description="Leave out the first places: the second page of ten is at 10.")
    session: str | None = Field(
        None, max_length=100, description="The token of an earlier page. It keeps the feed as it was for that page."
    )


class Act(Request):
    """One act of a reader who is not known by an id."""

    article: Id = Field(examples=["a-17"])
    kind: EventKind = "read"
    at: Time | None = None
    weight: float = Field(1.0, gt=0, le=1e6, allow_inf_nan=False)
    dwell: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False, description="Seconds on the page.")


class AnonymousFeed(FeedQuery):
    """A feed for a history that comes with the question. Nothing of it is stored."""

    history: list[Act] = Field([], max_length=_MANY)
    exclude: list[Id] = Field([], max_length=_MANY, description="Ids of articles to leave out.")
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"n": 5, "explain": True, "history": [{"article": "a-17"}]}]}
    )


class ManyFeeds(Wanted):
    """Feeds of many readers, all as of one moment."""

    users: list[Id] = Field(min_length=1, max_length=10_000)
    model_config = ConfigDict(json_schema_extra={"examples": [{"users": ["alice", "bob"], "n": 5}]})


class NearText(Request):
    """A text to find neighbours of."""

    text: str = Field(max_length=100_000)
    n: Count = 10
    at: Time | None = None
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "地铁新线今天开通", "n": 5}]})


class NearQuery(Request):
    """How many neighbours, as of when."""

    n: Count = 10
    at: Time | None = None


class WordQuery(NearQuery):
    """As `NearQuery`; `minus` takes words away."""

    minus: list[Name] = Field([], max_length=20, description="Take these words away from the word.")


class AtQuery(Request):
    """As of when."""

    at: Time | None = None


class Edit(Request):
    """The editors' hand on an article; what is left out stays. It all holds in the next feed of every worker."""

    hidden: bool | None = Field(None, description="Take it out of every feed, or put it back.")
    expires_at: Time | None = Field(None, description="Serve it no longer than this; null leaves the publisher's date.")
    category: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Put it under a category; null takes back what was set by hand."
    )
    model_config = ConfigDict(json_schema_extra={"examples": [{"hidden": True}]})


class PinIn(Request):
    """Where and when an article stands in every feed."""

    slot: int = Field(1, ge=1, le=10_000)
    starts_at: Time | None = None
    until: Time | None = None
    model_config = ConfigDict(json_schema_extra={"examples": [{"slot": 1, "until": "2026-05-01T08:00:00+08:00"}]})
