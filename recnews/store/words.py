"""Words that a generation has not learned: where they were met, and the vectors induced for those met often enough.

What is kept of a word is in which articles it stands, and how often. Its context is read from their texts when the time
has come, and again at each of a few stages, when it has been met four times as often. So a word is counted once however
often an article is encoded, a changed or deleted article takes its words along, and processes that write at the same
moment add to each other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, literal, select, update

from recnews.records import Float32
from recnews.store.articles import ArticleText
from recnews.store.database import Database
from recnews.store.dialects import among, insert_or, insert_rows
from recnews.store.schema import articles, induced_words, new_words, outdated_vectors, vectors

_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Often:
    """When a word is met often enough: in that many articles, and that many times in all, four times as many at each
    further one of `stages`."""

    articles: int
    occurrences: int
    stages: int

    def times(self, stage: int) -> int:
        """How often a word is met at the least at a stage, the first being 0."""
        return int(self.occurrences * _GROWTH**stage)


@dataclass(frozen=True, slots=True)
class Met:
    """What a batch of texts was found to hold: of each, words that the generation has not learned, with how often they
    occur. `induced`: how many induced words the generation knew when it looked."""

    words: Sequence[Mapping[str, int]]
    often: Often
    induced: int


@dataclass(frozen=True, slots=True)
class RipeWord:
    """A word to be induced from the articles that made it ripe, oldest first; none when they are gone."""

    word: str
    stage: int
    texts: tuple[ArticleText, ...]

    @property
    def key(self) -> tuple[str, int]:
        """The word at its stage."""
        return self.word, self.stage


@dataclass(frozen=True, slots=True)
class InducedWord:
    """A word with its vector (d,) before idf, and the count of articles that its idf is taken from. `rank` counts from
    0 in the order in which a generation took its words over, one that has reached a further stage anew."""

    word: str
    stage: int
    articles: int
    vector: Float32
    rank: int = -1

    @property
    def key(self) -> tuple[str, int]:
        """The word at its stage."""
        return self.word, self.stage


class Words:
    """The words met after training."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def induced(self, generation: str, since: int) -> list[InducedWord]:
        """Words that were induced for a generation, by rank from `since`."""
        query = (
            select(induced_words)
            .where(induced_words.c.generation == generation, induced_words.c.rank >= since)
            .order_by(induced_words.c.rank)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            InducedWord(row.word, row.stage, row.articles, np.frombuffer(row.vector, dtype=np.float32), row.rank)
            for row in rows
        ]

    def count(self, generation: str, ids: Sequence[int], text_digests: Sequence[bytes], met: Met) -> None:
        """Note what words texts hold that the generation has not learned, in place of what was noted of the same
        articles before; and which of these words have now been met often enough. One transaction; an article that was
        changed or deleted meanwhile is left alone."""
        with self._database.write(derived=True) as connection:
            query = select(articles.c.article_id, articles.c.text_digest).where(among(articles.c.article_id, ids))
            present = dict(connection.execute(query).all())
            words = zip(ids, text_digests, met.words, strict=True)
            found = {article_id: held for article_id, digest, held in words if present.get(article_id) == digest}
            _count(connection, generation, found, met.often)

    def ripe(self, generation: str, often: Often) -> list[RipeWord]:
        """Words met often enough and not induced yet, in the order in which articles made them so.

        A word's texts are the fewest, by article id, in which it is met often enough: the same whether articles came
        one by one or all at once.
        """
        with self._database.read() as connection:
            rows = connection.execute(_ripe_query(generation)).all()
            met: dict[tuple[str, int], list[tuple[int, int]]] = {}
            for row in rows:
                places = met.setdefault((row.word, row.stage), [])
                if row.article_id is not None:
                    places.append((row.article_id, row.occurrences))
            chosen = {key: _fewest(places, often, key[1]) for key, places in met.items()}
            texts = _texts(connection, set(chain.from_iterable(chosen.values())))
        order = sorted(chosen, key=lambda key: (max(chosen[key], default=0), key))
        return [RipeWord(*key, tuple(texts[article_id] for article_id in chosen[key])) for key in order]

    def induce(
        self, generation: str, found: Sequence[InducedWord], hopeless: Sequence[tuple[str, int]], often: Often
    ) -> None:
        """Store the vectors of ripe words, and mark the vectors of articles that hold them as out of date; forget that
        `hopeless` ones were ripe. One transaction; a word that another process was faster with stays as it is."""
        with self._database.write(derived=True) as connection:
            waiting = _waiting(connection, generation)
            fresh = [word for word in found if word.key in waiting]
            rows = [
                {"of_word": word.word, "of_stage": word.stage, "rank": rank, "articles": word.articles,
                 "vector": word.vector.tobytes()}
                for rank, word in enumerate(fresh, start=next_rank(connection, generation))
            ]  # fmt: skip
            mine = _is(generation, bindparam("of_word"), bindparam("of_stage"))
            if rows:
                connection.execute(update(induced_words).where(*mine), rows)
            _outdate(connection, generation, {word.word for word in fresh})
            _stop_counting(connection, generation, [word.word for word in fresh if word.stage == often.stages - 1])
            for lost in waiting.intersection(hopeless):
                connection.execute(delete(induced_words).where(*_is(generation, *lost)))


