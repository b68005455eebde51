"""A map: article vectors laid out in two dimensions, so that what is near in meaning is near on the map.

t-SNE (van der Maaten and Hinton 2008) in the fast form of Linderman and others 2019, by the library openTSNE (Poličar
and others 2024), over principal components, which also give the layout to start from (Kobak and Berens 2019). Only
fitting takes the library. Articles that come later are placed at the median of their ten nearest on the map, as Kobak
and Berens (2019, "Positioning new points") place theirs: with no iteration, a row for itself.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recnews import arrays
from recnews.config import MapSettings
from recnews.errors import MissingExtraError
from recnews.records import Float32, Int64

_COMPONENTS = 50
_EARLY, _LATE = 250, 500
_EXAGGERATION = 12.0
_BY_FFT = 2000
"""From so many points on, forces are interpolated on a grid; below, the tree of Barnes and Hut is quicker."""
_NEAREST = 10
_BLOCK = 64
"""Vectors are compared in blocks of one shape: BLAS picks its way by the shape, and with it the last bits."""
_ARRAYS_FILE, _TOPICS_FILE = "map.npz", "topics.json"


@dataclass(frozen=True, slots=True)
class ArticleMap:
    """A fitted map. `vectors` (m, dim) float32 are the articles it was fitted on, `ids` (m,) theirs, `places` (m, 2)
    float32 where they lie, within 1 of the middle. `centres` (t, dim) float32 are the topics, each of unit length, the
    largest first, and `words` the words that tell most of each."""

    ids: Int64
    vectors: Float32
    places: Float32
    centres: Float32
    words: tuple[tuple[str, ...], ...]

    def place(self, vectors: Float32) -> Float32:
        """(n, 2) float32: where article vectors (n, dim) lie. A vector gets the same place alone or in any batch."""
        found = np.empty((len(vectors), 2), dtype=np.float32)
        nearest = min(_NEAREST, len(self.vectors))
        for start in range(0, len(vectors), _BLOCK):
            some = vectors[start : start + _BLOCK]
            block = np.zeros((_BLOCK, vectors.shape[1]), dtype=np.float32)
            block[: len(some)] = some
            scores = (block @ self.vectors.T)[: len(some)]
            rows = np.argpartition(-scores, nearest - 1, axis=1)[:, :nearest]
            found[start : start + len(some)] = np.median(self.places[rows], axis=1)
        return found

    def topics(self, vectors: Float32) -> Int64:
        """(n,) the topic of each article vector (n, dim)."""
        found = np.empty(len(vectors), dtype=np.int64)
        for start in range(0, len(vectors), _BLOCK):
            some = vectors[start : start + _BLOCK]
            block = np.zeros((_BLOCK, vectors.shape[1]), dtype=np.float32)
            block[: len(some)] = some
            found[start : start + len(some)] = (block @ self.centres.T)[: len(some)].argmax(axis=1)
        return found

    def save(self, folder: Path) -> None:
        """Write into a folder that exists. Raises `OSError`."""
        with (folder / _ARRAYS_FILE).open("wb") as file:
            np.savez(
                file, ids=self.ids, vectors=self.vectors.astype(np.float16), places=self.places, centres=self.centres
            )
        text = json.dumps(self.words, ensure_ascii=False, indent=1)
        (folder / _TOPICS_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "ArticleMap":
        """Read what `save` wrote; `vectors` come back with 11 significant bits. Raises `OSError`, `ValueError` or
        `KeyError` when it cannot."""
        found = arrays.load_all(folder / _ARRAYS_FILE)
        words = json.loads((folder / _TOPICS_FILE).read_text(encoding="utf-8"))
        made = cls(
            found["ids"], found["vectors"].astype(np.float32), found["places"], found["centres"],
            tuple(tuple(map(str, topic)) for topic in words),
        )  # fmt: skip
        if made.places.shape != (len(made.ids), 2) or len(made.vectors) != len(made.ids) or not len(made.ids):
            raise ValueError(f"{len(made.ids)} articles do not go with places {made.places.shape}")
        if len(made.words) != len(made.centres) or made.centres.shape[1:] != made.vectors.shape[1:]:
            raise ValueError(f"{len(made.words)} topics do not go with centres {made.centres.shape}")
        return made


def check_extra() -> None:
    """Raises `MissingExtraError` where a map cannot be fitted."""
    try:
        import openTSNE  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("openTSNE", "map", "a map of the articles") from error


def lay_out(components: Float32, settings: MapSettings, seed: int, told: Callable[[float], None]) -> Float32:
    """(n, 2) float32 within 1 of the middle: a layout of principal components (n, c) of articles, at least 4.

    `told` gets the share that is done. The same input gives the same bytes, whatever the number of cores. Raises
    `MissingExtraError`.
    """
    check_extra()
    from openTSNE import TSNEEmbedding, affinity, initialization
    from threadpoolctl import threadpool_limits

    count = len(components)
    perplexity = min(settings.perplexity, (count - 1) / 3)
    with threadpool_limits(limits=1):
        near = affinity.PerplexityBasedNN(
            components, perplexity=perplexity, method="exact", metric="euclidean", n_jobs=1, random_state=seed
        )
        start = initialization.pca(components, random_state=seed)
        told(0.1)
        layout = TSNEEmbedding(
            start, near, negative_gradient_method="fft" if count >= _BY_FFT else "bh", n_jobs=1, random_state=seed,
            ints_in_interval=2,
        )  # fmt: skip
        layout.optimize(_EARLY, exaggeration=_EXAGGERATION, momentum=0.5, inplace=True)
        told(0.4)
        layout.optimize(_LATE, momentum=0.8, inplace=True)
    found = np.asarray(layout, dtype=np.float64)
    found = found - (found.max(axis=0) + found.min(axis=0)) / 2
    told(1.0)
    return np.ascontiguousarray(found / max(float(np.abs(found).max()), 1e-9), dtype=np.float32)


def principal_components(vectors: Float32, seed: int) -> Float32:
    """(n, c) float32: article vectors (n, dim) along the at most 50 directions in which they differ most."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    count = min(_COMPONENTS, len(vectors) - 1, vectors.shape[1])
    with threadpool_limits(limits=1):
        found = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(vectors)
    return np.ascontiguousarray(found, dtype=np.float32)
