"""One story, told once: what counts as a copy, and what a feed makes of it."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from recnews import Newsroom
from recnews import stories as grouping
from recnews.near import bands, grams, likeness
from recnews.records import Draft
from tests.worlds import small_settings

NOW = datetime(2026, 8, 22, 12, tzinfo=UTC)
SENTENCES = [
    "台风今天凌晨在沿海登陆，中心附近最大风力十二级",
    "气象部门继续发布红色预警，多地紧急转移群众",
    "铁路部门停运三百余趟列车，机场取消全部航班",
    "救援队伍连夜赶赴受灾乡镇，抢修电力和通信",
    "专家提醒居民储备饮用水和食物，不要外出",
    "预计未来三天台风将向西北方向移动并逐渐减弱",
    "水利部门加强水库调度，严防山洪和泥石流",
    "学校和幼儿园停课两天，企业实行弹性工作",
    "志愿者在安置点发放棉被、药品和儿童用品",
    "保险公司开通绿色通道，受理受灾农户报案",
]
OTHER = "足球联赛昨晚结束首轮争夺，主队凭借补时进球战胜对手，球迷彻夜庆祝。教练称赞年轻球员表现成熟，下周客场面临考验。"


def article(key: str, sentences: list[str], at: datetime = NOW) -> Draft:
    return Draft(key, title="台风登陆", body="。".join(sentences), published_at=at)


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    return Newsroom.open(tmp_path / "home", small_settings())


def stories(room: Newsroom) -> list[list[str]]:
    return [[card.key for card in story] for story in room.duplicates()]


def test_grams_are_of_letters_and_digits_only() -> None:
    """`abcdef` has abcde and bcdef, `abcdeg` has abcde and bcdeg: one of three in common."""
    assert likeness(*grams(["abcdef", "abcdeg"])) == 1 / 3
    assert likeness(*grams(["ＡＢ，ｃｄ　ｅｆ！", "ab cd-ef"])) == 1
    assert likeness(*grams(["", ""])) == 0
    assert likeness(*grams(["abc", "abc"])) == 1
    assert likeness(*grams(["abc", "abd"])) == 0


def test_grams_do_not_depend_on_the_batch() -> None:
    texts = ["abcdefg", "", "台风", "0", "台风今天凌晨登陆", "！"]
    for alone, together in zip([grams([text])[0] for text in texts], grams(texts), strict=True):
        assert alone.tolist() == together.tolist()
    assert [len(found) for found in grams(texts)] == [3, 0, 1, 1, 4, 0]


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_symmetric_and_a_share(one: str, other: str) -> None:
    share = likeness(*grams([one, other]))
    assert share == likeness(*grams([other, one]))
    assert 0 <= share <= 1
    assert likeness(*grams([one, one])) in {0, 1}


def test_alike_texts_share_a_band_and_others_do_not() -> None:
    text = "。".join(SENTENCES)
    edited = text.replace(SENTENCES[4], OTHER[:20])
    found = bands(grams([text, edited, OTHER, text]))
    assert found.shape == (4, 12)
    assert (found[0] == found[3]).all()
    assert (found[0] == found[1]).any()
    assert not np.isin(found[2], found[0]).any()


def test_bands_are_the_same_in_another_process() -> None:
    """They are stored: a band that changed with the process would find nothing again."""
    program = "from recnews.near import bands, grams; print(bands(grams(['台风今天凌晨登陆'])).tolist())"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert told.strip() == str(bands(grams(["台风今天凌晨登陆"])).tolist())


def test_a_light_rewrite_joins_the_story(room: Newsroom) -> None:
    rewritten = [*SENTENCES[:4], OTHER[:18], *SENTENCES[5:]]
    room.ingest([article("first", SENTENCES), article("copy", rewritten, NOW + timedelta(hours=3))], now=NOW)
    room.ingest([Draft("football", title="联赛", body=OTHER, published_at=NOW)], now=NOW)
    assert stories(room) == [["first", "copy"]]
    assert room.status().articles == 3, "a copy is kept as an article"


@pytest.mark.parametrize(("cosine", "together"), [(0.5, True), (0.9999, False)])
def test_the_embedding_confirms_a_likeness_once_there_is_one(tmp_path: Path, cosine: float, together: bool) -> None:
    rewritten = [*SENTENCES[:4], OTHER[:18], *SENTENCES[5:]]
    with Newsroom.open(tmp_path, small_settings().override("stories", cosine=cosine)) as room:
        room.ingest([article("first", SENTENCES), article("copy", rewritten)], now=NOW)
        assert stories(room) == [["first", "copy"]], "nothing to confirm by: the likeness decides"
        room.delete(["copy"])
        room.ingest([Draft("football", title="联赛", body=OTHER, published_at=NOW)], now=NOW)
        room.train()
        room.ingest([article("again", rewritten)], now=NOW)
        assert stories(room) == ([["first", "again"]] if together else [])


def test_an_article_without_a_known_word_is_grouped_by_likeness(tmp_path: Path) -> None:
    """Its vector is zero, and says nothing."""
    with Newsroom.open(tmp_path, small_settings().override("stories", cosine=0.9999)) as room:
        room.ingest([Draft("football", title="联赛", body=OTHER, published_at=NOW)], now=NOW)
        room.train()
        foreign = "Quidquid agis prudenter agas et respice finem semper amici"
        rows = [Draft(key, title="", body=foreign + end, published_at=NOW) for key, end in (("a", ""), ("b", " mei"))]
        room.ingest(rows, now=NOW)
        assert stories(room) == [["a", "b"]]


@pytest.mark.parametrize(("days", "together"), [(7, True), (8, False)])
def test_news_repeats_its_formulas(room: Newsroom, days: int, together: bool) -> None:
    later = NOW + timedelta(days=days)
    room.ingest([article("first", SENTENCES), article("again", SENTENCES, later)], now=later)
    assert bool(stories(room)) == together


def test_a_copy_of_a_copy_is_of_the_same_story(room: Newsroom) -> None:
    for number in range(3):
        room.ingest([article(f"copy-{number}", SENTENCES, NOW + timedelta(hours=number))], now=NOW)
    assert stories(room) == [["copy-0", "copy-1", "copy-2"]]


def test_a_changed_text_is_compared_again(room: Newsroom) -> None:
    room.ingest([article("first", SENTENCES), article("copy", SENTENCES)], now=NOW)
    room.ingest([Draft("copy", title="联赛", body=OTHER, published_at=NOW)], now=NOW)
    assert stories(room) == []
    room.ingest([Draft("other", title="联赛", body=OTHER, published_at=NOW)], now=NOW)
    assert stories(room) == [["copy", "other"]]


def test_a_deleted_article_attracts_no_more(room: Newsroom) -> None:
    room.ingest([article("first", SENTENCES)], now=NOW)
    room.delete(["first"])
    room.ingest([article("second", SENTENCES)], now=NOW)
    assert stories(room) == []


def test_one_more_copy_costs_the_same_however_many_there_are(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls of functions, of which each row that is read and each article that is looked at takes some."""
    monkeypatch.setattr(grouping, "_SHARING", 30)
    done = 0

    def work(count: int) -> int:
        nonlocal done
        calls = 0

        def seen(_frame: FrameType, _event: str, _argument: object) -> None:
            nonlocal calls
            calls += 1

        rows = [article(f"copy-{done + number}", SENTENCES) for number in range(count)]
        done += count
        sys.setprofile(seen)
        try:
            room.ingest(rows, now=NOW)
        finally:
            sys.setprofile(None)
        return calls

    work(50)
    few = work(20)
    work(150)
    assert work(20) == pytest.approx(few, rel=0.1)
    assert [len(story) for story in stories(room)] == [done]


