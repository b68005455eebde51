"""Fitting the behaviour part: factors of the co-read matrix, the regression on them, and how both follow from text."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from recnews.behaviour.log import ReadLog
from recnews.behaviour.model import Behaviour, Sums, sum_up
from recnews.behaviour.text_map import TextMap, fit_text_maps
from recnews.config import BehaviourSettings
from recnews.records import Float32

Float64 = NDArray[np.float64]
_LEAST_DIM = 4
_PASSES = 12
_OVERSAMPLING = 32
_FOLDS = 5
_SAMPLED_READERS = 300
_SAMPLED_ARTICLES = 20_000
_PLACES = 10
_BLOCK = 64
_FIT_ROWS = 50_000


def fit_behaviour(log: ReadLog, content: Float32, settings: BehaviourSettings, seed: int) -> Behaviour | None:
    """Learn from a log and the article vectors (n, dim) of `log.ids`, unit or zero.

    None when the log is too small to bear it: fewer than twenty readers or articles.
    """
    dim = min(settings.dim, len(log.ids) // 5, log.readers // 5)
    if dim < _LEAST_DIM:
        return None
    inner = _factors(log, dim, settings, seed)
    sums = sum_up(log, inner, settings.reader_power)
    learned = sums.learned(settings.ridge)
    to_inner, to_outer = (_text_map(content, target, settings, seed) for target in (inner, learned))
    gain = _calibrated(log, content, inner, sums, learned, settings, seed)
    trust = sums.trust(settings.evidence)
    outer = trust * learned + (1 - trust) * gain * to_outer(content)
    scale = float(np.sqrt((outer**2).sum(axis=1).mean())) or 1.0
    readers_each = float(sums.readers.mean())
    ratio = settings.content * (1 + settings.thin / max(readers_each - 1, 0.05))
    return Behaviour(
        log.ids, inner.astype(np.float32), to_inner, to_outer, _fold(sums, inner, settings).astype(np.float32),
        gain, scale, ratio / (1 + ratio),
    )  # fmt: skip


def _factors(log: ReadLog, dim: int, settings: BehaviourSettings, seed: int) -> Float64:
    """(n, dim) leading eigenvectors of the co-read matrix, readers and articles each normalised by their degrees, an
    eigenvalue s shrunk by the noise level: the first one left out."""
    lengths = np.diff(log.reads.indptr).astype(np.float64)
    readers = np.bincount(log.reads.indices, minlength=len(log.ids)).astype(np.float64)
    left = sparse.diags_array(np.maximum(lengths, 1.0) ** (-settings.reader_power / 2))
    normal = sparse.csr_array(left @ log.reads @ sparse.diags_array(np.maximum(readers, 1.0) ** -0.5))
    values, vectors = _leading(normal, dim + 1, seed)
    return np.asarray(vectors[:, :dim] * np.sqrt(values[:dim] / np.maximum(values[:dim] + values[dim], 1e-12)))


def _leading(matrix: sparse.csr_array, count: int, seed: int) -> tuple[Float64, Float64]:
    """The `count` largest eigenvalues of `matrix' matrix`, descending, and their vectors in columns, by block subspace
    iteration (Halko, Martinsson and Tropp 2011)."""
    width = min(count + _OVERSAMPLING, *matrix.shape)
    transposed = sparse.csr_array(matrix.T)
    start = np.random.default_rng(seed).standard_normal((matrix.shape[1], width))
    basis = linalg.qr(start, mode="economic")[0]
    for _ in range(_PASSES):
        basis = linalg.qr(transposed @ (matrix @ basis), mode="economic", check_finite=False)[0]
    tall = matrix @ basis
    values, turn = linalg.eigh(tall.T @ tall)
    return np.maximum(values[::-1][:count], 0.0), (basis @ turn[:, ::-1])[:, :count]


def _fold(sums: Sums, inner: Float64, settings: BehaviourSettings) -> Float64:
    """(d, d) ridge regression of inner vectors on the sums of their articles."""
    scaled = sums.sums / np.sqrt(np.maximum(sums.mass, 1e-12))[:, None]
    trusted = sums.trust(settings.evidence) * scaled
    normal = trusted.T @ scaled
    normal += max(settings.ridge * float(np.trace(normal)) / len(normal), 1e-12) * np.eye(len(normal))
    return np.asarray(linalg.solve(normal, trusted.T @ inner, assume_a="pos"))


def _text_map(content: Float32, target: Float64, settings: BehaviourSettings, seed: int) -> TextMap:
    rows = np.arange(len(content))
    if len(rows) > _FIT_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(content), _FIT_ROWS, replace=False))
    return fit_text_maps(
        content[rows], target[rows].astype(np.float32),
        kernel=settings.kernel, spread=settings.spread, noise=settings.noise, landmarks=settings.landmarks, seed=seed,
    )  # fmt: skip


def _calibrated(  # noqa: PLR0917
    log: ReadLog, content: Float32, inner: Float64, sums: Sums, learned: Float64, settings: BehaviourSettings, seed: int
) -> float:
    """The gain at which articles known by their text alone take `exposure` times their share of the first places.

    A prediction is an average, so it is short: at its own length new articles drown. A fifth of the articles at a time
    is taken out of the histories and predicted from the rest, and its scores are set beside those of the others.
    """
    draw = np.random.default_rng(seed)
    asked = np.flatnonzero(np.diff(log.reads.indptr) >= 3)
    if not len(asked):
        return 1.0
    asked = draw.permutation(asked)[:_SAMPLED_READERS]
    some = np.sort(draw.permutation(len(content))[:_SAMPLED_ARTICLES])
    fold = draw.permutation(len(some)) % _FOLDS
    reads, content, inner, learned = log.reads[asked][:, some], content[some], inner[some], learned[some]
    trust = sums.trust(settings.evidence)[some]
    found = [
        _fold_scores(reads, content, inner, learned, trust, fold == number, settings, seed) for number in range(_FOLDS)
    ]
    wanted = min(settings.exposure / _FOLDS, 0.9)

    def share(gain: float) -> float:
        # The r-th best new article is shown when it beats the (places - r)-th best of the others.
        return float(np.mean([(gain * new > known[:, ::-1]).mean() for new, known in found]))

    low, high = 0.1, 100.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if share(middle) < wanted else (low, middle)
    return float(np.sqrt(low * high))


def _fold_scores(  # noqa: PLR0917
    reads: sparse.csr_array, content: Float32, inner: Float64, learned: Float64, trust: Float64,
    held: NDArray[np.bool_], settings: BehaviourSettings, seed: int,
) -> tuple[Float64, Float64]:  # fmt: skip
    """(readers, places) best scores, descending, of articles that are held out and of the others."""
    predicted = _text_map(content[~held], learned[~held], settings, seed)(content)
    known = trust * learned + (1 - trust) * predicted
    new, others = [], []
    for start in range(0, reads.shape[0], _BLOCK):
        history = reads[start : start + _BLOCK].toarray() * ~held
        profiles = history @ inner
        profiles /= np.maximum(np.linalg.norm(profiles, axis=1), 1e-12)[:, None]
        others.append(_best(np.where((history > 0) | held, -np.inf, profiles @ known.T)))
        new.append(_best(profiles @ predicted[held].T))
    return np.concatenate(new), np.concatenate(others)


def _best(scores: Float64) -> Float64:
    width = min(_PLACES, scores.shape[1])
    best = np.full((len(scores), _PLACES), -np.inf)
    best[:, :width] = -np.sort(np.partition(-scores, width - 1, axis=1)[:, :width], axis=1)
    return best
