"""How well feeds find what readers go on to read: recnews, trained and asked as its users do, beside plain methods.

Everything is learned from the same part of the same log and asked the same questions in one run.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse

from recnews import splits
from recnews.config import Settings
from recnews.errors import UsageError
from recnews.evaluate.baselines import Cutter, TfIdf
from recnews.evaluate.log import Catalogue, Log
from recnews.evaluate.outcome import Answers, FeedsOutcome, Pages
from recnews.evaluate.readers import READERS, Reader, ordered
from recnews.evaluate.served import Served, search_only, with_dates
from recnews.evaluate.summary import Asked
from recnews.evaluate.systems import Tell
from recnews.metrics import RESAMPLES
from recnews.records import Draft, EventDraft, Int64
from recnews.splits import Question, Split
from recnews.text import DictionaryWord, Tokenizer

PROTOCOLS = ("time", "leave-one-out", "article-cold", "reader-cold")
SERVED, SEARCH = "recnews", "recnews, search only"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn from and what to ask.

    `candidates` are `all` articles or those that were `read` at least once in the whole log; `share` is what is kept
    out of training, of events, articles or readers, as the protocol has it; `cutoff` and `each` are the time split's.
    `feeds` names what is measured of recnews: the feed as served, the search alone, or both, after one training.
    A `split` that is given takes the place of the protocol.
    """

    articles: Sequence[Draft]
    events: Sequence[EventDraft]
    settings: Settings
    protocol: str = "leave-one-out"
    dictionary: Sequence[DictionaryWord] = ()
    baselines: Sequence[str] = ()
    feeds: Sequence[str] = (SERVED,)
    candidates: str = "all"
    share: float = 0.2
    cutoff: datetime | None = None
    each: bool = False
    k: int = 10
    limit: int | None = None
    resamples: int = RESAMPLES
    split: Split | None = None


def evaluate(plan: Plan, tell: Tell = lambda _line: None) -> FeedsOutcome:
    """Train recnews and the baselines on the training part of a log and ask all of them the same.

    Raises `UsageError` when the protocol cannot be followed on this log, `TrainingError`, `MissingExtraError`.
    """
    articles, events, dropped = _known(plan)
    if dropped:
        tell(f"{dropped:,} events name articles that are not given; they are left out")
    split = limited(plan.split or split_of(plan, articles, events), plan.limit)
    tell(f"{split.protocol}: {split.about}")
    articles = with_dates(articles, split)
    catalogue = Catalogue.of(articles, split.hidden)
    log = Log(catalogue, plan.settings.feed.bounce_seconds)
    log.record(split.training)
    texts = _texts(plan, catalogue)
    pages = Pages(catalogue, texts, log.readers.copy(), len(log))
    with (
        tempfile.TemporaryDirectory(prefix="recnews-evaluate-") as folder,
        Served(Path(folder), plan.settings, plan.dictionary) as served,
    ):
        run = _Run(plan, split, log, served=served, readers=_readers(plan, log), tell=tell)
        run.learn(articles, texts)
        run.ask()
    return FeedsOutcome.of(
        split, run.asked, run.answers(), pages, settings=plan.settings, k=plan.k, resamples=plan.resamples,
        corpus=_about(plan, dropped),
    )  # fmt: skip


def split_of(plan: Plan, articles: Sequence[Draft], events: Sequence[EventDraft]) -> Split:
    """The protocol of a plan, applied to its log. Raises `UsageError`."""
    bounce = plan.settings.feed.bounce_seconds
    keys = [article.key for article in articles]
    if plan.candidates not in ("all", "read"):
        raise UsageError(f"candidates are all or read, not {plan.candidates!r}")
    among = None if plan.candidates == "all" else frozenset(splits.read_keys(events, bounce))
    if plan.protocol == "time":
        return splits.time_split(
            articles, events, among, cutoff=plan.cutoff, share=plan.share, each=plan.each, bounce_seconds=bounce
        )
    if plan.protocol == "leave-one-out":
        return splits.leave_one_out(events, among, bounce_seconds=bounce)
    if plan.protocol == "article-cold":
        return splits.article_cold(events, keys, among, share=plan.share, bounce_seconds=bounce)
    if plan.protocol == "reader-cold":
        return splits.reader_cold(events, among, share=plan.share, bounce_seconds=bounce)
    raise UsageError(f"no protocol is called {plan.protocol!r}; known are {', '.join(PROTOCOLS)}")


def _known(plan: Plan) -> tuple[list[Draft], list[EventDraft], int]:
    """The articles, the events on them, and how many events name none of them."""
    keys = {article.key for article in plan.articles}
    events = [event for event in plan.events if event.key in keys]
    if not events:
        raise UsageError(
            f"none of {len(plan.events):,} events names one of {len(plan.articles):,} articles; check that both files "
            "use the same ids (--map article=COLUMN names the column of the log)"
        )
    return list(plan.articles), events, len(plan.events) - len(events)


