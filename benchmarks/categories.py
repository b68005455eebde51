"""How well categories are predicted for articles that come after the training, on real articles with real categories.

A fifth of the articles, by a checksum of their ids, is ingested after the training, without category; copies of
articles trained on are left out of the figures. Beside recnews: the commonest category, and the same regression on
tf-idf weights of the same tokens, fitted on the same articles. `least`: what is given, and how much of it is right,
when nothing less likely is said. `skewed`: the held-out figures of the regression when categories are thinned to sizes
in geometric progression, from as many as the smallest has down to 25 articles; mean of several draws. A corpus that is
absent is skipped with a notice.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import data
import numpy as np
from report import save, table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from recnews import Newsroom
from recnews.categories import calibration_error, fit
from recnews.config import CategorySettings, Settings
from recnews.formats import articles_from_rows
from recnews.metrics import bootstrap
from recnews.records import Draft
from recnews.text import Tokenizer

CORPORA = ("zh-web-4", "bbc-news", "thucnews-headlines")
LEAST = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
SMALLEST, DRAWS = 25, 5
TFIDF_STRENGTH = 10.0


def main() -> None:
    """Measure corpus by corpus, print tables, keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(CORPORA), help="comma-separated")
    parser.add_argument("--workers", type=int, default=0, help="1 makes figures reproducible")
    asked = parser.parse_args()
    settings = Settings().override("embedding", workers=asked.workers)
    settings = settings.override("categories", min_probability=0.0)  # all is told; thresholds are tried afterwards
    for name in asked.only.split(","):
        try:
            rows = data.categorized(name)
        except data.AbsentError as absent:
            print(f"skipped {name}: {absent}\n")
            continue
        drafts = [row for row in articles_from_rows(rows) if isinstance(row, Draft)]
        figures = measure(drafts, settings)
        show(name, figures)
        save(f"categories-{name}", figures)


def measure(drafts: list[Draft], settings: Settings) -> dict[str, Any]:
    """All figures of one corpus."""
    late = [draft for draft in drafts if crc32(draft.key.encode()) % 5 == 0]
    early = [draft for draft in drafts if crc32(draft.key.encode()) % 5]
    with tempfile.TemporaryDirectory() as home, Newsroom.open(Path(home), settings) as room:
        room.ingest(early)
        made = room.train()
        room.ingest([replace(draft, category="") for draft in late])
        ids = room.store.articles.ids([draft.key for draft in drafts])
        _, catalog = room.serving.current()
        story = dict(zip(ids, catalog.stories(np.array(list(ids.values()))).tolist(), strict=True))
        known = {story[draft.key] for draft in early}
        asked = [draft for draft in late if story[draft.key] not in known]
        cards = room.store.articles.cards([ids[draft.key] for draft in asked], made.id)
        found = [cards[ids[draft.key]] for draft in asked]
        given = room.store.guesses.given(made.id)
        vectors, _ = catalog.vectors(np.array([row.article_id for row in given]))
    names = [row.category for row in given]
    truth = np.array([draft.category for draft in asked])
    told = np.array([card.category_probability or 0.0 for card in found])
    guesses = np.array([card.category for card in found])
    started = time.perf_counter()
    fit(vectors, names, settings.categories, 1)
    seconds = time.perf_counter() - started
    own = [draft for draft in early if ids[draft.key] in {row.article_id for row in given}]
    plain, surprise = tfidf(own, asked)
    most = max(set(names), key=names.count)
    return {
        "trained on": len(names), "asked": len(asked), "categories": len(set(names)), "fit seconds": round(seconds, 1),
        "manifest": {name: value for name, value in made.manifest.categories.items() if name != "names"},
        "methods": {
            "recnews": scores(truth, guesses, told),
            "tf-idf": scores(truth, plain, surprise),
            "commonest": scores(truth, np.full(len(truth), most), np.full(len(truth), names.count(most) / len(names))),
        },
        "least": {f"{least}": given_at(truth, guesses, told, least) for least in LEAST},
        "skewed": skewed(vectors, np.array(names), settings.categories),
    }  # fmt: skip


