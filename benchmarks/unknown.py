"""Words the model has never seen: neighbours of induced vectors beside those of fully trained ones.

Some words are taken out of the corpus. A model trained without them gives them vectors from the first 5, the first 20
and all of their occurrences (articles are taken whole: at least so many); one trained with them says what their
neighbours should have been. `overlap@10`: the share of a word's ten nearest words that are the same, among words of
both vocabularies that occur at least five times. Beside it: gensim's FastText, which makes a vector from the
characters, trained without the words, against the neighbours in our full model and in FastText's own full model; and
how far two trainings agree on words that neither lacks.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import xwlb
from gensim.models import FastText
from report import save, table

from recnews.config import EmbeddingSettings, TextSettings
from recnews.embed import word2vec
from recnews.embed.base import TokenFile
from recnews.embed.space import to_unit
from recnews.records import Float32, Tokens
from recnews.text import Tokenizer

NEAR = 10
ALL = 10**9


def main() -> None:
    """Measure, print a table, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=4000, help="the latest so many")
    parser.add_argument("--words", type=int, default=300, help="words to withhold")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="1 makes figures reproducible")
    asked = parser.parse_args()
    settings = EmbeddingSettings(dim=asked.dim, epochs=asked.epochs, workers=asked.workers)
    cut, rows = Tokenizer(TextSettings(), []), xwlb()[-asked.articles :]
    texts = [cut.document(row["title"], row.get("summary", ""), row["body"]) for row in rows]
    counts = Counter(token for text in texts for token in text.title + text.body)
    withheld = random.Random(1).sample(
        sorted(word for word, count in counts.items() if 20 <= count <= 500 and len(word) > 1), asked.words
    )
    started = time.perf_counter()
    full, lacking = (trained(texts, set(without), settings) for without in ((), withheld))
    print(f"two trainings: {time.perf_counter() - started:.0f} s", flush=True)
    compared = [word for word in lacking.vocabulary.words if counts[word] >= 5 and word in full.vocabulary.ids]
    expected = nearest(rows_of(full, withheld), rows_of(full, compared))
    space, found = rows_of(lacking, compared), dict[str, float]()
    for occurrences in (5, 20, ALL):
        holding = first_texts(texts, withheld, occurrences)
        vectors = to_unit(lacking.induce(withheld, texts, holding)).vectors
        name = "all occurrences" if occurrences == ALL else f"{occurrences} occurrences"
        found[f"induced, {name}"] = overlap(nearest(vectors, space), expected)
    found["chance"] = NEAR / len(compared)
    others = random.Random(2).sample([word for word in compared if 20 <= counts[word] <= 500], asked.words)
    own = [nearest(rows_of(model, others), rows_of(model, compared), NEAR + 1)[:, 1:] for model in (full, lacking)]
    found["two trainings, words in both"] = overlap(own[0], own[1])
    for name, against in fasttext(texts, withheld, compared, settings).items():
        found[f"FastText {name}, against our full model"] = overlap(against[0], expected)
        found[f"FastText {name}, against full FastText"] = overlap(*against)
    table([("vectors of withheld words", "overlap@10"), *((name, f"{value:.4f}") for name, value in found.items())])
    save("unknown", vars(asked) | {"compared": len(compared), "overlap@10": found})


def trained(texts: Sequence[Tokens], without: set[str], settings: EmbeddingSettings) -> word2vec.Word2VecEmbedder:
    """An embedder of a corpus that lacks some words."""
    with tempfile.TemporaryDirectory() as folder:
        kept = (
            Tokens(*([token for token in part if token not in without] for part in (text.title, text.body)))
            for text in texts
        )
        corpus = TokenFile.write(Path(folder) / "tokens", kept)
        return word2vec.fit(corpus, settings, settings.workers, lambda _stage, _share: None)


def first_texts(texts: Sequence[Tokens], words: Sequence[str], occurrences: int) -> list[list[int]]:
    """Of each word, the places of the first articles, until it has occurred so often."""
    found: dict[str, list[int]] = {word: [] for word in words}
    seen = Counter[str]()
    for place, text in enumerate(texts):
        for word, count in Counter(token for token in text.title + text.body if token in found).items():
            if seen[word] < occurrences:
                found[word].append(place)
                seen[word] += count
    return list(found.values())


def fasttext(
    texts: Sequence[Tokens], withheld: Sequence[str], compared: Sequence[str], settings: EmbeddingSettings
) -> dict[str, tuple[Any, Any]]:
    """Neighbours of withheld words by FastText, plain and whitened as ours: (trained without them, with them)."""
    lacking, full = (subwords(texts, set(without), settings) for without in (withheld, ()))

    def near(model: Any, prepared: Callable[[Float32], Float32]) -> Any:
        rows = prepared(np.array([model.wv[word] for word in (*compared, *withheld)], dtype=np.float32))
        unit = to_unit(rows).vectors
        return nearest(unit[len(compared) :], unit[: len(compared)])

    def whitened(rows: Float32) -> Float32:
        return word2vec.whiten_words(rows, settings.word_whitening)

    ways = {"plain": np.asarray, "whitened": whitened}
    return {name: (near(lacking, way), near(full, way)) for name, way in ways.items()}


def subwords(texts: Sequence[Tokens], without: set[str], settings: EmbeddingSettings) -> Any:
    """FastText with the parameters of ours; pieces of two to four characters, word boundaries included."""
    started = time.perf_counter()
    kept = [[token for token in text.title + text.body if token not in without] for text in texts]
    tokens = sum(map(len, kept))
    model = FastText(
        kept, vector_size=settings.dim, window=settings.window, negative=settings.negative, epochs=settings.epochs,
        sample=settings.subsampling(tokens), min_count=settings.min_count, sg=1, min_n=2, max_n=4, bucket=200_000,
        workers=settings.workers, seed=settings.seed,
    )  # fmt: skip
    print(f"FastText: {time.perf_counter() - started:.0f} s", flush=True)
    return model


def rows_of(model: word2vec.Word2VecEmbedder, words: Sequence[str]) -> Float32:
    """Unit vectors of words."""
    return model.words[[model.vocabulary.ids[word] for word in words]]


def nearest(queries: Float32, rows: Float32, k: int = NEAR) -> Any:
    """(n, k) the nearest rows of each query."""
    return np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :k]


def overlap(one: Any, other: Any) -> float:
    """Mean share of the same neighbours."""
    return float(np.mean([len(set(a) & set(b)) / NEAR for a, b in zip(one.tolist(), other.tolist(), strict=True)]))


if __name__ == "__main__":
    main()