def limited(split: Split, limit: int | None) -> Split:
    """At most `limit` questions of each view, evenly taken: a quick look."""
    if limit is None:
        return split
    total, passed = Counter[str](), Counter[str]()
    for step in split.steps:
        total[step.view] += len(step.questions)
    steps = []
    for step in split.steps:
        stride, first = -(-total[step.view] // limit) or 1, -passed[step.view]
        passed[step.view] += len(step.questions)
        steps.append(replace(step, questions=step.questions[first % stride :: stride]))
    return replace(split, steps=tuple(steps))


def _texts(plan: Plan, catalogue: Catalogue) -> sparse.csr_array:
    """(articles, vocabulary) tf-idf rows; what training does not see has no say in which words are rare."""
    model = TfIdf(Cutter(Tokenizer(plan.settings.text, plan.dictionary)))
    model.fit([article for article, seen in zip(catalogue.articles, catalogue.trained, strict=True) if seen])
    return model.weights(catalogue.articles)


def _readers(plan: Plan, log: Log) -> list[Reader]:
    for name in plan.baselines:
        if name not in READERS:
            raise UsageError(f"no baseline is called {name!r}; known are {', '.join(READERS)}, all and none")
    return [READERS[name](plan.settings) for name in plan.baselines if name != "recent" or log.has_times]


class _Run:
    """One evaluation under way: what each method answered, question by question, and how long it took."""

    def __init__(
        self, plan: Plan, split: Split, log: Log, *, served: Served, readers: Sequence[Reader], tell: Tell
    ) -> None:  # fmt: skip
        self._plan, self._split, self._log, self._served = plan, split, log, served
        self._readers, self._tell = readers, tell
        self.asked: list[Asked] = []
        self._pages: dict[str, list[list[str]]] = {name: [] for name in (*plan.feeds, *(it.name for it in readers))}
        self._fit, self._ask = dict.fromkeys(self._pages, 0.0), dict.fromkeys(self._pages, 0.0)

    def learn(self, articles: Sequence[Draft], texts: sparse.csr_array) -> None:
        """Train every method on what training sees."""
        for reader in self._readers:
            self._tell(f"{reader.name}: learning")
            start = time.perf_counter()
            reader.fit(self._log.catalogue, self._log, texts)
            self._fit[reader.name] = time.perf_counter() - start
        seen = int(self._log.catalogue.trained.sum())
        self._tell(f"recnews: learning from {seen:,} articles and {len(self._split.training):,} events")
        start = time.perf_counter()
        self._served.prepare(articles, self._split)
        self._fit |= dict.fromkeys(self._plan.feeds, time.perf_counter() - start)
        settings = {SERVED: self._plan.settings, SEARCH: search_only(self._plan.settings)}
        self._served.serve({name: settings[name] for name in self._plan.feeds})

    def ask(self) -> None:
        """Live through the steps."""
        for step in self._split.steps:
            self._served.record(step.record)
            self._log.record(step.record)
            for question in step.questions:
                self._one(step.view, question)
                if len(self.asked) % 500 == 0:
                    self._tell(f"asked {len(self.asked):,} questions")

    def answers(self) -> list[Answers]:
        """What came of it."""
        return [Answers(name, pages, self._fit[name], self._ask[name]) for name, pages in self._pages.items()]

    def _one(self, view: str, question: Question) -> None:
        log, whole = self._log, self._split.whole
        lot = (self._plan.settings.embedding.seed, len(self.asked))
        candidates = log.candidates(question)
        size = len(question.among or ()) if whole else len(candidates)
        k = size if whole else self._plan.k
        answers: dict[str, Callable[[], list[str]]] = {
            name: partial(self._served.feed, name, question, k) for name in self._plan.feeds
        }
        answers |= {it.name: partial(self._ranked, it, question, candidates, k, lot) for it in self._readers}
        for name, answer in answers.items():
            start = time.perf_counter()
            page = answer()
            self._ask[name] += time.perf_counter() - start
            self._pages[name].append(_filled(page, question, lot) if whole else page)
        self.asked.append(Asked(view, question, log.history(question), size))

    def _ranked(self, reader: Reader, question: Question, candidates: Int64, k: int, lot: tuple[int, ...]) -> list[str]:
        scores = reader.scores(question, self._log)
        columns = ordered(scores, candidates, np.random.default_rng(lot), k)
        return [self._log.catalogue.articles[column].key for column in columns]


def _filled(page: list[str], question: Question, draw: Sequence[int]) -> list[str]:
    """A page that ranks every candidate: what a method would not show, such as what was read before, stands last, in
    an order that is drawn."""
    missing = sorted((question.among or frozenset()) - set(page))
    return page + [missing[place] for place in np.random.default_rng([*draw, 1]).permutation(len(missing)).tolist()]


def _about(plan: Plan, dropped: int) -> dict[str, object]:
    return {
        "articles": len(plan.articles),
        "events": len(plan.events),
        "left_out": dropped,
        "candidates": plan.candidates,
        "share": plan.share,
        "cutoff": plan.cutoff.isoformat() if plan.cutoff else None,
        "each": plan.each,
    }
