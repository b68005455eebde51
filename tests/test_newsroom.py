"""The public class: what people call, and what they are told when they call it wrongly."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

from recnews import Newsroom, __version__
from recnews.errors import (
    NoGenerationError,
    RecnewsError,
    SettingsError,
    StorageError,
    UnknownArticleError,
    UsageError,
)
from recnews.newsroom import Reading
from recnews.records import Draft, EventDraft
from tests.conftest import EACH, WORLD
from tests.worlds import DAY, HOUR, NOW, article, articles, read, small_settings

ROOT = Path(__file__).parent.parent


def shown(newsroom: Newsroom, at: datetime = NOW) -> set[str]:
    """Everything that may be shown to somebody who has read nothing."""
    return {item.key for item in newsroom.recommend("nobody", 1000, at=at)}


# Opening


def test_a_home_is_created(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path / "new" / "home") as newsroom:
        assert newsroom.status().articles == 0
        assert newsroom.status().live is None
    assert (tmp_path / "new" / "home" / "corpora" / "recnews.sqlite").is_file()


def test_the_home_comes_from_the_argument_the_environment_or_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Newsroom.open() as newsroom:
        assert newsroom.home == tmp_path
    monkeypatch.setenv("RECNEWS_HOME", str(tmp_path / "from environment"))
    with Newsroom.open() as newsroom:
        assert newsroom.home == tmp_path / "from environment"
    with Newsroom.open("given") as newsroom:
        assert newsroom.home == tmp_path / "given"


def test_settings_of_a_home_are_read(tmp_path: Path) -> None:
    (tmp_path / "recnews.toml").write_text("[feed]\ndiversity = 0.7\n")
    with Newsroom.open(tmp_path) as newsroom:
        assert newsroom.settings.feed.diversity == 0.7
    (tmp_path / "recnews.toml").write_text("[feed]\ndiversty = 0.7\n")
    with pytest.raises(SettingsError, match=r"recnews\.toml.*feed\.diversty"):
        Newsroom.open(tmp_path)


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageError, UsageError), match="file"):
        Newsroom.open(tmp_path / "file")


# Recording


def test_one_event(newsroom: Newsroom) -> None:
    assert newsroom.record("ann", "足球-0", at=NOW)
    assert not newsroom.record("ann", "足球-0", at=NOW)
    assert newsroom.record("ann", "足球-0", "like", at=NOW, weight=2.0, dwell=10)
    [like, seen] = sorted(newsroom.store.events.of_user("ann", NOW + HOUR, 10), key=lambda event: event.kind)
    assert (like.kind, like.weight, like.dwell, like.at) == ("like", 2.0, 10.0, NOW)
    assert (seen.kind, seen.weight, seen.dwell) == ("read", 1.0, None)


def test_an_event_happens_now_unless_told(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0")
    assert "足球-0" not in {item.key for item in newsroom.recommend("ann", 1000)}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"user_id": ""}, "user"), ({"key": ""}, "article"), ({"kind": "stare"}, "kind"), ({"weight": -1.0}, "weight"),
        ({"weight": float("inf")}, "weight"), ({"dwell": -3.0}, "dwell"), ({"at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001
    ],
    ids=str,
)  # fmt: skip
def test_an_event_that_cannot_be_taken_is_refused(newsroom: Newsroom, given: dict[str, object], named: str) -> None:
    with pytest.raises(RecnewsError, match=f"'{named}'"):
        newsroom.record(**({"user_id": "ann", "key": "足球-0"} | given))  # type: ignore[arg-type]
    assert newsroom.status().events == 0


def test_events_of_articles_to_come_wait(newsroom: Newsroom) -> None:
    report = newsroom.record_many([read("ann", f"航天-{n}") for n in range(EACH)] + [read("ann", "later")])
    assert (report.read, report.added, report.waiting) == (EACH + 1, EACH + 1, 1)
    assert newsroom.status().waiting == 1
    newsroom.ingest([replace(article("航天", 50), key="later")])
    assert newsroom.status().waiting == 0
    assert "later" not in {item.key for item in newsroom.recommend("ann", 1000, at=NOW)}, "it was read already"


# The editors' hand


def test_hidden_expired_and_deleted_articles_are_gone_at_once(newsroom: Newsroom) -> None:
    everything = shown(newsroom)
    newsroom.editors.hide(["足球-0", "足球-1"])
    newsroom.editors.expire(["足球-2"], NOW)
    newsroom.editors.expire(["足球-3"], NOW + HOUR)
    newsroom.delete(["足球-4"])
    assert everything - shown(newsroom) == {"足球-0", "足球-1", "足球-2", "足球-4"}
    assert everything - shown(newsroom, NOW + HOUR) == {"足球-0", "足球-1", "足球-2", "足球-3", "足球-4"}
    newsroom.editors.hide(["足球-0"], hidden=False)
    assert "足球-0" in shown(newsroom)
    assert {found.key for found in newsroom.articles(hidden=True)} == {"足球-1"}
    with pytest.raises(UnknownArticleError):
        newsroom.article("足球-4")
    assert newsroom.verify() == []


@pytest.mark.parametrize("verb", ["editors.hide", "editors.expire", "delete"])
def test_an_unknown_key_changes_nothing(newsroom: Newsroom, verb: str) -> None:
    before = shown(newsroom)
    with pytest.raises(UnknownArticleError, match="'nowhere'; `recnews articles list`"):
        attrgetter(verb)(newsroom)(["足球-0", "nowhere"])
    assert shown(newsroom) == before


def test_a_hidden_article_speaks_for_others_but_is_not_shown(newsroom: Newsroom) -> None:
    newsroom.record("ann", "足球-0", at=NOW - HOUR)
    newsroom.editors.hide(["足球-0"])
    [item] = newsroom.recommend("ann", 1, at=NOW)
    assert (item.category, item.source) == ("足球", "interests")


def test_articles_by_key_and_list(newsroom: Newsroom) -> None:
    found = newsroom.article("足球-0")
    assert (found.title, found.hidden, found.category) == (article("足球", 0).title, False, "足球")
    assert len(newsroom.articles()) == 20
    assert [each.key for each in newsroom.articles(limit=2, contains="足球-", category="足球")] == ["足球-0", "足球-1"]


def test_the_status(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", "足球-0"), read("bob", "later")])
    newsroom.editors.hide(["足球-0"])
    newsroom.ingest([{"id": "x", "title": ""}])
    status = newsroom.status()
    assert (status.articles, status.hidden, status.events, status.readers, status.waiting, status.pending) == (
        EACH * len(WORLD), 1, 2, 2, 1, 0,
    )  # fmt: skip
    assert (status.live, status.previous, status.generations) == ("g000001", (), ("g000001",))
    assert status.store_bytes > 0
    assert status.index_bytes > 0
    assert status.free_bytes > 0
    assert len(status.quarantine) == 1
    newsroom.store.articles.upsert([article("足球", 50)], NOW)
    assert newsroom.status().pending == 1


# Asking


def test_embedding_texts(newsroom: Newsroom) -> None:
    vectors = newsroom.embed(["火箭，发射，卫星", "", "zzyzx", "rocket 火箭"])
    assert vectors.shape == (4, newsroom.serving.generation(prepared=True).dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1], atol=1e-5)
    assert newsroom.embed([]).shape == (0, vectors.shape[1])


@pytest.mark.parametrize(
    "call", [lambda n: n.embed(["x"]), lambda n: n.neighbors(word="x"), lambda n: n.recommend("x")]
)
def test_nothing_can_be_asked_before_the_first_training(tmp_path: Path, call: Callable[[Newsroom], object]) -> None:
    with Newsroom.open(tmp_path) as newsroom, pytest.raises(NoGenerationError, match="run `recnews train` first"):
        call(newsroom)


def test_an_unknown_time_zone(newsroom: Newsroom) -> None:
    with pytest.raises(UsageError, match="'Mars/Olympus' is not a time zone"):
        newsroom.ingest([{"id": "x", "title": "x"}], Reading(timezone="Mars/Olympus"))


def test_dates_without_an_offset_are_read_in_the_zone_given(newsroom: Newsroom) -> None:
    row = {"id": "x", "title": "股市", "published_at": "2026-03-10 18:00:00"}
    assert newsroom.ingest([row], Reading(timezone="Asia/Shanghai")).added == 1
    assert newsroom.article("x").published_at == NOW - 2 * HOUR


def test_fields_are_renamed(newsroom: Newsroom) -> None:
    row = {"nid": "x", "headline": "股市", "id": "not this"}
    assert newsroom.ingest([row], Reading(rename={"id": "nid", "title": "headline"})).added == 1
    assert newsroom.article("x").title == "股市"


def test_a_feed_needs_neither_gensim_nor_pandas_nor_jieba(home: Path) -> None:
    """Importing them costs seconds; a query must not."""
    program = """
