"""The word explorer: neighbours, analogies, words over time; unknown words are an ordinary case."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import SecretStr

from recnews import drawing
from recnews.newsroom import Newsroom
from recnews.records import Draft
from tests.worlds import article, small_settings

pytest.importorskip("fastapi")

from recnews.service.pages.analysts import bounds_of
from tests.pages_world import HOSTILE, Visitor, furnished, words
from tests.service_world import Service, running

DAY = timedelta(days=1)
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(furnished(trained, tmp_path_factory.mktemp("words")), workers=1) as found:
        yield found


@pytest.fixture
def visitor(service: Service) -> Iterator[Visitor]:
    with Visitor(service) as found:
        yield found


def test_a_word_among_its_neighbours(visitor: Visitor) -> None:
    page = visitor.get("/words?word=进球&beside=股市")
    near = re.findall(r'<a href="/words\?word=[^"]*&amp;beside=[^"]*">([^<]+)</a>', page)
    assert len(near) >= 10
    for word in near:
        assert page.count(f">{word}<") >= 2  # in the list and in the graph
    assert 'aria-label="进球 and its neighbours as a graph' in page
    assert "Articles near by" in words(page)
    [time] = re.findall(r'data-from="([^"]*)"', page)
    heads = re.findall(r'<th scope="col" class="number"( data-line)?>([^<]+)</th>', visitor.get(html.unescape(time)))
    assert heads == [("", "Articles"), (" data-line", "进球"), (" data-line", "股市")]


def test_words_taken_from_and_added_to_a_word(visitor: Visitor) -> None:
    page = words(visitor.get("/words?word=进球&minus=联赛&plus=股市"))
    assert "Around “进球 − 联赛 + 股市”" in page
    assert "Neighbours" in page
    assert "cancel each other" in words(visitor.get("/words?word=进球&minus=进球"))


def test_an_unknown_word_is_an_ordinary_case(visitor: Visitor) -> None:
    page = visitor.get("/words?word=进球数")
    assert "has not learned “进球数”" in words(page)
    assert 'href="/words?word=%E8%BF%9B%E7%90%83' in page
    assert "Over time" in words(page)
    visitor.get("/words")
    for span in ("30", "365", "all"):
        assert "As a table" in words(visitor.get(f"/words/time?word=球员&span={span}"))  # led there by a link
        put = visitor.get(f"/words/time?word=球员&span={span}", headers={"Sec-Fetch-Dest": "empty"})
        assert "As a table" in words(put)
        assert "<html" not in put
    assert visitor.client.get("/words/time").headers["location"] == "/words"
    assert visitor.client.get("/words?word=a&span=7").status_code == 422
    assert "<script>document" not in visitor.get("/words", params={"word": HOSTILE[:90]})


def test_tokens_of_an_article_lead_there(visitor: Visitor) -> None:
    assert re.search(r'<a href="/words\?word=[^"]*"><span>进球</span></a>', visitor.get("/desk/article?id=足球-1"))


def test_how_often_words_are_written(newsroom: Newsroom) -> None:
    draft = article("足球", 90)
    texts = ("量子 计算", "量子", "100%_量子", "别的")
    for number, body in enumerate(texts):
        moment = BEGIN + (number // 2) * DAY + timedelta(hours=5)
        newsroom.ingest([replace(draft, key=f"w-{number}", title="", body=body, published_at=moment)])
    found = newsroom.words.written(["量子", "%_"], [BEGIN + day * DAY for day in range(5)])
    assert found.articles == [2, 2, 0, 0]
    assert found.holding == [[2, 1, 0, 0], [0, 1, 0, 0]]
    assert newsroom.archive.earliest() == min(it.published_at for it in newsroom.articles(100))


def test_a_short_time_and_all_time_are_counted_alike(tmp_path: Path, address: str) -> None:
    """The first is looked up by day, the second read as it lies."""
    with Newsroom.open(tmp_path, small_settings().model_copy(update={"store": SecretStr(address)})) as room:
        days = [BEGIN + (7 * number % 20) * DAY for number in range(20)]
        bodies = ["量子" if number % 3 else "别的" for number in range(20)]
        drafts = [Draft(f"d-{number}", "", bodies[number], published_at=days[number]) for number in range(20)]
        room.ingest(drafts)
        whole = room.words.written(["量子"], [BEGIN + day * DAY for day in range(21)])
        late = room.words.written(["量子"], [BEGIN + day * DAY for day in range(15, 21)])
    assert whole.articles == [1] * 20
    holding = [int(bodies[days.index(BEGIN + place * DAY)] == "量子") for place in range(20)]
    assert whole.holding == [holding]
    assert (late.articles, late.holding) == ([1] * 5, [holding[15:]])


def test_days_are_those_of_the_calendar_where_clocks_change(tmp_path: Path, address: str) -> None:
    """On 2026-10-25 Berlin has 25 hours, on 2026-03-29 it has 23."""
    zone = ZoneInfo("Europe/Berlin")
    bounds = bounds_of(date(2026, 3, 27), date(2026, 10, 28), zone, weeks=False)
    days = [date(2026, 3, 27) + place * DAY for place in range(216)]
    assert [it.astimezone(zone).isoformat()[:19] for it in bounds] == [
        f"{day}T00:00:00" for day in [*days, days[-1] + DAY]
    ]
    long = {day: end - begin for day, begin, end in zip(days, bounds, bounds[1:], strict=False) if end - begin != DAY}
    assert long == {date(2026, 3, 29): timedelta(hours=23), date(2026, 10, 25): timedelta(hours=25)}
    written = ("03-28 23:59", "03-29 00:00", "03-29 23:59", "10-24 23:30", "10-25 00:30", "10-25 23:30", "10-26 00:30")
    moments = [datetime.fromisoformat(f"2026-{it}").replace(tzinfo=zone) for it in written]
    with Newsroom.open(tmp_path, small_settings().model_copy(update={"store": SecretStr(address)})) as room:
        room.ingest([Draft(f"d-{it}", "量子", "", published_at=it) for it in moments], now=bounds[-1])
        found = room.words.written(["量子"], bounds)
    many = Counter(it.date() for it in moments)
    assert found.holding == [found.articles]
    assert found.articles == [many[day] for day in days]


def test_weeks_begin_on_monday_and_a_day_that_a_zone_left_out_is_none() -> None:
    zone = ZoneInfo("Europe/Berlin")
    weeks = bounds_of(date(2026, 10, 15), date(2026, 10, 28), zone, weeks=True)
    assert [f"{it.astimezone(zone):%a %m-%d %H:%M}" for it in weeks] == [
        "Mon 10-12 00:00", "Mon 10-19 00:00", "Mon 10-26 00:00", "Mon 11-02 00:00",
    ]  # fmt: skip
    samoa = ZoneInfo("Pacific/Apia")
    left = bounds_of(date(2011, 12, 29), date(2011, 12, 31), samoa, weeks=False)
    assert [f"{it.astimezone(samoa):%m-%d}" for it in left] == ["12-29", "12-31", "01-01"]


def test_what_is_not_learned_is_told(newsroom: Newsroom) -> None:
    found = newsroom.words.around(["进球", "没有学过"])
    assert [it.word for it in found.unlearned] == ["没有学过"]
    assert (found.near, found.likeness.shape) == ((), (0, 0))
    around = newsroom.words.around(["进球"], k=5)
    assert [it.word for it in around.near] == [it.word for it in newsroom.neighbors(word="进球", k=5).words]
    np.testing.assert_allclose(np.diag(around.likeness), 1, atol=1e-5)


# Drawing


def test_a_bar_shows_its_interval() -> None:
    svg = fromstring(drawing.bar(drawing.Bar(1, 0.5, 3), 2))
    assert [it.get("width") for it in svg.iter("rect")] == ["100", "50"]
    assert [it.get("d") for it in svg.iter("path")] == ["M25 6H100M25 3V9M100 3V9"]
    assert list(fromstring(drawing.bar(drawing.Bar(0), 0)).iter("path")) == []


@pytest.mark.parametrize("length", [1, 4, 40])
def test_no_word_of_a_graph_lies_on_another(length: int) -> None:
    names = [chr(0x4E00 + it) * length for it in range(12)]
    scores = [1 - it / 20 for it in range(12)]
    likeness = np.eye(12, dtype=np.float32)
    drawn = drawing.words("<中心>", names, scores, likeness, links=[f"/words?word={it}" for it in names], about="x")
    boxes = [
        [float(it.get(part) or 0) for part in ("x", "y", "width", "height")] for it in fromstring(drawn).iter("rect")
    ]
    for one, (x, y, wide, high) in enumerate(boxes):
        assert x >= 0
        assert x + wide <= 640
        for x2, y2, wide2, high2 in boxes[one + 1 :] if length < 40 else ():
            assert x + wide <= x2 or x2 + wide2 <= x or y + high <= y2 or y2 + high2 <= y
