"""What is learned from who read what: the arithmetic by hand, and worlds that only readers can tell apart."""

import hashlib
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recnews.behaviour.fit import fit_behaviour
from recnews.behaviour.log import ReadLog, read_log
from recnews.behaviour.model import Behaviour, Sums, sum_up
from recnews.behaviour.text_map import fit_text_maps
from recnews.config import BehaviourSettings, Settings
from recnews.errors import DamagedGenerationError
from recnews.newsroom import Newsroom
from recnews.readership import count, count_if_due
from recnews.records import Draft, EventDraft, Float32, Recommendation
from recnews.restore import restore
from tests.test_generations import flip
from tests.worlds import CHINESE, DAY, HOUR, NOW, read, small_settings

ROOT = Path(__file__).parent.parent
SETTINGS = BehaviourSettings()
A_DAY = 86_400_000_000.0
SECOND = timedelta(seconds=1)


# A log


def log_of(*readers: Sequence[int], longest: int = 500) -> ReadLog:
    """A log of readers who read these articles, in this order, at no known time."""
    users = [f"{number}" for number, articles in enumerate(readers) for _ in articles]
    articles = np.array([article for read_ones in readers for article in read_ones], dtype=np.int64)
    return read_log(users, articles, np.full(len(users), np.nan), longest=longest, half_life_days=30)


def test_a_log_counts_each_read_once() -> None:
    log = log_of([5, 9], [9], [2, 5, 9])
    assert log.ids.tolist() == [2, 5, 9]
    assert log.readers == 3
    assert log.reads.toarray().tolist() == [[0, 1, 1], [0, 0, 1], [1, 1, 1]]
    assert log.fresh.toarray().tolist() == log.reads.toarray().tolist(), "without times nothing ages"


def test_the_latest_reads_of_a_reader_count() -> None:
    log = log_of([1, 2, 3, 4], [1, 2], longest=3)
    assert log.ids.tolist() == [1, 2, 3, 4]
    assert log.reads.toarray().tolist() == [[0, 1, 1, 1], [1, 1, 0, 0]]


def test_reads_age() -> None:
    """Half is left after 30 days; a read without a time does not age."""
    times = np.array([np.nan, 0.0, 30.0, 60.0, 60.0]) * A_DAY
    log = read_log(["a", "a", "a", "b", "c"], np.array([1, 2, 3, 1, 2]), times, longest=9, half_life_days=30)
    assert log.fresh.toarray().tolist() == [[1, 0.25, 0.5], [1, 0, 0], [0, 1, 0]]
    assert log.reads.toarray().tolist() == [[1, 1, 1], [1, 0, 0], [0, 1, 0]]


def test_a_wrong_date_in_the_far_future_does_not_make_all_others_old() -> None:
    times = np.array([0.0, 30.0, 30_000.0]) * A_DAY
    log = read_log(["a", "b", "c"], np.array([1, 2, 3]), times, longest=9, half_life_days=30)
    assert log.fresh.sum(axis=0).tolist() == [0.5, 1, 1]


def test_an_empty_log() -> None:
    log = log_of()
    assert (log.readers, len(log.ids)) == (0, 0)
    assert fit_behaviour(log, np.zeros((0, 4), np.float32), SETTINGS, 1) is None


def test_a_log_without_some_articles() -> None:
    log = log_of([5, 9], [9]).without(np.array([False, True]))
    assert log.reads.toarray().tolist() == [[1, 0], [0, 0]]
    assert log.reads.nnz == log.fresh.nnz == 1


# From text to behaviour


