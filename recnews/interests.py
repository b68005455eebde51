"""From reading events to what a reader is interested in. Pure arithmetic; times in days."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from recnews.config import FeedSettings
from recnews.records import Bools, Event, Float32, Int64, Interests

Float64 = NDArray[np.float64]
_SECONDS_A_DAY = 86_400.0
_HEAVIEST = 1e30  # still a float32
_ROUNDS = 8
_SAME = 0.999


def event_weights(events: Sequence[Event], now: datetime, settings: FeedSettings) -> Float32:
    """(n,) float32 weight of each event: by kind, halved every `half_life_days`, negative for a dislike.

    Impressions and bounces weigh nothing. An event without a time counts as if it were new.
    """
    kinds = {
        "read": 1.0,
        "like": settings.like_weight,
        "share": settings.share_weight,
        "dislike": -settings.dislike_weight,
    }
    weights = []
    for event in events:
        weight = kinds.get(event.kind, 0.0) * event.weight
        if event.kind == "read" and event.dwell is not None and event.dwell < settings.bounce_seconds:
            weight = 0.0
        if event.at is not None:
            days = max((now - event.at).total_seconds(), 0.0) / _SECONDS_A_DAY
            weight *= 0.5 ** (days / settings.half_life_days)
        weights.append(weight)
    return np.clip(weights, -_HEAVIEST, _HEAVIEST).astype(np.float32)


def in_session(events: Sequence[Event], now: datetime, settings: FeedSettings) -> Bools:
    """(n,) which events belong to the visit that is going on: those of the last `session_minutes`."""
    start = now - timedelta(minutes=settings.session_minutes)
    return np.array([event.at is not None and event.at >= start for event in events], dtype=bool)


def from_history(vectors: Float32, weights: Float32, recent: Bools, settings: FeedSettings) -> Interests:
    """One to a few interests of a history: `vectors` (n, dim) unit or zero, `weights` (n,), `recent` (n,) bools.

    What was liked is grouped by likeness, and each group is the direction of its weighted sum, less what was disliked
    that is nearest to it (Rocchio 1971). A group's importance grows with its weight to the power `interest_power`, so
    that a binge does not drown the rest. A visit that differs from what came before it is an interest of its own, or
    makes the one that it is already more important. None at all when the history is empty, weighs nothing or cancels
    out.
    """
    heaviest = np.abs(weights).max(initial=0.0)
    # Only proportions matter: all that a reader read a year ago still says where their interest lies.
    scaled = weights / heaviest if heaviest else weights
    known = vectors.any(axis=1)
    groups = np.full(len(vectors), -1, dtype=np.int64)
    liked, disliked = np.flatnonzero(known & (scaled > 0)), np.flatnonzero(known & (scaled < 0))
    groups[liked] = grouped(vectors[liked], scaled[liked], settings.interests, settings.interest_gain)
    count = int(groups.max(initial=-1)) + 1
    if count > 1 and len(disliked):
        middles = _sums(vectors, np.maximum(scaled, 0), groups, count)
        middles /= np.maximum(np.sqrt(np.einsum("ij,ij->i", middles, middles)), 1e-6)[:, None]
        likeness = vectors[disliked] @ middles.T
        groups[disliked] = np.where(likeness.max(axis=1) > 0, likeness.argmax(axis=1), -1)
    elif count == 1:
        groups[disliked] = 0
    sums, masses = _sums(vectors, scaled, groups, count), np.zeros(count)
    np.add.at(masses, groups[groups >= 0], scaled[groups >= 0])
    importance = np.where(masses > 0, np.maximum(masses, 0) ** settings.interest_power, 0)
    session = recent & (scaled > 0) & known
    if session.any() and not (session | ~(scaled > 0)).all():
        visit = np.einsum("i,ij->j", scaled[session], vectors[session])
        share = (importance.sum() or 1.0) * settings.session / (1 - settings.session)
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums)) * np.sqrt(np.einsum("i,i->", visit, visit))
        likeness = (sums @ visit) / np.maximum(lengths, 1e-12)
        if likeness.max() > _SAME:
            importance[likeness.argmax()] += share
        else:
            sums, importance = np.vstack([sums, visit[None]]), np.append(importance, share)
    return _directions(sums, importance, groups)


def grouped(vectors: Float32, weights: Float32, most: int, gain: float) -> Int64:
    """(n,) group of each unit vector (n, dim): as many groups, up to `most`, as make the vectors likest to the rest of
    their group, by the mean cosine of each with the sum of the others; a further group must add `gain` to that.

    Spherical k-means (Dhillon and Modha 2001) that starts from vectors far from each other, on inner products alone.
    """
    counts = np.arange(1, min(most, len(vectors) // 2) + 1)
    if len(counts) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    products, heavy = (vectors @ vectors.T).astype(np.float64), weights.astype(np.float64)
    groupings = _k_means(products, heavy, counts)
    fits = _cohesion(products, heavy, groupings, len(counts)) - gain * (counts - 1)
    best = 0
    for row in range(1, len(counts)):  # of groupings that are as good as each other, that of fewer groups
        best = row if fits[row] > fits[best] + 1e-9 else best
    _, found = np.unique(groupings[best], return_inverse=True)
    return np.asarray(found, dtype=np.int64)


def _k_means(products: Float64, weights: Float64, counts: Int64) -> Int64:
    """(c, n) group of each vector when there are 1, 2 … c groups: all at once, for each is a small sum."""
    most = len(counts)
    seeds = [int(np.argmax(products @ weights))]
    nearest = products[seeds[0]]
    while len(seeds) < most:
        seeds.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, products[seeds[-1]])
    beyond = np.where(np.arange(most) < counts[:, None], 0, -np.inf)[:, None]
    groups = np.asarray((products[:, seeds] + beyond).argmax(axis=2), dtype=np.int64)
    for _ in range(_ROUNDS):
        likeness, lengths = _to_sums(products, weights, groups, most)
        likeness /= np.maximum(lengths, 1e-9)[:, None]
        likeness += beyond
        moved = np.asarray(likeness.argmax(axis=2), dtype=np.int64)
        if (moved == groups).all():
            break
        groups = moved
    return groups


def _to_sums(products: Float64, weights: Float64, groups: Int64, most: int) -> tuple[Float64, Float64]:
    """(c, n, most) inner products with each group's weighted sum, and (c, most) the lengths of the sums."""
    count, n = groups.shape
    members = np.zeros((n, count * most))
    members[np.arange(n), groups + most * np.arange(count)[:, None]] = weights
    likeness = products @ members
    lengths = np.sqrt(np.maximum(np.einsum("ij,ij->j", members, likeness), 0))
    return likeness.reshape(n, count, most).transpose(1, 0, 2), lengths.reshape(count, most)


