"""How well texts are told apart by what they say: recnews, trained as its users train it, beside plain methods.

Everything is learned and measured in one run, on the same articles, by the same tokens, and each figure comes with an
interval.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from recnews import __version__
from recnews.config import Settings
from recnews.errors import UsageError
from recnews.evaluate.baselines import BASELINES, Cutter
from recnews.evaluate.figures import plain, short, shown
from recnews.evaluate.systems import RecnewsSystem, System, Tell
from recnews.evaluate.tasks import (
    MIN_CHARS,
    JudgedPair,
    JudgedPairs,
    JudgedWords,
    Retrieval,
    SameCategory,
    Sample,
    Task,
    WordPair,
)
from recnews.metrics import RESAMPLES, Figure, bootstrap
from recnews.records import Draft
from recnews.text import DictionaryWord, Tokenizer


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn from and what to ask.

    Articles published before `since` are learned from and not asked about. Of those that are asked about, a share of
    `holdout` (chosen by a hash of their keys) is kept out of training, and then only they are asked about: with
    `since` and a `holdout` of 1, training knows nothing later than `since`. A corpus teaches itself which body goes
    with which title, so without `holdout` the figures are those of articles that training has seen. With `judged_only`
    the articles are only learned from, and all that is asked about is `pairs` and `words`.
    """

    articles: Sequence[Draft]
    settings: Settings
    dictionary: Sequence[DictionaryWord] = ()
    pairs: Sequence[JudgedPair] = ()
    words: Sequence[WordPair] = ()
    baselines: Sequence[str] = ()
    holdout: float = 0.0
    since: datetime | None = None
    min_chars: int = MIN_CHARS
    judged_only: bool = False
    resamples: int = RESAMPLES


