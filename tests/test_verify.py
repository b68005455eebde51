"""Each kind of damage is found, named, and comes with a remedy; a healthy home has none."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from recnews.errors import RecnewsError
from recnews.newsroom import Newsroom
from recnews.store import STORE_FILE
from tests.test_generations import flip
from tests.worlds import NOW, article, read, small_settings

LIVE = "g000001"


def sql(newsroom: Newsroom, statement: str) -> None:
    with newsroom.store._database.write() as connection:
        connection.exec_driver_sql(statement)


def test_a_healthy_home(newsroom: Newsroom, tmp_path: Path) -> None:
    assert newsroom.verify() == []
    newsroom.record_many([read("ann", "足球-0"), read("ann", "nowhere")])
    newsroom.ingest([article("足球", 50, NOW)])
    newsroom.editors.hide(["足球-0"])
    newsroom.delete(["足球-1"])
    assert newsroom.verify() == []
    with Newsroom.open(tmp_path / "empty") as other:
        assert other.verify() == []


def snapshot(newsroom: Newsroom) -> Path:
    [found] = (newsroom.home / "indexes" / LIVE).glob("catalog-*")
    return found


def spoil_snapshot(newsroom: Newsroom) -> None:
    file = snapshot(newsroom) / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-6] ^= 0x40
    file.write_bytes(content)


def orphan(newsroom: Newsroom) -> None:
    connection = sqlite3.connect(newsroom.store.folder / STORE_FILE)  # foreign keys are off unless asked for
    connection.execute("INSERT INTO events VALUES ('ann', x'00', 900, 'read', 1.0, NULL, NULL, 1)")
    connection.commit()
    connection.close()


DAMAGE: dict[str, tuple[Callable[[Newsroom], object], str]] = {
    "an orphan": (orphan, "refers to a missing article_ids"),
    "an altered file": (lambda n: flip(n.home / "indexes" / LIVE / "embedder" / "words.txt"), "words.txt: its content"),
    "a missing file": (lambda n: (n.home / "indexes" / LIVE / "tokenizer.json").unlink(), "tokenizer.json"),
    "a missing generation": (lambda n: shutil.rmtree(n.home / "indexes" / LIVE), "is missing"),
    "vectors of nobody": (
        lambda n: sql(n, "INSERT INTO vectors SELECT 'g000077', article_id, text_digest, NULL, NULL, vector, keywords "
                         "FROM vectors LIMIT 3"),
        "3 vectors of g000077, which is not there",
    ),
    "an article not indexed": (
        lambda n: n.store.articles.upsert([article("足球", 50)], NOW), "1 articles are not searchable",
    ),
    "another vector": (
        lambda n: sql(n, "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE article_id = 7"),
        "1 of 48 stored vectors are not what g000001 gives",
    ),
    "a spoilt snapshot": (spoil_snapshot, "the index snapshot differs from the store"),
    "an unreadable CURRENT": (lambda n: (n.home / "indexes" / "CURRENT").write_text("?"), "CURRENT: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(newsroom: Newsroom, kind: str) -> None:
    spoil, said = DAMAGE[kind]
    spoil(newsroom)
    with Newsroom.open(newsroom.home, small_settings()) as fresh:
        problems = fresh.verify()
    assert any(said in problem.what for problem in problems), problems
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize("kind", ["a spoilt snapshot", "an article not indexed", "vectors of nobody", "another vector"])
def test_the_remedy_mends_it(newsroom: Newsroom, kind: str) -> None:
    """The remedies that can be taken here: delete the snapshot, ingest any file, train."""
    DAMAGE[kind][0](newsroom)
    with Newsroom.open(newsroom.home, small_settings()) as fresh:
        [problem, *_] = fresh.verify()
        if "catalog-" in problem.remedy:
            shutil.rmtree(snapshot(fresh))
        elif "ingest" in problem.remedy:
            fresh.ingest([article("足球", 0)])
        else:
            fresh.train()
        assert fresh.verify() == []


def test_looking_changes_nothing(newsroom: Newsroom, home: Path) -> None:
    from tests.test_ingest import files

    newsroom.store.articles.upsert([article("足球", 50)], NOW)
    before = files(home)
    newsroom.verify()
    assert files(home) == before


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_store_with_a_bad_page_is_found(newsroom: Newsroom, home: Path, share: float) -> None:
    """Found, whether SQLite says so in a row or by refusing to read on."""
    newsroom.close()
    file = home / "corpora" / "recnews.sqlite"
    content = bytearray(file.read_bytes())
    page = int(len(content) * share) // 4096 * 4096
    content[page : page + 2048] = bytes(range(256)) * 8
    file.write_bytes(content)
    try:
        with Newsroom.open(home, small_settings()) as spoilt:
            problems = spoilt.verify()
    except RecnewsError as error:
        assert "recnews.sqlite" in str(error)  # noqa: PT017 - either way of telling is right
        return
    assert any("recnews.sqlite" in problem.what for problem in problems)
