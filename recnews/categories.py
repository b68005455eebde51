"""The category of an article that carries none, predicted from its vector.

Multinomial logistic regression on article vectors, a temperature on its scores (Guo et al. 2017, "On Calibration of
Modern Neural Networks", section 4.2), so that of the articles given 90% about nine in ten are right. Fitting takes
scikit-learn; predicting is a product and a softmax by numpy, so that ingest does not load it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnews import arrays
from recnews.config import CategorySettings
from recnews.records import Float32, Guess, Int64

Float64 = NDArray[np.float64]
_FOLDS = 5
_BINS = 15
_ITERATIONS = 1000
_DIGITS = 4
_NEVER = -1e6
_ARRAYS_FILE, _NAMES_FILE = "categories.npz", "names.json"


@dataclass(frozen=True, slots=True)
class Categories:
    """What was learned: `names` (c,), `weights` (c, dim) float64 and `bias` (c,) float64, divided by the temperature
    already. Below probability `least` nothing is said. `measured` is what `fit` found on articles held out."""

    names: tuple[str, ...]
    weights: Float64
    bias: Float64
    least: float
    measured: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, vectors: Float32) -> Float64:
        """(n, c) float64, each row summing to 1, of article vectors (n, dim).

        A row is computed by itself, always in one order: the same vector gives the same bytes in any batch.
        """
        found = np.empty((len(vectors), len(self.names)))
        for row, vector in enumerate(vectors):
            found[row] = (self.weights * vector).sum(axis=1) + self.bias
        return _softmax(found)

    def predict(self, vectors: Float32) -> list[Guess | None]:
        """The likeliest category of each article vector (n, dim); None below `least`, and for a zero vector."""
        guesses: list[Guess | None] = []
        for vector, row in zip(vectors, self.probabilities(vectors), strict=True):
            best = int(row.argmax())
            probability = round(float(row[best]), _DIGITS)
            sure = vector.any() and probability >= self.least
            guesses.append(Guess(self.names[best], probability) if sure else None)
        return guesses

    def save(self, folder: Path) -> None:
        """Write into a folder that exists. Raises `OSError`."""
        with (folder / _ARRAYS_FILE).open("wb") as file:
            np.savez(file, weights=self.weights, bias=self.bias, least=np.array(self.least))
        (folder / _NAMES_FILE).write_text(json.dumps(self.names, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Categories":
        """Read what `save` wrote. Raises `OSError`, `ValueError` or `KeyError` when it cannot."""
        names = tuple(json.loads((folder / _NAMES_FILE).read_text(encoding="utf-8")))
        learned = arrays.load_all(folder / _ARRAYS_FILE)
        found = cls(names, learned["weights"], learned["bias"], float(learned["least"]))
        if found.bias.shape != (len(names),) or len(found.weights) != len(names):
            raise ValueError(f"{len(names)} names do not go with weights {found.weights.shape}")
        return found


def fit(vectors: Float32, names: Sequence[str], settings: CategorySettings, seed: int) -> Categories | None:
    """Learn from article vectors (n, dim) and the category of each; None when there is too little to learn from.

    Copies of an article should be given once: one that is held out would be found by its twin. Categories of fewer than
    `min_articles` are left out. The same input gives the same bytes, whatever the number of cores.
    """
    rows = _usable(vectors, names, settings)
    if not len(rows):
        return None
    import sklearn.linear_model  # noqa: F401 - what is loaded later would not be limited
    from threadpoolctl import threadpool_limits

    classes, labels = np.unique(np.array(names, dtype=object)[rows].astype(str), return_inverse=True)
    examples = np.asarray(vectors[rows], dtype=np.float64)
    with threadpool_limits(limits=1):  # BLAS adds up in another order on another number of cores
        scores = _held_out_scores(examples, labels, settings, seed)
        weights, bias = _regression(examples, labels, len(classes), settings)
    temperature = _temperature(scores, labels)
    measured = _measured(_softmax(scores / temperature), labels, settings.min_probability)
    measured |= {"temperature": round(temperature, _DIGITS), "names": [str(name) for name in classes]}
    return Categories(
        tuple(measured["names"]), weights / temperature, bias / temperature, settings.min_probability, measured
    )


def calibration_error(probabilities: Float64, right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3) over 15 bins of equal width: how far, on average, the
    share that is `right` (n,) lies from the probability (n,) that was told."""
    bins = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    told = np.bincount(bins, probabilities, _BINS)
    true = np.bincount(bins, right.astype(np.float64), _BINS)
    return float(np.abs(told - true).sum() / max(len(right), 1))