def _cohesion(products: Float64, weights: Float64, groups: Int64, most: int) -> Float64:
    """(c,) weighted mean cosine of each vector with the sum of the others of its group; 0 for one that is alone."""
    likeness, lengths = _to_sums(products, weights, groups, most)
    own = np.take_along_axis(likeness, groups[:, :, None], axis=2)[:, :, 0]
    norms = np.einsum("ii->i", products)
    left = np.sqrt(
        np.maximum(np.take_along_axis(lengths, groups, axis=1) ** 2 - 2 * weights * own + weights**2 * norms, 0)
    )
    cosines = np.where(left > 1e-6, (own - weights * norms) / np.maximum(left, 1e-6), 0)
    return np.asarray(cosines @ weights / weights.sum())


def _sums(vectors: Float32, weights: Float32, groups: Int64, count: int) -> Float32:
    """(count, dim) weighted sum of each group."""
    sums = [np.einsum("i,ij->j", weights[groups == group], vectors[groups == group]) for group in range(count)]
    return np.array(sums, dtype=np.float32).reshape(count, vectors.shape[1])


def _directions(sums: Float32, importance: Float64, groups: Int64) -> Interests:
    """Those sums that are left over once dislikes are subtracted, as unit vectors."""
    lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
    kept = np.flatnonzero((lengths >= 1e-6) & (importance > 0))
    places = np.full(len(sums) + 1, -1, dtype=np.int64)
    places[kept] = np.arange(len(kept))
    total = float(importance[kept].sum())
    return Interests(
        np.ascontiguousarray(sums[kept] / np.where(lengths > 0, lengths, 1)[kept, None], dtype=np.float32),
        (importance[kept] / (total or 1)).astype(np.float32),
        places[groups],
    )
