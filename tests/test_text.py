"""Text becomes the tokens a reader would name, the same ones in training, ingest and query."""

import importlib.util
import json
import time
import unicodedata
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.config import TextSettings
from recnews.text import DictionaryWord, Tokenizer
from recnews.text.normalize import normalize
from tests.worlds import CHINESE, ENGLISH

ENGINES = ("rjieba", "jieba")
needs_opencc = pytest.mark.skipif(not importlib.util.find_spec("opencc"), reason="the extra 'opencc' is not installed")


def engine(name: str, **given: bool) -> TextSettings:
    return TextSettings.model_validate({"tokenizer": name, **given})


@lru_cache
def plain(name: str) -> Tokenizer:
    """A tokenizer as it comes; jieba takes a second to read its dictionary."""
    return Tokenizer(engine(name))


@pytest.fixture(params=ENGINES)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return plain(request.param)


CASES = {
    "chinese": ("国务院发布人工智能发展规划", "国务院 发布 人工智能 发展 规划"),
    "chinese with stop words": ("北京大学的学生在图书馆读书", "北京大学 学生 图书馆 读书"),
    "chinese with a decimal": ("央行下调存款准备金率0.5个百分点", "央行 下调 存款 准备金率 百分点"),
    "chinese with latin": ("苹果发布iPhone 15手机", "苹果 发布 iphone 手机"),
    "chinese with marks": ("“股市”（上涨）！——记者", "股市 上涨 记者"),
    "full width": ("ＡＢＣ公司２０２４年推出ｉＰｈｏｎｅ", "abc 公司 年 推出 iphone"),
    "astral": ("😀火箭🚀发射𠮷", "火箭 发射 𠮷"),
    "english": ("Apple's COVID-19 report: C++ and AT&T in the U.S.", "apple covid-19 report c++ at&t u.s"),
    "english, curly quote": ("Apple’s rock’n’roll", "apple rock’n’roll"),
    "english stop words": ("the of and THE", ""),
    "single letters": ("a b c X", ""),
    "underscores": ("snake_case", "snake case"),
    "url before chinese": ("详情见https://example.com/a?b=1，记者报道", "详情 见 记者 报道"),
    "url without a scheme": ("visit www.example.com/news now, sailors", "visit sailors"),
    "e-mail": ("联系 editor@news.example.cn 投稿", "联系 投稿"),
    "at sign that is no address": ("meet @harbour tonight", "meet harbour tonight"),
    "numbers": ("2024 12.5 3,000 ¾ ２０", ""),
    "accented": ("café naïve ZÜRICH", "café naïve zürich"),
    "accented, decomposed": (unicodedata.normalize("NFD", "café naïve"), "café naïve"),
    "cyrillic": ("Москва, Санкт-Петербург", "москва санкт-петербург"),
    "cyrillic beside chinese": ("普京 Путин 访华", "普京 путин 访华"),
    "accented beside chinese": ("咖啡馆 café 开业", "咖啡馆 café 开业"),
    "korean": ("서울 날씨", "서울 날씨"),
    "nothing": ("", ""),
    "white space": (" \n\t　", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_tokens(tokenizer: Tokenizer, name: str) -> None:
    text, expected = CASES[name]
    assert tokenizer(text) == expected.split()


@pytest.mark.parametrize("topic", [*CHINESE, *ENGLISH])
def test_the_words_of_our_worlds_stay_whole(tokenizer: Tokenizer, topic: str) -> None:
    words = CHINESE.get(topic) or ENGLISH[topic]
    assert tokenizer(("，" if topic in CHINESE else " ").join(words)) == list(words)


def test_engines_differ_where_it_is_known_that_they_do() -> None:
    tokens = {name: plain(name)("F-16战斗机飞越太平洋") for name in ENGINES}
    assert tokens == {"rjieba": ["f-16", "战斗机", "飞越", "太平洋"], "jieba": ["战斗机", "飞越", "太平洋"]}


def test_stop_words_can_be_kept() -> None:
    assert Tokenizer(TextSettings(stop_words=False))("的 the 股市") == ["的", "the", "股市"]


def test_stop_words_can_be_given() -> None:
    assert Tokenizer(TextSettings(), stop_words=frozenset({"股市"}))("the 股市 上涨") == ["the", "上涨"]


@pytest.mark.parametrize("name", ENGINES)
def test_dictionary_words_stay_whole_in_the_tokenizer_that_has_them(name: str) -> None:
    """One script or two, known to jieba's own dictionary in parts or not at all."""
    kept = {"云边协同": "云边协同平台上线", "c罗": "昨晚C罗进球", "量子纠缠态": "量子纠缠态制备"}
    tokenizer = Tokenizer(engine(name), [DictionaryWord(word) for word in kept])
    for word, text in kept.items():
        assert word in tokenizer(text)
        assert word not in plain(name)(text), "a dictionary belongs to one tokenizer"


@needs_opencc
@pytest.mark.parametrize("name", ENGINES)
def test_traditional_text_gives_simplified_tokens(name: str) -> None:
    simplifying = Tokenizer(engine(name, simplify=True))
    assert simplifying("臺灣大學發布學術研究") == simplifying("台湾大学发布学术研究")
    assert simplifying("醫院、護士") == ["医院", "护士"]
    assert Tokenizer(TextSettings())("醫院、護士") == ["醫院", "護士"]


@needs_opencc
@pytest.mark.parametrize("word", ["臺積體", "台积体"])
def test_a_dictionary_word_may_be_in_either_script(word: str) -> None:
    tokenizer = Tokenizer(TextSettings(simplify=True), [DictionaryWord(word)])
    assert tokenizer("臺積體公佈財報") == tokenizer("台积体公布财报") == ["台积体", "公布", "财报"]


def test_a_document_has_its_summary_in_the_body(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.document("股市上涨", "央行", "银行、基金")
    assert (tokens.title, tokens.body) == (["股市", "上涨"], ["央行", "银行", "基金"])
    assert tokenizer.document("股市", "", "银行").body == ["银行"]


@pytest.mark.parametrize("name", ENGINES)
def test_the_state_is_all_it_takes(name: str) -> None:
    settings = engine(name, hmm=False, stop_words=False)
    first = Tokenizer(settings, [DictionaryWord("云边协同", 1000, "n")], frozenset({"股市"}))
    second = Tokenizer.from_state(json.loads(json.dumps(first.state())))
    assert second.state() == first.state()
    assert second.dictionary == (DictionaryWord("云边协同", 1000, "n"),)
    text = "云边协同平台，股市 the 韩立新"
    assert second(text) == first(text)
    assert "股市" not in second(text)
    assert "云边协同" in second(text)


@pytest.mark.parametrize("missing", ["settings", "dictionary", "stop_words"])
def test_a_state_with_something_missing_is_refused(missing: str) -> None:
    state = Tokenizer(TextSettings()).state()
    del state[missing]
    with pytest.raises(KeyError):
        Tokenizer.from_state(state)


def test_a_state_of_an_unknown_engine_is_refused() -> None:
    state = Tokenizer(TextSettings()).state()
    state["settings"]["tokenizer"] = "mecab"
    with pytest.raises(ValueError, match="tokenizer"):
        Tokenizer.from_state(state)


@given(st.text(max_size=60))
def test_tokens_are_clean(text: str) -> None:
    for token in _TOKENIZER(text):
        assert token
        assert token == token.lower().strip()
        assert not any(character.isspace() for character in token), "it would become two words in a token file"
        assert any(character.isalpha() for character in token)
        assert token not in _TOKENIZER.stop_words


@given(st.text(max_size=60))
def test_cutting_again_changes_nothing(text: str) -> None:
    assert _TOKENIZER(text) == _TOKENIZER(text)


@given(st.text(max_size=60))
def test_normalising_twice_is_normalising_once_for_plain_text(text: str) -> None:
    once = normalize(text)
    assert unicodedata.is_normalized("NFC", once) or "@" in text or "://" in text or once == normalize(once)


@pytest.mark.parametrize("run", ["a", "-", "a.", "x@"])
def test_a_long_run_is_normalised_in_linear_time(run: str) -> None:
    """A hundred thousand characters: ten seconds when each of them starts a search to the end of the run."""
    text = f"@ {run * (100_000 // len(run))} 结束"
    began = time.process_time()
    assert normalize(text).endswith("结束")
    assert time.process_time() - began < 1


_TOKENIZER = Tokenizer(TextSettings())