def next_rank(connection: Connection, generation: str) -> int:
    """How many times a word has been induced for a generation."""
    query = select(func.max(induced_words.c.rank)).where(induced_words.c.generation == generation)
    highest = connection.execute(query).scalar_one()
    return 0 if highest is None else int(highest) + 1


def forget_words(connection: Connection, gone: Callable[[Any], ColumnElement[bool]]) -> None:
    """Drop what was noted for generations; `gone` makes the condition from a table's column of them."""
    for table in (new_words, induced_words, outdated_vectors):
        connection.execute(delete(table).where(gone(table.c.generation)))


def _count(connection: Connection, generation: str, found: Mapping[int, Mapping[str, int]], often: Often) -> None:
    mine = new_words.c.generation == generation
    connection.execute(delete(new_words).where(mine, among(new_words.c.article_id, found)))
    rows = [
        (generation, word, article_id, count) for article_id, words in found.items() for word, count in words.items()
    ]
    insert_rows(connection, new_words, rows)
    _mark_ripe(connection, generation, {word: None for words in found.values() for word in words}, often)


def _mark_ripe(connection: Connection, generation: str, words: Iterable[str], often: Often) -> None:
    times = func.sum(new_words.c.occurrences)
    query = (
        select(new_words.c.word, times.label("times"))
        .where(new_words.c.generation == generation, among(new_words.c.word, words))
        .group_by(new_words.c.word)
        .having(func.count() >= often.articles, times >= often.occurrences)
    )
    ripe = [
        {"generation": generation, "word": row.word, "stage": stage}
        for row in connection.execute(query)
        for stage in range(often.stages)
        if row.times >= often.times(stage)
    ]
    if ripe:
        connection.execute(insert_or(connection, induced_words).on_conflict_do_nothing(), ripe)


def _ripe_query(generation: str) -> Any:
    return (
        select(induced_words.c.word, induced_words.c.stage, new_words.c.article_id, new_words.c.occurrences)
        .outerjoin_from(
            induced_words,
            new_words,
            (new_words.c.generation == induced_words.c.generation) & (new_words.c.word == induced_words.c.word),
        )
        .where(induced_words.c.generation == generation, induced_words.c.rank.is_(None))
        .order_by(induced_words.c.word, induced_words.c.stage, new_words.c.article_id)
    )


def _fewest(places: Sequence[tuple[int, int]], often: Often, stage: int) -> list[int]:
    """The first articles in which a word is met often enough; none when it no longer is."""
    occurrences = 0
    for number, (_, count) in enumerate(places, start=1):
        occurrences += count
        if number >= often.articles and occurrences >= often.times(stage):
            return [article_id for article_id, _ in places[:number]]
    return []


def _texts(connection: Connection, ids: set[int]) -> dict[int, ArticleText]:
    query = select(articles.c.article_id, articles.c.title, articles.c.summary, articles.c.body)
    rows = connection.execute(query.where(among(articles.c.article_id, ids)))
    return {row.article_id: ArticleText(*row) for row in rows}


def _waiting(connection: Connection, generation: str) -> set[tuple[str, int]]:
    query = select(induced_words.c.word, induced_words.c.stage).where(
        induced_words.c.generation == generation, induced_words.c.rank.is_(None)
    )
    return {(row.word, row.stage) for row in connection.execute(query)}


def _outdate(connection: Connection, generation: str, words: Iterable[str]) -> None:
    """The vectors of articles that hold words are out of date."""
    holding = new_words.c.generation == generation, among(new_words.c.word, words)
    ids = select(new_words.c.article_id).where(*holding).distinct()
    theirs = select(literal(generation), vectors.c.article_id).where(
        vectors.c.generation == generation, vectors.c.article_id.in_(ids)
    )
    added = insert_or(connection, outdated_vectors).from_select(["generation", "article_id"], theirs)
    connection.execute(added.on_conflict_do_nothing())


def _stop_counting(connection: Connection, generation: str, words: Iterable[str]) -> None:
    """Forget where words stand."""
    connection.execute(delete(new_words).where(new_words.c.generation == generation, among(new_words.c.word, words)))


def _is(generation: str, word: Any, stage: Any) -> tuple[ColumnElement[bool], ...]:
    table = induced_words.c
    return table.generation == generation, table.word == word, table.stage == stage
