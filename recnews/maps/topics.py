"""Topics: articles grouped by their vectors, each group named by the words that tell it from the others."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from recnews.records import Float32, Int64

_STARTS = 4
_SIZE = 8
_FEWEST, _MOST = 2, 40
_WORDS = 8
_AT_LEAST = 2


def how_many(articles: int) -> int:
    """How many topics that many articles are grouped into where nobody says: the root of an eighth, from 2 to 40."""
    return int(np.clip(round((articles / _SIZE) ** 0.5), _FEWEST, _MOST))


def group(components: Float32, count: int, seed: int) -> Int64:
    """(n,) a topic for each row of principal components (n, c): at most `count`, the largest topic first.

    k-means with k-means++ (Arthur and Vassilvitskii 2007) on rows of unit length, the best of four starts. The same
    input gives the same topics, whatever the number of cores.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    lengths = np.linalg.norm(components, axis=1, keepdims=True)
    rows = components / np.maximum(lengths, 1e-9)
    count = min(count, len(np.unique(rows, axis=0)))
    with threadpool_limits(limits=1):
        found = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(rows)
    sizes = np.bincount(found, minlength=count)
    place = np.empty(count, dtype=np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return np.asarray(place[found])


def centres(vectors: Float32, labels: Int64) -> Float32:
    """(t, dim) float32: the mean direction of the article vectors (n, dim) of each topic, of unit length."""
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def name(words: Iterable[Sequence[str]], labels: Int64, topics: int) -> tuple[tuple[str, ...], ...]:
    """The words that tell most of each topic, the most telling first, from the words of each article.

    Class-based tf-idf (Grootendorst 2022, equation 2): how often a word stands in a topic, times log(1 + A / f), with A
    words in a mean topic and f times the word in all. Words of one article only, and of one character, are left out
    where others are left.
    """
    of_topic = [Counter[str]() for _ in range(topics)]
    for found, label in zip(words, labels.tolist(), strict=True):
        of_topic[label].update(found)
    everywhere = sum(of_topic, Counter[str]())
    mean = everywhere.total() / max(topics, 1)
    named = []
    for counts in of_topic:
        often = {word: count for word, count in counts.items() if count >= _AT_LEAST and len(word) > 1} or counts
        weights = {word: count * np.log1p(mean / everywhere[word]) for word, count in often.items()}
        named.append(tuple(sorted(weights, key=lambda word: (-weights[word], word))[:_WORDS]))
    return tuple(named)
