"""What has outlived its keeping goes, and nothing else; feeds, followers and counts go with it."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from recnews.config import RetentionSettings
from recnews.newsroom import Newsroom
from recnews.prune import Pruned
from recnews.verify import same_catalog
from tests.cli_world import ROOT, answer, environment, run
from tests.service_world import running
from tests.worlds import DAY, NOW, article, articles, read, small_settings

pytestmark = pytest.mark.engines
MONTH = RetentionSettings(expired_days=30, events_days=30, impressions_days=7)


def expire(newsroom: Newsroom, *keys: str, days: float) -> None:
    newsroom.editors.expire(keys, NOW - days * DAY)


def test_nothing_is_removed_unless_it_is_asked_for(newsroom: Newsroom) -> None:
    expire(newsroom, "足球-0", days=9000)
    newsroom.record_many([read("ann", "足球-1", NOW - 9000 * DAY)])
    newsroom.train()
    before = newsroom.status()
    assert newsroom.prune(now=NOW) == Pruned()
    after = newsroom.status()
    assert (after.articles, after.events, after.generations) == (before.articles, before.events, before.generations)


def test_what_goes_and_what_stays(newsroom: Newsroom) -> None:
    newsroom.ingest([article("航天", 60, NOW)], now=NOW)
    expire(newsroom, "足球-0", days=31)
    expire(newsroom, "足球-1", days=29)
    newsroom.record_many([
        read("ann", "足球-0", NOW - 31 * DAY), read("ann", "never came", NOW - 31 * DAY),
        read("ann", "足球-2", NOW - 29 * DAY), read("ann", "足球-3", None),
        read("ann", "足球-4", NOW - 8 * DAY, kind="impression"),
        read("ann", "足球-5", NOW - 6 * DAY, kind="impression"),
    ])  # fmt: skip
    newsroom.train()
    newsroom.train()
    kept = MONTH.model_copy(update={"generations": 2})
    told = newsroom.prune(kept, dry_run=True, now=NOW)
    assert told == Pruned(1, 2, 1, ("g000001",))
    assert newsroom.status().events == 6, "a dry run removes nothing"
    assert newsroom.prune(kept, now=NOW) == told
    assert newsroom.prune(kept, now=NOW) == Pruned()
    assert {it.key for it in newsroom.readers.export("ann").events} == {"足球-2", "足球-3", "足球-5"}
    assert newsroom.store.articles.ids(["never came"]) == {}, "nobody names it any more"
    assert newsroom.store.articles.count() == 48
    assert newsroom.generations.names() == ("g000002", "g000003")
    assert newsroom.verify() == []


def test_a_publishers_own_date_counts_too(newsroom: Newsroom) -> None:
    old = replace(article("航天", 61, NOW - 60 * DAY), expires_at=NOW - 31 * DAY)
    assert newsroom.ingest([old], now=NOW).added == 1
    assert newsroom.prune(MONTH, now=NOW).articles == 1


@pytest.mark.engines("faiss")
def test_a_running_catalog_follows(home: Path) -> None:
    """Of another process, as it were; and sealed segments lose what went."""
    settings = small_settings().override("index", least=1)
    with Newsroom.open(home, settings) as served, Newsroom.open(home, settings) as pruning:
        later = NOW + 30 * DAY
        assert sum(segment.alive for segment in served.seal(later)) == 48
        served.recommend("ann", 5, at=NOW)
        expire(pruning, *(f"足球-{number}" for number in range(8)), days=31)
        assert pruning.prune(MONTH, now=later).articles == 8
        feed = served.recommend("ann", 48, at=NOW)
        assert len(feed) == 40
        assert not [it for it in feed if it.key.startswith("足球")]
        assert sum(segment.alive for segment in served.seal(later)) == 40
        assert same_catalog(served.serving.current()[1], pruning.serving.current()[1])
        assert served.verify() == []


def test_more_than_one_transaction(newsroom: Newsroom) -> None:
    newsroom.record_many([read(f"reader {number}", "足球-0", NOW - 31 * DAY) for number in range(1201)])
    assert newsroom.prune(MONTH, now=NOW).events == 1201
    assert newsroom.store.events.counts()[0] == 0


def test_what_readers_taught_is_counted_again(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", "足球-0", NOW - 31 * DAY)])
    newsroom.store.behaviours.counted("g000001", 1, 1)
    newsroom.prune(MONTH, now=NOW)
    assert newsroom.store.behaviours.through("g000001") is None


PRUNER = """
import sys
from recnews import Newsroom
from recnews.config import RetentionSettings
from tests.worlds import NOW
with Newsroom.open(sys.argv[1]) as room:
    print(room.prune(RetentionSettings(expired_days=30, events_days=30), now=NOW), flush=True)
"""


@pytest.mark.engines("pgvector", "faiss")
def test_a_service_answers_and_takes_in_while_another_process_prunes(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as room:
        room.record_many([read(f"reader {n}", f"足球-{n % 8}", NOW - 31 * DAY) for n in range(4000)])
        expire(room, "金融-0", "金融-1", days=40)
    answers = list[int]()
    with running(home, workers=1) as service:
        done = threading.Event()

        def ask() -> None:
            number = 0
            while not done.is_set():
                row = {
                    "user": "bob",
                    "article": f"航天-{number % 8}",
                    "at": (NOW - number * timedelta(minutes=1)).isoformat(),
                }
                answers.append(service.ask("POST", "/v1/events", json=row).status_code)
                answers.append(service.ask("GET", "/v1/users/bob/feed").status_code)
                number += 1

        asking = threading.Thread(target=ask)
        asking.start()
        pruning = subprocess.run(
            [sys.executable, "-c", PRUNER, str(home)], cwd=ROOT, env=environment(), capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        done.set()
        asking.join()
        assert "articles=2, events=4000" in pruning.stdout, pruning.stderr
        assert set(answers) == {200, 201}, answers
        assert service.ask("GET", "/v1/articles/金融-0").status_code == 404
    with Newsroom.open(home, small_settings()) as room:
        assert room.status().events == answers.count(201)
        assert room.verify() == []


def test_commands(home: Path) -> None:
    assert "sets no limit" in run(home, "prune").stdout
    with Newsroom.open(home, small_settings()) as room:
        room.editors.expire(["足球-0"], NOW - timedelta(days=900))
    (home / "recnews.toml").write_text("[retention]\nexpired_days = 30\n")
    told = {"articles": 1, "events": 0, "impressions": 0, "generations": []}
    assert answer(home, "prune", "--dry-run") == {"dry_run": True, **told}
    assert "give --yes" in run(home, "prune", code=2).stderr
    removed = run(home, "prune", "--yes").stdout
    assert removed == "removed 1 expired article, 0 events, 0 impressions, 0 generations\n"
    assert run(home, "prune", "--yes").stdout == "nothing to remove\n"
    with Newsroom.open(home, small_settings()) as room:
        room.train()
    told = run(home, "prune", "--yes", "--keep-generations", "1").stdout
    assert "1 generation (g000001)" in told


@pytest.mark.parametrize("line", ["events_days = 0", "generations = 0", "expired_days = -1", "event_days = 3"])
def test_settings_that_are_none(home: Path, line: str) -> None:
    (home / "recnews.toml").write_text(f"[retention]\n{line}\n")
    assert "retention" in run(home, "prune", "--yes", code=2).stderr
    assert len(articles(["足球"], 1)) == 1
