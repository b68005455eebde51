"""What the service counts, over time: a few figures of all workers, noted every few seconds and kept for some hours in
the memory of each worker. They end with the service; Prometheus keeps them for longer."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from recnews.service import metrics

_EVERY, _KEPT = 10.0, 1080
_PART = 0.99


@dataclass(frozen=True, slots=True)
class Note:
    """Counts since the start of the service, at one time (seconds since the epoch). `feeds` and `requests` are
    (bound in seconds, how many stayed below it)."""

    at: float
    requests: int
    failures: int
    rows: int
    feed_buckets: tuple[tuple[float, float], ...]
    request_buckets: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """What happened between notes: per second, and in milliseconds; NaN where nothing was timed. `ends` is when each
    step ended, `begin` when the first one began (seconds since the epoch)."""

    begin: float
    ends: list[float]
    requests: list[float]
    failures: list[float]
    rows: list[float]
    feed_most: list[float]
    request_most: list[float]


class History:
    """The notes of a worker."""

    def __init__(self) -> None:
        self._notes = deque[Note](maxlen=_KEPT)

    async def follow(self) -> None:
        """Note again and again. Runs until cancelled."""
        while True:
            self._notes.append(await asyncio.to_thread(_note))
            await asyncio.sleep(_EVERY)

    def steps(self, most: int = 180) -> Steps:
        """The last hours in at most so many steps of equal length."""
        notes = list(self._notes)
        stride = max(-(-(len(notes) - 1) // most), 1)
        chosen = notes[::-1][::stride][::-1]
        pairs = list(pairwise(chosen))
        return Steps(
            chosen[0].at if chosen else time.time(), [two.at for _, two in pairs],
            [(two.requests - one.requests) / (two.at - one.at) for one, two in pairs],
            [(two.failures - one.failures) / (two.at - one.at) for one, two in pairs],
            [(two.rows - one.rows) / (two.at - one.at) for one, two in pairs],
            [_most(one.feed_buckets, two.feed_buckets) for one, two in pairs],
            [_most(one.request_buckets, two.request_buckets) for one, two in pairs],
        )  # fmt: skip


def _note() -> Note:
    samples = [
        sample for family in text_string_to_metric_families(metrics.page({}, "").decode()) for sample in family.samples
    ]
    requests = [it for it in samples if it.name == "recnews_requests_total"]
    return Note(
        time.time(), int(sum(it.value for it in requests)),
        int(sum(it.value for it in requests if it.labels["status"].startswith("5"))),
        int(sum(it.value for it in samples if it.name == "recnews_rows_total")),
        _buckets(it for it in samples if it.name == "recnews_stage_seconds_bucket" and it.labels["stage"] == "feed"),
        _buckets(it for it in samples if it.name == "recnews_request_seconds_bucket"),
    )  # fmt: skip


def _buckets(samples: Iterable[Any]) -> tuple[tuple[float, float], ...]:
    found: dict[float, float] = {}
    for it in samples:
        bound = float(it.labels["le"])
        found[bound] = found.get(bound, 0.0) + it.value
    return tuple(sorted(found.items()))


def _most(before: Iterable[tuple[float, float]], after: Iterable[tuple[float, float]]) -> float:
    """Milliseconds below which 99 of 100 stayed in between, by the bounds that are told apart; NaN without any."""
    earlier: Mapping[float, float] = dict(before)
    grown = [(bound, count - earlier.get(bound, 0.0)) for bound, count in after]
    if not grown or grown[-1][1] <= 0:
        return float("nan")
    bound = next(bound for bound, count in grown if count >= _PART * grown[-1][1])
    return 1000 * (bound if bound != float("inf") else grown[-2][0])
