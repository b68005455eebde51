"""What is asked of a method: find a title's body, articles of the same category, judged pairs of texts and of words.

Each task measures every unit (query or pair) on its own, so that an interval can be drawn over units.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recnews.evaluate.systems import System, Text
from recnews.metrics import (
    Float64,
    Statistic,
    mean,
    pearson,
    precision_at,
    ranks_of,
    recall_at,
    reciprocal_rank,
    spearman,
)
from recnews.records import Draft, HasText

MIN_CHARS = 100
PLACES = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """A measure before it is summed up: `values` has a row for each unit, `statistic` makes one number of rows."""

    values: Float64
    statistic: Statistic = mean


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two texts, or two articles, and how alike people find them: any scale, more is more alike."""

    left: HasText
    right: HasText
    similarity: float


@dataclass(frozen=True, slots=True)
class WordPair:
    """Two words and how alike people find them."""

    left: str
    right: str
    similarity: float


class Task(Protocol):
    """One question asked of every method."""

    name: str

    def describe(self) -> str:
        """What is asked, in a line."""
        ...

    def measure(self, system: System) -> dict[str, Sample]:
        """Measures by name, in the order they are shown; none where the method has no answer to give."""
        ...


class Retrieval:
    """Of all bodies, which one belongs to a title? A title is asked as a text; bodies do not contain it."""

    name = "title to body"

    def __init__(self, articles: Sequence[Draft], min_chars: int = MIN_CHARS) -> None:
        """Articles with a title and a body of `min_chars` characters, from which the title is then taken out. Of those
        with the same title, or with the same body, only the first takes part: the question has one right answer."""
        pairs: dict[str, str] = {}
        seen = set()
        for article in articles:
            title, body = article.title.strip(), article.body.strip()
            rest = body.replace(title, "").strip() if title and len(body) >= min_chars else ""
            if rest and title not in pairs and rest not in seen:
                pairs[title] = rest
                seen.add(rest)
        self.min_chars = min_chars
        self.titles = [Text.free(title) for title in pairs]
        self.bodies = [Text.free(body) for body in pairs.values()]

    def __len__(self) -> int:
        return len(self.titles)

    def describe(self) -> str:
        """What is asked."""
        return (
            f"which of {len(self):,} bodies belongs to a title (bodies of {self.min_chars} characters or more, "
            "their own title taken out)"
        )

    def measure(self, system: System) -> dict[str, Sample]:
        """R@1, R@10 and MRR over titles."""
        ranks, start = [], 0
        for block in system.scores(self.titles, self.bodies):
            ranks.append(ranks_of(block, np.arange(start, start + len(block))))
            start += len(block)
        found = np.concatenate(ranks)
        return {
            "R@1": Sample(recall_at(found, 1)),
            f"R@{PLACES}": Sample(recall_at(found, PLACES)),
            "MRR": Sample(reciprocal_rank(found)),
        }


class SameCategory:
    """Of the articles nearest to one, how many are of its category?"""

    name = "same category"

    def __init__(self, articles: Sequence[Draft]) -> None:
        """Articles with a category that at least one other has, too; of articles with the same texts the first."""
        unique: dict[tuple[str, str, str], Draft] = {}
        for article in articles:
            unique.setdefault((article.title, article.summary, article.body), article)
        sizes = Counter(article.category for article in unique.values() if article.category)
        self.articles = [article for article in unique.values() if sizes[article.category] > 1]
        self.categories = np.array([article.category for article in self.articles])

    def __len__(self) -> int:
        return len(self.articles)

    def describe(self) -> str:
        """What is asked."""
        names = len(set(self.categories.tolist()))
        return f"how many of the {PLACES} nearest of {len(self):,} articles share one's category ({names} categories)"

    def measure(self, system: System) -> dict[str, Sample]:
        """P@10 over articles, each searched among all others."""
        found, start = [], 0
        for block in system.scores(self.articles, self.articles):
            places = np.arange(start, start + len(block))
            scores = block.copy()
            scores[np.arange(len(block)), places] = -np.inf
            found.append(precision_at(scores, self.categories[places, None] == self.categories, PLACES))
            start += len(block)
        return {f"P@{PLACES}": Sample(np.concatenate(found))}


class JudgedPairs:
    """Does a method find those texts alike that people do?"""

    name = "judged pairs"

    def __init__(self, pairs: Sequence[JudgedPair]) -> None:
        self.pairs = list(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def describe(self) -> str:
        """What is asked."""
        return f"correlation with human judgements of {len(self):,} pairs of texts"

    def measure(self, system: System) -> dict[str, Sample]:
        """Pearson's and Spearman's correlation over pairs."""
        found = system.likeness([pair.left for pair in self.pairs], [pair.right for pair in self.pairs])
        values = np.stack([found, [pair.similarity for pair in self.pairs]], axis=1)
        return {"Pearson": Sample(values, pearson), "Spearman": Sample(values, spearman)}


class JudgedWords:
    """Does a method find those words alike that people do?"""

    name = "judged words"

    def __init__(self, pairs: Sequence[WordPair]) -> None:
        self.pairs = list(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def describe(self) -> str:
        """What is asked."""
        return f"rank correlation with human judgements of {len(self):,} pairs of words, and the share it knows both of"

    def measure(self, system: System) -> dict[str, Sample]:
        """Spearman's correlation over the pairs whose words are both known, and the share of those pairs."""
        left = system.words([pair.left for pair in self.pairs])
        right = system.words([pair.right for pair in self.pairs])
        if left is None or right is None:
            return {}
        known = left[1] & right[1]
        cosines = np.einsum("ij,ij->i", left[0], right[0])
        values = np.stack([cosines, [pair.similarity for pair in self.pairs]], axis=1)[known]
        return {"Spearman": Sample(values, spearman), "known": Sample(known.astype(np.float64))}
