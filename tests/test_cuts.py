"""Articles as numbers: what `Tokenizer.document` gives, however often and in whatever company they are asked for."""

import pytest

from recnews.config import TextSettings
from recnews.records import Draft, Numbered
from recnews.text import Cuts, Tokenizer
from recnews.text.cuts import _Numbers

KNOWN = {word: row for row, word in enumerate(["央行", "股市", "bank", "later"])}
ARTICLES = [
    Draft("1", "央行降息", "股市上涨，bank 也涨。", "摘要 bank"),
    Draft("2", "", "The bank’s rates, 2026"),
    Draft("3", "股市", ""),
    Draft("4", "of the", ""),
    Draft("5", "央行", "later zorbium zorbium 央行"),
]


def words_of(numbered: Numbered) -> list[list[str]]:
    """The tokens that stand behind the numbers."""
    names, ids = list(KNOWN), iter(numbered.ids.tolist())
    mine = [[next(ids) for _ in range(length)] for length in numbered.lengths.tolist()]
    return [[names[it] if it < numbered.size else numbered.words[it - numbered.size] for it in row] for row in mine]


def tokens(tokenizer: Tokenizer, article: Draft) -> list[str]:
    found = tokenizer.document(article.title, article.summary, article.body)
    return [*found.title, *found.body]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(TextSettings())


@pytest.mark.parametrize("most", [0, 12, 1000])
def test_numbers_stand_for_the_tokens_of_the_article(tokenizer: Tokenizer, most: int) -> None:
    cuts = Cuts(tokenizer, KNOWN, 3, most)
    expected = [tokens(tokenizer, article) for article in ARTICLES]
    assert expected[3] == [], "stop words"
    for _ in range(2):
        assert words_of(cuts(ARTICLES)) == expected
        assert words_of(cuts(ARTICLES[::-1] + ARTICLES)) == expected[::-1] + expected
    assert cuts([]).ids.tolist() == cuts([]).lengths.tolist() == []


def test_only_the_words_of_the_training_are_rows(tokenizer: Tokenizer) -> None:
    numbered = Cuts(tokenizer, KNOWN, 3)(ARTICLES)
    assert numbered.ids[:1].tolist() == [0]
    assert {"later", "zorbium"} <= set(numbered.words)
    assert len(set(numbered.words)) == len(numbered.words)
    assert not {"央行", "股市", "bank"} & set(numbered.words)


def test_what_was_cut_is_not_cut_again(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts, cut = Cuts(tokenizer, KNOWN, 3), list[str]()
    pieces = Tokenizer.pieces

    def counted(self: Tokenizer, text: str) -> list[str]:
        cut.append(text)
        return pieces(self, text)

    monkeypatch.setattr(Tokenizer, "pieces", counted)
    cuts(ARTICLES)
    assert len(cut) == 2 * len(ARTICLES)
    cuts(ARTICLES[::-1])
    assert len(cut) == 2 * len(ARTICLES)
    cuts.most = 0
    cuts([*ARTICLES[:1], Draft("6", "", "股市")])
    cuts(ARTICLES[:1])
    assert len(cut) == 2 * len(ARTICLES) + 4, "the new one, and the first once it was forgotten"


def test_too_many_pieces_are_forgotten_at_once(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recnews.text.cuts._MOST_PIECES", 3)
    cuts = Cuts(tokenizer, KNOWN, 3)
    first = cuts(ARTICLES[4:])
    before = words_of(first)
    assert words_of(cuts(ARTICLES)) == [tokens(tokenizer, article) for article in ARTICLES]
    assert words_of(first) == before, "what was handed out goes on standing for the same"


def test_a_piece_that_is_no_token_has_no_number(tokenizer: Tokenizer) -> None:
    numbers = _Numbers(tokenizer, KNOWN, 3)
    assert [numbers[piece] for piece in ("，", "的", "a", "2026", "bank's", "央行", "new")] == [-1, -1, -1, -1, 2, 0, 3]
    assert numbers.words == ["new"]


def test_what_another_process_has_cut_is_taken_over(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each numbers the words beyond the vocabulary as it meets them."""
    theirs, mine = (Cuts(tokenizer, KNOWN, 3, of="g000001") for _ in range(2))
    mine([Draft("7", "xenolith", "later")])
    expected = [tokens(tokenizer, article) for article in ARTICLES]
    mine.handed.put(theirs.parcel(ARTICLES[::-1]))
    mine.handed.put(theirs.parcel([]))
    monkeypatch.setattr(Tokenizer, "pieces", lambda *_: pytest.fail("it is cut already"))
    assert words_of(mine(ARTICLES)) == expected
    assert mine.handed.empty()


def test_what_was_cut_for_another_generation_is_not_taken(tokenizer: Tokenizer) -> None:
    cuts = Cuts(tokenizer, KNOWN, 3, of="g000002")
    other = Cuts(tokenizer, {"zorbium": 0, "bank": 1, "x": 2}, 3, of="g000001")
    cuts.handed.put(other.parcel(ARTICLES))
    assert words_of(cuts(ARTICLES)) == [tokens(tokenizer, article) for article in ARTICLES]
