"""Articles as numbers: cut once, each token looked up once, however often they are read afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from queue import SimpleQueue

import numpy as np

from recnews.digests import digest_of
from recnews.records import HasText, Int32, Numbered
from recnews.text.tokenizer import Tokenizer, below

_MOST_PIECES = 1 << 18
_NONE = -1


@dataclass(frozen=True, slots=True)
class Parcel:
    """Articles that another process has cut by the same tokenizer and vocabulary, `of` a generation; `keys` tell which
    they are."""

    of: str
    keys: list[bytes]
    numbered: Numbered


class Cuts:
    """A tokenizer that numbers tokens by a vocabulary, and remembers the latest articles it has cut: one is looked
    through for new words, read for what stands around them, and encoded, perhaps twice."""

    def __init__(
        self, tokenizer: Tokenizer, rows: Mapping[str, int], size: int, most: int = 2_000_000, of: str = ""
    ) -> None:
        """`rows` are those of the vocabulary's words, of which the first `size` have numbers; the others may come and
        go. Remember `most` tokens in all, of 4 bytes each. `of` is the generation that both belong to."""
        self.most, self._of = most, of
        self.handed: SimpleQueue[Parcel] = SimpleQueue()  # what others have cut, to be taken over when next asked
        self._tokenizer, self._numbers = tokenizer, _Numbers(tokenizer, rows, size)
        self._cut: dict[bytes, Int32] = {}  # the oldest first
        self._tokens = 0

    def __call__(self, texts: Sequence[HasText]) -> Numbered:
        """The articles' tokens, as `Tokenizer.document` gives them."""
        if len(self._numbers) > _MOST_PIECES:  # all at once: what was cut is told by the numbers
            self._numbers = self._numbers.anew()
            self._cut, self._tokens = {}, 0
        while not self.handed.empty():
            self._take(self.handed.get())
        keys = [digest_of(text.title, text.summary, text.body) for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._cut}
        made = dict(zip(fresh, self._made(list(fresh.values())), strict=True))
        found = [made[key] if key in made else self._cut[key] for key in keys]
        self._remember(made)
        lengths = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
        ids = np.concatenate(found) if found else np.empty(0, dtype=np.int32)
        return Numbered(ids, lengths, self._numbers.size, self._numbers.words)

    def parcel(self, texts: Sequence[HasText]) -> Parcel:
        """Articles, to be handed to another process."""
        numbered, keys = self(texts), [digest_of(text.title, text.summary, text.body) for text in texts]
        others = numbered.ids >= numbered.size
        found, places = np.unique(numbered.ids[others], return_inverse=True)
        ids = numbered.ids.copy()
        ids[others] = numbered.size + places
        words = [numbered.words[number - numbered.size] for number in found.tolist()]
        return Parcel(self._of, keys, Numbered(ids, numbered.lengths, numbered.size, words))

    def _take(self, parcel: Parcel) -> None:
        """Remember what another process has cut; nothing, where it did so for another generation."""
        theirs = parcel.numbered
        if parcel.of != self._of or not parcel.keys:
            return
        mine = np.fromiter(map(self._numbers.of_word, theirs.words), dtype=np.int32, count=len(theirs.words))
        ids, others = theirs.ids.copy(), theirs.ids >= theirs.size
        ids[others] = mine[theirs.ids[others] - theirs.size]
        new = zip(parcel.keys, np.split(ids, np.cumsum(theirs.lengths)[:-1]), strict=True)
        self._remember({key: part for key, part in new if key not in self._cut})

    def _made(self, texts: Sequence[HasText]) -> list[Int32]:
        parts = chain.from_iterable((text.title, below(text.summary, text.body)) for text in texts)
        pieces = list(map(self._tokenizer.pieces, parts))
        count = sum(map(len, pieces))
        ids = np.fromiter(map(self._numbers.__getitem__, chain.from_iterable(pieces)), dtype=np.int32, count=count)
        kept = ids != _NONE
        ends = np.cumsum(np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces)))[1::2]
        return np.split(ids[kept], np.concatenate([[0], np.cumsum(kept)])[ends[:-1]]) if texts else []

    def _remember(self, made: Mapping[bytes, Int32]) -> None:
        self._cut |= made
        self._tokens += sum(len(ids) + 1 for ids in made.values())
        while self._tokens > self.most:
            self._tokens -= len(self._cut.pop(next(iter(self._cut)))) + 1


class _Numbers(dict[str, int]):
    """The number of each piece of text: -1 for one that is no token."""

    def __init__(self, tokenizer: Tokenizer, rows: Mapping[str, int], size: int) -> None:
        super().__init__()
        self.size = size
        self.words: list[str] = []
        self._tokenizer, self._rows = tokenizer, rows
        self._places: dict[str, int] = {}

    def anew(self) -> "_Numbers":
        """Without what was looked up so far."""
        return _Numbers(self._tokenizer, self._rows, self.size)

    def __missing__(self, piece: str) -> int:
        token = self._tokenizer.token_of(piece)
        row = self._rows.get(token, self.size) if token else _NONE
        if row >= self.size:
            row = self.of_word(token)
        self[piece] = row
        return row

    def of_word(self, word: str) -> int:
        """The number of a token that is none of the vocabulary."""
        place = self._places.setdefault(word, len(self.words))
        if place == len(self.words):
            self.words.append(word)
        return self.size + place
