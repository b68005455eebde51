"""The behaviour part of an article vector: learned from who read what, predicted from the text where nobody has.

Two vectors an article: `inner` is what it adds to the profile of a reader who has read it, `outer` what the index holds
and a profile is searched with. A reader likes what has a large inner product of its outer vector with their profile.
`docs/behaviour.md` has the derivation and the figures.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from recnews import arrays
from recnews.behaviour.log import ReadLog
from recnews.behaviour.text_map import TextMap
from recnews.config import BehaviourSettings
from recnews.records import Float32, Int64

Float64 = NDArray[np.float64]
_FILE = "behaviour.npz"


@dataclass(frozen=True, slots=True)
class Sums:
    """What the log says given inner vectors: `gram` (d, d) of the readers' profiles, for each article `sums` (n, d) of
    its readers' profiles without itself, `mass` (n,) their weights and `readers` (n,) their number."""

    gram: Float64
    sums: Float64
    mass: Float64
    readers: Float64

    def learned(self, ridge: float) -> Float64:
        """(n, d) ridge regression of "who read this" on the readers' profiles without it: EASE (Steck 2019) in d
        dimensions."""
        lift = max(ridge * float(np.trace(self.gram)) / len(self.gram), 1e-12)
        factor = linalg.cho_factor(self.gram + lift * np.eye(len(self.gram)))
        return np.asarray(linalg.cho_solve(factor, self.sums.T).T)

    def trust(self, evidence: float) -> Float64:
        """(n, 1) from 0 for an article without readers towards 1: how far what is learned counts beside the text."""
        return (self.readers / (self.readers + evidence))[:, None]


def sum_up(log: ReadLog, inner: Float64, reader_power: float) -> Sums:
    """Sums over the log; `inner` (n, d) stands in the order of `log.ids`. A reader of h articles counts h^-power."""
    lengths = np.diff(log.reads.indptr).astype(np.float64)
    weight = np.where(lengths > 0, np.maximum(lengths, 1.0) ** -reader_power, 0.0)
    profiles = log.reads @ inner
    gram = profiles.T @ (weight[:, None] * profiles)
    left = log.fresh.T @ weight
    sums = log.fresh.T @ (weight[:, None] * profiles) - left[:, None] * inner
    readers = np.bincount(log.reads.indices, minlength=len(log.ids)).astype(np.float64)
    return Sums(gram, sums, left, readers)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the fit fixed. `ids` (n,) ascending are the articles the factors were fitted on, `inner` (n, d) theirs.

    `fold` (d, d) leads from an article's sums, divided by the root of its mass, to an inner vector, for articles read
    since. `gain` is how long a prediction is beside what is learned, `scale` the usual length of outer vectors, and
    `content` the share of the content part in a likeness, `1 - content` that of this part.
    """

    ids: Int64
    inner: Float32
    to_inner: TextMap
    to_outer: TextMap
    fold: Float32
    gain: float
    scale: float
    content: float

    @property
    def dim(self) -> int:
        """Length d of inner and outer vectors."""
        return int(self.fold.shape[0])

    def predict(self, content: Float32) -> tuple[Float32, Float32]:
        """Inner and outer vectors (n, d) of article vectors (n, dim) that nobody has read."""
        return self.to_inner(content), self.to_outer(content) * np.float32(self.gain / self.scale)

    def recount(self, log: ReadLog, content: Float32, settings: BehaviourSettings) -> tuple[Float32, Float32]:
        """Inner and outer vectors (n, d) of all articles in the log, given their article vectors (n, dim).

        Two passes over the log and no factorization. The outcome depends on the fit and the log alone.
        """
        predicted_inner, predicted_outer = (rows.astype(np.float64) for rows in self.predict(content))
        fitted, places = _places(self.ids, log.ids)
        inner = predicted_inner.copy()
        inner[fitted] = self.inner[places]
        new = ~fitted
        if new.any():
            sums = sum_up(log, inner, settings.reader_power)
            folded = sums.sums[new] / np.sqrt(np.maximum(sums.mass[new], 1e-12))[:, None] @ self.fold
            trust = sums.trust(settings.evidence)[new]
            inner[new] = trust * folded + (1 - trust) * predicted_inner[new]
        sums = sum_up(log, inner, settings.reader_power)
        trust = sums.trust(settings.evidence)
        outer = trust * sums.learned(settings.ridge) / self.scale + (1 - trust) * predicted_outer
        return inner.astype(np.float32), outer.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `behaviour.npz`."""
        np.savez(
            folder / _FILE, ids=self.ids, inner=self.inner, fold=self.fold,
            landmarks=self.to_outer.landmarks, spread=self.to_outer.scale,
            inner_weights=self.to_inner.weights, inner_mean=self.to_inner.mean,
            outer_weights=self.to_outer.weights, outer_mean=self.to_outer.mean,
            numbers=np.array([self.to_outer.kernel, self.gain, self.scale, self.content]),
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> "Behaviour":
        """Read what `save` wrote. Raises `OSError`, `ValueError` or `KeyError` when it cannot."""
        found = arrays.load_all(folder / _FILE)
        kernel, gain, scale, content = found["numbers"].tolist()
        marks, spread = found["landmarks"], found["spread"]
        return cls(
            found["ids"],
            found["inner"],
            TextMap(marks, found["inner_weights"], found["inner_mean"], kernel, spread),
            TextMap(marks, found["outer_weights"], found["outer_mean"], kernel, spread),
            found["fold"],
            gain,
            scale,
            content,
        )


def _places(known: Int64, asked: Int64) -> tuple[NDArray[np.bool_], Int64]:
    """(n,) which of the ids asked for are known, and the rows of those that are."""
    if not len(known):
        return np.zeros(len(asked), dtype=bool), np.zeros(0, dtype=np.int64)
    rows = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    found = known[rows] == asked
    return found, rows[found]
