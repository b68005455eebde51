"""The map of articles: laid out, placed, grouped, named; and what rises."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

pytest.importorskip("openTSNE", reason="openTSNE is not installed")

from recnews.atlas import ATLAS_FILE, Atlas
from recnews.errors import DamagedGenerationError, NoMapError
from recnews.generation import MAP_FOLDER
from recnews.maps import topics
from recnews.maps.layout import ArticleMap
from recnews.maps.trends import rising
from recnews.newsroom import Newsroom
from recnews.newsroom import maps as keeping
from recnews.records import Float32
from recnews.restore import restore
from tests.conftest import EACH, WORLD
from tests.worlds import DAY, NOW, TOPICS, article, articles, mapped_settings, read, small_settings

_LATER = NOW + DAY


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """A home with a map of eight articles of each of six topics; nobody changes it."""
    with Newsroom.open(tmp_path_factory.mktemp("drawn"), mapped_settings()) as newsroom:
        newsroom.ingest(articles(WORLD, EACH), now=NOW)
        newsroom.train()
        yield newsroom


@pytest.fixture
def own(tmp_path: Path, drawn: Newsroom) -> Iterator[Newsroom]:
    """A copy of it, to change."""
    drawn.backup(tmp_path / "kept", quick=True)
    restore(tmp_path / "kept", tmp_path / "own", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "own", mapped_settings()) as newsroom:
        yield newsroom


def _names(newsroom: Newsroom, ids: list[int]) -> list[str]:
    cards = newsroom.store.articles.cards(ids)
    return [cards[article_id].key.split("-")[0] for article_id in ids]


def test_what_is_near_in_meaning_is_near_on_the_map(drawn: Newsroom) -> None:
    points = drawn.maps.current().points(_LATER)
    names = np.array(_names(drawn, points.ids.tolist()))
    assert len(names) == len(WORLD) * EACH
    apart = ((points.places[:, None] - points.places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (names[apart.argmin(axis=1)] == names).mean() > 0.95
    assert np.abs(points.places).max() == pytest.approx(1.0)


def test_topics_are_the_worlds_own_and_are_named_by_their_words(drawn: Newsroom) -> None:
    mapped = drawn.maps.current()
    found = mapped.topics(_LATER)
    assert [topic.articles for topic in found] == [EACH] * len(WORLD)
    points = mapped.points(_LATER)
    for topic in found:
        (name,) = set(_names(drawn, points.ids[points.topics == topic.number].tolist()))
        assert set(topic.words) <= set(TOPICS[name])
        assert len(topic.words) > 3


def test_the_same_articles_give_the_same_map_on_any_number_of_threads(drawn: Newsroom, tmp_path: Path) -> None:
    with Newsroom.open(tmp_path, mapped_settings()) as newsroom, threadpool_limits(limits=1):
        newsroom.ingest(articles(WORLD, EACH), now=NOW)
        again = newsroom.train()
    files = [drawn.serving.generation(prepared=False).manifest.files, again.manifest.files]
    one, other = ([found[f"{MAP_FOLDER}/{name}"]["sha256"] for name in ("map.npz", "topics.json")] for found in files)
    assert one == other


def test_a_later_article_is_placed_among_its_like(own: Newsroom) -> None:
    before = own.maps.current().points(_LATER)
    own.ingest([article("足球", 99, NOW), article("cooking", 98, NOW)], now=NOW)
    after = own.maps.current().points(_LATER)
    kept = after.rows(before.ids)
    np.testing.assert_array_equal(after.places[kept], before.places)
    for row in sorted(set(range(len(after.ids))) - set(kept.tolist())):
        (name,) = _names(own, [int(after.ids[row])])
        like = [place for place, it in enumerate(_names(own, before.ids.tolist())) if it == name]
        assert after.topics[row] in set(before.topics[like].tolist())
        middle = before.places[like].mean(axis=0)
        assert np.linalg.norm(after.places[row] - middle) < np.linalg.norm(before.places - middle, axis=1).mean()


def test_what_is_changed_moves_and_what_is_hidden_or_deleted_goes(own: Newsroom) -> None:
    ids = own.store.articles.ids(["足球-0", "足球-1", "足球-2", "足球-3"])
    own.maps.current()
    own.editors.hide(["足球-1"])
    own.delete(["足球-2"])
    own.ingest([article("cooking", 7).__class__("足球-3", "garlic", article("cooking", 7).body)], now=NOW)
    points = own.maps.current().points(_LATER)
    rows = points.rows(np.array([ids[f"足球-{number}"] for number in range(4)]))
    assert (rows >= 0).tolist() == [True, False, False, True]
    (cooks,) = {
        int(it) for it in points.topics[points.rows(np.array(list(own.store.articles.ids(["cooking-1"]).values())))]
    }
    assert points.topics[rows[3]] == cooks
    own.editors.hide(["足球-1"], hidden=False)
    assert own.maps.current().points(_LATER).rows(np.array([ids["足球-1"]]))[0] >= 0


def test_a_snapshot_spares_placing_and_may_be_deleted_or_spoilt(own: Newsroom) -> None:
    generation = own.serving.generation(prepared=False)
    assert not (generation.folder / ATLAS_FILE).exists()
    own.ingest([article("足球", 77, NOW)], now=NOW)
    fresh = Atlas.open(generation)
    assert fresh is not None
    assert fresh.refresh(own.store) == len(WORLD) * EACH + 1
    fresh.save(generation.folder)
    opened = Atlas.open(generation)
    assert opened is not None
    assert opened.refresh(own.store) == 0
    np.testing.assert_array_equal(opened.points.places, fresh.points.places)
    assert (opened.names, opened.token) == (fresh.names, fresh.token)
    for spoilt in (b"", (generation.folder / ATLAS_FILE).read_bytes()[:300]):
        (generation.folder / ATLAS_FILE).write_bytes(spoilt)
        again = Atlas.open(generation)
        assert again is not None
        assert again.refresh(own.store) == len(WORLD) * EACH + 1


def test_who_keeps_house_places_what_has_come(own: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the first page of a worker need not: it takes over what came after the snapshot only."""
    monkeypatch.setattr(keeping, "_KEPT_AFTER", 3)
    generation = own.serving.generation(prepared=False)
    for number, left in ((80, 0), (81, 1), (82, 2), (83, 0)):
        own.ingest([article("足球", number, NOW)], now=NOW)
        own.maps.keep()
        opened = Atlas.open(generation)
        assert opened is not None
        assert len(opened.points.ids) == len(own.maps.current().atlas.points.ids) - left