@dataclass(frozen=True, slots=True)
class Answers:
    """What one method measured, by task and measure; `fit` and `ask` in seconds."""

    method: str
    samples: Mapping[str, Mapping[str, Sample]]
    fit: float
    ask: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found: figures by task, method and measure.

    `behind` says by how much a baseline falls short of recnews, unit by unit: recnews minus baseline, with the interval
    of that difference.
    """

    tasks: Mapping[str, str]
    figures: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    behind: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    seconds: Mapping[str, Mapping[str, float]]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    resamples: int

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "evaluation": "similarity",
            "recnews": __version__,
            "corpus": dict(self.corpus),
            "settings": dict(self.settings),
            "seed": self.seed,
            "interval": f"95%, percentiles of {self.resamples} bootstrap samples of queries or pairs",
            "tasks": [
                {
                    "name": name,
                    "asked": asked,
                    "methods": [
                        {"method": method, "figures": plain(found), "recnews_minus": plain(self.behind[name][method])}
                        for method, found in self.figures[name].items()
                    ],
                }
                for name, asked in self.tasks.items()
            ],
            "seconds": {method: dict(taken) for method, taken in self.seconds.items()},
        }

    def about(self) -> str:
        """What was learned from, and whether that was what was asked about, in a line."""
        trained, asked = (f"{self.corpus[name]:,}" for name in ("trained_on", "asked_about"))
        if self.corpus["judged_only"]:
            return f"trained on {trained} articles, asked about judged pairs only"
        seen = "kept out of training" if self.corpus["holdout"] else "which training has seen, too"
        return f"trained on {trained} articles, asked about {asked}, {seen}"

    def table(self, task: str) -> list[list[str]]:
        """A row for each method that answered, under a header: `value low-high`."""
        rows = {method: found for method, found in self.figures[task].items() if found}
        header = list(next(iter(rows.values()), {}))
        return [["method", *header], *([method, *map(shown, found.values())] for method, found in rows.items())]


def evaluate(plan: Plan, tell: Tell = lambda _line: None) -> Outcome:
    """Train recnews and the baselines on the plan's articles and ask all of them the same.

    Raises `UsageError` when there is nothing to ask, `TrainingError`, `MissingExtraError`.
    """
    training, asked_about = (plan.articles, ()) if plan.judged_only else split(plan.articles, plan.holdout, plan.since)
    tasks = tasks_of(plan, asked_about)
    if not training:
        raise UsageError("no article is left to train on; lower --holdout, or give --since a later date")
    with tempfile.TemporaryDirectory(prefix="recnews-evaluate-") as folder:
        systems = _systems(plan, Path(folder))
        answers = []
        while systems:  # what a method has learned is let go before the next one learns
            answers.append(_answers(systems.pop(0), training, tasks, tell))
    corpus = {
        "articles": len(plan.articles),
        "trained_on": len(training),
        "asked_about": len(asked_about),
        "holdout": plan.holdout,
        "since": plan.since.isoformat() if plan.since else None,
        "min_chars": plan.min_chars,
        "judged_only": plan.judged_only,
    }
    return _summed_up(answers, tasks, corpus, plan)


def split(articles: Sequence[Draft], holdout: float, since: datetime | None) -> tuple[Sequence[Draft], Sequence[Draft]]:
    """The articles to learn from, and those to ask about."""
    if not 0 <= holdout <= 1:
        raise UsageError(f"--holdout {holdout:g}: a share lies between 0 and 1")
    asked = [it for it in articles if since is None or (it.published_at is not None and it.published_at >= since)]
    if holdout == 0:
        return articles, asked
    percent = round(holdout * 100, 6)
    held = {article.key for article in asked if crc32(article.key.encode()) % 100 < percent}
    return [it for it in articles if it.key not in held], [it for it in asked if it.key in held]


def tasks_of(plan: Plan, asked_about: Sequence[Draft]) -> list[Task]:
    """The tasks there is material for. Raises `UsageError` when there is none."""
    retrieval, categories = Retrieval(asked_about, plan.min_chars), SameCategory(asked_about)
    tasks: list[Task] = []
    if len(retrieval) > 1:
        tasks.append(retrieval)
    if len(categories) > 1:
        tasks.append(categories)
    if plan.pairs:
        tasks.append(JudgedPairs(plan.pairs))
    if plan.words:
        tasks.append(JudgedWords(plan.words))
    if not tasks:
        raise UsageError(
            f"of {len(asked_about):,} articles to ask about none has a title and {plan.min_chars} characters of body, "
            "or a category it shares, and no judged pairs are given: there is nothing to measure"
        )
    return tasks


def _systems(plan: Plan, folder: Path) -> list[System]:
    """recnews, then the baselines, none of them trained. Tells what is missing before anything takes time."""
    for name in plan.baselines:
        if name not in BASELINES:
            raise UsageError(f"no baseline is called {name!r}; known are {', '.join(BASELINES)}, all and none")
    cutter, settings = Cutter(Tokenizer(plan.settings.text, plan.dictionary)), plan.settings
    baselines = [BASELINES[name](cutter, settings.embedding) for name in plan.baselines]
    return [RecnewsSystem(folder, settings, plan.dictionary), *baselines]


def _answers(system: System, training: Sequence[Draft], tasks: Sequence[Task], tell: Tell) -> Answers:
    tell(f"{system.name}: learning from {len(training):,} articles")
    start = time.perf_counter()
    system.fit(training)
    fitted = time.perf_counter()
    samples = {}
    for task in tasks:
        samples[task.name] = found = task.measure(system)
        values = ", ".join(f"{name} {short(sample.statistic(sample.values))}" for name, sample in found.items())
        tell(f"{system.name}: {task.name}: {values or 'has no answer'}")
    return Answers(system.name, samples, fitted - start, time.perf_counter() - fitted)


def _summed_up(answers: Sequence[Answers], tasks: Sequence[Task], corpus: Mapping[str, Any], plan: Plan) -> Outcome:
    seed = plan.settings.embedding.seed
    interval = partial(bootstrap, n=plan.resamples, seed=seed)
    figures: dict[str, dict[str, dict[str, Figure]]] = {task.name: {} for task in tasks}
    behind: dict[str, dict[str, dict[str, Figure]]] = {task.name: {} for task in tasks}
    for task in tasks:
        ours = answers[0].samples[task.name]
        for answer in answers:
            theirs = answer.samples[task.name]
            figures[task.name][answer.method] = {
                name: interval(sample.values, sample.statistic) for name, sample in theirs.items()
            }
            behind[task.name][answer.method] = {
                name: _difference(ours[name], sample, interval)
                for name, sample in theirs.items()
                if answer is not answers[0] and name in ours and _same_units(ours[name], sample)
            }
    seconds = {answer.method: {"fit": answer.fit, "ask": answer.ask} for answer in answers}
    described = {task.name: task.describe() for task in tasks}
    used = plan.settings.model_dump(include={"text", "embedding"})
    return Outcome(described, figures, behind, seconds, corpus, used, seed, plan.resamples)


def _same_units(ours: Sample, theirs: Sample) -> bool:
    """Whether row stands beside row: two methods may know different words, and have judged different pairs of them."""
    a, b = ours.values, theirs.values
    return a.shape == b.shape and (a.ndim == 1 or np.array_equal(a[:, 1], b[:, 1]))


def _difference(ours: Sample, theirs: Sample, interval: Callable[..., Figure]) -> Figure:
    """Ours minus theirs, resampled by the same units."""
    both = np.stack([ours.values, theirs.values], axis=1)
    return interval(both, lambda rows: ours.statistic(rows[:, 0]) - theirs.statistic(rows[:, 1]))
