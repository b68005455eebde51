"""The category an article is served under: the editors', else the publisher's, else the one predicted for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, select, update

from recnews.records import Guess
from recnews.store.database import Database
from recnews.store.schema import articles, vectors


@dataclass(frozen=True, slots=True)
class GivenCategory:
    """An article that carries a category."""

    article_id: int
    category: str


GIVEN = func.coalesce(articles.c.editor_category, func.nullif(articles.c.category, ""))
"""What editors or the publisher say; NULL where neither does."""
CATEGORY = func.coalesce(GIVEN, vectors.c.predicted_category, "")
"""What is served, in a query that joins the vectors of a generation to the articles."""
GUESSED = ("predicted_category", "probability")
"""The columns of a prediction."""
PROBABILITY = case((GIVEN.is_(None), vectors.c.probability))
"""NULL unless the category is a prediction."""


def vector_of(generation: Any, article_id: Any = articles.c.article_id) -> ColumnElement[bool]:
    """What joins the vectors of a generation to articles."""
    return and_(vectors.c.generation == generation, vectors.c.article_id == article_id)


class Guesses:
    """Categories predicted by generations, beside their vectors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def given(self, generation: str) -> list[GivenCategory]:
        """Articles that carry a category and that `generation` has encoded, in id order; one of each story, where
        editors have set it the latter's: its copies would teach the same twice."""
        query = (
            select(articles.c.article_id, GIVEN, func.coalesce(articles.c.story_id, articles.c.article_id))
            .join_from(articles, vectors, vector_of(generation))
            .where(GIVEN.is_not(None))
            .order_by(articles.c.editor_category.is_(None), articles.c.article_id)
        )
        first: dict[int, GivenCategory] = {}
        with self._database.read() as connection:
            for article_id, category, story in connection.execute(query):
                first.setdefault(story, GivenCategory(article_id, category))
        return sorted(first.values(), key=lambda row: row.article_id)

    def write(self, generation: str, ids: Sequence[int], guesses: Sequence[Guess | None]) -> None:
        """Store predictions beside the vectors of a generation in training, which has no followers; articles without
        one, such as those deleted meanwhile, are passed over."""
        if not ids:
            return
        category, probability = GUESSED
        values: dict[str, Any] = {category: bindparam("category"), probability: bindparam("likely")}
        statement = update(vectors).where(vector_of(generation, bindparam("target"))).values(values)
        rows = [
            {"target": article_id, "category": guess and guess.category, "likely": guess and guess.probability}
            for article_id, guess in zip(ids, guesses, strict=True)
        ]
        with self._database.write(derived=True) as connection:
            connection.execute(statement, rows)


def guess_values(guess: Guess | None) -> tuple[str | None, float | None]:
    """What stands in `GUESSED`."""
    return (guess.category, guess.probability) if guess else (None, None)
