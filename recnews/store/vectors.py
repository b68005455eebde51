"""Article vectors by generation, what still has to be encoded, and what has changed since a follower last asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from recnews.records import ArticleId, Float32, Guess
from recnews.store.articles import ArticleText
from recnews.store.behaviours import BehaviourRows, forget_behaviours, put_behaviours
from recnews.store.database import Database, announce, count_rows
from recnews.store.dialects import among, among_given, insert_or, insert_rows
from recnews.store.guesses import CATEGORY, GUESSED, guess_values
from recnews.store.prepared import Prepared
from recnews.store.schema import (
    article_ids,
    articles,
    behaviours,
    change_counter,
    indexed_through,
    outdated_vectors,
    vectors,
)
from recnews.store.words import forget_words, next_rank

Token = str
"""Where a follower stands. Opaque to everyone but this module: `<sequence number>:<article id>`."""
START: Token = "0:0"


@dataclass(frozen=True, slots=True)
class Pending:
    """Texts that a generation has not encoded as they are now; once written, the generation stands at `token`, or where
    it stood when that is None.

    `moved`: that is further than before. `last`: nothing lies beyond it for now. `again`: how many of the texts it has
    encoded before as they are now, without a word that it has come to know since."""

    texts: tuple[ArticleText, ...]
    text_digests: tuple[bytes, ...]
    token: Token | None
    moved: bool
    last: bool
    again: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What is now served under an id: nothing (`stored` False: deleted), or a state, with its vector once encoded and
    its outer behaviour vector where the generation has one."""

    article_id: ArticleId
    stored: bool
    hidden: bool
    published_at: int
    expires_at: int | None
    category: str
    lang: str
    source: str
    story_id: int
    vector: Float32 | None
    outer: Float32 | None = None