import sys
from recnews import Newsroom
from tests.worlds import NOW
with Newsroom.open(sys.argv[1]) as newsroom:
    newsroom.record("ann", "足球-0")
    assert len(newsroom.recommend("ann", 5, at=NOW)) == 5
print(sorted({"gensim", "pandas", "jieba", "rjieba", "pyarrow", "typer"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_encoding_needs_no_gensim(home: Path) -> None:
    program = """
import sys
from recnews import Newsroom
with Newsroom.open(sys.argv[1]) as newsroom:
    newsroom.ingest([{"id": "new", "title": "股市"}])
    newsroom.neighbors(text="火箭")
print(sorted({"gensim", "pandas", "jieba"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_a_snapshot_is_taken_when_much_has_come_in(newsroom: Newsroom, home: Path) -> None:
    """The next process starts from it and serves the same."""
    before = {path.name for path in (home / "indexes").rglob("catalog-*")}
    newsroom.ingest([Draft(f"many {n}", f"股市 {n}", published_at=NOW - DAY) for n in range(1100)])
    after = {path.name for path in (home / "indexes").rglob("catalog-*")}
    assert len(after) == 1
    assert after != before
    with Newsroom.open(home, small_settings()) as other:
        assert shown(other) == shown(newsroom)
        assert other.verify() == []


def test_the_version() -> None:
    assert __version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        __import__("recnews").Nonsense  # noqa: B018


def test_settings_of_one_newsroom_are_not_anothers(home: Path) -> None:
    one = Newsroom.open(home, small_settings(freshness=0, popularity=0))
    two = Newsroom.open(home, small_settings())
    assert one.recommend("x", 1, at=NOW)[0].score == 0
    assert two.recommend("x", 1, at=NOW)[0].score > 0
    one.close()
    two.close()


def test_a_reader_may_be_called_anything(newsroom: Newsroom) -> None:
    for user in ("李雷 😀", "' OR 1=1 --", "a\x1fb", "x" * 2000):
        newsroom.store.events.add([EventDraft(user, "足球-0", at=NOW - HOUR)])
        assert newsroom.recommend(user, 1, at=NOW)[0].category == "足球"
    assert timedelta(0) < HOUR
    assert os.path.exists(newsroom.home)  # noqa: PTH110


def test_articles_may_be_given_as_records_or_mappings(newsroom: Newsroom) -> None:
    drafts = articles(["足球"], 3)
    assert newsroom.ingest(drafts).unchanged == 3
    rows = [
        {"id": draft.key, "title": draft.title, "body": draft.body, "source": draft.source, "lang": draft.lang,
         "category": draft.category, "published_at": draft.published_at}
        for draft in drafts
    ]  # fmt: skip
    assert newsroom.ingest(rows).unchanged == 3
