"""Why an article is recommended: the read articles that speak most for it, and the words it shares with one."""

from collections.abc import Sequence

import numpy as np

from recnews.records import Float32

_SHOWN_WORDS = 5
_SAME = 1e-5


def losses(item: Float32, history: Float32, weights: Float32, others: Float32 | None = None) -> Float32:
    """(n,) how much less `item` (d,) is like the direction of a history's weighted sum, without each of its articles.

    `history` (n, d), `weights` (n,). Where nothing is left without an article, all of the likeness is its doing. Where
    the history is one of a reader's interests, `others` (m,) is how like the item is to the others: the best of all
    counts, and an interest is gone once as much of it is disliked as liked.
    """
    weights = weights / max(float(np.abs(weights).max(initial=0.0)), 1e-38)  # only proportions matter
    total = np.einsum("i,ij->j", weights, history)
    squared = float(np.einsum("j,j->", total, total))
    if squared <= 0:
        return np.zeros(len(history), dtype=np.float32)
    likeness, to_total = np.einsum("ij,j->i", history, item), np.einsum("ij,j->i", history, total)
    own = np.einsum("ij,ij->i", history, history)
    whole = float(np.einsum("j,j->", total, item))
    left = np.sqrt(np.maximum(squared - 2 * weights * to_total + weights**2 * own, 0))
    without = np.where(left > 1e-6 * np.sqrt(squared), (whole - weights * likeness) / np.maximum(left, 1e-12), 0)
    if others is not None:
        without = np.maximum(np.where(weights.sum() - weights > 0, without, -np.inf), others.max(initial=-np.inf))
        without = np.where(np.isfinite(without), without, 0)
    return np.asarray(whole / np.sqrt(squared) - without, dtype=np.float32)


def heaviest(loss: Float32, total: Float32, weights: Float32) -> int | None:
    """Row of the read article, of those with a positive weight, without which a part of the score would lose most; None
    when without each of them that part or the whole would be higher. Of articles that say the same none can be missed:
    then it is the first."""
    speaking = np.where((weights > 0) & (loss > -_SAME) & (total > -_SAME), loss, -np.inf)
    return int(np.argmax(speaking)) if speaking.max(initial=-np.inf) > -np.inf else None


def shared_words(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Words that are telling for both articles, each given most telling first; at most five."""
    places = {word: place for place, word in enumerate(other)}
    shared = [(place + places[word], word) for place, word in enumerate(one) if word in places]
    return tuple(word for _, word in sorted(shared)[:_SHOWN_WORDS])


def telling(keywords: Sequence[Sequence[str]], weights: Float32, most: int) -> tuple[str, ...]:
    """The words that tell most of articles taken together, at most `most`: `keywords` are those of each, the most
    telling first; `weights` (n,) says how much each counts, those not above 0 do not."""
    found: dict[str, float] = {}
    for words, weight in zip(keywords, weights.tolist(), strict=True):
        for place, word in enumerate(words if weight > 0 else ()):
            found[word] = found.get(word, 0.0) + weight / (place + 2)
    return tuple(sorted(found, key=lambda word: (-found[word], word))[:most])
