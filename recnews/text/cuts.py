"""Articles that were cut a moment ago need not be cut again."""

from recnews.records import Tokens
from recnews.text.tokenizer import Tokenizer


class Cuts:
    """A tokenizer that remembers the latest articles it has cut: one is looked through for new words, read for what
    stands around them, and encoded, perhaps twice."""

    def __init__(self, tokenizer: Tokenizer, most: int = 500_000) -> None:
        """Remember `most` tokens in all, some 20 bytes of memory each with their texts."""
        self.most = most
        self._tokenizer = tokenizer
        self._cut: dict[tuple[str, str, str], Tokens] = {}  # the oldest first
        self._size = 0

    def document(self, title: str, summary: str, body: str) -> Tokens:
        """Tokens of an article, as `Tokenizer.document` gives them."""
        key = title, summary, body
        found = self._cut.get(key)
        if found is None:
            found = self._cut[key] = self._tokenizer.document(title, summary, body)
            self._size += _length(found)
            while self._size > self.most:
                oldest = next(iter(self._cut))
                self._size -= _length(self._cut.pop(oldest))
        return found


def _length(tokens: Tokens) -> int:
    return len(tokens.title) + len(tokens.body) + 1