def _usable(vectors: Float32, names: Sequence[str], settings: CategorySettings) -> Int64:
    """Rows with a vector, of categories that have enough of them; none when all together are not enough."""
    known = np.flatnonzero(vectors.any(axis=1)) if len(names) else np.empty(0, dtype=np.int64)
    labels = np.array(names, dtype=object)[known].astype(str)
    classes, counts = np.unique(labels, return_counts=True)
    large = classes[counts >= settings.min_articles]
    rows = known[np.isin(labels, large)]
    return rows if len(large) > 1 and len(rows) >= settings.min_total else rows[:0]


def _held_out_scores(examples: Float64, labels: Int64, settings: CategorySettings, seed: int) -> Float64:
    """(n, c) scores of each article by a regression that has not seen it; each fold has its share of each category."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % _FOLDS
    count = int(labels.max()) + 1
    scores = np.empty((len(labels), count))
    for fold in range(_FOLDS):
        held = folds == fold
        weights, bias = _regression(examples[~held], labels[~held], count, settings)
        scores[held] = examples[held] @ weights.T + bias
    return scores


def _regression(examples: Float64, labels: Int64, count: int, settings: CategorySettings) -> tuple[Float64, Float64]:
    """Weights (c, dim) and bias (c,) of a multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression

    present, sizes = np.unique(labels, return_counts=True)
    share = (len(labels) / (len(present) * sizes)) ** settings.balance
    model = LogisticRegression(
        C=settings.strength, max_iter=_ITERATIONS, class_weight=dict(zip(present.tolist(), share.tolist(), strict=True))
    )
    model.fit(examples, labels)
    weights, bias = np.zeros((count, examples.shape[1])), np.full(count, _NEVER)
    if len(present) == 2:  # scikit-learn then keeps one row, for the second of the two
        weights[present], bias[present] = model.coef_ * [[-0.5], [0.5]], model.intercept_ * [-0.5, 0.5]
    else:
        weights[present], bias[present] = model.coef_, model.intercept_
    return weights, bias


def _temperature(scores: Float64, labels: Int64) -> float:
    """What scores (n, c) are to be divided by to make the labels likeliest."""
    from scipy.optimize import minimize_scalar

    def surprise(log: float) -> float:
        scaled = scores / np.exp(log)
        highest = scaled.max(axis=1)
        chosen = scaled[np.arange(len(labels)), labels]
        return float((highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) - chosen).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded").x))


def _measured(probabilities: Float64, labels: Int64, least: float) -> dict[str, Any]:
    """How good predictions (n, c) for held-out articles are. The one number fitted on them is the temperature."""
    from sklearn.metrics import f1_score

    best = probabilities.argmax(axis=1)
    told, right = probabilities[np.arange(len(labels)), best], best == labels
    given = told >= least
    figures = {
        "accuracy": float(right.mean()),
        "macro_f1": float(f1_score(labels, best, average="macro", zero_division=0)),
        "calibration_error": calibration_error(told, right),
        "given": float(given.mean()),
        "given_accuracy": float(right[given].mean()) if given.any() else 0.0,
    }
    return {"articles": len(labels)} | {name: round(value, _DIGITS) for name, value in figures.items()}


def _softmax(scores: Float64) -> Float64:
    powers: Float64 = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