def test_a_home_without_a_map_has_none_to_keep(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path, small_settings()) as room:
        room.ingest([article("足球", number, NOW) for number in range(8)], now=NOW)
        room.train()
        room.maps.keep()
        assert not list(tmp_path.rglob(ATLAS_FILE))


def test_a_damaged_map_is_told(own: Newsroom) -> None:
    generation = own.serving.generation(prepared=False)
    file = generation.folder / MAP_FOLDER / "topics.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("球", "棒"), encoding="utf-8")
    with pytest.raises(DamagedGenerationError, match=r"topics\.json"):
        own.maps.current()


def test_places_do_not_depend_on_the_batch() -> None:
    draw = np.random.default_rng(3)
    rows = _unit(draw.normal(size=(300, 24)))
    places = draw.normal(size=(100, 2)).astype(np.float32)
    drawn = ArticleMap(np.arange(100), rows[:100], places, rows[:7], (("词",),) * 7)
    together = drawn.place(rows[100:])
    alone = np.concatenate([drawn.place(rows[row : row + 1]) for row in range(100, 300)])
    np.testing.assert_array_equal(together, alone)
    ten = np.argsort(-(rows[150] @ rows[:100].T))[:10]
    np.testing.assert_allclose(together[50], np.median(places[ten], axis=0))
    assert drawn.topics(rows[:7]).tolist() == list(range(7))


@pytest.mark.parametrize(("why", "given"), [("off", {"enabled": False}), ("few", {"least": 49})])
def test_a_training_goes_on_without_a_map_and_says_why(tmp_path: Path, why: str, given: dict[str, object]) -> None:
    with Newsroom.open(tmp_path, mapped_settings(**given)) as newsroom:
        newsroom.ingest(articles(WORLD, EACH), now=NOW)
        assert newsroom.train().manifest.map == {"missing": why}
        with pytest.raises(NoMapError) as caught:
            newsroom.maps.current()
    assert caught.value.why == why
    assert "recnews train" in str(caught.value)


