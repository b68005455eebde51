"""The map of one generation as it is now: learned by a training, then following the store article by article.

A snapshot on disk only saves placing everything again; it can be deleted at any time.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recnews import arrays
from recnews.config import Settings
from recnews.embed.base import Progress
from recnews.errors import MissingExtraError
from recnews.generation import MAP_FOLDER, Generation
from recnews.maps import topics
from recnews.maps.layout import ArticleMap, check_extra, lay_out, principal_components
from recnews.metrics import neighbour_overlap
from recnews.records import Bools, Float32, Int64
from recnews.store import START, Change, Store

ATLAS_FILE = "atlas.npz"
"""The snapshot in a generation's folder."""
_PAGE = 5000
_CHECKED, _NEIGHBOURS = 500, 10
_log = logging.getLogger("recnews")


@dataclass(frozen=True, slots=True)
class Points:
    """Articles on a map, one row each, ascending by id: `ids` (n,), `places` (n, 2) float32, `topics` (n,),
    `published` and `expires` (n,) in microseconds, `categories` (n,) as numbers into a list of names, `stories` (n,),
    `hidden` (n,), and `marks` (n,), by which a vector that has changed is told."""

    ids: Int64
    places: Float32
    topics: Int64
    published: Int64
    expires: Int64
    categories: Int64
    stories: Int64
    hidden: Bools
    marks: Int64

    def some(self, rows: Int64 | Bools) -> "Points":
        """Only some rows."""
        return Points(*(getattr(self, field.name)[rows] for field in fields(self)))

    def servable(self, moment: int) -> "Points":
        """Those that readers may see at a time, in microseconds: published, not expired, not hidden."""
        return self.some(~self.hidden & (self.published <= moment) & (self.expires > moment))

    def rows(self, ids: Int64) -> Int64:
        """(n,) the row of each id, -1 for one that is not on the map."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        found = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[found] == ids, found, -1)


class Atlas:
    """Where every article of a generation lies, as of `token`."""

    def __init__(self, generation: str, drawn: ArticleMap) -> None:
        self.generation, self.map = generation, drawn
        self._own = dict(zip(drawn.ids.tolist(), range(len(drawn.ids)), strict=True))
        self._forget_all()

    def _forget_all(self) -> None:
        self.token, self.points, self.names = START, _none(), list[str]()
        self.changed_since_snapshot = 0

    def refresh(self, store: Store) -> int:
        """Take over what changed in the store, placing what is new; returns how many articles that were."""
        if not store.vectors.knows(self.token):  # a backup was restored: nothing taken over before still holds
            self._forget_all()
        taken = 0
        for changes, token in store.vectors.follow(self.generation, self.token, _PAGE):
            self.token = token
            self._apply(changes)
            taken += len(changes)
        self.changed_since_snapshot += taken
        return taken

    def save(self, folder: Path) -> None:
        """Write a snapshot in place of the one before. Raises `OSError`."""
        file = folder / f".{ATLAS_FILE}-{os.getpid()}"
        values = {field.name: getattr(self.points, field.name) for field in fields(Points)}
        with file.open("wb") as out:
            np.savez(out, token=np.array(self.token), names=np.array(self.names, dtype=np.str_), **values)
        file.replace(folder / ATLAS_FILE)
        self.changed_since_snapshot = 0

    def save_if_due(self, folder: Path, after: int) -> None:
        """`save`, once `after` changes have come and the next process is spared some work; a failure is only told."""
        if self.changed_since_snapshot < after:
            return
        try:
            self.save(folder)
        except OSError as error:
            self.changed_since_snapshot = 0
            _log.warning("%s: the map's snapshot cannot be written (%s)", folder, error)

    @classmethod
    def open(cls, generation: Generation) -> "Atlas | None":
        """From the snapshot in a generation's folder, else from nothing; None where the generation has no map. Raises
        `DamagedGenerationError`."""
        if generation.map is None:
            return None
        atlas = cls(generation.id, generation.map)
        try:
            found = arrays.load_all(generation.folder / ATLAS_FILE)
            points = Points(*(found[field.name] for field in fields(Points)))
            names, token = [str(name) for name in found["names"]], str(found["token"])
            if len({len(getattr(points, field.name)) for field in fields(Points)}) == 1:
                atlas.points, atlas.names, atlas.token = points, names, token
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            pass
        return atlas

    def _apply(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        kept = [it for it in changes if it.stored and it.vector is not None and it.vector.any()]
        new = self._read(kept)
        gone = np.array([it.article_id for it in changes], dtype=np.int64)
        old = self.points.some(~np.isin(self.points.ids, gone))
        both = [np.concatenate([getattr(old, field.name), getattr(new, field.name)]) for field in fields(Points)]
        order = np.argsort(both[0], kind="stable")
        self.points = Points(*(column[order] for column in both))

    def _read(self, changes: Sequence[Change]) -> Points:
        """Changes as rows; an article whose vector is what it was keeps its place."""
        count = len(changes)
        marks = np.array([crc32(_bytes(it)) for it in changes], dtype=np.int64)
        ids = np.array([it.article_id for it in changes], dtype=np.int64)
        forever = np.iinfo(np.int64).max
        made = Points(
            ids, np.zeros((count, 2), np.float32), np.zeros(count, np.int64),
            _numbers(it.published_at for it in changes),
            _numbers(forever if it.expires_at is None else it.expires_at for it in changes),
            _numbers(self._code(it.category) for it in changes), _numbers(it.story_id for it in changes),
            np.array([it.hidden for it in changes], dtype=bool), marks,
        )  # fmt: skip
        known = self.points.rows(ids)
        same = (known >= 0) & (self.points.marks[known] == marks) if len(self.points.ids) else known > 0
        made.places[same], made.topics[same] = self.points.places[known[same]], self.points.topics[known[same]]
        rest = np.flatnonzero(~same)
        if len(rest):
            vectors = np.stack([np.asarray(changes[row].vector, dtype=np.float32) for row in rest.tolist()])
            made.places[rest], made.topics[rest] = self._place(ids[rest], vectors), self.map.topics(vectors)
        return made

    def _place(self, ids: Int64, vectors: Float32) -> Float32:
        """Where the map puts articles; those it was fitted on stay where they were put then."""
        own = np.array([self._own.get(article_id, -1) for article_id in ids.tolist()], dtype=np.int64)
        fitted = own >= 0
        fitted[fitted] = (vectors[fitted].astype(np.float16) == self.map.vectors[own[fitted]]).all(axis=1)
        found = np.empty((len(ids), 2), dtype=np.float32)
        found[fitted] = self.map.places[own[fitted]]
        found[~fitted] = self.map.place(vectors[~fitted])
        return found

    def _code(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def learn_map(store: Store, generation: Generation, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Fit a map on the stored vectors of a generation in training and write it into its folder.

    Returns what the manifest says of it: `articles` it was fitted on, `topics`, and `overlap`, the mean share of an
    article's ten nearest among them that are also nearest on the map. Where there is no map it says why under
    `missing`, and nothing is written. Raises `OSError`.
    """
    if not settings.map.enabled:
        return {"missing": "off"}
    ids, vectors = _sample(store, generation, settings)
    if len(ids) < settings.map.least:
        return {"missing": "few"}
    try:
        check_extra()
    except MissingExtraError as error:
        _log.warning("%s; training goes on without", error)
        return {"missing": "extra"}
    seed = settings.embedding.seed
    components = principal_components(vectors, seed)
    places = lay_out(components, settings.map, seed, lambda share: progress("map", 0.9 * share))
    labels = topics.group(components, settings.map.topics or topics.how_many(len(ids)), seed)
    centres = topics.centres(vectors, labels)
    unnamed = ArticleMap(ids, vectors, places, centres, ((),) * len(centres))
    words = store.vectors.keywords(generation.id, ids.tolist())
    told = topics.name(
        (words.get(article_id, ()) for article_id in ids.tolist()), unnamed.topics(vectors), len(centres)
    )
    folder = generation.folder / MAP_FOLDER
    folder.mkdir()
    replace(unnamed, words=told).save(folder)
    progress("map", 1.0)
    asked, k = min(len(ids), _CHECKED), min(_NEIGHBOURS, len(ids) - 1)
    overlap = float(neighbour_overlap(vectors, places, asked, k).mean())
    return {"articles": len(ids), "topics": len(centres), "overlap": round(overlap, 4)}


