"""From candidates to the order of a feed. Pure arithmetic: no store, no index, no clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recnews.records import Float32, Int64

Float64 = NDArray[np.float64]
_MICROS_AN_HOUR = 3_600_000_000.0
_PRIOR = 10.0
_USUAL_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Audience:
    """What is known of articles' readers lately: `readers` (n,) weighed by how long ago they read, `seen_by` (n,) and
    `shown` (n,) how many read it and how often it was shown, unweighed."""

    readers: Float32
    seen_by: Int64
    shown: Int64


@dataclass(frozen=True, slots=True)
class Spread:
    """How a feed is spread. `diversity` pushes down what is like something already chosen; `coverage` pushes up what is
    for an interest that has had fewer places than its share. Of `stories` (n,) one each is shown; of each row of
    `labels`, (n,) numbers with -1 for none, at most the cap that goes with it.

    `interest` (n,) names the interest of each candidate, `importance` (m,) their shares.
    """

    diversity: float
    stories: Int64
    labels: Sequence[tuple[Int64, int]] = ()
    coverage: float = 0.0
    interest: Int64 | None = None
    importance: Float32 | None = None


def freshness(published: Int64, now: int, half_life_hours: Float32 | float) -> Float32:
    """(n,) from 1 for what is published this instant, halved every `half_life_hours`; times in microseconds."""
    hours = np.maximum(now - published, 0) / _MICROS_AN_HOUR
    return np.asarray(0.5 ** (hours / half_life_hours), dtype=np.float32)


def popularity(audience: Audience, most: float) -> Float32:
    """(n,) from 0 for no reader to 1 for `most` of them, by logarithm: a tenth reader says more than a hundredth."""
    if most <= 0:
        return np.zeros(len(audience.readers), dtype=np.float32)
    return np.asarray(np.minimum(np.log1p(audience.readers) / np.log1p(most), 1), dtype=np.float32)


def corrected(audience: Audience, rate: float) -> Float32:
    """(n,) readers, corrected for exposure: times how much oftener an article is read when it is shown than articles
    usually are, `rate`, as far as its showings bear that out; between a quarter and four times."""
    if rate <= 0:
        return audience.readers
    lift = (audience.seen_by + _PRIOR * rate) / (np.maximum(audience.shown, audience.seen_by) * rate + _PRIOR * rate)
    return np.asarray(audience.readers * np.clip(lift, 0.25, 4), dtype=np.float32)


def exploration(ids: Int64, audience: Audience, rate: float, user_id: str, hour: int) -> Float32:
    """(n,) from 0 to 1: how much better than expected each article might be, drawn from what is not known of it.

    Thompson sampling (Chapelle and Li 2011): a draw from the posterior of its reading rate, as a multiple of the mean.
    The more often it was shown, the nearer to 0. The same for a reader and an article within the hour, whatever else is
    ranked, so that a feed holds still.
    """
    usual = rate if 0 < rate < 1 else _USUAL_RATE
    shown = np.maximum(audience.shown, audience.seen_by / usual if rate <= 0 else audience.seen_by)
    alpha = np.asarray(_PRIOR * usual + audience.seen_by, dtype=np.float64)
    beta = np.asarray(_PRIOR * (1 - usual) + np.maximum(shown - audience.seen_by, 0), dtype=np.float64)
    seed = int.from_bytes(blake2b(f"{hour} {user_id}".encode(), digest_size=8).digest(), "big")
    good, bad = (_gamma(ids, shape, seed + salt) for salt, shape in enumerate((alpha, beta)))
    drawn = good / np.maximum(good + bad, 1e-12)
    return np.asarray(np.clip(drawn * (alpha + beta) / alpha - 1, 0, 2) / 2, dtype=np.float32)


def _gamma(ids: Int64, shape: Float64, seed: int) -> Float64:
    """(n,) a gamma variate for each id, by the cube of a normal one (Wilson and Hilferty 1931): a row does not depend
    on the others."""
    one, other = (_uniform(ids, seed + salt) for salt in (0, 1 << 32))
    normal = np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * other)
    return np.asarray(shape * np.maximum(1 - 1 / (9 * shape) + normal / (3 * np.sqrt(shape)), 0) ** 3)


def _uniform(ids: Int64, seed: int) -> Float64:
    """(n,) numbers between 0 and 1 that belong to ids, by the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def diversify(scores: Float32, vectors: Float32, k: int, spread: Spread) -> Int64:
    """(k',) rows of `scores` (n,) in the order to show them.

    Each next row has the highest `score - diversity * likeness + coverage * owed`, where likeness is the largest inner
    product of its vector (n, dim) with one already chosen, negative ones counting as none (maximal marginal relevance:
    Carbonell and Goldstein 1998), and `owed` is how many places its interest is short of its share of the feed so far,
    this place included. What is owed adds up from place to place, so an interest whose articles score less gets its
    places, too, only later (proportionality as in Dang and Croft 2012). Ties go to the lower row.
    """
    chosen: list[int] = []
    left = scores.astype(np.float32).copy()
    likeness = np.zeros(len(scores), dtype=np.float32)
    interest = spread.interest if spread.coverage else None
    share = taken = np.zeros(0, dtype=np.float32)
    if interest is not None and spread.importance is not None:
        share, taken = spread.importance, np.zeros(len(spread.importance), dtype=np.float32)
    for place in range(min(k, len(scores))):
        value = left
        if spread.diversity:
            value = value - np.float32(spread.diversity) * likeness
        if interest is not None:
            value = value + (np.float32(spread.coverage) * (share * (place + 1) - taken))[interest]
        best = int(np.argmax(value))
        if value[best] == -np.inf:
            break
        chosen.append(best)
        left[spread.stories == spread.stories[best]] = -np.inf
        if spread.diversity:
            likeness = np.maximum(likeness, np.einsum("ij,j->i", vectors, vectors[best]))
        if interest is not None:
            taken[interest[best]] += 1
        for labels, cap in spread.labels:
            if labels[best] >= 0 and int((labels[chosen] == labels[best]).sum()) >= cap:
                left[labels == labels[best]] = -np.inf
    return np.array(chosen, dtype=np.int64)


def within_caps(count: int, k: int, caps: Sequence[tuple[Int64, Int64, int]]) -> Int64:
    """(k',) of the first `count` rows, in their order, those that the caps let through.

    Each cap comes with the `labels` (count,) of the rows and those of what has been chosen before, -1 for none.
    """
    if not caps:
        return np.arange(min(count, k))
    taken = [Counter(before.tolist()) for _, before, _ in caps]
    kept = list[int]()
    for row in range(count):
        if len(kept) == k:
            break
        labels = [int(rows[row]) for rows, _, _ in caps]
        if any(label >= 0 and seen[label] >= cap for label, seen, (_, _, cap) in zip(labels, taken, caps, strict=True)):
            continue
        kept.append(row)
        for label, seen in zip(labels, taken, strict=True):
            seen[label] += 1
    return np.array(kept, dtype=np.int64)
