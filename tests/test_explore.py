"""Neighbours of a word, an article, a reader and a text."""

from collections.abc import Sequence

import pytest

from recnews.errors import UnknownArticleError, UnknownWordError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import ArticleNeighbor, Draft
from tests.conftest import EACH
from tests.worlds import HOUR, NOW, TOPICS, article, read


def topics(neighbors: Sequence[ArticleNeighbor]) -> list[str]:
    return [neighbor.key.rpartition("-")[0] for neighbor in neighbors]


@pytest.mark.parametrize(("topic", "word"), [("足球", "守门员"), ("航天", "火箭"), ("sailing", "spinnaker")])
def test_articles_near_a_word_have_its_topic(newsroom: Newsroom, topic: str, word: str) -> None:
    found = newsroom.neighbors(word=word, k=5, at=NOW)
    assert found.tokens == (word,)
    assert topics(found.articles[:2]) == [topic] * 2
    assert len(found.words) == 5
    assert word not in [neighbor.word for neighbor in found.words]
    for scores in ([n.score for n in found.words], [n.score for n in found.articles]):
        assert scores == sorted(scores, reverse=True)
        assert all(-1.00001 <= score <= 1.00001 for score in scores)


def test_a_word_is_cut_like_any_text(newsroom: Newsroom) -> None:
    assert newsroom.neighbors(word="ＹＡＣＨＴ", at=NOW).tokens == ("yacht",)


def test_words_taken_away(newsroom: Newsroom) -> None:
    with_ = newsroom.neighbors(word="火箭", k=5, at=NOW)
    without = newsroom.neighbors(word="火箭", minus=["卫星", "发射"], k=5, at=NOW)
    assert without.words != with_.words
    assert not {"火箭", "卫星", "发射"} & {neighbor.word for neighbor in without.words}


@pytest.mark.parametrize("word", ["zzyzx", "的", "12345", ""])
def test_an_unknown_word_says_so(newsroom: Newsroom, word: str) -> None:
    with pytest.raises(UnknownWordError, match=f"generation g000001 has not learned the word '{word}'"):
        newsroom.neighbors(word=word)


def test_an_unknown_word_of_several_pieces_says_how_it_was_cut(newsroom: Newsroom) -> None:
    with pytest.raises(UnknownWordError, match="cut into 云边 / 协同"):
        newsroom.neighbors(word="云边协同")
    with pytest.raises(UnknownWordError, match="'zzyzx'"):
        newsroom.neighbors(word="火箭", minus=["zzyzx"])


def test_articles_near_an_article_have_its_topic(newsroom: Newsroom) -> None:
    found = newsroom.neighbors(article="金融-3", k=EACH - 1, at=NOW)
    assert topics(found.articles) == ["金融"] * (EACH - 1)
    assert "金融-3" not in [neighbor.key for neighbor in found.articles]
    assert {neighbor.word for neighbor in found.words[:3]} <= set(TOPICS["金融"])


def test_what_is_hidden_or_not_published_is_no_neighbor(newsroom: Newsroom) -> None:
    newsroom.editors.hide(["金融-0"])
    newsroom.ingest([article("金融", 50, NOW + HOUR)])
    near = [neighbor.key for neighbor in newsroom.neighbors(article="金融-3", k=100, at=NOW).articles]
    assert not {"金融-0", "金融-50"} & set(near)
    assert newsroom.neighbors(article="金融-0", k=3, at=NOW).articles, "a hidden article has neighbours itself"


def test_an_unknown_article_says_so(newsroom: Newsroom) -> None:
    newsroom.record("ann", "named by an event", at=NOW)
    for key in ("nowhere", "named by an event"):
        with pytest.raises(UnknownArticleError, match=key):
            newsroom.neighbors(article=key)


def test_an_article_without_a_known_word_has_no_neighbors(newsroom: Newsroom) -> None:
    newsroom.ingest([Draft("odd", "zzyzx", published_at=NOW)])
    found = newsroom.neighbors(article="odd", at=NOW)
    assert (found.articles, found.words) == ((), ())


def test_articles_near_a_reader_include_what_they_read(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", "足球-0"), read("ann", "足球-1")])
    found = newsroom.neighbors(user="ann", k=EACH, at=NOW)
    assert topics(found.articles) == ["足球"] * EACH
    assert {"足球-0", "足球-1"} <= {neighbor.key for neighbor in found.articles}
    assert {neighbor.word for neighbor in found.words[:3]} <= set(TOPICS["足球"])
    nobody = newsroom.neighbors(user="nobody", at=NOW)
    assert (nobody.articles, nobody.words) == ((), ())


def test_articles_near_a_text(newsroom: Newsroom) -> None:
    found = newsroom.neighbors(text="火箭把卫星送入轨道，zzyzx", k=5, at=NOW)
    assert topics(found.articles) == ["航天"] * 5
    assert found.tokens[0] == "火箭"
    assert "zzyzx" in found.unknown
    assert not set(found.unknown) & set(TOPICS["航天"])


@pytest.mark.parametrize("text", ["", "zzyzx", "12345 !!"])
def test_a_text_nobody_understands_has_no_neighbors(newsroom: Newsroom, text: str) -> None:
    found = newsroom.neighbors(text=text, at=NOW)
    assert (found.articles, found.words) == ((), ())


@pytest.mark.parametrize(
    "given",
    [{}, {"word": "火箭", "text": "火箭"}, {"word": "火箭", "k": 0}, {"text": "火箭", "minus": ["卫星"]}],
    ids=str,
)
def test_a_question_is_one_question(newsroom: Newsroom, given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        newsroom.neighbors(**given)  # type: ignore[arg-type]


def test_a_word_less_itself_is_nothing(newsroom: Newsroom) -> None:
    """Nothing is left to be near to: no noise (promise 10)."""
    found = newsroom.neighbors(word="火箭", minus=["火箭"], at=NOW)
    assert (found.words, found.articles) == ((), ())
