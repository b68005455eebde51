"""What answers questions: a generation with its catalog, opened as a whole and handed over as a whole."""

from dataclasses import dataclass

from recnews.catalog import Catalog
from recnews.errors import DamagedGenerationError
from recnews.generation import Generation
from recnews.generations import Generations
from recnews.store import Store


@dataclass(slots=True)
class Serving:
    """A generation in use, and which one was live when it was opened: a damaged one is passed over.

    `prepared`: it can encode. `catalog` is opened when a question first needs it.
    """

    asked: str
    generation: Generation
    prepared: bool
    damages: tuple[DamagedGenerationError, ...] = ()
    catalog: Catalog | None = None

    def current(self, store: Store) -> Catalog:
        """The catalog as of now."""
        if self.catalog is None:
            self.catalog = Catalog.open(self.generation.folder, self.generation.id, self.generation.layout)
        self.catalog.refresh(store)
        return self.catalog


def open_serving(generations: Generations, prepared: bool) -> Serving | None:
    """What serves by now, without a catalog; None before the first training. `prepared` reads all it takes to encode.

    Raises `DamagedGenerationError` when no generation is whole.
    """
    asked = generations.current().live
    generation, damages = generations.live(prepared)
    if generation is None or asked is None:
        return None
    return Serving(asked, generation, prepared, tuple(damages))
