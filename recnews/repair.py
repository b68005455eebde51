"""Making again what is a view of the store. The store's own truth, and what was learned, are never touched."""

from collections.abc import Callable
from dataclasses import dataclass

from recnews.catalog import refill, renew
from recnews.config import Settings
from recnews.errors import RecnewsError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.index.archive import ArchiveSettings
from recnews.indexing import index_pending
from recnews.readership import mend
from recnews.store import Store
from recnews.stories import group_pending
from recnews.verify import Kind, Problem, differing_vectors, verify

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was made again, in words, and what is wrong still."""

    done: tuple[str, ...]
    left: tuple[Problem, ...]


def repair(
    store: Store, generations: Generations, settings: Settings, archive: ArchiveSettings | None = None
) -> Repaired:
    """Verify a home, make again what is a view and is wrong, and verify again, until nothing more can be done. Others
    may be served from it meanwhile; those that had a damaged segment open should be started again afterwards.

    Raises `BusyError` during a training or while others fill the archive, `ArchiveError`.
    """
    done = list[str]()
    with generations.training():
        tried = set[Kind]()
        while True:
            left = verify(store, generations, archive)
            now = [it for it in left if it.kind in _REPAIRS and it.kind not in tried]
            if not now:
                return Repaired(tuple(done), tuple(left))
            tried.add(now[0].kind)
            done.append(_REPAIRS[now[0].kind](_Home(store, generations, settings, archive)))


@dataclass(frozen=True, slots=True)
class _Home:
    store: Store
    generations: Generations
    settings: Settings
    archive: ArchiveSettings | None

    @property
    def live(self) -> Generation:
        found, _ = self.generations.live(prepared=True)
        if found is None:  # a problem of the live one was found a moment ago
            raise RecnewsError("no generation is live any more; run `recnews verify` again")
        return found


def _strays(home: _Home) -> str:
    names = home.generations.names()
    gone = sorted(set(home.store.vectors.counts()) - set(names))
    home.store.vectors.retain(names)
    return f"removed vectors of {' '.join(gone)}"


def _stories(home: _Home) -> str:
    home.store.stories.rebuild()
    grouped = group_pending(home.store, home.generations.current().live, home.settings.stories)
    return f"made again by what stories are found; {grouped} articles were looked at"


def _pending(home: _Home) -> str:
    live = home.live
    home.store.vectors.restart(live.id)  # the place it says it has reached may be wrong
    encoded = index_pending(home.store, live)
    group_pending(home.store, live.id, home.settings.stories)
    return f"encoded {encoded} articles into {live.id}"


def _vectors(home: _Home) -> str:
    live, last, wrong = home.live, -1, 0
    live.refresh(home.store)
    while page := home.store.vectors.encoded(live.id, last, _PAGE):
        if differing := differing_vectors(live, page):
            home.store.vectors.distrust(live.id, differing)
            wrong += len(differing)
        last = page[-1][0].article_id
    index_pending(home.store, live)
    return f"encoded {wrong} articles again, whose vectors were not what {live.id} gives"


def _behaviours(home: _Home) -> str:
    live = home.live
    mend(home.store, live, home.settings)
    return f"made again what was missing of the behaviour vectors of {live.id}"


def _segments(home: _Home) -> str:
    live = home.live
    renew(live.folder, live.id, live.layout, home.store, without_segments=True)
    return f"removed the sealed segments of {live.id}: `recnews seal` makes others; start services again"


def _archive(home: _Home) -> str:
    live = home.live
    assert home.archive is not None  # noqa: S101 - a problem of it was found
    written = refill(live.folder, live.id, live.layout, home.store, home.archive)
    return f"wrote {written} rows of {live.id} into the archive again"


def _snapshot(home: _Home) -> str:
    live = home.live
    renew(live.folder, live.id, live.layout, home.store)
    return f"wrote the index snapshot of {live.id} again"


_REPAIRS: dict[Kind, Callable[[_Home], str]] = {
    "strays": _strays, "stories": _stories, "pending": _pending, "vectors": _vectors, "behaviours": _behaviours,
    "segments": _segments, "archive": _archive, "snapshot": _snapshot,
}  # fmt: skip
