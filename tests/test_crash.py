"""Killed at any moment and run again, a command leaves what an undisturbed run leaves (promise 1).

The commands run in processes of their own and are killed with SIGKILL just before a point that is counted in SQL
statements and changes of files, or after some time. Each message names the point: `RECNEWS_CRASHPOINTS=1000` tries
every one of them, and by default 16 of each command are tried.
"""

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from recnews.repository import Repository
from tests.crash_world import (
    POINTS,
    USERS,
    Host,
    Job,
    Outcome,
    Point,
    Task,
    World,
    as_row,
    chosen,
    differences,
    first_version,
    fresh_copy,
    readers_are_served,
    state_of,
    write_lines,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.made(tmp_path_factory.mktemp("crash")) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Case:
    """A command on a home. When it has switched generations already, run again it is another command: what it is to
    leave then is what it leaves when run twice."""

    name: str
    base: str
    verb: str
    args: tuple[str, ...] = ()


CASES = (
    Case("first ingest", "nothing", "ingest", ("first",)),
    Case("ingest before training", "stored", "ingest", ("second",)),
    Case("ingest into a live generation", "live", "ingest", ("second",)),
    Case("ingest of two files", "live", "ingest", ("first", "second")),
    Case("first events", "nothing", "events", ("events",)),
    Case("events on articles", "live", "events", ("events",)),
    Case("first training", "stored", "train"),
    Case("second training", "live", "train"),
    Case("training aside", "live", "train", ("aside",)),
    Case("promotion", "aside", "promote", ("g000002",)),
    Case("promotion of an earlier one", "twice", "promote", ("g000001",)),
    Case("rollback", "twice", "rollback"),
    Case("pruning", "twice", "prune", ("1",)),
    Case("pruning of what is old", "live", "outlive", ("足球-1", "足球-2")),
    Case("hiding", "live", "hide", ("足球-1", "足球-2")),
    Case("forgetting", "live", "forget", (USERS[0],)),
    Case("deletion", "live", "delete", ("足球-1", "足球-2")),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an undisturbed run leaves, and what a second one after it leaves, with how they ended."""

    points: tuple[Point, ...]
    seconds: float
    done: tuple[str, ...]
    """`CURRENT` and the generations once the command has switched; empty when it never does."""
    once: dict[str, Any]
    again: dict[str, Any]
    again_outcome: Outcome


def _switched(home: Path) -> tuple[str, ...]:
    current = home / "indexes" / "CURRENT"
    folders = sorted(path.name for path in (home / "indexes").glob("g0*"))
    return (current.read_text(encoding="utf-8") if current.exists() else "", *folders)


def _expected(world: World, case: Case) -> Expected:
    """Run a case undisturbed: watched, and once more."""
    home = fresh_copy(world.folder / case.base, world.folder / f"reference {case.name}")
    job = world.job(home, case.verb, *case.args)
    outcome = world.hosts[0].one(replace(job, watch=True))
    assert outcome.status == 0, f"{case.name}: {outcome.trace}"
    once = state_of(home)
    assert differences(once, once) == [], f"{case.name}: undisturbed"
    switched = _switched(home)
    done = () if switched == _switched(world.folder / case.base) or case.verb == "prune" else switched
    again_outcome = world.hosts[0].one(job)
    return Expected(outcome.points, outcome.seconds, done, once, state_of(home), again_outcome)


def _crash(host: Host, base: Path, expected: Expected, crash: Job, label: str) -> list[str]:
    """Kill a command, look at what is left as a reader would, run it again; what is wrong."""
    home = Path(crash.home)
    killed = host.one(crash)
    label = f"{label} [{killed.where}]"
    if killed.status not in (0, -9):
        return [f"{label}: ended by itself with {killed.status}: {killed.trace}"]
    told = []
    if (base / "indexes" / "CURRENT").exists():
        try:
            told += readers_are_served(home)
        except Exception as error:
            told.append(f"a reader gets {error!r}")
    done = bool(expected.done) and _switched(home) == expected.done
    rerun = host.one(replace(crash, kill_at=0, after=0.0))
    allowed = (0, expected.again_outcome.status) if done or killed.status == 0 else (0,)
    if rerun.status not in allowed:
        return [f"{label}: {line}" for line in [*told, f"run again it fails: {rerun.trace}"]]
    finished = killed.status == 0 or done
    told += differences(state_of(home), expected.again if finished else expected.once)
    shutil.rmtree(home)
    return [f"{label}: {line}" for line in told]


def _all_crashes(world: World, case: Case, expected: Expected, crashes: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Try crashes; what is wrong."""

    def task(label: str, change: dict[str, Any]) -> Task:
        def crash(host: Host) -> list[str]:
            base = world.folder / case.base
            home = fresh_copy(base, world.folder / f"{case.name}, killed {label}")
            job = replace(world.job(home, case.verb, *case.args), **change)
            return _crash(host, base, expected, job, f"{case.name}, killed {label}")

        return crash

    return world.each([task(label, change) for label, change in crashes])


def _named(case: Case) -> str:
    return case.name.replace(" ", "-")


@pytest.mark.parametrize("case", CASES, ids=_named)
def test_killed_at_a_point_and_run_again_leaves_what_an_undisturbed_run_leaves(world: World, case: Case) -> None:
    expected = _expected(world, case)
    crashes: list[tuple[str, dict[str, Any]]] = [
        (f"before point {point.number} of {len(expected.points)}", {"kill_at": point.number})
        for point in chosen(expected.points, POINTS)
    ]
    wrong = _all_crashes(world, case, expected, crashes)
    assert not wrong, f"{len(wrong)} problems after {len(crashes)} crashes:\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", [case for case in CASES if case.verb in ("ingest", "train")], ids=_named)
def test_killed_after_some_time_and_run_again_leaves_what_an_undisturbed_run_leaves(world: World, case: Case) -> None:
    expected = _expected(world, case)
    count = max(POINTS // 4, 1)
    times = [expected.seconds * (number + 0.5) / count for number in range(count)]
    crashes: list[tuple[str, dict[str, Any]]] = [(f"after {seconds:.4f} s", {"after": seconds}) for seconds in times]
    wrong = _all_crashes(world, case, expected, crashes)
    assert not wrong, f"{len(wrong)} problems after {len(crashes)} crashes:\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", [CASES[2], CASES[7]], ids=_named)
def test_killed_again_and_again_and_then_left_alone(world: World, case: Case) -> None:
    """Crashes add up: each run is killed further on, until one gets through."""
    expected = _expected(world, case)
    home = fresh_copy(world.folder / case.base, world.folder / f"again {case.name}")
    job = world.job(home, case.verb, *case.args)
    for point in chosen(expected.points, POINTS)[: -POINTS // 4]:
        if expected.done and _switched(home) == expected.done:
            break
        outcome = world.hosts[0].one(replace(job, kill_at=point.number))
        assert outcome.status in (0, -9), f"before point {point}: {outcome.trace}"
        assert readers_are_served(home) == [], f"before point {point}"
    finished = bool(expected.done) and _switched(home) == expected.done
    assert world.hosts[0].one(job).status == 0
    assert differences(state_of(home), expected.again if finished else expected.once) == []


def test_a_mended_quarantine_file_taken_in_and_killed(world: World) -> None:
    """The file is its own input, and goes away when nothing in it is wrong any more."""
    base = fresh_copy(world.folder / "live", world.folder / "mended")
    [file] = (base / "corpora" / "quarantine").glob("articles-first-*.jsonl")
    mended = [as_row(replace(draft, key=f"mended-{draft.key}")) for draft in first_version()[:15]]
    write_lines(file, [*mended, "{still wrong"])
    relative = str(file.relative_to(base))
    host, home = world.hosts[0], fresh_copy(base, world.folder / "mended run")
    outcome = host.one(Job(str(home), "ingest", (str(home / relative),), watch=True))
    assert outcome.status == 0, outcome.trace
    expected = state_of(home)

    def task(point: Point) -> Task:
        def crash(host: Host) -> list[str]:
            home = fresh_copy(base, world.folder / f"mended {point.number}")
            job = Job(str(home), "ingest", (str(home / relative),))
            killed = host.one(replace(job, kill_at=point.number))
            served = readers_are_served(home)
            rerun = host.one(job)
            found = [] if (killed.status, rerun.status) == (-9, 0) else [killed.trace, rerun.trace]
            return [
                f"killed before {point}: {line}" for line in [*found, *served, *differences(state_of(home), expected)]
            ]

        return crash

    wrong = world.each([task(point) for point in chosen(outcome.points, POINTS)])
    assert not wrong, "\n".join(wrong)


def test_forgetting_killed_and_run_again_leaves_no_byte(world: World) -> None:
    """Rows are looked at by the cases above; here every file, quarantine and write-ahead log included."""
    user = USERS[0].encode()
    base, host = world.folder / "live", world.hosts[0]
    home = fresh_copy(base, world.folder / "forgetting watched")
    outcome = host.one(replace(world.job(home, "forget", USERS[0]), watch=True))
    assert (outcome.status, _holding(home, user)) == (0, [])
    assert _holding(base, user), "there is something to forget"

    def task(point: Point) -> Task:
        def crash(host: Host) -> list[str]:
            home = fresh_copy(base, world.folder / f"forgetting {point.number}")
            killed = host.one(replace(world.job(home, "forget", USERS[0]), kill_at=point.number))
            rerun = host.one(world.job(home, "forget", USERS[0]))
            found = [] if (killed.status, rerun.status) == (-9, 0) else [killed.trace, rerun.trace]
            audit = (home / "corpora" / "audit.jsonl").read_text(encoding="utf-8")
            found += [] if audit.count("\n") == 1 else [f"the audit is {audit!r}"]
            return [f"killed before {point}: {line}" for line in [*found, *_holding(home, user)]]

        return crash

    wrong = world.each([task(point) for point in chosen(outcome.points, POINTS)])
    assert not wrong, "\n".join(wrong)


def _holding(home: Path, text: bytes) -> list[str]:
    return [str(path) for path in sorted(home.rglob("*")) if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "second"])
def test_a_backup_that_is_killed_does_not_count_and_the_next_one_is_whole(world: World, earlier: bool) -> None:
    """And leaves no file of its own once the next one is done."""
    base, host = fresh_copy(world.folder / "twice", world.folder / f"backed up {earlier}"), world.hosts[0]
    folder = Path("backups")
    if earlier:
        assert host.one(Job(str(base), "backup", (str(base / folder),))).status == 0
        assert host.one(world.job(base, "ingest", "first")).status == 0
    home = fresh_copy(base, world.folder / f"backed up {earlier} watched")
    outcome = host.one(Job(str(home), "backup", (str(home / folder), "1"), watch=True))
    assert (outcome.status, outcome.result) == (0, []), outcome.trace
    expected = _kept(home / folder)

    def task(point: Point) -> Task:
        def crash(host: Host) -> list[str]:
            home = fresh_copy(base, world.folder / f"backup {earlier} {point.number}")
            job = Job(str(home), "backup", (str(home / folder), "1"))
            killed, told = host.one(replace(job, kill_at=point.number)), list[str]()
            if (home / folder / "recnews-backups.json").exists():
                repository = Repository(home / folder)
                told += [str(damage) for it in repository.backups() for damage in repository.damages(it)]
                told += ["no backup is left"] if earlier and not repository.backups() else []
            rerun = host.one(job)
            told += [] if (killed.status, rerun.status, rerun.result) == (-9, 0, []) else [killed.trace, rerun.trace]
            told += [] if _kept(home / folder) == expected else [f"{_kept(home / folder) ^ expected}"]
            shutil.rmtree(home)
            return [f"killed before {point}: {line}" for line in told]

        return crash

    wrong = world.each([task(point) for point in chosen(outcome.points, POINTS)])
    assert not wrong, "\n".join(wrong)


def _kept(folder: Path) -> set[str]:
    """The contents that a folder of backups holds; the lists differ in how many there were in a second."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != "backups"}


def test_forgetting_in_backups_killed_and_run_again_leaves_no_byte(world: World) -> None:
    base, host = fresh_copy(world.folder / "live", world.folder / "forgetting in backups"), world.hosts[0]
    for verb in ("backup", "backup"):
        assert host.one(Job(str(base), verb, (str(base / "backups"),))).status == 0
    home = fresh_copy(base, world.folder / "forgetting in backups watched")
    outcome = host.one(Job(str(home), "forget", (USERS[0], str(home / "backups")), watch=True))
    assert (outcome.status, _packed(home / "backups", USERS[0].encode())) == (0, [])
    assert _packed(base / "backups", USERS[0].encode())

    def task(point: Point) -> Task:
        def crash(host: Host) -> list[str]:
            home = fresh_copy(base, world.folder / f"forgetting in backups {point.number}")
            job = Job(str(home), "forget", (USERS[0], str(home / "backups")))
            killed = host.one(replace(job, kill_at=point.number))
            rerun, repository = host.one(job), Repository(home / "backups")
            told = [] if (killed.status, rerun.status) == (-9, 0) else [killed.trace, rerun.trace]
            told += [str(damage) for it in repository.backups() for damage in repository.damages(it)]
            told += [*_packed(home / "backups", USERS[0].encode()), *_holding(home, USERS[0].encode())]
            told += [] if len(repository.backups()) == 2 else ["a backup is gone"]
            shutil.rmtree(home)
            return [f"killed before {point}: {line}" for line in told]

        return crash

    wrong = world.each([task(point) for point in chosen(outcome.points, POINTS)])
    assert not wrong, "\n".join(wrong)


def _packed(folder: Path, text: bytes) -> list[str]:
    return [str(path) for path in sorted(folder.rglob("*.gz")) if text in gzip.decompress(path.read_bytes())]
