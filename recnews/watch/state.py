"""What is remembered of a source between two rounds, and when it is asked again."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from recnews.records import Reject

_LONGEST = timedelta(days=1)
_DOUBLINGS = 20
_REJECTS = 10_000


@dataclass(frozen=True, slots=True)
class State:
    """The state of a source. Times are as ISO 8601 has them, empty for none.

    `how` is a digest of the options it was read with, `rejected` has digests of what was kept in the quarantine,
    `pages` tells of each entry's full text: a digest of the entry, how often it failed, whether it is stored.
    """

    kind: str = "feed"
    polled_at: str = ""
    read_at: str = ""
    failures: int = 0
    next_at: str = ""
    problem: str = ""
    etag: str = ""
    modified: str = ""
    digest: str = ""
    how: str = ""
    rejected: list[str] = field(default_factory=list)
    pages: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "State":
        """A state as it was stored; what another version may have put beside it is left out."""
        known = {it.name for it in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def plain(self) -> dict[str, Any]:
        """The state as it is stored."""
        return asdict(self)

    def waits(self, now: datetime) -> datetime | None:
        """Until when the source is left alone, or None."""
        until = moment(self.next_at)
        return until if until and now < until <= now + 2 * _LONGEST else None

    def well(self, now: datetime, **values: Any) -> "State":
        """The state after a poll that went well."""
        return replace(self, polled_at=now.isoformat(), failures=0, next_at="", problem="", **values)

    def failed(self, now: datetime, problem: str, wait: timedelta) -> "State":
        """The state after a poll that failed."""
        until = (now + wait).isoformat()
        return replace(self, polled_at=now.isoformat(), failures=self.failures + 1, next_at=until, problem=problem)


def moment(text: str) -> datetime | None:
    """A time of a state."""
    return datetime.fromisoformat(text) if text else None


def back_off(
    failures: int, every: timedelta, told: str, now: datetime, chance: Callable[[], float] = random.random
) -> timedelta:
    """How long to leave a source alone that had failed `failures` times before: twice as long each time, up to a day,
    and no two sources of one server for the same time. What the server told in `Retry-After` is the least."""
    wait: timedelta = min(every * 2.0 ** min(failures, _DOUBLINGS), _LONGEST) * (0.5 + chance() / 2)
    return min(max(wait, _told_wait(told, now)), _LONGEST)


def _told_wait(told: str, now: datetime) -> timedelta:
    if told.strip().isdigit():
        return timedelta(seconds=min(int(told.strip()[:9]), _LONGEST.total_seconds()))
    try:
        until = parsedate_to_datetime(told)
        return max((until if until.tzinfo else until.replace(tzinfo=UTC)) - now, timedelta())
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta()


def digest(*parts: object) -> str:
    """A short digest of values that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class KnownRejects:
    """Tells rejected entries that are new from those a feed has shown before: a feed shows each for days, and each
    belongs into the quarantine once, also when it was mended there."""

    def __init__(self, before: list[str]) -> None:
        self._before, self._now = frozenset(before), dict[str, None]()

    def is_new(self, reject: Reject) -> bool:
        """Whether this was not rejected in an earlier poll. Lines, which reasons name, move with every new entry."""
        name = digest(reject.field, dict(reject.row or {}), reject.raw)
        self._now[name] = None
        return name not in self._before

    def digests(self) -> list[str]:
        """Of what was rejected in this poll."""
        return list(self._now)[:_REJECTS]
