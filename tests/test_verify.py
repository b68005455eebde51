"""Each kind of damage is found, named, and comes with a remedy; a healthy home has none."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from recnews.errors import RecnewsError
from recnews.newsroom import Newsroom
from recnews.store import STORE_FILE
from tests.cli_world import answer, run
from tests.test_generations import flip
from tests.worlds import DAY, NOW, article, read, small_settings

pytestmark = pytest.mark.engines
LIVE = "g000001"


def sql(newsroom: Newsroom, statement: str) -> int:
    with newsroom.store._database.write() as connection:
        return connection.exec_driver_sql(statement).rowcount


def test_a_healthy_home(newsroom: Newsroom) -> None:
    assert newsroom.verify() == []
    newsroom.record_many([read("ann", "足球-0"), read("ann", "nowhere")])
    newsroom.ingest([article("足球", 50, NOW)])
    newsroom.editors.hide(["足球-0"])
    newsroom.delete(["足球-1"])
    assert newsroom.verify() == []


@pytest.mark.usefixtures("engines")
def test_an_empty_home(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path / "empty") as newsroom:
        assert newsroom.verify() == []


def snapshot(newsroom: Newsroom) -> Path:
    [found] = (newsroom.home / "indexes" / LIVE).glob("catalog-*")
    return found


def spoil_snapshot(newsroom: Newsroom) -> None:
    if (snapshot(newsroom) / "archived.npy").exists():
        pytest.skip("the vectors are in an engine: tests/scale/test_archive_verify.py spoils them there")
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
        lambda n: sql(n, "UPDATE vectors SET vector = (SELECT it.vector FROM vectors it WHERE it.article_id = 9) "
                         "WHERE article_id = 7"),
        "1 of 48 stored vectors are not what g000001 gives",
    ),
    "a spoilt snapshot": (spoil_snapshot, "the index snapshot differs from the store"),
    "lost bands": (lambda n: sql(n, "DELETE FROM story_bands WHERE article_id = 7"), "by their stories' bands"),
    "strange bands": (lambda n: sql(n, "INSERT INTO story_bands VALUES (77, 7)"), "by their stories' bands"),
    "a vector cut short": (
        lambda n: sql(n, "UPDATE vectors SET vector = substr(vector, 1, 10) WHERE article_id = 7"),
        "1 of 48 stored vectors are not what g000001 gives",
    ),
    "a place too far": (
        lambda n: n.store.articles.upsert([article("足球", 50)], NOW)
        and sql(n, "UPDATE indexed_through SET seq = 1000000"),
        "1 articles are not searchable",
    ),
    "an unreadable CURRENT": (lambda n: (n.home / "indexes" / "CURRENT").write_text("?"), "CURRENT: cannot be read"),
}  # fmt: skip


def kinds(names: Iterable[str]) -> list[ParameterSet]:
    """PostgreSQL does not let go of what is referred to, whoever asks; and a generation that is not there is fetched
    from it (tests/scale/test_postgres_generations.py)."""
    file = {"an orphan", "a missing generation", "an unreadable CURRENT"}
    return [pytest.param(name, marks=pytest.mark.only_sqlite if name in file else ()) for name in names]


@pytest.mark.parametrize("kind", kinds(DAMAGE))
def test_damage_is_found(newsroom: Newsroom, kind: str) -> None:
    spoil, said = DAMAGE[kind]
    spoil(newsroom)
    with Newsroom.open(newsroom.home, small_settings()) as fresh:
        problems = fresh.verify()
    assert any(said in problem.what for problem in problems), problems
    assert all(problem.remedy for problem in problems)


VIEWS = [
    "vectors of nobody", "an article not indexed", "another vector", "a spoilt snapshot", "lost bands", "strange bands",
    "a vector cut short", "a place too far",
]  # fmt: skip


def truth(newsroom: Newsroom) -> dict[str, list[bytes]]:
    """What no repair may touch, but for change numbers."""
    lines = {name: newsroom.store.rows.lines(name, ()) for name in ("articles", "events", "pins", "rules", "forgotten")}
    return {name: list(found) for name, found in lines.items()}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_is_made_again(newsroom: Newsroom, kind: str) -> None:
    newsroom.record_many([read("ann", "足球-0")])
    expected = repr(newsroom.recommend("ann", 5, at=NOW))
    DAMAGE[kind][0](newsroom)
    before = truth(newsroom)
    with Newsroom.open(newsroom.home, small_settings()) as fresh:
        done = fresh.repair()
        assert done.done, kind
        assert done.left == ()
        assert fresh.verify() == []
        after = truth(fresh)
        if "articles" in kind or "place" in kind or "not indexed" in kind:  # which get a story, too
            assert after.pop("articles")[:48] == before.pop("articles")[:48]
        assert after == before
        assert repr(fresh.recommend("ann", 5, at=NOW)) == expected or fresh.status().articles == 49
        assert fresh.repair().done == (), "there is nothing more to do"


@pytest.mark.parametrize("kind", kinds(kind for kind in DAMAGE if kind not in VIEWS))
def test_what_is_no_view_is_left_and_told(newsroom: Newsroom, kind: str) -> None:
    DAMAGE[kind][0](newsroom)
    before = truth(newsroom)
    with Newsroom.open(newsroom.home, small_settings()) as fresh:
        done = fresh.repair()
        assert [it.kind for it in done.left if it.kind in {"truth", "generation"}]
        assert truth(fresh) == before


@pytest.mark.engines("faiss")
def test_damaged_segments_are_removed_and_served_without(home: Path) -> None:
    settings = small_settings().override("index", least=1)
    with Newsroom.open(home, settings) as newsroom:
        newsroom.seal(NOW + 30 * DAY)
        expected = repr(newsroom.recommend("ann", 5, at=NOW))
    [segment] = [path for path in (home / "indexes" / LIVE / "sealed").iterdir() if path.is_dir()]
    flip(segment / "rows.npy")
    with Newsroom.open(home, settings) as newsroom:
        assert [it.kind for it in newsroom.verify()][:1] == ["segments"]
        assert newsroom.repair().left == ()
        assert newsroom.verify() == []
        assert repr(newsroom.recommend("ann", 5, at=NOW)) == expected
        assert newsroom.seal(NOW + 30 * DAY), "they can be made again"


def test_repair_on_the_command_line(newsroom: Newsroom) -> None:
    spoil_snapshot(newsroom)
    newsroom.close()
    assert "verify --repair" in run(newsroom.home, "verify", code=1).stdout
    assert run(newsroom.home, "verify", "--repair").stdout == (
        "repaired: wrote the index snapshot of g000001 again\nall is well\n"
    )
    assert answer(newsroom.home, "verify", "--repair") == {"repaired": [], "problems": []}


def test_looking_changes_nothing(newsroom: Newsroom, home: Path) -> None:
    from tests.test_ingest import files

    newsroom.store.articles.upsert([article("足球", 50)], NOW)
    before = files(home)
    newsroom.verify()
    assert files(home) == before


@pytest.mark.only_sqlite
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
