"""A feed is the same to the bit on any number of threads, of FAISS and of BLAS."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from recnews.catalog import Catalog
from recnews.index.planning import SegmentSettings
from recnews.records import Draft, Layout
from recnews.store import Store
from recnews.threads import one_blas_thread
from tests.worlds import DAY, HOUR, NOW, read

DIM = 256
GENERATION = "g000001"
ASK = """
import sys
from pathlib import Path
from recnews.audience import Audiences
from recnews.catalog import Catalog
from recnews.config import FeedSettings
from recnews.recommend import FeedRequest, Recommender
from recnews.records import Layout
from recnews.store import Store
from tests.worlds import NOW
folder = Path(sys.argv[1])
store = Store(folder / "corpora")
catalog = Catalog.open(folder, "g000001", Layout(256))
catalog.refresh(store)
assert catalog.segments()[0].kind == "hnsw"
recommender = Recommender(store, catalog, FeedSettings().learned({}), Audiences(store))
for user in ("ann", "bob"):
    for item in recommender.recommend(FeedRequest(user, 50, NOW)):
        print(item.key, item.score.hex(), [(reason.part, reason.value.hex(), reason.key) for reason in item.reasons])
print(recommender.interests("ann", NOW).tobytes().hex())
queries = catalog.index.vectors(catalog.index.ids()[:100])[0]
for hits in catalog.index.search(queries, 20):
    print(hits.ids.tolist(), hits.scores.tobytes().hex())
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 articles about 60 stories, most of them sealed with a graph, and two readers of 400 each: products with
    them are large enough for BLAS to share them out."""
    folder = tmp_path_factory.mktemp("threads")
    store = Store(folder / "corpora")
    drafts = [Draft(f"{n}", f"{n}", "", source=f"s{n % 9}", published_at=NOW - HOUR * (n / 4)) for n in range(4000)]
    store.articles.upsert(drafts, NOW)
    draw = np.random.default_rng(0)
    stories = draw.standard_normal((60, DIM))
    while True:
        pending = store.vectors.pending(GENERATION, 1000)
        near = stories[draw.integers(0, 60, len(pending.texts))] + 0.8 * draw.standard_normal((len(pending.texts), DIM))
        rows = (near / np.maximum(np.linalg.norm(near, axis=1, keepdims=True), 1e-9)).astype(np.float32)
        store.vectors.write(GENERATION, pending, rows, [text.title for text in pending.texts], True)
        if pending.last:
            break
    chosen = random.Random(1)
    for user in ("ann", "bob"):
        keys = chosen.sample(range(4000), 400)
        store.events.add([read(user, f"{key}", NOW - HOUR * place) for place, key in enumerate(keys)])
    catalog = Catalog(GENERATION, Layout(DIM), folder)
    catalog.refresh(store)
    catalog.seal(NOW + DAY, SegmentSettings(least=1000))
    store.close()
    return folder


def test_a_feed_is_the_same_on_any_number_of_threads(archive: Path) -> None:
    told = set()
    for threads in ("1", "2", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(archive)], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.count("\n") == 201
        told.add(done.stdout)
    assert len(told) == 1


def test_arithmetic_on_one_thread_ends_where_it_ends() -> None:
    def counts() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = counts()
    assert before
    with one_blas_thread():
        assert set(counts()) == {1}
    assert counts() == before