class Vectors:
    """The vectors of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, generation: str, limit: int, by_change: bool = False, after: Token | None = None) -> Pending:
        """The next articles, in order of change, that `generation` has yet to encode; with `by_change` only those of
        one transaction. They come after the generation's place, or after another one, for who looks ahead."""
        with self._database.read() as connection:
            seq, last_id = _indexed_through(connection, generation) if after is None else _place(after)
            window = connection.execute(
                select(article_ids.c.seq, article_ids.c.id, articles.c.text_digest, vectors.c.text_digest.label("done"))
                .outerjoin_from(article_ids, articles, articles.c.article_id == article_ids.c.id)
                .outerjoin(vectors, _vector_of(generation))
                .where(tuple_(article_ids.c.seq, article_ids.c.id) > tuple_(seq, last_id), article_ids.c.seq > 0)
                .order_by(article_ids.c.seq, article_ids.c.id)
                .limit(limit)
            ).all()
            last = len(window) < limit
            if by_change and window and window[-1].seq != window[0].seq:
                window, last = [row for row in window if row.seq == window[0].seq], False
            wanted = {row.id: row.text_digest for row in window if row.text_digest not in (None, row.done)}
            again = sum(row.id in wanted and row.done == b"" for row in window)
            texts = connection.execute(
                _TEXTS.where(among(articles.c.article_id, wanted)).order_by(articles.c.article_id)
            ).all()
        token = f"{window[-1].seq}:{window[-1].id}" if window else f"{seq}:{last_id}"
        return Pending(*_parted(texts), token, bool(window), last, again)

    def outdated(self, generation: str, limit: int) -> Pending:
        """The first articles, by id, that `generation` has encoded as they are now, but without a word that it has come
        to know since."""
        query = _outdated(_TEXTS, generation).order_by(outdated_vectors.c.article_id).limit(limit)
        with self._database.read() as connection:
            texts = connection.execute(query).all()
        return Pending(*_parted(texts), None, False, len(texts) < limit)

    def lacks(self, generation: str) -> bool:
        """Whether there is an article whose present text `generation` has not encoded."""
        with self._database.read() as connection:
            place = _indexed_through(connection, generation)
            lacking = or_(
                vectors.c.text_digest.is_(None),
                and_(vectors.c.text_digest != articles.c.text_digest, vectors.c.text_digest != b""),
            )
            return connection.execute(_changed_after(place, generation, lacking).limit(1)).first() is not None

    def write(  # noqa: PLR0917
        self,
        generation: str,
        pending: Pending,
        matrix: Float32 | Sequence[Float32],
        keywords: Sequence[str],
        live: bool = True,
        induced: int | None = None,
        predicted: BehaviourRows | None = None,
        guesses: Sequence[Guess | None] | None = None,
    ) -> bool:
        """Store the vectors of `pending.texts` and where the generation now stands, in one transaction; False, and
        nothing is written, when another process has induced words since these were encoded, with `induced` of them.

        `matrix` is (n, dim) float32; `predicted` are the behaviour vectors of the same articles, `guesses` (n,)
        their categories. `live` tells followers; a generation in training has none.
        """
        with self._database.write(derived=True) as connection:
            if induced is not None and induced != next_rank(connection, generation):
                return False
            ids = [text.article_id for text in pending.texts]
            query = select(articles.c.article_id, articles.c.text_digest).where(among(articles.c.article_id, ids))
            present = dict(connection.execute(query).all())
            made = zip(ids, pending.text_digests, matrix, keywords, guesses or [None] * len(ids), strict=True)
            rows = [
                (generation, article_id, digest, vector.tobytes(), words, *guess_values(guess))
                for article_id, digest, vector, words, guess in made
                if present.get(article_id) == digest  # else deleted or changed meanwhile: another may have encoded that
            ]
            names = ("generation", "article_id", "text_digest", "vector", "keywords", *GUESSED)
            insert_rows(connection, vectors, rows, names, key=("generation", "article_id"))
            written = [int(article_id) for _, article_id, *_ in rows]
            mine = outdated_vectors.c.generation == generation, among(outdated_vectors.c.article_id, written)
            connection.execute(delete(outdated_vectors).where(*mine))
            if pending.token is not None:
                _move(connection, generation, pending.token)
            if predicted:
                kept = np.isin(predicted.ids, np.array(written, dtype=np.int64))
                put_behaviours(connection, generation, predicted.some(kept))
            if live:
                announce(connection, written)
        return True

    def knows(self, token: Token) -> bool:
        """Whether the store has come as far as `token`; False when it was put back to an earlier state."""
        with self._database.read() as connection:
            return bool(_COUNTER.rows(connection)[0].value >= _place(token)[0])

    def distance(self, token: Token) -> int:
        """How many articles have changed since `token`."""
        with self._database.read() as connection:
            return count_rows(
                connection, article_ids, tuple_(article_ids.c.seq, article_ids.c.id) > tuple_(*_place(token))
            )

    def changes(self, generation: str, since: Token, limit: int) -> tuple[list[Change], Token]:
        """What changed after `since`, oldest first, at most `limit`, and the token to ask with next time.

        Rows of a transaction that commits later are never skipped: their sequence numbers are higher.
        """
        seq, article_id = _place(since)
        with self._database.read() as connection:
            rows = _CHANGES.rows(connection, generation=generation, seq=seq, article_id=article_id, most=limit)
        found = [
            Change(
                article_id=ArticleId(row.id),
                stored=row.hidden is not None,
                hidden=bool(row.hidden),
                published_at=row.published_at or 0,
                expires_at=min((t for t in (row.expires_at, row.editor_expires_at) if t is not None), default=None),
                category=row.category or "",
                lang=row.lang or "",
                source=row.source or "",
                story_id=row.story_id or row.id,
                vector=None if row.vector is None else np.frombuffer(row.vector, dtype=np.float32),
                outer=None if row.outer is None else np.frombuffer(row.outer, dtype=np.float32),
            )
            for row in rows
        ]
        return found, f"{rows[-1].seq}:{rows[-1].id}" if rows else since

    def follow(self, generation: str, since: Token, page: int) -> Iterator[tuple[list[Change], Token]]:
        """All that changed after `since`, at most `page` at once, each time with the token to ask with next."""
        while True:
            found, since = self.changes(generation, since, page)
            yield found, since
            if len(found) < page:
                return

    def keywords(self, generation: str, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """The most telling words of articles, the most telling first."""
        with self._database.read() as connection:
            rows = _KEYWORDS.rows(connection, generation=generation, ids=list(map(int, ids)))
        return {row.article_id: tuple(row.keywords.split()) for row in rows}

    def of(self, generation: str, ids: Iterable[int]) -> dict[int, Float32]:
        """Vectors of articles, (dim,) each; an article without one is left out."""
        query = select(vectors.c.article_id, vectors.c.vector).where(
            vectors.c.generation == generation, among(vectors.c.article_id, map(int, ids))
        )
        with self._database.read() as connection:
            return {row.article_id: np.frombuffer(row.vector, dtype=np.float32) for row in connection.execute(query)}

    def page(self, generation: str, after: int, limit: int) -> list[tuple[int, Float32]]:
        """Ids above `after`, ascending, and their vectors, (dim,) each."""
        query = (
            select(vectors.c.article_id, vectors.c.vector)
            .where(vectors.c.generation == generation, vectors.c.article_id > after)
            .order_by(vectors.c.article_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(row.article_id, np.frombuffer(row.vector, dtype=np.float32)) for row in rows]

    def sample(self, generation: str, limit: int) -> list[tuple[ArticleText, Float32]]:
        """Some articles whose stored vector belongs to their text as it is now and has all words that the generation
        knows, spread over the ids."""
        query = (
            select(articles.c.article_id, articles.c.title, articles.c.summary, articles.c.body, vectors.c.vector)
            .join_from(articles, vectors, _vector_of(generation, articles.c.article_id))
            .where(articles.c.text_digest == vectors.c.text_digest, not_(_is_outdated(generation)))
            .order_by((articles.c.article_id * 2654435761) % 1000003, articles.c.article_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(ArticleText(*row[:4]), _as_vector(row.vector)) for row in rows]

    def encoded(self, generation: str, after: int, limit: int) -> list[tuple[ArticleText, Float32]]:
        """As `sample`, of articles with ids above `after`, ascending."""
        query = (
            select(articles.c.article_id, articles.c.title, articles.c.summary, articles.c.body, vectors.c.vector)
            .join_from(articles, vectors, _vector_of(generation, articles.c.article_id))
            .where(articles.c.text_digest == vectors.c.text_digest, articles.c.article_id > after)
            .order_by(articles.c.article_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(ArticleText(*row[:4]), _as_vector(row.vector)) for row in rows]

    def distrust(self, generation: str, ids: Iterable[int]) -> None:
        """Have vectors of articles made again: they are no vectors of their present text any more, as far as
        `pending` goes, and are served until there are others."""
        mine = vectors.c.generation == generation, among(vectors.c.article_id, ids)
        with self._database.write(derived=True) as connection:
            connection.execute(update(vectors).where(*mine).values(text_digest=b""))
            connection.execute(delete(indexed_through).where(indexed_through.c.generation == generation))

    def shared(self, generations: tuple[str, str], limit: int) -> tuple[list[bytes], list[bytes]]:
        """Vectors of articles that both generations have encoded from the same text, spread over the ids: of the first
        and, in the same order, of the second, as float32 bytes."""
        one, two = (vectors.alias(name) for name in ("one", "two"))
        query = (
            select(one.c.vector, two.c.vector)
            .join_from(one, two, one.c.article_id == two.c.article_id)
            .where(one.c.generation == generations[0], two.c.generation == generations[1])
            .where(one.c.text_digest == two.c.text_digest)
            .order_by((one.c.article_id * 2654435761) % 1000003, one.c.article_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [row[0] for row in rows], [row[1] for row in rows]

    def counts(self) -> dict[str, int]:
        """How many vectors each generation has."""
        query = select(vectors.c.generation, func.count().label("stored")).group_by(vectors.c.generation)
        with self._database.read() as connection:
            return {row.generation: row.stored for row in connection.execute(query)}

    def generations(self) -> set[str]:
        """Those that have encoded anything."""
        with self._database.read() as connection:
            return set(connection.execute(select(indexed_through.c.generation)).scalars())

    def waiting(self, generation: str) -> int:
        """How many articles have changed since the generation's place and are not encoded as they are now, or lack a
        word that it has come to know: `missing`, without a look at those before."""
        lacking = vectors.c.text_digest.is_distinct_from(articles.c.text_digest)
        with self._database.read() as connection:
            changed = _changed_after(_indexed_through(connection, generation), generation, lacking)
            outdated = _outdated(select(articles.c.article_id), generation)
            counts = [select(func.count()).select_from(part.subquery()) for part in (changed, outdated)]
            return sum(int(connection.execute(count).scalar_one()) for count in counts)

    def missing(self, generation: str) -> int:
        """How many articles have no vector of their present text with all words that the generation knows."""
        lacking = vectors.c.text_digest.is_distinct_from(articles.c.text_digest)
        query = (
            select(func.count())
            .select_from(articles)
            .outerjoin(vectors, _vector_of(generation, articles.c.article_id))
            .where(or_(lacking, _is_outdated(generation)))
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def drop(self, generation: str) -> None:
        """Forget a generation's vectors and place."""
        with self._database.write() as connection:
            connection.execute(delete(vectors).where(vectors.c.generation == generation))
            connection.execute(delete(indexed_through).where(indexed_through.c.generation == generation))
            forget_words(connection, lambda name: name == generation)
            forget_behaviours(connection, lambda name: name == generation)

    def retain(self, generations: Sequence[str]) -> None:
        """Forget the vectors and places of all generations but these."""
        with self._database.write() as connection:
            connection.execute(delete(vectors).where(vectors.c.generation.not_in(generations)))
            connection.execute(delete(indexed_through).where(indexed_through.c.generation.not_in(generations)))
            forget_words(connection, lambda name: name.not_in(generations))
            forget_behaviours(connection, lambda name: name.not_in(generations))

    def restart(self, generation: str) -> None:
        """Let a generation look at every article again; vectors that still fit are kept."""
        with self._database.write() as connection:
            connection.execute(delete(indexed_through).where(indexed_through.c.generation == generation))

    def encode_again(self, generation: str) -> None:
        """Let a generation encode every article again. Vectors that are there answer until others take their place."""
        with self._database.write(derived=True) as connection:
            connection.execute(update(vectors).where(vectors.c.generation == generation).values(text_digest=b""))
            connection.execute(delete(indexed_through).where(indexed_through.c.generation == generation))

    def distance_of(self, generation: str) -> int:
        """How many articles have changed since the place that a generation has reached."""
        with self._database.read() as connection:
            return count_rows(
                connection,
                article_ids,
                tuple_(article_ids.c.seq, article_ids.c.id) > tuple_(*_indexed_through(connection, generation)),
            )


def _changes_query() -> Select[Any]:
    generation: Any = bindparam("generation")
    return (
        select(
            article_ids.c.seq,
            article_ids.c.id,
            articles.c.hidden,
            func.coalesce(articles.c.published_at, articles.c.ingested_at).label("published_at"),
            articles.c.expires_at,
            articles.c.editor_expires_at,
            CATEGORY.label("category"),
            articles.c.lang,
            articles.c.source,
            articles.c.story_id,
            vectors.c.vector,
            behaviours.c.outer,
        )
        .outerjoin_from(article_ids, articles, articles.c.article_id == article_ids.c.id)
        .outerjoin(vectors, _vector_of(generation))
        .outerjoin(behaviours, and_(behaviours.c.generation == generation, behaviours.c.article_id == article_ids.c.id))
        .where(
            tuple_(article_ids.c.seq, article_ids.c.id) > tuple_(bindparam("seq"), bindparam("article_id")),
            article_ids.c.seq > 0,
        )
        .order_by(article_ids.c.seq, article_ids.c.id)
        .limit(bindparam("most"))
    )


def _as_vector(stored: bytes) -> Float32:
    """A stored vector, whatever length a damaged one has."""
    return np.frombuffer(stored[: len(stored) // 4 * 4], dtype=np.float32)


def _vector_of(generation: Any, article_id: Any = article_ids.c.id) -> ColumnElement[bool]:
    return and_(vectors.c.generation == generation, vectors.c.article_id == article_id)


def _place(token: Token) -> tuple[int, int]:
    seq, _, article_id = token.partition(":")
    return int(seq), int(article_id)


def _indexed_through(connection: Connection, generation: str) -> tuple[int, int]:
    row = connection.execute(select(indexed_through).where(indexed_through.c.generation == generation)).one_or_none()
    return (0, 0) if row is None else (row.seq, row.article_id)


def _move(connection: Connection, generation: str, token: Token) -> None:
    seq, article_id = _place(token)
    place = insert_or(connection, indexed_through).values(generation=generation, seq=seq, article_id=article_id)
    replaced = {"seq": seq, "article_id": article_id}
    connection.execute(place.on_conflict_do_update(index_elements=[indexed_through.c.generation], set_=replaced))


def _changed_after(place: tuple[int, int], generation: str, lacking: ColumnElement[bool]) -> Select[tuple[int]]:
    """The ids of articles that have changed since a place and are `lacking` something."""
    return (
        select(article_ids.c.id)
        .join_from(article_ids, articles, articles.c.article_id == article_ids.c.id)
        .outerjoin(vectors, _vector_of(generation))
        .where(tuple_(article_ids.c.seq, article_ids.c.id) > tuple_(*place), article_ids.c.seq > 0, lacking)
    )


def _outdated(query: Select[Any], generation: str) -> Select[Any]:
    """Of a query of `articles`, those that were encoded as they are now, but without a word learned since."""
    return (
        query.join_from(articles, outdated_vectors)
        .join(vectors, _vector_of(generation, articles.c.article_id))
        .where(outdated_vectors.c.generation == generation, vectors.c.text_digest == articles.c.text_digest)
    )


def _is_outdated(generation: str) -> ColumnElement[bool]:
    """Whether the vector of the article at hand is out of date."""
    return exists().where(
        outdated_vectors.c.generation == generation, outdated_vectors.c.article_id == articles.c.article_id
    )


def _parted(rows: Iterable[Any]) -> tuple[tuple[ArticleText, ...], tuple[bytes, ...]]:
    """The texts and the digests in rows of `_TEXTS`."""
    return tuple(ArticleText(*row[:4]) for row in rows), tuple(row.text_digest for row in rows)


_TEXTS = select(articles.c.article_id, articles.c.title, articles.c.summary, articles.c.body, articles.c.text_digest)
_COUNTER = Prepared(lambda: select(change_counter.c.value))
_CHANGES = Prepared(_changes_query)
_KEYWORDS = Prepared(
    lambda: select(vectors.c.article_id, vectors.c.keywords).where(
        vectors.c.generation == bindparam("generation"), among_given(vectors.c.article_id)
    )
)
