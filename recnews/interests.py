"""From reading events to what a reader is interested in. Pure arithmetic; times in days."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from recnews.config import FeedSettings
from recnews.records import Event, Float32, Interests

_SECONDS_A_DAY = 86_400.0
_HEAVIEST = 1e30  # still a float32


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


def from_history(vectors: Float32, weights: Float32) -> Interests:
    """The one interest of a history: the direction of the weighted sum of its vectors (n, dim).

    No interest at all when the history is empty, weighs nothing or cancels out. Rocchio 1971 for what is disliked.
    """
    heaviest = np.abs(weights).max(initial=0.0)
    # Only proportions matter: all that a reader read a year ago still says where their interest lies.
    total = np.einsum("i,ij->j", weights / heaviest if heaviest else weights, vectors)
    length = float(np.sqrt(np.einsum("i,i->", total, total)))
    if length < 1e-6 or not (weights > 0).any():
        return Interests(np.zeros((0, vectors.shape[1]), np.float32), np.zeros(0, np.float32))
    return Interests((total / length)[None, :].astype(np.float32), np.ones(1, np.float32))