def test_of_those_that_share_a_band_the_latest_are_looked_at(tmp_path: Path, address: str) -> None:
    room = Newsroom.open(tmp_path, small_settings().model_copy(update={"store": SecretStr(address)}))
    room.ingest([article(f"copy-{number}", SENTENCES) for number in range(5)], now=NOW)
    shared = bands(grams(["台风登陆\n" + "。".join(SENTENCES)]))
    found = room.store.stories.sharing(shared, 2)
    latest = sorted(room.store.articles.ids([f"copy-{number}" for number in range(5)]).values())[-2:]
    assert found == sorted((band, one) for band in shared[0].tolist() for one in latest)
    assert len(room.store.stories.sharing(shared, 9)) == 5 * 12
    room.close()


def test_the_latest_story_comes_first(room: Newsroom) -> None:
    room.ingest([article("a", SENTENCES), article("b", SENTENCES)], now=NOW)
    later = NOW + timedelta(days=1)
    rows = [Draft(key, title="联赛", body=OTHER, published_at=later) for key in ("c", "d")]
    room.ingest(rows, now=later)
    assert stories(room) == [["c", "d"], ["a", "b"]]
    assert [card.key for card in room.duplicates(1)[0]] == ["c", "d"]


def test_a_feed_shows_one_of_a_story_and_none_of_a_story_that_was_read(room: Newsroom) -> None:
    copies = [article(f"copy-{number}", SENTENCES, NOW - timedelta(hours=number)) for number in range(3)]
    football = [Draft("football", title="联赛", body=OTHER, published_at=NOW - timedelta(days=2))]
    room.ingest(copies + football, now=NOW)
    room.train()
    shown = [item.key for item in room.recommend("nobody", 10, at=NOW)]
    assert shown == ["copy-0", "football"]
    room.record("ann", "copy-2", at=NOW - timedelta(hours=1))
    assert [item.key for item in room.recommend("ann", 10, at=NOW)] == ["football"]