def unit_rows(draw: np.random.Generator, count: int, dim: int) -> Float32:
    rows = draw.normal(size=(count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_a_row_is_mapped_alike_in_any_batch() -> None:
    draw = np.random.default_rng(1)
    content, targets = unit_rows(draw, 203, 24), draw.normal(size=(203, 7)).astype(np.float32)
    found = fit_text_maps(content, targets, kernel=1.0, spread=0.0, noise=1.0, landmarks=90, seed=1)
    assert len(found.landmarks) == 90
    whole = found(content)
    assert whole.dtype == np.float32
    for start, size in ((0, 1), (63, 2), (64, 64), (70, 33), (202, 1)):
        assert found(content[start : start + size]).tobytes() == whole[start : start + size].tobytes()
    order = draw.permutation(203)
    assert found(content[order]).tobytes() == whole[order].tobytes()
    assert found(content[:0]).shape == (0, 7)


def test_of_a_text_that_says_nothing_nothing_is_predicted() -> None:
    draw = np.random.default_rng(2)
    content, targets = unit_rows(draw, 40, 8), draw.normal(size=(40, 3)).astype(np.float32) + 5
    content[[3, 17]] = 0
    found = fit_text_maps(content, targets, kernel=1.0, spread=0.0, noise=1.0, landmarks=100, seed=1)
    assert not found(content)[[3, 17]].any()
    assert found(content)[0].any()
    known = np.delete(np.arange(40), [3, 17])
    assert found.mean.tolist() == pytest.approx(targets[known].mean(axis=0).tolist(), rel=1e-5)


def test_of_no_text_at_all_nothing_is_predicted() -> None:
    found = fit_text_maps(
        np.zeros((9, 4), np.float32),
        np.ones((9, 3), np.float32),
        kernel=1.0,
        spread=0.0,
        noise=1.0,
        landmarks=100,
        seed=1,
    )
    assert found(np.zeros((2, 4), np.float32)).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_the_map_is_kernel_ridge_regression(spread: float) -> None:
    """With all rows for landmarks: K (K + noise)^-1 (y - mean) + mean, of rows that are stretched where they vary."""
    draw = np.random.default_rng(3)
    content, targets = unit_rows(draw, 30, 6), draw.normal(size=(30, 2)).astype(np.float32)
    content[:, 0] *= 4
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    found = fit_text_maps(content, targets, kernel=2.0, spread=spread, noise=0.5, landmarks=100, seed=1)
    stretched = content.astype(np.float64) * content.std(axis=0) ** spread
    stretched *= np.sqrt(30 / np.square(stretched).sum())
    squares = ((stretched[:, None] - stretched[None]) ** 2).sum(axis=2)
    kernel, mean = np.exp(-2.0 * squares), targets.mean(axis=0, dtype=np.float64)
    expected = mean + kernel @ np.linalg.solve(kernel + 0.5 * np.eye(30), targets - mean)
    np.testing.assert_allclose(found(content), expected, atol=2e-3)


# What is learned, by hand

TINY = log_of([1, 2, 3], [2, 3, 4], [1, 4], [5], [1, 2, 3, 4, 5])


def tiny_log() -> ReadLog:
    """With reads of different ages."""
    fresh = TINY.fresh.copy()
    fresh.data *= np.random.default_rng(4).uniform(0.2, 1, len(fresh.data))
    return ReadLog(TINY.ids, TINY.reads, fresh)


def slow_sums(log: ReadLog, inner: np.ndarray, power: float) -> Sums:
    """Reader by reader, article by article."""
    reads, fresh, dim = log.reads.toarray(), log.fresh.toarray(), inner.shape[1]
    gram, sums, mass = np.zeros((dim, dim)), np.zeros_like(inner), np.zeros(len(inner))
    for reader in range(len(reads)):
        own = np.flatnonzero(reads[reader])
        weight = len(own) ** -power
        profile = inner[own].sum(axis=0)
        gram += weight * np.outer(profile, profile)
        for article in own.tolist():
            sums[article] += weight * fresh[reader, article] * (profile - inner[article])
            mass[article] += weight * fresh[reader, article]
    return Sums(gram, sums, mass, reads.sum(axis=0))


def test_sums_are_those_of_each_reader_without_the_article() -> None:
    inner = np.random.default_rng(5).normal(size=(5, 3))
    found, expected = sum_up(tiny_log(), inner, 0.5), slow_sums(tiny_log(), inner, 0.5)
    for name in ("gram", "sums", "mass", "readers"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)


def test_what_is_learned_is_a_ridge_regression_on_profiles() -> None:
    """Weighted least squares on the rows themselves, where each profile leaves out the article that is asked about."""
    log, inner = TINY, np.random.default_rng(6).normal(size=(5, 3))
    sums = sum_up(log, inner, 0.5)
    profiles, weights = log.reads @ inner, np.diff(log.reads.indptr) ** -0.5
    lift = 0.1 * np.trace(sums.gram) / 3
    for article in range(5):
        target = log.reads.toarray()[:, article]
        # d/dv of sum w (p v - y)^2 + lift |v|^2, where p y leaves the article itself out
        gram = (profiles * weights[:, None]).T @ profiles + lift * np.eye(3)
        moment = ((profiles - inner[article]) * (weights * target)[:, None]).sum(axis=0)
        np.testing.assert_allclose(sums.learned(0.1)[article], np.linalg.solve(gram, moment), atol=1e-10)


def test_trust_grows_with_readers() -> None:
    sums = Sums(np.eye(1), np.zeros((3, 1)), np.zeros(3), np.array([0.0, 5.0, 45.0]))
    assert sums.trust(5.0).ravel().tolist() == [0, 0.5, 0.9]


# Fitting


def crowd(
    seed: int, *, topics: int = 4, each: int = 15, readers: int = 120, reads: int = 8, dim: int = 16
) -> tuple[ReadLog, Float32, np.ndarray]:
    """Readers of one topic each, with an eye for another one now and then; the texts of a topic are alike."""
    draw = np.random.default_rng(seed)
    topic_of = np.repeat(np.arange(topics), each)
    content = np.eye(topics, dim)[topic_of] + 0.2 * draw.normal(size=(topics * each, dim))
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    chance = np.where(topic_of[None] == np.arange(readers)[:, None] % topics, 1.0, 0.03)
    rows = [np.sort(draw.choice(len(topic_of), reads, replace=False, p=row / row.sum())) for row in chance]
    users = [f"{reader:04}" for reader in range(readers) for _ in range(reads)]
    log = read_log(users, np.concatenate(rows), np.full(len(users), np.nan), longest=500, half_life_days=30)
    assert len(log.ids) == topics * each
    return log, content.astype(np.float32), topic_of


def fitted(log: ReadLog, content: Float32 | np.ndarray, settings: BehaviourSettings = SETTINGS) -> Behaviour:
    found = fit_behaviour(log, np.asarray(content, np.float32), settings, 1)
    assert found is not None
    return found


def finite(found: Behaviour) -> bool:
    arrays = (found.inner, found.fold, found.to_inner.weights, found.to_outer.weights, found.to_outer.mean)
    return all(np.isfinite(array).all() for array in arrays) and all(
        np.isfinite(number) and number > 0 for number in (found.gain, found.scale, found.content)
    )


@pytest.mark.parametrize(("readers", "articles"), [(19, 40), (40, 19), (3, 3)])
def test_too_small_a_log_teaches_nothing(readers: int, articles: int) -> None:
    log = log_of(*[range(articles)] * readers)
    assert fit_behaviour(log, np.full((articles, 4), 0.5, np.float32), SETTINGS, 1) is None


@pytest.mark.parametrize(
    "log",
    [
        log_of(*[range(25)] * 25),
        log_of(*[[0, number % 24 + 1] for number in range(50)]),
        log_of(*[[2 * (number % 15), 2 * (number % 15) + 1] for number in range(60)]),
        log_of(*[[number % 25] for number in range(50)]),
        log_of(range(30), *[[number % 30] for number in range(40)]),
    ],
    ids=["all read all", "one read by all", "twins", "one read each", "one robot"],
)
@pytest.mark.parametrize("text", ["telling", "the same", "unknown"])
def test_odd_logs_are_borne(log: ReadLog, text: str) -> None:
    content = unit_rows(np.random.default_rng(7), len(log.ids), 8)
    if text != "telling":
        content[:] = content[0] if text == "the same" else 0
    found = fitted(log, content)
    assert finite(found)
    assert 0 < found.content < 1
    assert all(np.isfinite(rows).all() for rows in (*found.recount(log, content, SETTINGS), *found.predict(content)))


def test_twins_have_one_vector() -> None:
    draw = np.random.default_rng(8)
    readers = [sorted({*draw.choice(28, 5), 28, 29}) if number % 2 else draw.choice(28, 5) for number in range(60)]
    log = log_of(*[sorted({int(it) for it in one}) for one in readers])
    found = fitted(log, unit_rows(draw, 30, 8))
    np.testing.assert_allclose(found.inner[28], found.inner[29], atol=1e-5)


def test_readers_of_a_topic_are_told_from_the_others() -> None:
    log, content, topic = crowd(1)
    found = fitted(log, unit_rows(np.random.default_rng(9), len(content), 16))  # texts that say nothing
    inner, outer = found.recount(log, content, SETTINGS)
    likeness = inner @ outer.T
    same = topic[:, None] == topic[None]
    np.fill_diagonal(same, False)
    apart = topic[:, None] != topic[None]
    assert likeness[same].mean() > 5 * abs(likeness[apart].mean())
    assert (likeness[same] > np.quantile(likeness[apart], 0.9)).mean() > 0.9


def test_a_recount_gives_what_was_fitted_and_gives_it_again() -> None:
    log, content, _ = crowd(2)
    found = fitted(log, content)
    inner, outer = found.recount(log, content, SETTINGS)
    assert inner.tobytes() == found.inner.tobytes()
    sums = sum_up(log, found.inner.astype(np.float64), SETTINGS.reader_power)
    trust = sums.trust(SETTINGS.evidence)
    predicted = found.gain * found.to_outer(content)
    expected = (trust * sums.learned(SETTINGS.ridge) + (1 - trust) * predicted) / found.scale
    np.testing.assert_allclose(outer, expected, atol=1e-5)
    assert float((outer**2).sum(axis=1).mean()) == pytest.approx(1, rel=1e-4), "the scale is the usual length"
    again = found.recount(log, content, SETTINGS)
    assert [rows.tobytes() for rows in again] == [inner.tobytes(), outer.tobytes()]
    assert [rows.tobytes() for rows in fitted(log, content).recount(log, content, SETTINGS)] == [
        inner.tobytes(), outer.tobytes(),
    ]  # fmt: skip


def test_an_article_read_since_is_folded_in() -> None:
    """It is read by those who read the first topic, and its text is of another."""
    log, content, topic = crowd(3)
    found = fitted(log, content)
    old, new = log.reads.toarray(), (np.arange(log.readers) % 4 == 0).astype(float)[:, None]
    reads = sparse.csr_array(np.hstack([old, new]))
    grown = ReadLog(np.append(log.ids, 900), reads, reads)
    told = np.vstack([content, content[topic == 2][:1]])
    inner, outer = found.recount(grown, told, SETTINGS)
    assert np.abs(inner[:-1] - found.inner).max() == 0, "what was fitted stays"
    assert (topic[np.argsort(-(inner[:-1] @ inner[-1]))[:10]] == 0).all()
    profiles = log.reads @ found.inner
    liking = profiles @ outer[-1] / np.linalg.norm(profiles, axis=1)
    means = [liking[np.arange(log.readers) % 4 == group].mean() for group in range(4)]
    assert means[0] > 5 * max(map(abs, means[1:]))
    predicted = found.predict(told[-1:])
    assert (topic[np.argsort(-(inner[:-1] @ predicted[0][0]))[:10]] == 2).all(), "by its text it was of the other"


@pytest.mark.parametrize("exposure", [0.5, 1.0, 2.0, 3.0])
def test_articles_nobody_has_read_take_their_share(exposure: float) -> None:
    """A fifth of the articles is kept out; they take about `exposure` fifths of the first ten places."""
    log, content, _ = crowd(4, each=40, readers=300, reads=12)
    kept_out = np.random.default_rng(10).permutation(len(log.ids)) < len(log.ids) // 5
    old = read_log(
        [f"{row:04}" for row, column in zip(*log.reads.nonzero(), strict=True) if not kept_out[column]],
        log.ids[[column for column in log.reads.nonzero()[1] if not kept_out[column]]],
        np.full(int(log.reads[:, ~kept_out].sum()), np.nan), longest=500, half_life_days=30,
    )  # fmt: skip
    settings = BehaviourSettings(exposure=exposure)
    found = fitted(old, content[~kept_out], settings)
    _, outer = found.recount(old, content[~kept_out], settings)
    scores = np.zeros((old.readers, len(log.ids)), np.float32)
    profiles = old.reads @ found.inner
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    scores[:, ~kept_out] = np.where(old.reads.toarray() > 0, -np.inf, profiles @ outer.T)
    scores[:, kept_out] = profiles @ found.predict(content[kept_out])[1].T
    first = np.argsort(-scores, axis=1)[:, :10]
    assert kept_out[first].mean() == pytest.approx(exposure / 5, rel=0.35)


def test_thin_logs_lean_on_text() -> None:
    shares = [fitted(*crowd(5, readers=readers)[:2]).content for readers in (40, 120, 480)]
    assert shares[0] > shares[1] > shares[2] > 0.3 / 1.3


def test_saved_and_read_again(tmp_path: Path) -> None:
    log, content, _ = crowd(6)
    found = fitted(log, content)
    found.save(tmp_path)
    again = Behaviour.load(tmp_path)
    assert [rows.tobytes() for rows in again.recount(log, content, SETTINGS)] == [
        rows.tobytes() for rows in found.recount(log, content, SETTINGS)
    ]
    assert [rows.tobytes() for rows in again.predict(content)] == [rows.tobytes() for rows in found.predict(content)]
    assert (again.gain, again.scale, again.content, again.dim) == (found.gain, found.scale, found.content, found.dim)


# A newsroom whose texts say nothing

GROUPS, EACH = 2, 15
USED: Settings = small_settings(exploration=0)


def blank(number: int) -> Draft:
    """An article of the words that all articles are of."""
    draw, words = random.Random(f"blank {number}"), CHINESE["足球"]
    body = "，".join(draw.choice(words) for _ in range(30))
    return Draft(f"a{number}", "，".join(draw.sample(words, 3)), body, published_at=NOW - DAY)


def boards() -> dict[tuple[str, str], list[EventDraft]]:
    """By reader and the article kept from them: they read all others of their half of the articles."""
    return {
        (f"reader {group} {held}", f"a{EACH * group + held}"): [
            read(f"reader {group} {held}", f"a{EACH * group + number}", NOW - (1 + number) * HOUR)
            for number in range(EACH)
            if number != held
        ]
        for group in range(GROUPS)
        for held in range(EACH)
    }


def keys(feed: list[Recommendation]) -> list[str]:
    return [item.key for item in feed]


def parts(item: Recommendation) -> dict[str, float]:
    return {reason.part: reason.value for reason in item.reasons}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that learned from its readers. Copy it before you change it."""
    home = tmp_path_factory.mktemp("learned")
    with Newsroom.open(home, USED) as room:
        room.ingest([blank(number) for number in range(GROUPS * EACH)])
        room.record_many([event for events in boards().values() for event in events])
        room.train()
    return home


@pytest.fixture
def read_home(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "home"))


@pytest.fixture
def room(read_home: Path) -> object:
    with Newsroom.open(read_home, USED) as opened:
        yield opened


def stored(room: Newsroom, key: str) -> tuple[int, bytes, bytes]:
    """By how many readers an article's behaviour vectors were learned, and the vectors."""
    generation = str(room.status().live)
    rows = room.store.behaviours.of(generation, [room.article(key).article_id])
    return int(rows.readers[0]), rows.inner.tobytes(), rows.outer.tobytes()


def test_the_article_kept_from_a_reader_comes_first(room: Newsroom) -> None:
    for (user, withheld), events in boards().items():
        [first, *rest] = room.recommend(user, 5, at=NOW)
        assert first.key == withheld
        assert parts(first)["behaviour"] > 2 * max(parts(item)["behaviour"] for item in rest)
        assert first.source == ("behaviour" if parts(first)["behaviour"] > parts(first)["similarity"] else "interests")
        [reason] = [reason for reason in first.reasons if reason.part == "behaviour"]
        assert reason.key in {event.key for event in events}
        assert reason.title == room.article(reason.key).title
        assert reason.words == ()
        assert first.score == pytest.approx(sum(parts(first).values()))


def test_content_alone_cannot_tell(read_home: Path) -> None:
    without = USED.override("behaviour", enabled=False)
    with Newsroom.open(read_home, without) as room:
        generation = room.train()
        assert generation.manifest.behaviour == {}
        found = [keys(room.recommend(user, 1, at=NOW)) == [withheld] for user, withheld in boards()]
        assert sum(found) < len(found) / 3
        assert "behaviour" not in parts(room.recommend("reader 0 0", 1, at=NOW)[0])


def test_the_manifest_says_what_was_learned(room: Newsroom) -> None:
    manifest = room.generations.load(str(room.status().live)).manifest
    assert manifest.behaviour["articles"] == GROUPS * EACH
    assert manifest.behaviour["dim"] == GROUPS * EACH // 5
    assert 0 < manifest.behaviour["content"] < 1
    assert "behaviour/behaviour.npz" in manifest.files
    assert stored(room, "a3")[0] == EACH - 1
    assert room.verify() == []


@pytest.mark.parametrize("readers", [0, 19])
def test_without_enough_of_a_log_all_is_as_if_there_were_none(learned: Path, tmp_path: Path, readers: int) -> None:
    feeds = []
    for name, enabled in (("one", True), ("two", False)):
        with Newsroom.open(tmp_path / name, USED.override("behaviour", enabled=enabled)) as room:
            room.ingest([blank(number) for number in range(GROUPS * EACH)])
            room.record_many([event for events in list(boards().values())[:readers] for event in events])
            generation = room.train()
            assert generation.manifest.behaviour == {}
            assert not (generation.folder / "behaviour").exists()
            assert room.store.behaviours.counts() == {}
            assert room.serving.current()[1].index.dim == generation.dim
            feeds.append(repr([room.recommend(user, 10, at=NOW) for user in ("reader 0 0", "nobody")]))
    assert feeds[0] == feeds[1]


def test_a_new_article_is_predicted_from_its_text(room: Newsroom) -> None:
    twin = replace(blank(3), key="twin", title="另，一篇，新闻")
    room.ingest([twin, replace(blank(3), key="void", title="zzyzx", body="")])
    readers, inner, outer = stored(room, "twin")
    assert readers == 0
    assert np.frombuffer(inner, np.float32).any()
    _, catalog = room.serving.current()
    found = catalog.parts(np.array([room.article("twin").article_id]))[1][0]
    share = catalog.layout.content
    np.testing.assert_allclose(found, np.frombuffer(outer, np.float32) * (1 - share) / share, atol=1e-4)
    assert found.any()
    assert not np.frombuffer(stored(room, "void")[2], np.float32).any(), "a text that says nothing predicts nothing"
    assert room.verify() == []


def test_what_is_read_changes_the_next_feed(room: Newsroom) -> None:
    """Nothing is counted again for it."""
    live = str(room.status().live)
    before, fresh = room.store.behaviours.through(live), keys(room.recommend("new", 10, at=NOW))
    for group in (0, 1):
        for number in range(5 + 2 * group):
            room.record("new", f"a{EACH * group + number}", at=NOW - HOUR + number * SECOND)
            after = keys(room.recommend("new", 10, at=NOW))
            assert after != fresh
            fresh = after
        halves = [int(key[1:]) // EACH for key in fresh]
        if group == 0:
            assert halves.count(0) >= 8
        else:
            assert 3 <= halves.count(1) <= 7, "both are read"
    assert room.store.behaviours.through(live) == before


def crowd_reads(key: str, group: int, count: int = 60) -> list[EventDraft]:
    """New readers of one half, who all read one article and four others."""
    return [
        read(f"crowd {number}", name, NOW - HOUR)
        for number in range(count)
        for name in {key: 0} | {f"a{EACH * group + (number + step) % EACH}": 0 for step in range(4)}
    ]


def test_the_log_is_counted_again_once_it_has_grown(room: Newsroom) -> None:
    live = str(room.status().live)
    room.ingest([replace(blank(40), key="new")])
    before, through = stored(room, "new"), room.store.behaviours.through(live)
    events = crowd_reads("new", 1)
    room.record_many(events[:49])
    assert room.store.behaviours.through(live) == through, "fewer than fifty events do not count yet"
    room.record_many(events[49:])
    assert room.store.behaviours.through(live) == (room.store.events.through(), room.store.readings.count()) != through
    readers, inner, outer = stored(room, "new")
    assert (before[0], readers) == (0, 60)
    assert inner != before[1]
    assert outer != before[2]
    for group in (0, 1):
        ranked = keys(room.recommend(f"reader {group} 0", GROUPS * EACH, at=NOW))
        assert (ranked.index("new") < 3) is (group == 1)
    assert room.verify() == []


def test_how_much_a_log_must_grow_is_a_setting(read_home: Path) -> None:
    events = crowd_reads("a20", 1)
    with Newsroom.open(read_home, USED.override("behaviour", recount_share=0.9)) as room:
        through = room.store.behaviours.through("g000001")
        room.record_many(events)
        assert room.store.behaviours.through("g000001") == through
        generation = room.serving.generation(prepared=True)
        assert count_if_due(room.store, generation, USED)
        assert not count_if_due(room.store, generation, USED), "nothing new since"


def test_another_process_counts_and_this_one_follows(room: Newsroom) -> None:
    room.ingest([replace(blank(40), key="new")])
    before = keys(room.recommend("reader 1 0", 2, at=NOW))
    program = """
import sys
from recnews.newsroom import Newsroom
from tests.test_behaviour import USED, crowd_reads
with Newsroom.open(sys.argv[1], USED) as room:
    room.record_many(crowd_reads("new", 1))
"""
    assert "new" not in before
    subprocess.run([sys.executable, "-c", program, str(room.home)], check=True, cwd=ROOT)
    assert "new" in keys(room.recommend("reader 1 0", 2, at=NOW))


def test_what_has_hardly_moved_is_not_written_again(room: Newsroom) -> None:
    generation = room.serving.generation(prepared=True)

    def token() -> str:
        return room.serving.current()[1].token

    before = token()
    count(room.store, generation, USED)
    assert token() == before, "nothing has moved at all"
    room.store.events.add([read("one more", "a1", NOW - HOUR), read("one more", "a2", NOW - HOUR)])
    count(room.store, generation, USED.override("behaviour", tolerance=1.0))
    assert token() == before
    assert room.store.behaviours.through(generation.id) == (room.store.events.through(), room.store.readings.count())
    count(room.store, generation, USED.override("behaviour", tolerance=0.0))
    assert token() != before
    assert stored(room, "a1")[0] == EACH


def test_what_a_text_predicts_does_not_replace_what_was_learned(room: Newsroom) -> None:
    before = stored(room, "a3")
    room.ingest([replace(blank(3), summary="球队，球员")])
    assert stored(room, "a3") == before


def test_a_deleted_article_leaves_none_behind(room: Newsroom) -> None:
    room.delete(["a3"])
    assert room.store.behaviours.counts() == {"g000001": GROUPS * EACH - 1}
    count(room.store, room.serving.generation(prepared=True), USED)
    assert room.store.behaviours.counts() == {"g000001": GROUPS * EACH - 1}
    assert keys(room.recommend("reader 0 4", 1, at=NOW)) == ["a4"]
    assert room.verify() == []


def test_back_to_the_generation_before(room: Newsroom) -> None:
    feed = repr(room.recommend("reader 0 0", 10, at=NOW))
    room.train(USED.override("embedding", seed=2).override("behaviour", dim=4))
    assert room.status().live == "g000002"
    assert room.serving.current()[1].layout.behaviour == 4
    room.ingest([replace(blank(40), key="new")])
    room.record_many(crowd_reads("new", 1))
    assert room.generations.rollback() == "g000001"
    assert stored(room, "new")[0] == 60, "it has caught up with articles and readers"
    assert "new" in keys(room.recommend("reader 1 0", 3, at=NOW))
    assert "new" not in keys(room.recommend("reader 0 0", 3, at=NOW))
    assert repr(room.recommend("reader 0 0", 10, at=NOW)) != feed
    assert room.verify() == []
    room.generations.prune(1)
    assert set(room.store.behaviours.counts()) == {"g000001"}


def test_the_same_log_teaches_the_same_in_any_process(learned: Path, tmp_path: Path) -> None:
    program = """
import sys
from recnews.newsroom import Newsroom
from tests.test_behaviour import EACH, GROUPS, USED, blank, boards
with Newsroom.open(sys.argv[1], USED) as room:
    room.ingest([blank(number) for number in range(GROUPS * EACH)])
    room.record_many([event for events in reversed(boards().values()) for event in events])
    room.train()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=ROOT)
    digests = []
    for home in (learned, tmp_path):
        file = home / "indexes" / "g000001" / "behaviour" / "behaviour.npz"
        with Newsroom.open(home, USED) as room:
            vectors = [stored(room, f"a{number}") for number in range(GROUPS * EACH)]
            feed = repr(room.recommend("reader 0 0", 10, at=NOW))
        digests.append((hashlib.sha256(file.read_bytes()).hexdigest(), vectors, feed))
    assert digests[0] == digests[1]


def test_a_backup_keeps_what_was_learned(room: Newsroom, tmp_path: Path) -> None:
    room.record_many(crowd_reads("a20", 1))
    feed = repr(room.recommend("reader 0 0", 10, at=NOW))
    assert room.backup(tmp_path / "backup").problems == ()
    restore(tmp_path / "backup", tmp_path / "restored", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "restored", USED) as restored:
        assert repr(restored.recommend("reader 0 0", 10, at=NOW)) == feed
        assert restored.verify() == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_file_is_named(read_home: Path, damage: str) -> None:
    file = read_home / "indexes" / "g000001" / "behaviour" / "behaviour.npz"
    match damage:
        case "flipped":
            flip(file)
        case "cut":
            file.write_bytes(file.read_bytes()[:-9])
        case "gone":
            file.unlink()
    with Newsroom.open(read_home, USED) as room:
        with pytest.raises(DamagedGenerationError, match=r"behaviour\.npz"):
            room.ingest([replace(blank(40), key="new")])
        assert any("behaviour.npz" in problem.what for problem in room.verify())


def test_reads_are_stored_whatever_state_a_generation_is_in(read_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip(read_home / "indexes" / "g000001" / "behaviour" / "behaviour.npz")
    with Newsroom.open(read_home, USED) as room:
        report = room.record_many(crowd_reads("a20", 1))
        assert report.added == report.read > 200
        assert "behaviour.npz" in caplog.text
        assert room.record("ann", "a3", at=NOW)


def test_content_that_weighs_nothing_is_refused() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        BehaviourSettings(content=0)