def _sample(store: Store, generation: Generation, settings: Settings) -> tuple[Int64, Float32]:
    """Ids, ascending, and known vectors (n, dim) of the articles a map is fitted on."""
    ids, last = list[int](), -1
    while page := store.vectors.page(generation.id, last, _PAGE):
        ids += [article_id for article_id, vector in page if vector.any()]
        last = page[-1][0]
    chosen = np.array(ids, dtype=np.int64)
    if len(chosen) > settings.map.articles:
        draw = np.random.default_rng(settings.embedding.seed)
        chosen = np.sort(draw.choice(chosen, settings.map.articles, replace=False))
    vectors = np.zeros((len(chosen), generation.dim), dtype=np.float32)
    for start in range(0, len(chosen), _PAGE):
        found = store.vectors.of(generation.id, chosen[start : start + _PAGE].tolist())
        for place, article_id in enumerate(chosen[start : start + _PAGE].tolist(), start):
            if article_id in found:  # else deleted meanwhile
                vectors[place] = found[article_id]
    known = vectors.any(axis=1)
    return chosen[known], vectors[known]


def _none() -> Points:
    empty = np.empty(0, dtype=np.int64)
    nowhere, nothing = np.empty((0, 2), dtype=np.float32), np.empty(0, dtype=bool)
    return Points(empty, nowhere, empty, empty, empty, empty, empty, nothing, empty)


def _bytes(change: Change) -> bytes:
    return b"" if change.vector is None else change.vector.tobytes()


def _numbers(values: Any) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64)
