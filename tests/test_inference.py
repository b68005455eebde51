"""Doc2Vec inference over processes: the same bytes as in this one, and what happens when a process is gone."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recnews.embed.doc2vec import Doc2VecEmbedder
from recnews.embed.inference import Inference
from recnews.newsroom import Newsroom
from tests.test_embed import CORPUS, EMPTY, UNKNOWN, fit
from tests.worlds import articles, small, small_settings

ROOT = Path(__file__).parent.parent
MANY = (CORPUS * 6)[:270]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved embedder."""
    folder = tmp_path_factory.mktemp("doc2vec")
    fit(folder, "doc2vec", epochs=3, infer_epochs=5).save(folder)
    return folder


def loaded(folder: Path, workers: int) -> Doc2VecEmbedder:
    return Doc2VecEmbedder.load(folder, small("doc2vec", epochs=3, infer_epochs=5, workers=workers))


@pytest.fixture
def shared(folder: Path) -> Iterator[Doc2VecEmbedder]:
    """The embedder, over two processes."""
    embedder = loaded(folder, 2)
    yield embedder
    embedder.close()


@pytest.fixture(scope="module")
def expected(folder: Path) -> bytes:
    """What one process gives."""
    return loaded(folder, 1).encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes()


def pids(embedder: Doc2VecEmbedder) -> list[int]:
    return [worker._process.pid for worker in embedder._inference._workers]


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_processes_give_the_same_bytes(shared: Doc2VecEmbedder, expected: bytes) -> None:
    for _ in range(2):
        assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected
        assert len(pids(shared)) == 2


def test_a_few_texts_start_no_process(shared: Doc2VecEmbedder) -> None:
    shared.encode(MANY[:200])
    assert pids(shared) == []
    shared.encode(MANY)
    assert len(pids(shared)) == 2


def test_they_are_kept_closed_and_started_again(shared: Doc2VecEmbedder, expected: bytes) -> None:
    shared.encode(MANY)
    first = pids(shared)
    shared.encode(MANY)
    assert pids(shared) == first
    shared.close()
    shared.close()
    assert not any(running(pid) for pid in first)
    assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected
    assert not set(pids(shared)) & set(first)


def test_a_killed_process_costs_no_vector(
    shared: Doc2VecEmbedder, expected: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shared.encode(MANY)
    first = pids(shared)
    os.kill(first[0], signal.SIGKILL)
    with caplog.at_level(logging.WARNING, logger="recnews"):
        assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected
    assert "a process that infers vectors is gone" in caplog.text
    assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected


def test_without_a_process_to_be_had_it_goes_on(
    shared: Doc2VecEmbedder, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for _ in range(2):
        assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected


def test_interpreters_that_cannot_run_it(
    shared: Doc2VecEmbedder, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for _ in range(2):
        assert shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes() == expected
    assert shared._inference._processes == 0, "what does not live here is not started again and again"


def test_threads_may_share_an_embedder(shared: Doc2VecEmbedder, expected: bytes) -> None:
    found: list[bytes] = []

    def encode() -> None:
        found.append(shared.encode([*MANY, EMPTY, UNKNOWN]).vectors.tobytes())

    threads = [threading.Thread(target=encode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3


def test_an_embedder_that_is_let_go_leaves_no_process(folder: Path) -> None:
    embedder = loaded(folder, 2)
    embedder.encode(MANY)
    left = pids(embedder)
    del embedder
    assert not any(running(pid) for pid in left)


SCRIPT = """
import sys
from pathlib import Path
print("the script runs", flush=True)
from tests.test_inference import MANY, loaded, pids
embedder = loaded(Path(sys.argv[1]), 2)
embedder.encode(MANY)
print(*pids(embedder), flush=True)
sys.stdin.read()
"""


def test_a_script_without_a_guard_runs_once_and_killed_it_leaves_no_process(folder: Path, tmp_path: Path) -> None:
    """`multiprocessing` would run the script again in each process it spawns."""
    (tmp_path / "script.py").write_text(SCRIPT)
    started = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdout.readline() == "the script runs\n"
    left = [int(pid) for pid in started.stdout.readline().split()]
    assert len(left) == 2
    started.kill()
    assert started.communicate()[0] == ""
    for _ in range(200):
        if not any(alive(pid) for pid in left):
            break
        threading.Event().wait(0.05)
    assert not any(alive(pid) for pid in left)


def alive(pid: int) -> bool:
    """Whether an orphan still does anything; nobody may be there to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_newsroom_trains_and_ingests_with_them_and_closes_them(tmp_path: Path) -> None:
    used = small_settings("doc2vec").override("embedding", workers=2, epochs=3, infer_epochs=3)
    with Newsroom.open(tmp_path, used) as newsroom:
        newsroom.ingest(articles(("足球", "金融", "航天", "sailing"), 30))
        newsroom.train()
        newsroom.ingest(articles(("足球", "金融"), 200)[60:])
        embedder = newsroom.serving.generation(prepared=True).embedder
        assert isinstance(embedder, Doc2VecEmbedder)
        left = pids(embedder)
        assert len(left) == 2
        assert newsroom.verify() == []
    assert not any(running(pid) for pid in left)


def test_no_text(folder: Path) -> None:
    inference: Inference = loaded(folder, 1)._inference
    assert inference.vectors([]).shape == (0, 16)
    assert inference.vectors([]).dtype == np.float32
