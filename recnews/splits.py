"""How a reading log is divided into what is learned from and what is asked. Pure: no store, no clock, no randomness.

A split is what a protocol makes of a log: events to record before training, articles that training must not see, and
steps, each of which records events and then asks questions. What is asked is always which articles a reader went on to
read.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zlib import crc32

from recnews.errors import UsageError
from recnews.records import Draft, EventDraft

POSITIVE = ("read", "like", "share")
FIRST_READS = (1, 2, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Question:
    """Which articles did a reader go on to read?

    `right` names them, and none of them is known to have been read before; `history` is how many articles the reader
    has read by then; `at` is when to ask, None where the log has no times; `among` names the only articles to choose
    from, None for all.
    """

    user: str
    right: tuple[str, ...]
    history: int
    at: datetime | None = None
    among: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Record events, then ask. Figures are told for all steps of the same `view` together."""

    view: str
    record: tuple[EventDraft, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A protocol applied to a log. `hidden` names articles that come after training; `whole` asks for a rank of every
    candidate, not only of the first places."""

    protocol: str
    about: str
    training: tuple[EventDraft, ...]
    hidden: frozenset[str]
    steps: tuple[Step, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Reads:
    """What one reader read: each article once, in the order of `first`, the first event about it that counts."""

    keys: tuple[str, ...]
    first: tuple[EventDraft, ...]


def in_part(name: str, share: float) -> bool:
    """Whether `name` belongs to a fixed part of about that `share`: `crc32(name) % round(1 / share) == 0`."""
    return crc32(name.encode()) % round(1 / share) == 0


def reads_of(events: Iterable[EventDraft], bounce_seconds: float = 0.0) -> dict[str, Reads]:
    """What each reader read, in order of time; where no event has one, in the order of the log. A bounce (a shorter
    dwell than `bounce_seconds`), a dislike and an impression are no reads."""
    found: dict[str, dict[str, EventDraft]] = defaultdict(dict)
    for event in in_order(events):
        if counts(event, bounce_seconds):
            found[event.user_id].setdefault(event.key, event)
    return {user: Reads(tuple(reads), tuple(reads.values())) for user, reads in found.items()}


def counts(event: EventDraft, bounce_seconds: float) -> bool:
    """Whether an event says that an article was read."""
    bounced = event.kind == "read" and event.dwell is not None and event.dwell < bounce_seconds
    return event.kind in POSITIVE and not bounced


def in_order(events: Iterable[EventDraft]) -> list[EventDraft]:
    """Events without a time first, in their own order, then those with one by time."""
    given = list(events)
    timed = sorted((event for event in given if event.at is not None), key=lambda event: event.at)  # type: ignore[arg-type, return-value]
    return [event for event in given if event.at is None] + timed


def leave_one_out(
    events: Sequence[EventDraft], among: frozenset[str] | None, least: int = 5, bounce_seconds: float = 0.0
) -> Split:
    """Withhold the last article of each reader of at least `least`; training knows all else.

    The last is that which a reader came to last. All their events about it are withheld. Other readers' later events
    are known to training, as ever in this protocol.
    """
    withheld = {
        user: (reads.keys[-1], reads.first[-1].at, len(reads.keys) - 1)
        for user, reads in reads_of(events, bounce_seconds).items()
        if len(reads.keys) >= least and (among is None or reads.keys[-1] in among)
    }
    training = tuple(event for event in events if withheld.get(event.user_id, ("",))[0] != event.key)
    questions = tuple(Question(user, (key,), known, at, among) for user, (key, at, known) in withheld.items())
    about = f"the last article of {len(questions):,} readers of {least} or more"
    return Split("leave-one-out", about, training, frozenset(), (Step("all", (), _some(questions, about)),))


def article_cold(
    events: Sequence[EventDraft], keys: Iterable[str], among: frozenset[str] | None, *, share: float = 0.2,
    least: int = 4, bounce_seconds: float = 0.0,
) -> Split:  # fmt: skip
    """Hide a share of the articles, and every event about them, from training; then find one of them for each reader.

    It is the last hidden article that the reader read, after at least `least` others (besides them, where the log has
    no times). Asked twice: among all candidates, and among the hidden ones only.
    """
    _share("article-cold", share)
    candidates = frozenset(keys) if among is None else among
    hidden = frozenset(key for key in keys if in_part(key, share))
    training = tuple(event for event in events if event.key not in hidden)
    cold = hidden & candidates
    everything, only = [], []
    for user, reads in reads_of(events, bounce_seconds).items():
        right = next((event for event in reversed(reads.first) if event.key in cold), None)
        known = (
            0 if right is None else sum(_earlier(event, right.at) and event.key not in hidden for event in reads.first)
        )
        if right is not None and known >= least:
            everything.append(Question(user, (right.key,), known, right.at, among))
            only.append(Question(user, (right.key,), known, right.at, cold))
    about = (
        f"{len(cold):,} of {len(candidates):,} articles come after training; one of them is to be found for each of "
        f"{len(only):,} readers of {least} or more others"
    )
    steps = (
        Step("among all", (), _some(everything, about)),
        Step("among the hidden", (), _some(only, about)),
    )
    return Split("article-cold", about, training, hidden, steps)


def reader_cold(
    events: Sequence[EventDraft], among: frozenset[str] | None, *, share: float = 0.2,
    firsts: Sequence[int] = FIRST_READS, bounce_seconds: float = 0.0,
) -> Split:  # fmt: skip
    """Keep a share of the readers out of training; record their first n reads after it, and find the next."""
    _share("reader-cold", share)
    new = {user for user in {event.user_id for event in events} if in_part(user, share)}
    reads = reads_of((event for event in events if event.user_id in new), bounce_seconds)
    training = tuple(event for event in events if event.user_id not in new)
    steps, before = [], 0
    for n in sorted(firsts):
        record = tuple(event for it in reads.values() for event in it.first[before:n])
        questions = tuple(
            Question(user, (it.keys[n],), n, it.first[n].at, among)
            for user, it in reads.items()
            if len(it.keys) > n and (among is None or it.keys[n] in among)
        )
        steps.append(Step(f"after {n}", record, questions))
        before = n
    about = f"{len(reads):,} readers come after training; after their first n reads the next is to be found"
    _some([question for step in steps for question in step.questions], about)
    return Split("reader-cold", about, training, frozenset(), tuple(step for step in steps if step.questions))


def time_split(
    articles: Sequence[Draft], events: Sequence[EventDraft], among: frozenset[str] | None, *, cutoff: datetime | None,
    share: float = 0.2, each: bool = False, bounce_seconds: float = 0.0,
) -> Split:  # fmt: skip
    """Train on what happened before `cutoff`, then live through what came after, in order.

    Training knows events with `at < cutoff` and articles published before it (those without a date count as old). Each
    reader who has read something before is asked about when they come back, what was recorded until then being known:
    once, for all that they read after the cutoff and was published by then; or with `each`, at each of these reads for
    that one. Without a cutoff it is put so that a `share` of the events lies at or after it. Raises `UsageError` for
    a log that has no times.
    """
    cutoff = _cutoff(events, cutoff, share)
    training = tuple(event for event in events if event.at is not None and event.at < cutoff)
    later = in_order(event for event in events if event.at is not None and event.at >= cutoff)
    known = {user: set(reads.keys) for user, reads in reads_of(training, bounce_seconds).items()}
    published = {article.key: article.published_at for article in articles}
    hidden = frozenset(key for key, at in published.items() if at is not None and at >= cutoff)
    fresh = {
        user: [it for it in reads.first if it.key not in known.get(user, ()) and (among is None or it.key in among)]
        for user, reads in reads_of(later, bounce_seconds).items()
        if user in known
    }
    questions = [
        replace(question, among=among)
        for user, reads in fresh.items()
        for question in _asked(user, reads, len(known[user]), published, each)
    ]
    about = (
        f"trained on what came before {cutoff.isoformat()}, {len(training):,} of {len(training) + len(later):,} "
        f"events; {len({question.user for question in questions}):,} readers come back"
    )
    return Split("time", about, training, hidden, _in_turn(_some(questions, about), later))


def _asked(
    user: str, reads: Sequence[EventDraft], known: int, published: Mapping[str, datetime | None], each: bool
) -> list[Question]:
    """The questions about one reader's reads after the cutoff, in order of time."""
    if not reads:
        return []
    if each:
        return [
            Question(user, (read.key,), known + number, read.at)
            for number, read in enumerate(reads)
            if _is_out(published.get(read.key), read.at)
        ]
    at = reads[0].at
    there = tuple(read.key for read in reads if _is_out(published.get(read.key), at))
    return [Question(user, there, known, at)] if there else []


def _is_out(published: datetime | None, at: datetime | None) -> bool:
    return published is None or at is None or published <= at


def _earlier(event: EventDraft, at: datetime | None) -> bool:
    return event.at is None or at is None or event.at < at


def _in_turn(questions: Sequence[Question], events: Sequence[EventDraft]) -> tuple[Step, ...]:
    """Steps in order of time: before a question what happened earlier is recorded, nothing of the same instant."""
    by_time: dict[datetime, list[Question]] = defaultdict(list)
    for question in questions:
        if question.at is not None:
            by_time[question.at].append(question)
    times = [event.at for event in events if event.at is not None]
    steps, done = [], 0
    for at in sorted(by_time):
        upto = bisect_left(times, at)
        steps.append(Step("all", tuple(events[done:upto]), tuple(by_time[at])))
        done = upto
    return tuple(steps)


def _cutoff(events: Sequence[EventDraft], cutoff: datetime | None, share: float) -> datetime:
    times = sorted(event.at for event in events if event.at is not None)
    if len(times) < len(events) or not times:
        lacking = len(events) - len(times)
        raise UsageError(
            f"a time split needs to know when each event happened, and {lacking:,} of {len(events):,} have no time; "
            "the order of the rows is not known to be that of the reading, so none is made up. Use leave-one-out, "
            "article-cold or reader-cold instead, or name the column that holds the time (--map at=COLUMN)"
        )
    if cutoff is None:
        _share("time", share)
        cutoff = times[int(len(times) * (1 - share))]
    if not times[0] < cutoff <= times[-1]:
        raise UsageError(
            f"{cutoff.isoformat()} divides nothing: the log reaches from {times[0].isoformat()} to "
            f"{times[-1].isoformat()}; give a time within"
        )
    return cutoff


def _share(protocol: str, share: float) -> None:
    if not 0 < share <= 0.5:
        raise UsageError(f"{protocol}: a share of {share:g} cannot be kept out; give one above 0 and up to 0.5")


def _some(questions: Sequence[Question], about: str) -> tuple[Question, ...]:
    if not questions:
        raise UsageError(f"there is nothing to ask: {about}; the log is too short for this protocol")
    return tuple(questions)


def read_keys(events: Iterable[EventDraft], bounce_seconds: float = 0.0) -> Counter[str]:
    """How many readers each article has."""
    return Counter(key for reads in reads_of(events, bounce_seconds).values() for key in reads.keys)
