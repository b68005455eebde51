"""How often somebody may ask: a token bucket for each key in each worker."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class RateLimit:
    """At most `rate` requests a second for long and `burst` at once, for each name. `clock` is in seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._buckets = dict[str, _Bucket]()

    def wait(self, name: str) -> float:
        """Take one token; 0 when there was one, else after how many seconds there will be."""
        if not self._rate:
            return 0.0
        now = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(self._burst, now))
        bucket.tokens = min(bucket.tokens + (now - bucket.filled) * self._rate, self._burst)
        bucket.filled = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0.0

    def keep(self, names: set[str]) -> None:
        """Forget the buckets of all others."""
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if name in names}