def tfidf(early: list[Draft], late: list[Draft]) -> tuple[Any, Any]:
    """(n,) categories and their probabilities, by the same regression on sublinear tf-idf weights of our tokens."""
    cut = Tokenizer(Settings().text, [])
    texts = [[*cut(draft.title), *cut(draft.body)] for draft in (*early, *late)]
    weigh = TfidfVectorizer(analyzer=lambda tokens: tokens, sublinear_tf=True, min_df=2)
    rows = weigh.fit_transform(texts[: len(early)])
    model = LogisticRegression(C=TFIDF_STRENGTH, max_iter=1000).fit(rows, [draft.category for draft in early])
    found = model.predict_proba(weigh.transform(texts[len(early) :]))
    return model.classes_[found.argmax(axis=1)], found.max(axis=1)


def scores(truth: Any, guesses: Any, told: Any) -> dict[str, Any]:
    """Accuracy with a bootstrap interval, macro F1 and calibration error."""
    right = guesses == truth
    accuracy = bootstrap(right.astype(float))
    return {
        "accuracy": [round(value, 4) for value in (accuracy.value, accuracy.low, accuracy.high)],
        "macro F1": round(
            float(f1_score(truth, guesses, labels=np.unique(truth), average="macro", zero_division=0)), 4
        ),
        "calibration error": round(calibration_error(told, right), 4),
    }


def given_at(truth: Any, guesses: Any, told: Any, least: float) -> dict[str, float]:
    """The share that is given a category, and how much of that is right."""
    given = told >= least
    return {"given": round(float(given.mean()), 4), "right": round(float((guesses == truth)[given].mean()), 4)}


def skewed(vectors: Any, names: Any, settings: CategorySettings) -> dict[str, dict[str, float]]:
    """Held-out figures at several balances, when some categories are much smaller than others."""
    classes = np.unique(names)
    largest = min(int((names == name).sum()) for name in classes)
    sizes = np.geomspace(largest, SMALLEST, len(classes)).astype(int)
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in range(DRAWS):
        draw = np.random.default_rng(seed)
        some = [
            draw.permutation(np.flatnonzero(names == name))[:size]
            for name, size in zip(draw.permutation(classes), sizes, strict=True)
        ]
        rows = np.sort(np.concatenate(some))
        for balance in (0.0, 0.5, 1.0):
            learned = fit(vectors[rows], names[rows].tolist(), settings.model_copy(update={"balance": balance}), seed)
            found.setdefault(f"{balance}", []).append(dict(learned.measured) if learned else {})
    kept = ("accuracy", "macro_f1", "calibration_error")
    return {
        balance: {name: round(float(np.mean([each[name] for each in draws])), 4) for name in kept}
        for balance, draws in found.items()
    }


def show(name: str, figures: dict[str, Any]) -> None:
    """The tables of one corpus."""
    about = ", ".join(f"{key} {figures[key]:,}" for key in ("trained on", "asked", "categories", "fit seconds"))
    print(f"{name}: {about}")
    print("held out in training:", ", ".join(f"{key} {value}" for key, value in figures["manifest"].items()))
    rows = [("method", "accuracy (95% interval)", "macro F1", "calibration error")]
    for method, found in figures["methods"].items():
        value, low, high = found["accuracy"]
        rows.append((method, f"{value:.3f} ({low:.3f}-{high:.3f})", *(f"{found[it]:.3f}" for it in list(found)[1:])))
    table(rows)
    for part, first in (("least", "least probability"), ("skewed", "balance, skewed")):
        columns = list(next(iter(figures[part].values())))
        table(
            [(first, *columns), *((key, *(f"{it:.3f}" for it in row.values())) for key, row in figures[part].items())]
        )
    print(flush=True)


if __name__ == "__main__":
    main()
