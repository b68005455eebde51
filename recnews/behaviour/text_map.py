"""What a text says about who will read it: kernel ridge regression from article vectors to behaviour vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from recnews.records import Float32

Float64 = NDArray[np.float64]
# As in `recnews.embed.space`: BLAS picks its kernel by shape, and a row must come out the same whatever batch it is in.
_BLOCK = 64
_FIT_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class TextMap:
    """`x -> mean + exp(-kernel |scale x - landmarks|²) @ weights`; scale (dim,), landmarks (m, dim), weights (m, d) and
    mean (d,), all float32.

    Kernel ridge regression on landmarks (Nyström: Williams and Seeger 2001). `scale` weighs the directions of article
    vectors: whitening, which is right for telling texts apart, has made those that say most of readers short.
    """

    landmarks: Float32
    weights: Float32
    mean: Float32
    kernel: float
    scale: Float32

    def __call__(self, content: Float32) -> Float32:
        """(n, d) of article vectors (n, dim); zero where nothing is known of the text."""
        mapped = np.empty((len(content), self.weights.shape[1]), dtype=np.float32)
        padded = np.zeros((_BLOCK, self.landmarks.shape[1]), dtype=np.float32)
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            padded[: len(block)] = block * self.scale
            near = likeness(padded, self.landmarks, self.kernel)
            mapped[start : start + _BLOCK] = (self.mean + near @ self.weights)[: len(block)]
        mapped[~content.any(axis=1)] = 0
        return mapped


def fit_text_maps(
    content: Float32, targets: Float32, *, kernel: float, spread: float, noise: float, landmarks: int, seed: int
) -> TextMap:
    """The map from unit article vectors (n, dim) to targets (n, d), each row weighing the same.

    Directions are stretched by the power `spread` of how much rows vary along them. `noise` is the ridge; at most
    `landmarks` of the rows, drawn at random, span the map. Zero rows are left out.
    """
    known = np.flatnonzero(content.any(axis=1))
    content, targets = content[known], targets[known]
    if not len(known):
        none = np.zeros(targets.shape[1], dtype=np.float32)
        return TextMap(content, targets, none, kernel, np.ones(content.shape[1], dtype=np.float32))
    scale = _scale(content, spread)
    content = content * scale
    chosen = np.arange(len(content))
    if len(content) > landmarks:
        chosen = np.sort(np.random.default_rng(seed).choice(len(content), landmarks, replace=False))
    marks, mean = content[chosen], targets.mean(axis=0, dtype=np.float64)
    small = likeness(marks, marks, kernel).astype(np.float64)
    gram, moment = np.zeros_like(small), np.zeros((len(marks), targets.shape[1]))
    for start in range(0, len(content), _FIT_BLOCK):
        block = likeness(content[start : start + _FIT_BLOCK], marks, kernel).astype(np.float64)
        gram += block.T @ block
        moment += block.T @ (targets[start : start + _FIT_BLOCK] - mean)
    gram += noise * small + 1e-6 * float(np.trace(gram)) / len(gram) * np.eye(len(gram))
    weights = linalg.solve(gram, moment, assume_a="pos")
    return TextMap(np.ascontiguousarray(marks), weights.astype(np.float32), mean.astype(np.float32), kernel, scale)


def _scale(content: Float32, spread: float) -> Float32:
    """(dim,) what directions are multiplied by; rows (n, dim) keep their mean square length."""
    scale = content.std(axis=0, dtype=np.float64) ** spread
    before, after = np.square(content).sum(dtype=np.float64), np.square(content * scale).sum(dtype=np.float64)
    return np.asarray(scale * np.sqrt(before / after) if after else np.ones_like(scale), dtype=np.float32)


def likeness(left: Float32, right: Float32, kernel: float) -> Float32:
    """(n, m) Gaussian kernel of rows (n, dim) and (m, dim)."""
    squares = np.einsum("ij,ij->i", left, left)[:, None] + np.einsum("ij,ij->i", right, right)[None, :]
    distances = np.maximum(squares - 2 * (left @ right.T), 0)
    return np.asarray(np.exp(-np.float32(kernel) * distances), dtype=np.float32)
