"""Choosing the weights of a feed on the operator's own log, by the protocols it is measured with.

One training, then one weight at a time is moved through a few values and kept where readers are served better
(coordinate search). It is chosen on one half of the readers and confirmed on the other.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recnews.config import FeedSettings
from recnews.errors import UsageError
from recnews.evaluate.feeds import Plan, limited, split_of
from recnews.evaluate.outcome import ranks_in
from recnews.evaluate.served import Served
from recnews.evaluate.summary import measured
from recnews.evaluate.systems import Tell
from recnews.metrics import Figure, Float64, bootstrap
from recnews.records import Bools, EventDraft
from recnews.splits import Question, Split, in_part

VALUES: Mapping[str, tuple[float, ...]] = {
    "freshness": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    "popularity": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    "popularity_half_life_hours": (6.0, 24.0, 48.0, 168.0),
    "half_life_days": (1.0, 3.0, 14.0, 60.0),
    "interests": (1, 3, 6),
    "coverage": (0.0, 0.1, 0.3),
    "diversity": (0.0, 0.1, 0.2),
    "exploration": (0.0, 0.02),
}
"""What is tried of each setting of the section `feed`, in this order."""
_ROUNDS = 2
_LEAST_GAIN = 1e-4


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found: the settings that serve better than those it started from, and by how much.

    `chosen_on` and `confirmed_on` are nDCG@k as it was and as it is, over the readers who chose and over the others;
    `gain` is the paired difference over the latter, with its interval.
    """

    settings: Mapping[str, float]
    protocol: str
    about: str
    chosen_on: tuple[float, float]
    confirmed_on: tuple[float, float]
    gain: Figure
    tried: int

    @property
    def better(self) -> bool:
        """Whether the readers who had no say in the choice were served better, too."""
        return bool(self.settings) and self.gain.value > 0


def tune(plan: Plan, tell: Tell = lambda _line: None, values: Mapping[str, Sequence[float]] | None = None) -> Tuned:
    """Search the weights of `plan.settings.feed`; everything but the feed's weights stays as it is.

    Raises `UsageError` when the protocol cannot be followed on this log, `TrainingError`.
    """
    split = limited(split_of(plan, plan.articles, plan.events), plan.limit)
    questions = [question for step in split.steps for question in step.questions]
    if len({question.user for question in questions}) < 2:
        raise UsageError("the log asks too little to choose by: it needs two readers who come back")
    choosing = np.array([in_part(question.user, 0.5) for question in questions])
    with (
        tempfile.TemporaryDirectory(prefix="recnews-tune-") as folder,
        Served(Path(folder), plan.settings, plan.dictionary) as served,
    ):
        tell(f"{split.protocol}: {split.about}")
        tell(f"learning from {len(plan.articles):,} articles and {len(split.training):,} events")
        served.prepare(plan.articles, split)
        _record(served, split)
        asker = _Asker(served, plan, questions)
        first = asker.values(plan.settings.feed)
        best = _search(asker, plan.settings.feed, choosing, values or VALUES, tell)
        last = asker.values(best)
    others = ~choosing
    return Tuned(
        _changed(plan.settings.feed, best, values or VALUES),
        split.protocol, split.about,
        (float(first[choosing].mean()), float(last[choosing].mean())),
        (float(first[others].mean()), float(last[others].mean())),
        bootstrap(last[others] - first[others], n=plan.resamples), asker.asked,
    )  # fmt: skip


def _changed(before: FeedSettings, after: FeedSettings, names: Iterable[str]) -> dict[str, float]:
    return {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}


def _search(
    asker: "_Asker", start: FeedSettings, choosing: Bools, values: Mapping[str, Sequence[float]], tell: Tell
) -> FeedSettings:
    """The best settings found by changing one value at a time; a second round if the first found anything."""
    best, reached = start, float(asker.values(start, choosing)[choosing].mean())
    for _ in range(_ROUNDS):
        before = best
        for name, tried in values.items():
            for value in tried:
                if value == getattr(best, name):
                    continue
                feed = best.model_copy(update={name: value})
                found = float(asker.values(feed, choosing)[choosing].mean())
                if found > reached + _LEAST_GAIN:
                    best, reached = feed, found
                    tell(f"feed.{name} = {value}: nDCG {reached:.4f}")
        if best == before:
            break
    return best


class _Asker:
    """Asks the same questions under different settings."""

    def __init__(self, served: Served, plan: Plan, questions: Sequence[Question]) -> None:
        self._served, self._plan, self._questions = served, plan, questions
        self._right = np.array([len(question.right) for question in questions], dtype=np.int64)
        self.asked = 0

    def values(self, feed: FeedSettings, which: Bools | None = None) -> Float64:
        """(questions,) nDCG@k of each; 0 for those not in `which`."""
        self._served.serve({"tried": self._plan.settings.model_copy(update={"feed": feed})})
        self.asked += 1
        ranks = [
            ranks_in(self._served.feed("tried", question, self._plan.k), question)
            if which is None or which[row]
            else []
            for row, question in enumerate(self._questions)
        ]
        return measured(ranks, self._right, self._right, self._plan.k, False)[:, -1]


def _record(served: Served, split: Split) -> None:
    """All events at once where each has a time, so that a question sees those before it; else none but training's."""
    events: list[EventDraft] = [event for step in split.steps for event in step.record]
    if all(event.at is not None for event in events):
        served.record(events)


def for_log(plan: Plan) -> Plan:
    """The plan with the protocol that the log allows: by time where its events have times, else leave-one-out."""
    timed = any(event.at is not None for event in plan.events)
    return replace(plan, protocol="time" if timed else "leave-one-out")
