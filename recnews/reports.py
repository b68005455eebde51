"""What is told of what was done: counts that add up, and what they are about. Times are aware and UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from recnews.records import Reject


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of each row: `read == added + changed + unchanged + duplicate + rejected`.

    `duplicate` rows repeat, with the same content, an id that the same run had already read. `indexed` articles are
    searchable now; `pending` ones wait for a generation. `quarantine` names the files that hold the rejected rows.
    """

    read: int
    added: int
    changed: int
    unchanged: int
    duplicate: int
    rejected: int
    indexed: int
    pending: int
    quarantine: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class EventsReport:
    """What became of each event: `read == added + duplicate + rejected`. `waiting` of the added ones name an article
    that is not stored yet; they count as soon as it is."""

    read: int
    added: int
    duplicate: int
    rejected: int
    waiting: int
    quarantine: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Polled:
    """What a round of watching made of one source. `report` counts what it gave, None where nothing was read; `problem`
    says what is wrong and what to do; before `next_at` it is left alone.

    `moved` is where a feed says it has moved for good, `pages` how many full texts were fetched, `growing` how many
    files wait because they may still be being written.
    """

    source: str
    outcome: Literal["read", "unchanged", "waiting", "failed"]
    report: IngestReport | None = None
    problem: str = ""
    next_at: datetime | None = None
    moved: str = ""
    pages: int = 0
    growing: int = 0


@dataclass(frozen=True, slots=True)
class Watched:
    """A source that is or was watched: when it was asked last, when it last gave something, what is wrong with it."""

    source: str
    kind: Literal["feed", "folder"]
    polled_at: datetime | None
    read_at: datetime | None
    failures: int
    next_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of readers: `events`, and `rejected` rows that waited in the quarantine. `elsewhere` names
    folders of the home that hold older data, in which nothing was looked at; `backups` those that knew the reader and
    do no more."""

    events: int
    rejected: int
    elsewhere: tuple[str, ...]
    backups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed part of an index: `rows` articles published from `first` to `last`, `alive` of them still in use, that
    takes `bytes` on the disk. `recall` is the share of ten nearest articles that it was measured to find."""

    name: str
    kind: str
    rows: int
    alive: int
    first: datetime
    last: datetime
    recall: float
    bytes: int
