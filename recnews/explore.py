"""What lies near a word, an article, a reader or a text: the analyst's questions, asked of the live generation."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from recnews.catalog import Catalog
from recnews.errors import UnknownWordError
from recnews.generation import Generation
from recnews.records import ArticleNeighbor, Cut, Float32, Int64, Neighbors, Tokens, WordNeighbor
from recnews.store import Store

_SHARING, _FEWEST = 8, 2


@dataclass(frozen=True, slots=True)
class Unlearned:
    """A word that the generation has not learned: how it is cut, and learned words that hold it or share most of its
    characters, the most frequent first."""

    word: str
    pieces: tuple[str, ...]
    sharing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Around:
    """Words around a point, the nearest first. `plus` and `minus` are the words it was made of, as they were learned;
    `likeness` (n, n) float32 is how like the words of `near` are to each other. Nothing is near when a word is
    `unlearned`, or when nothing is left of the words once they are taken from each other. `partial`: older articles
    could not be searched just now."""

    plus: tuple[str, ...]
    minus: tuple[str, ...]
    unlearned: tuple[Unlearned, ...]
    near: tuple[WordNeighbor, ...]
    likeness: Float32
    articles: tuple[ArticleNeighbor, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Explorer:
    """Neighbours in one generation. Words come with every answer, so an analyst sees what a vector is about."""

    store: Store
    generation: Generation
    catalog: Catalog

    def word(self, word: str, minus: tuple[str, ...], k: int, now: datetime) -> Neighbors:
        """Words near `word`, away from `minus` (3CosAdd: Mikolov et al. 2013), and articles near it.

        Raises `UnknownWordError` for a word that the generation has not learned.
        """
        vocabulary, words_at = self.generation.embedder.vocabulary, self.generation.embedder.words_at
        rows, minus_rows = [self._row(word)], [self._row(other) for other in minus]
        query = words_at(rows).sum(axis=0) - words_at(minus_rows).sum(axis=0)
        tokens = [vocabulary.words[row] for row in rows]
        vector = self._encode(tokens) - sum(self._encode([vocabulary.words[row]]) for row in minus_rows)
        articles, partial = self._articles(vector, k, now)
        return Neighbors(self._words(query, k, {*rows, *minus_rows}), articles, tuple(tokens), partial=partial)

    def around(self, plus: tuple[str, ...], minus: tuple[str, ...], k: int, now: datetime) -> Around:
        """Words and articles near some words, away from others (3CosAdd); a word that was not learned is told, not
        raised."""
        rows = {word: self._learned(word) for word in (*plus, *minus)}
        unlearned = tuple(self._unlearned(word) for word, row in rows.items() if row is None)
        if unlearned:
            return Around(plus, minus, unlearned, (), np.zeros((0, 0), dtype=np.float32))
        added, taken = ([row for word in part if (row := rows[word]) is not None] for part in (plus, minus))
        words_at, names = self.generation.embedder.words_at, self.generation.embedder.vocabulary.words
        near = self._words(words_at(added).sum(axis=0) - words_at(taken).sum(axis=0), k, {*added, *taken})
        found = words_at([self.generation.embedder.vocabulary.ids[it.word] for it in near])
        vector = sum((self._encode([names[row]]) for row in added), np.zeros(self.generation.embedder.dim, np.float32))
        vector = vector - sum(self._encode([names[row]]) for row in taken)
        told = tuple(names[row] for row in added), tuple(names[row] for row in taken)
        return Around(*told, (), near, found @ found.T, *self._articles(vector, k, now))

    def article(self, key: str, k: int, now: datetime) -> Neighbors:
        """Articles and words near a stored article. Raises `UnknownArticleError`."""
        article_id = self.store.articles.ids([key]).get(key)
        vectors, known = self.catalog.vectors(np.array([article_id or -1], dtype=np.int64))
        vector = vectors[0]
        if article_id is not None and not known[0]:  # the store has those that an archive cannot give just now
            found = self.store.vectors.of(self.generation.id, [article_id])
            vector = found.get(article_id, vector)
        if article_id is None or not vector.any():
            self.store.articles.get(key)  # says so when it is not stored
            return Neighbors((), ())
        articles, partial = self._articles(vector, k, now, exclude=(article_id,))
        return Neighbors(self._telling(article_id, k), articles, partial=partial)

    def user(self, interests: Float32, k: int, now: datetime) -> Neighbors:
        """Articles near a reader's `interests` (m, dim), read ones included; nothing without any."""
        found = [self._articles(vector, k, now) for vector in interests]
        merged = {n.key: n for group, _ in found for n in sorted(group, key=lambda n: n.score)}
        best = sorted(merged.values(), key=lambda neighbor: -neighbor.score)[:k]
        return Neighbors(self._words_about(best, k), tuple(best), partial=any(partial for _, partial in found))

    def text(self, text: str, k: int, now: datetime) -> Neighbors:
        """Articles near a text, with how it was cut and which of its words are unknown."""
        tokens = self.generation.tokenizer(text)
        vocabulary = self.generation.embedder.vocabulary
        unknown = tuple(dict.fromkeys(token for token in tokens if token not in vocabulary.ids))
        known = [vocabulary.ids[token] for token in tokens if token in vocabulary.ids]
        words = self._words(self.generation.embedder.words_at(known).sum(axis=0), k, set(known)) if known else ()
        articles, partial = self._articles(self._encode(tokens), k, now)
        return Neighbors(words, articles, tuple(tokens), unknown, partial)

    def cut(self, text: str) -> Cut:
        """How a text is cut."""
        tokens, known = self.generation.tokenizer(text), self.generation.embedder.vocabulary.ids
        return Cut(tuple(tokens), frozenset(token for token in tokens if token not in known))

    def _row(self, word: str) -> int:
        row = self._learned(word)
        if row is None:
            raise UnknownWordError(word, self.generation.id, tuple(self.generation.tokenizer(word)))
        return row

    def _learned(self, word: str) -> int | None:
        pieces = tuple(self.generation.tokenizer(word))
        return self.generation.embedder.vocabulary.ids.get(pieces[0] if len(pieces) == 1 else word)

    def _unlearned(self, word: str) -> Unlearned:
        """What to look at instead. Chinese words that share characters are often kin, and so are words within words."""
        asked, names = set(word), self.generation.embedder.vocabulary.words
        shared = {name: len(asked & set(name)) for name in names if word in name or len(asked & set(name)) >= _FEWEST}
        kin = [name for name, count in shared.items() if word in name or 2 * count > max(len(asked), len(set(name)))]
        best = sorted(kin, key=lambda name: (word not in name, -shared[name]))  # stable: else the most frequent first
        return Unlearned(word, tuple(self.generation.tokenizer(word)), tuple(best[:_SHARING]))

    def _encode(self, tokens: list[str]) -> Float32:
        vectors: Float32 = self.generation.embedder.encode([Tokens([], tokens)]).vectors
        return np.asarray(vectors[0])

    def _words(self, query: Float32, k: int, exclude: set[int]) -> tuple[WordNeighbor, ...]:
        length = float(np.linalg.norm(query))
        if length < 1e-6:  # nothing is left to be near to
            return ()
        scores = self.generation.embedder.likeness(query / np.float32(length))
        order = np.argsort(-scores, kind="stable")[: k + len(exclude)]
        names = self.generation.embedder.vocabulary.words
        kept = [WordNeighbor(names[row], float(scores[row])) for row in order.tolist() if row not in exclude]
        return tuple(kept[:k])

    def _articles(
        self, vector: Float32, k: int, now: datetime, exclude: tuple[int, ...] = ()
    ) -> tuple[tuple[ArticleNeighbor, ...], bool]:
        """The nearest articles, and whether older ones could not be searched."""
        length = float(np.linalg.norm(vector))
        if length < 1e-6:
            return (), False
        query = np.ascontiguousarray(vector[None, :] / np.float32(length))
        hits = self.catalog.search(query, None, k, self.catalog.servable(now, exclude=exclude).within())[0]
        cards = self.store.articles.cards(hits.ids.tolist())
        found = tuple(
            ArticleNeighbor(cards[article_id].key, cards[article_id].title, score)
            for article_id, score in zip(hits.ids.tolist(), hits.scores.tolist(), strict=True)
            if article_id in cards
        )
        return found, hits.partial

    def _telling(self, article_id: int, k: int) -> tuple[WordNeighbor, ...]:
        """An article's most telling words, by their likeness to the mean of them."""
        found = self.store.vectors.keywords(self.generation.id, [article_id]).get(article_id, ())
        embedder = self.generation.embedder
        rows = [embedder.vocabulary.ids[word] for word in found if word in embedder.vocabulary.ids]
        return self._words(embedder.words_at(rows).sum(axis=0), k, set()) if rows else ()

    def _words_about(self, articles: list[ArticleNeighbor], k: int) -> tuple[WordNeighbor, ...]:
        """Words near the telling words of some articles."""
        ids: Int64 = np.array(list(self.store.articles.ids([n.key for n in articles]).values()), dtype=np.int64)
        embedder = self.generation.embedder
        found = self.store.vectors.keywords(self.generation.id, ids.tolist()).values()
        rows = [
            embedder.vocabulary.ids[word] for group in found for word in group[:8] if word in embedder.vocabulary.ids
        ]
        return self._words(embedder.words_at(rows).sum(axis=0), k, set()) if rows else ()
