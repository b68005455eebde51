"""What answers questions: a generation with its catalog, opened as a whole and handed over as a whole."""

import logging
from dataclasses import dataclass

from recnews.catalog import Catalog
from recnews.errors import DamagedGenerationError, NoGenerationError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.index.archive import ArchiveSettings
from recnews.index.archived import ArchivedIndex
from recnews.store import Store

_log = logging.getLogger("recnews")


@dataclass(slots=True)
class Opened:
    """A generation in use, and which one was live when it was opened: a damaged one is passed over.

    `prepared`: it can encode. `catalog` is opened when a question first needs it.
    """

    asked: str
    generation: Generation
    prepared: bool
    damages: tuple[DamagedGenerationError, ...] = ()
    catalog: Catalog | None = None

    def current(self, store: Store, archive: ArchiveSettings | None) -> Catalog:
        """The catalog as of now."""
        if self.catalog is None:
            it = self.generation
            self.catalog = Catalog.open(it.folder, it.id, it.layout, archive)
        self.catalog.refresh(store)
        return self.catalog


class Serving:
    """What a newsroom answers from: opened at its first question, and kept until another generation goes live.

    A service opens the next one beside it (`open_beside`, from any thread) and hands it over between two requests
    (`take_over`); all else is for the newsroom's own thread.
    """

    def __init__(self, store: Store, generations: Generations, archive: ArchiveSettings | None = None) -> None:
        self._store, self._generations, self._archive = store, generations, archive
        self._kept: Opened | None = None
        self._held = False

    def generation(self, prepared: bool) -> Generation:
        """The generation that serves; `prepared` reads all it takes to encode. Raises `NoGenerationError`."""
        return self._opened(prepared).generation

    def current(self) -> tuple[Generation, Catalog]:
        """The generation that serves, and its catalog as of now. Raises `NoGenerationError`."""
        opened = self._opened(prepared=False)
        return opened.generation, opened.current(self._store, self._archive)

    @property
    def id(self) -> str | None:
        """The generation that is answered from; None before anything was asked."""
        return self._kept.generation.id if self._kept else None

    @property
    def archived(self) -> int | None:
        """How many articles are searched in an archive engine, as of the latest answer; None without one."""
        index = self._kept.catalog.index if self._kept and self._kept.catalog else None
        return index.archived if isinstance(index, ArchivedIndex) else None

    @property
    def newest_article(self) -> int:
        """The highest id among the articles that the latest answer knew of; 0 without any."""
        return self._kept.catalog.newest if self._kept and self._kept.catalog else 0

    def behind(self) -> bool:
        """Whether another generation is live than the one that is answered from."""
        return self._kept is None or self._kept.asked != self._generations.current().live

    def lag(self) -> int:
        """How many changed articles have not been taken over; they will be for the next question."""
        catalog = self._kept.catalog if self._kept else None
        return 0 if catalog is None else self._store.vectors.distance(catalog.token)

    def misses_articles(self, opened: Opened | None = None) -> bool:
        """Whether articles are stored that a generation has not encoded: the one that was opened beside, else the one
        that is answered from."""
        asked = opened or self._kept
        return asked is not None and self._store.vectors.lacks(asked.generation.id)

    def open_beside(self, prepared: bool = False) -> Opened | None:
        """What is live by now, opened as a whole beside what is answered from; None when that is the same.

        `prepared` reads all it takes to encode, too. Raises `DamagedGenerationError` when no generation is whole.
        """
        if not self.behind() and self._kept is not None and (self._kept.prepared or not prepared):
            return None
        opened = self._open(prepared)
        if opened is not None:
            opened.current(self._store, self._archive)
            if prepared:  # tens of thousands of words may have been learned since the training
                opened.generation.refresh(self._store)
        return opened

    def take_over(self, opened: Opened, hold: bool) -> None:
        """Answer from this from now on; with `hold`, whatever goes live meanwhile, until another is taken over."""
        self._keep(opened)
        self._held = hold

    def close(self) -> None:
        """Give files and processes back."""
        if self._kept is not None:
            self._kept.generation.close()
            if self._kept.catalog is not None:
                self._kept.catalog.close()

    def _opened(self, prepared: bool) -> Opened:
        kept = self._kept
        fits = kept is not None and (kept.prepared or not prepared)
        if kept is not None and fits and (self._held or kept.asked == self._generations.current().live):
            return kept
        opened = self._open(prepared)
        if opened is None:
            raise NoGenerationError(self._generations.folder.parent)
        return self._keep(opened)

    def _open(self, prepared: bool) -> Opened | None:
        """What serves by now, without a catalog; None before the first training."""
        asked = self._generations.current().live
        generation, damages = self._generations.live(prepared)
        if generation is None or asked is None:
            return None
        return Opened(asked, generation, prepared, tuple(damages))

    def _keep(self, opened: Opened) -> Opened:
        for damage in opened.damages:
            _log.warning("%s; %s serves instead", damage, opened.generation.id)
        if self._kept is not None and opened.catalog is None and self._kept.generation.id == opened.generation.id:
            opened.catalog = self._kept.catalog
        if self._kept is not None and self._kept.catalog is not None and self._kept.catalog is not opened.catalog:
            self._kept.catalog.close()
        self._kept = opened
        return opened
