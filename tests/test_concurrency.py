"""Several processes on one home: all succeed, everything is there exactly once, and all of it is served.

Some run at the same moment. Others are interleaved on purpose: one is stopped just before a counted point (SIGSTOP),
the other runs from beginning to end, then the first goes on. `RECNEWS_CRASH_POINTS=1000` tries every point at which
another process can write.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recnews.errors import UnknownArticleError
from recnews.newsroom import Newsroom
from recnews.records import Draft
from recnews.restore import restore
from tests.crash_world import (
    POINTS,
    USERS,
    Host,
    Job,
    Outcome,
    Point,
    Task,
    World,
    chosen,
    feeds_of,
    first_version,
    fresh_copy,
    readers_are_served,
    second_version,
    settings,
    state_of,
)
from tests.worlds import HOUR, NOW, article


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.made(tmp_path_factory.mktemp("concurrency")) as made:
        yield made


def failures(*outcomes: Outcome) -> list[str]:
    """What went wrong in processes that should all have succeeded."""
    return [outcome.trace or f"ended with {outcome.status}" for outcome in outcomes if outcome.status != 0]


def wrong_with(home: Path, keys: set[str], live: str | None) -> list[str]:
    """What is wrong with a home that should hold exactly these articles, all of them served by `live`."""
    state = state_of(home)
    told = [f"verify() says {problem!r}" for problem in state["problems"]]
    with Newsroom.open(home, settings()) as room:
        stored = [found.key for found in room.articles(1000)]
        if sorted(stored) != sorted(keys):
            told.append(f"{len(stored)} articles; too many {set(stored) - keys}, lacking {keys - set(stored)}")
        texts = _versions()
        told += [
            f"{found.key} is neither version" for found in room.articles(1000) if found.body not in texts[found.key]
        ]
        status = room.status()
        if status.live != live:
            told.append(f"{status.live} is live, not {live}")
        if live is not None and status.pending:
            told.append(f"{status.pending} articles are pending in {live}")
        if live is not None and len(state["served"]) != len(keys) - status.hidden:
            told.append(f"{len(state['served'])} of {len(keys)} articles are served, {status.hidden} hidden")
    left = [name for name in state["files"] if "/.building" in name or "/.run-" in name or "/.CURRENT" in name]
    return told + ([f"left over: {left}"] if left else [])


def _versions() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for draft in (*first_version(), *second_version()):
        versions.setdefault(draft.key, set()).add(draft.body)
    return versions


FIRST = {draft.key for draft in first_version()}
SECOND = FIRST | {draft.key for draft in second_version()}


# At the same moment


def test_processes_open_a_new_home_at_the_same_moment(world: World) -> None:
    def task(number: int) -> Task:
        def opened(host: Host) -> list[str]:
            home = world.folder / f"new {number}"
            return [f"round {number}: {line}" for line in failures(*host.run(*[Job(str(home), "open")] * 4))]

        return opened

    assert world.each([task(number) for number in range(POINTS // 2)]) == []


@pytest.mark.parametrize("base", ["nothing", "live"])
def test_processes_ingest_the_same_and_overlapping_files_at_the_same_moment(world: World, base: str) -> None:
    def task(number: int) -> Task:
        def ingested(host: Host) -> list[str]:
            home = fresh_copy(world.folder / base, world.folder / f"together {base} {number}")
            jobs = [world.job(home, "ingest", name) for name in ("first", "second", "second")]
            outcomes = host.run(*jobs)
            told = failures(*outcomes)
            if not told:
                added, expected = (
                    sum(outcome.result[1] for outcome in outcomes),
                    SECOND if base == "nothing" else SECOND - FIRST,
                )
                told += [] if added == len(expected) else [f"{added} added, {len(expected)} are new"]
                told += wrong_with(home, SECOND, None if base == "nothing" else "g000001")
            return [f"round {number}: {line}" for line in told]

        return ingested

    assert world.each([task(number) for number in range(max(POINTS // 5, 1))]) == []


@pytest.mark.parametrize(("base", "live"), [("stored", "g000001"), ("live", "g000002")])
def test_one_process_ingests_while_another_trains(world: World, base: str, live: str) -> None:
    def task(number: int) -> Task:
        def both(host: Host) -> list[str]:
            home = fresh_copy(world.folder / base, world.folder / f"training {base} {number}")
            outcomes = host.run(world.job(home, "train"), world.job(home, "ingest", "second"))
            told = failures(*outcomes) or wrong_with(home, SECOND, live)
            return [f"round {number}: {line}" for line in told]

        return both

    assert world.each([task(number) for number in range(max(POINTS // 5, 1))]) == []


def test_of_two_trainings_at_the_same_moment_one_is_told_to_wait(world: World) -> None:
    home = fresh_copy(world.folder / "live", world.folder / "two trainings")
    one, other = world.hosts[0].run(*[world.job(home, "train")] * 2)
    assert sorted([one.status, other.status], key=str) == [0, 1], one.trace + other.trace
    assert {one.error, other.error} == {"", "BusyError"}
    assert wrong_with(home, FIRST, "g000002") == []


def test_events_are_recorded_while_feeds_are_read(world: World) -> None:
    home = fresh_copy(world.folder / "live", world.folder / "events and feeds")
    with Newsroom.open(home, settings()) as room:
        before = room.status().events
    outcomes = world.hosts[0].run(
        Job(str(home), "record", ("a writer", "30")),
        Job(str(home), "record", ("a writer", "30")),
        Job(str(home), "record", ("another", "30")),
        Job(str(home), "read", ("a writer", "30")),
        Job(str(home), "read", (USERS[0], "30")),
    )
    assert failures(*outcomes) == []
    assert sum(outcome.result for outcome in outcomes[:3]) == 60, "each event is new to one process only"
    with Newsroom.open(home, settings()) as room:
        assert room.status().events == before + 60
        assert room.verify() == []
        read = {
            room.store.articles.cards([found])[found].key for found in room.store.events.articles_seen("a writer", NOW)
        }
        assert read
        assert not read & {place.key for place in room.recommend("a writer", 36, at=NOW)}


def test_editors_hide_and_delete_while_articles_come_in(world: World) -> None:
    def task(number: int) -> Task:
        def together(host: Host) -> list[str]:
            home = fresh_copy(world.folder / "live", world.folder / f"editors {number}")
            extra = [article("足球", 90 + row) for row in range(5)]
            with Newsroom.open(home, settings()) as room:
                room.ingest(extra, now=NOW)
            outcomes = host.run(
                world.job(home, "ingest", "second"),
                Job(str(home), "toggle", ("金融-0", "15")),  # changed by the ingest, and hidden in the end
                Job(str(home), "delete", tuple(draft.key for draft in extra)),
                Job(str(home), "read", (USERS[1], "10")),
            )
            told = failures(*outcomes) or wrong_with(home, SECOND, "g000001")
            with Newsroom.open(home, settings()) as room:
                if not room.article("金融-0").hidden:
                    told.append("the hidden article is not hidden any more")
                if "金融-0" in {place.key for place in room.recommend("nobody", 100, at=NOW)}:
                    told.append("the hidden article is shown")
            return [f"round {number}: {line}" for line in told]

        return together

    assert world.each([task(number) for number in range(max(POINTS // 5, 1))]) == []


# One inside the other


@dataclass(frozen=True, slots=True)
class Pair:
    """`outer` is stopped somewhere, `inner` runs from beginning to end, `outer` goes on."""

    base: str
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    live: str
    keys: frozenset[str] = frozenset(SECOND)

    @property
    def name(self) -> str:
        return f"{'-'.join(self.outer)} with {'-'.join(self.inner)} inside, on {self.base}"


PAIRS = (
    Pair("stored", ("train",), ("ingest", "second"), "g000001"),
    Pair("live", ("train",), ("ingest", "second"), "g000002"),
    Pair("live", ("train",), ("delete", "足球-1"), "g000002", frozenset(FIRST - {"足球-1"})),
    Pair("aside", ("promote", "g000002"), ("ingest", "first"), "g000002"),
    Pair("twice", ("rollback",), ("ingest", "first"), "g000001"),
    Pair("twice", ("prune", "1"), ("ingest", "first"), "g000002"),
    Pair("stored", ("ingest", "second"), ("train",), "g000001"),
    Pair("live", ("ingest", "second"), ("train",), "g000002"),
    Pair("twice", ("ingest", "first"), ("rollback",), "g000001"),
    Pair("aside", ("ingest", "first"), ("promote", "g000002"), "g000002"),
    Pair("live", ("ingest", "second"), ("ingest", "first", "second"), "g000001"),
    Pair("live", ("ingest", "second"), ("hide", "足球-1", "足球-2"), "g000001"),
    Pair("live", ("events", "events"), ("ingest", "second"), "g000001"),
    Pair("live", ("read", USERS[0], "2"), ("train",), "g000002", frozenset(FIRST)),
    Pair("live", ("read", USERS[0], "2"), ("delete", "足球-3"), "g000001", frozenset(FIRST - {"足球-3"})),
    Pair("twice", ("read", USERS[0], "2"), ("rollback",), "g000001"),
    Pair("twice", ("read", USERS[0], "2"), ("prune", "1"), "g000002"),
)  # fmt: skip


def _free_points(world: World, base: str, outer: tuple[str, ...], count: int) -> list[Point]:
    """Points of a command where another process can write."""
    home = fresh_copy(world.folder / base, world.folder / "watched")
    outcome = world.hosts[0].one(replace(world.job(home, *outer), watch=True))
    assert failures(outcome) == []
    return chosen([point for point in outcome.points if point.free], count)


def _interleaved(host: Host, outer: Job, inner: Job, point: Point) -> list[Outcome]:
    """Run a command up to a point, another from beginning to end, then the rest of the first."""
    outcome = host.one(replace(outer, stop_at=point.number))
    between = host.one(inner)
    return [host.go_on() if outcome.status is None else outcome, between]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name.replace(" ", "-"))
def test_one_command_runs_inside_another(world: World, pair: Pair) -> None:
    def task(point: Point) -> Task:
        def run(host: Host) -> list[str]:
            home = fresh_copy(world.folder / pair.base, world.folder / f"{pair.name} {point.number}")
            outcomes = _interleaved(host, world.job(home, *pair.outer), world.job(home, *pair.inner), point)
            told = failures(*outcomes) or [*wrong_with(home, set(pair.keys), pair.live), *readers_are_served(home)]
            return [f"{pair.name}, before {point}: {line}" for line in told]

        return run

    wrong = world.each([task(point) for point in _free_points(world, pair.base, pair.outer, max(POINTS // 3, 1))])
    assert not wrong, "\n".join(wrong)


# Backups


@pytest.mark.parametrize(
    ("base", "inner"),
    [
        ("live", ("ingest", "second")),
        ("live", ("train",)),
        ("twice", ("prune", "1")),
        ("twice", ("rollback",)),
        ("live", ("delete", "足球-3")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_backup_taken_while_others_write_is_whole(world: World, base: str, inner: tuple[str, ...]) -> None:
    """And a home restored from it is whole."""

    def task(point: Point) -> Task:
        def run(host: Host) -> list[str]:
            name = f"backup {base} {inner[0]} {point.number}"
            home, target = fresh_copy(world.folder / base, world.folder / name), world.folder / f"{name} copy"
            outcomes = _interleaved(host, Job(str(home), "backup", (str(target),)), world.job(home, *inner), point)
            told = failures(*outcomes) or _wrong_with_backup(
                target, world.folder / f"{name} restored", outcomes[0].result
            )
            return [f"{name}, before {point}: {line}" for line in told]

        return run

    outer = ("backup", str(world.folder / f"watched backup {base} {inner[0]}"))
    wrong = world.each([task(point) for point in _free_points(world, base, outer, max(POINTS // 3, 1))])
    assert not wrong, "\n".join(wrong)


def _wrong_with_backup(target: Path, home: Path, problems: list[str]) -> list[str]:
    if problems:
        return [f"the backup says {problem!r}" for problem in problems]
    restore(target, home, replace=False, now=NOW)
    return [*_problems(home), *readers_are_served(home)]


def _problems(home: Path) -> list[str]:
    with Newsroom.open(home, settings()) as room:
        return [f"verify() says {problem.what!r}" for problem in room.verify()]


def test_a_backup_taken_while_a_generation_is_being_built_is_whole(world: World) -> None:
    """The training is stopped where vectors of the new generation are stored and the generation is not there yet."""
    home = fresh_copy(world.folder / "live", world.folder / "building")
    points = world.hosts[0].one(replace(world.job(home, "train"), watch=True)).points
    [named] = [point for point in points if point.what.startswith("os.rename") and point.what.endswith("/g000002")]
    home, target = fresh_copy(world.folder / "live", home), world.folder / "building copy"
    outcomes = _interleaved(world.hosts[0], world.job(home, "train"), Job(str(home), "backup", (str(target),)), named)
    assert failures(*outcomes) == []
    assert _wrong_with_backup(target, world.folder / "building restored", outcomes[1].result) == []


# A process that has been open for long


class TestOpenForLong:
    """A service opened its home long ago; whatever other processes do is in its next answer."""

    @pytest.fixture
    def home(self, world: World, request: pytest.FixtureRequest) -> Path:
        return fresh_copy(world.folder / "live", world.folder / request.node.name)

    @pytest.fixture
    def service(self, home: Path) -> Iterator[Newsroom]:
        with Newsroom.open(home, settings()) as room:
            assert feeds_of(room)
            yield room

    @staticmethod
    def keys(room: Newsroom, user: str = "nobody") -> list[str]:
        return [place.key for place in room.recommend(user, 100, at=NOW)]

    def test_a_new_article_comes(self, world: World, home: Path, service: Newsroom) -> None:
        assert "足球-7" not in self.keys(service)
        assert failures(world.hosts[0].one(world.job(home, "ingest", "second"))) == []
        assert set(self.keys(service)) == SECOND
        assert service.article("足球-7").title

    def test_a_hidden_article_goes_and_comes_back(self, world: World, home: Path, service: Newsroom) -> None:
        hiding = Job(str(home), "toggle", ("足球-3", "1"))
        assert failures(world.hosts[0].one(hiding)) == []
        assert "足球-3" not in self.keys(service)
        assert failures(world.hosts[0].one(replace(hiding, args=("足球-3", "2")))) == []
        assert "足球-3" in self.keys(service)

    def test_a_deleted_article_goes(self, world: World, home: Path, service: Newsroom) -> None:
        assert failures(world.hosts[0].one(Job(str(home), "delete", ("足球-3",)))) == []
        assert set(self.keys(service)) == FIRST - {"足球-3"}
        with pytest.raises(UnknownArticleError):
            service.article("足球-3")

    def test_a_read_counts(self, world: World, home: Path, service: Newsroom) -> None:
        assert failures(world.hosts[0].one(Job(str(home), "record", ("nobody", "3")))) == []
        feed = service.recommend("nobody", 100, at=NOW)
        assert len(feed) == len(FIRST) - 3
        assert feed[0].source == "interests"

    def test_a_new_generation_is_taken_up(self, world: World, home: Path, service: Newsroom) -> None:
        outcomes = [world.hosts[0].one(world.job(home, *job)) for job in (("ingest", "second"), ("train",))]
        assert failures(*outcomes) == []
        self.same_as_just_opened(home, service)
        assert service.status().live == "g000002"

    def test_a_rollback_is_taken_up(self, world: World, home: Path, service: Newsroom) -> None:
        jobs: list[tuple[str, ...]] = [("train",), ("ingest", "second"), ("rollback",), ("prune", "1")]
        for job in jobs:
            assert failures(world.hosts[0].one(world.job(home, *job))) == []
            self.same_as_just_opened(home, service)
        assert service.status().generations == ("g000001",)

    def test_a_name_is_not_given_again(self, world: World, home: Path, service: Newsroom) -> None:
        """The service sleeps through a rollback and a pruning; the generation trained next must have a new name."""
        assert failures(world.hosts[0].one(world.job(home, "train"))) == []
        self.same_as_just_opened(home, service)
        jobs: list[tuple[str, ...]] = [("ingest", "second"), ("rollback",), ("prune", "1"), ("train",)]
        assert failures(*[world.hosts[0].one(world.job(home, *job)) for job in jobs]) == []
        self.same_as_just_opened(home, service)

    @staticmethod
    def same_as_just_opened(home: Path, service: Newsroom) -> None:
        with Newsroom.open(home, settings()) as fresh:
            assert feeds_of(service) == feeds_of(fresh)
            found = service.neighbors(article="足球-0", k=5, at=NOW)
            assert found == fresh.neighbors(article="足球-0", k=5, at=NOW)


def test_an_article_expires_by_the_clock_alone(world: World) -> None:
    home = fresh_copy(world.folder / "live", world.folder / "expiry")
    with Newsroom.open(home, settings()) as service:
        feeds_of(service)
        with Newsroom.open(home, settings()) as editor:
            editor.ingest([Draft("short-lived", "足球，球队", published_at=NOW - HOUR, expires_at=NOW + HOUR)], now=NOW)
        at: Any
        for at, shown in ((NOW, True), (NOW + HOUR - timedelta(seconds=1), True), (NOW + HOUR, False)):
            keys = {place.key for place in service.recommend(USERS[0], 100, at=at)}
            assert ("short-lived" in keys) == shown, at
