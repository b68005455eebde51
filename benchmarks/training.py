"""Learning words and the article space, beside bare gensim on the same tokens with the same parameters; and what of
quality a minute of each buys.

Quality: the share of 2,000 articles that their title, as a text, finds first among them by their bodies; gensim's
vector of a text is the mean of its word vectors.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from data import xwlb
from rows import Row

from recnews.config import Settings
from recnews.embed import word2vec
from recnews.embed.base import TokenFile, effective_min_count
from recnews.records import Float32, Tokens
from recnews.text import Tokenizer

RUNS = 3
ARTICLES = 6500  # a third of the archive: both take so much longer with more, and this is done three times
ASKED = 2000
AIM = 1.15


def rows(articles: int, folder: Path) -> list[Row]:  # noqa: ARG001
    """Seconds of both in turn, and title-to-body R@1 for a minute of each."""
    settings = Settings().embedding
    workers = settings.workers or 2
    tokenizer = Tokenizer(Settings().text)
    cut = [tokenizer.document(row["title"], "", row["body"]) for row in xwlb()[-min(articles, ARTICLES) :]]
    seconds: dict[str, list[float]] = {"recnews": [], "gensim": []}
    with tempfile.TemporaryDirectory() as spare:
        corpus = TokenFile.write(Path(spare) / "tokens.txt", iter(cut))
        for _ in range(RUNS):
            start = time.perf_counter()
            bare = gensim(corpus, settings, workers)
            seconds["gensim"].append(time.perf_counter() - start)
            start = time.perf_counter()
            mine = word2vec.fit(corpus, settings, workers, lambda _stage, _share: None)
            seconds["recnews"].append(time.perf_counter() - start)
    step = max(len(cut) // ASKED, 1)
    sample = [text for text in cut[::step] if text.title and text.body][:ASKED]
    found = {
        "recnews": found_first(*(mine.encode([Tokens([], part) for part in side]).vectors for side in sides(sample))),
        "gensim": found_first(*(np.stack([mean(bare, part) for part in side]) for side in sides(sample))),
    }
    ratios = [ours / theirs for ours, theirs in zip(seconds["recnews"], seconds["gensim"], strict=True)]
    minutes = {name: found[name] / (statistics.median(taken) / 60) for name, taken in seconds.items()}
    figures = {"seconds": seconds, "title to body R@1": found, "passes": settings.epochs}
    took = {name: statistics.median(taken) for name, taken in seconds.items()}
    return [
        Row(f"train, {len(cut):,} articles, {settings.epochs} passes", "gensim Word2Vec", f"<= {AIM} x",
            f"{took['recnews']:.1f} s against {took['gensim']:.1f} s", f"{statistics.median(ratios):.2f}",
            statistics.median(ratios) <= AIM, len(cut), figures),
        Row("quality for a minute of training (R@1, title to body)", "gensim, mean of words", "given",
            f"{minutes['recnews']:.2f} against {minutes['gensim']:.2f} "
            f"(R@1 {found['recnews']:.3f}, {found['gensim']:.3f})",
            f"{minutes['recnews'] / minutes['gensim']:.2f}", None, len(cut), {}),
    ]  # fmt: skip


def gensim(corpus: TokenFile, settings: Any, workers: int) -> Any:
    """Word2Vec with the parameters that recnews gives it."""
    from gensim.models import Word2Vec

    return Word2Vec(
        corpus_file=str(corpus.path), vector_size=settings.dim, window=settings.window, negative=settings.negative,
        sample=settings.subsampling(corpus.tokens), min_count=effective_min_count(settings.min_count, corpus.articles),
        sg=1, epochs=settings.epochs, workers=workers, seed=settings.seed,
    )  # fmt: skip


def sides(sample: list[Tokens]) -> tuple[list[list[str]], list[list[str]]]:
    """Titles and bodies."""
    return [list(text.title) for text in sample], [list(text.body) for text in sample]


def mean(model: Any, tokens: list[str]) -> Float32:
    """The unit mean of word vectors; zero for an unknown text."""
    known = [token for token in tokens if token in model.wv]
    if not known:
        return np.zeros(model.vector_size, np.float32)
    made = model.wv[known].mean(axis=0)
    return np.asarray(made / max(float(np.linalg.norm(made)), 1e-12), dtype=np.float32)


def found_first(titles: Float32, bodies: Float32) -> float:
    """The share of titles whose own body is the nearest."""
    return float((np.argmax(titles @ bodies.T, axis=1) == np.arange(len(titles))).mean())
