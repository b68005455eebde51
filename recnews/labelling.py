"""The categories of a generation: learned from the articles that carry one, predicted for all it has encoded."""

from collections.abc import Callable
from typing import Any

import numpy as np

from recnews import categories
from recnews.config import CategorySettings
from recnews.generation import CATEGORIES_FOLDER, Generation
from recnews.store import Store

_PAGE = 2000


def learn_categories(
    store: Store, generation: Generation, settings: CategorySettings, seed: int, begun: Callable[[], None]
) -> dict[str, Any]:
    """Fit on the stored vectors of a generation in training and write what was learned into its folder.

    Returns what the manifest says of it; empty, and nothing is written, where too few articles carry a category.
    `begun` is called before the part that takes long. Raises `OSError`.
    """
    rows = store.guesses.given(generation.id)
    if not settings.enabled or len(rows) < settings.min_total:
        return {}
    begun()
    if len(rows) > settings.max_articles:  # bounds memory and time
        chosen = np.random.default_rng(seed).choice(len(rows), settings.max_articles, replace=False)
        rows = [rows[row] for row in np.sort(chosen).tolist()]
    vectors = np.zeros((len(rows), generation.dim), dtype=np.float32)
    for start in range(0, len(rows), _PAGE):
        page = rows[start : start + _PAGE]
        found = store.vectors.of(generation.id, [row.article_id for row in page])
        for place, row in enumerate(page, start):
            if row.article_id in found:  # else deleted meanwhile: a zero vector teaches nothing
                vectors[place] = found[row.article_id]
    learned = categories.fit(vectors, [row.category for row in rows], settings, seed)
    if learned is None:
        return {}
    folder = generation.folder / CATEGORIES_FOLDER
    folder.mkdir()
    learned.save(folder)
    return dict(learned.measured)


def write_guesses(store: Store, generation: Generation) -> None:
    """Predict for every article that a generation in training has encoded, page by page.

    For those that carry a category, too: a publisher may take it away again.
    """
    if generation.categories is None:
        return
    last = -1
    while page := store.vectors.page(generation.id, last, _PAGE):
        guesses = generation.guess(np.stack([vector for _, vector in page]))
        store.guesses.write(generation.id, [article_id for article_id, _ in page], guesses)
        last = page[-1][0]