def test_a_training_goes_on_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with Newsroom.open(tmp_path, mapped_settings()) as newsroom:
        newsroom.ingest(articles(WORLD, EACH), now=NOW)
        assert newsroom.train().manifest.map == {"missing": "extra"}
        with pytest.raises(NoMapError, match=r"recnews\[map\]"):
            newsroom.maps.current()
    assert "recnews[map]" in caplog.text


def test_reads_are_counted_once_and_then_as_they_come(own: Newsroom) -> None:
    ids = own.store.articles.ids(["足球-0", "金融-0", "金融-1"])
    asked = np.array(list(ids.values()))
    assert own.maps.reads(asked).tolist() == [0, 0, 0]
    own.record_many([read("a", "足球-0"), read("b", "足球-0"), read("a", "金融-1", kind="like")])
    assert dict(zip(ids, own.maps.reads(asked).tolist(), strict=True)) == {"足球-0": 2, "金融-0": 0, "金融-1": 1}
    own.record_many([read("c", "足球-0"), read("c", "金融-0", dwell=1.0), read("d", "金融-0", kind="impression")])
    assert dict(zip(ids, own.maps.reads(asked).tolist(), strict=True)) == {"足球-0": 3, "金融-0": 0, "金融-1": 1}
    own.readers.forget("a")
    assert dict(zip(ids, own.maps.reads(asked).tolist(), strict=True)) == {"足球-0": 2, "金融-0": 0, "金融-1": 0}


def test_what_rises_this_week_is_told_once_a_story(own: Newsroom) -> None:
    steady = [article(topic, 100 + week * 10 + number, NOW - week * 7 * DAY - number * timedelta(hours=5))
              for topic in ("足球", "金融", "航天") for week in range(5) for number in range(5)]  # fmt: skip
    sudden = [article("医疗", 200 + number, NOW - number * timedelta(hours=3)) for number in range(20)]
    own.ingest(steady + sudden, now=NOW)
    found = own.maps.trends(at=NOW)
    assert own.maps.trends(at=NOW) is found
    assert len(found.totals) == own.settings.map.weeks + 1
    mapped = own.maps.current()
    first = found.topics[0]
    assert set(first.words) <= set(TOPICS["医疗"])
    assert first.factor > 1.5
    assert first.counts[-1] > max(first.counts[:-1])
    assert {word.words[0] for word in found.words[:5]} <= set(TOPICS["医疗"])
    assert sum(found.totals) <= len(mapped.points(NOW).ids)
    assert own.maps.trends(at=NOW - 400 * DAY).topics == ()


def test_rising_by_hand() -> None:
    counts = np.array([[10, 10, 10], [10, 10, 40], [1, 1, 1], [0, 0, 2]])
    totals = np.array([100, 100, 100])
    (only,) = rising(counts, totals)
    assert only.row == 1
    share = np.array([30, 60, 3, 2]) / 300
    prior = share[1] * 4 / share.sum()
    now, before = 40 + prior, 20 + prior
    odds = np.log(now / (104 - now)) - np.log(before / (204 - before))
    assert only.z == pytest.approx(odds / np.sqrt(1 / now + 1 / before), abs=0.01)
    assert only.factor == pytest.approx((now / 104) / (before / 204), abs=0.01)
    assert rising(counts[:, :1], totals[:1]) == []
    assert rising(np.zeros((3, 3), dtype=np.int64), np.array([0, 0, 5])) == []
    assert rising(np.empty((0, 3), dtype=np.int64), totals) == []


def test_topics_of_few_or_equal_articles() -> None:
    rows = _unit(np.repeat(np.eye(3), 4, axis=0))
    found = topics.group(rows, 10, seed=1)
    assert sorted(np.bincount(found).tolist()) == [4, 4, 4]
    assert [topics.how_many(count) for count in (1, 20, 800, 10_000, 10**6)] == [2, 2, 10, 35, 40]
    named = topics.name([("甲乙", "丙"), ("甲乙", "都有"), ("丁戊", "都有")], np.array([0, 0, 1]), 2)
    assert named == (("甲乙",), ("丁戊", "都有"))


def _unit(rows: NDArray[Any]) -> Float32:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
