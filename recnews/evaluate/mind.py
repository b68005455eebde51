"""MIND, Microsoft's news log (Wu et al. 2020): `news.tsv` and `behaviors.tsv` of a folder, as a split.

An article of it has no date; a reader's history has no times. Times of impressions have no zone and are read as UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recnews.errors import RowError, UsageError
from recnews.formats import ReadOptions, find_files
from recnews.formats.base import decoded
from recnews.formats.stream import lines, utf8_chunks
from recnews.records import Draft, EventDraft, Reject, Where
from recnews.splits import Question, Split, Step

_TIME = "%m/%d/%Y %I:%M:%S %p"


@dataclass(frozen=True, slots=True)
class Impression:
    """One line of `behaviors.tsv`: what a reader had read, what was shown, and what of it was clicked."""

    user: str
    at: datetime
    history: tuple[str, ...]
    shown: tuple[str, ...]
    clicked: tuple[str, ...]


def news_of(folder: str | Path, lang: str = "en") -> list[Draft]:
    """The articles of a folder's `news.tsv`: id, category, subcategory, title, abstract, url and what comes after."""
    found = {}
    for cells, where in _rows(Path(folder) / "news.tsv", 5):
        key, category, subcategory, title, abstract = cells[:5]
        url = cells[5] if len(cells) > 5 else ""
        if title or abstract:
            found[key] = Draft(
                key, title or abstract, summary=abstract, url=url, category=category, tags=(subcategory,), lang=lang,
                where=where,
            )  # fmt: skip
    return list(found.values())


def impressions_of(folder: str | Path) -> list[Impression]:
    """The impressions of a folder's `behaviors.tsv`. Raises `RowError` naming file, line and field."""
    return [_impression(cells, where) for cells, where in _rows(Path(folder) / "behaviors.tsv", 5)]


def mind(test: str | Path, train: str | Path | None = None) -> tuple[list[Draft], list[EventDraft], Split]:
    """The articles, the events and the split: learn from the histories and clicks of `train`, then rank what each
    impression of `test` showed, the reader's history being known.

    Without `train` what is learned from are the histories of `test`, none of its clicks. Articles that only `test` has
    come after training. Shown articles that nobody clicked are not recorded: they are most of the data.
    """
    later = {article.key: article for article in news_of(test)}
    earlier = later if train is None else {article.key: article for article in news_of(train)}
    articles = {**earlier, **later}
    asked = impressions_of(test)
    histories = _histories(asked, articles)
    if train is None:
        training = histories
    else:
        learned = impressions_of(train)
        training = _histories(learned, articles) + _clicks(learned, articles)
    questions = tuple(question for one in asked if (question := _question(one, articles)) is not None)
    if not questions:
        raise UsageError(f"{test}: no impression shows a clicked article beside another one")
    about = f"{len(questions):,} impressions, {sum(map(_shown, questions)):,} articles shown"
    steps = (Step("impressions", tuple(histories), ()), Step("impressions", (), questions))
    hidden = frozenset(articles.keys() - earlier.keys())
    events = training if train is None else training + histories
    return list(articles.values()), events, Split("mind", about, tuple(training), hidden, steps, whole=True)


def _question(one: Impression, articles: dict[str, Draft]) -> Question | None:
    among = frozenset(key for key in one.shown if key in articles)
    right = tuple(dict.fromkeys(key for key in one.clicked if key in articles))
    if not 0 < len(right) < len(among):
        return None
    return Question(one.user, right, len(set(one.history)), one.at, among)


def _shown(question: Question) -> int:
    return len(question.among or ())


def _histories(impressions: list[Impression], articles: dict[str, Draft]) -> list[EventDraft]:
    """Each reader's history, an article once."""
    pairs = dict.fromkeys((one.user, key) for one in impressions for key in one.history if key in articles)
    return [EventDraft(user, key) for user, key in pairs]


def _clicks(impressions: list[Impression], articles: dict[str, Draft]) -> list[EventDraft]:
    return [EventDraft(one.user, key, at=one.at) for one in impressions for key in one.clicked if key in articles]


def _impression(cells: list[str], where: Where) -> Impression:
    _, user, time, history, shown = cells[:5]
    try:
        at = datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise _refused(where, "time", f"is not a time: {time[:40]!r}", "write it as 11/15/2019 9:05:58 AM") from error
    keys, clicked = [], []
    for item in shown.split():
        key, dash, click = item.rpartition("-")
        if not dash or click not in ("0", "1"):
            raise _refused(where, "impressions", f"holds {item[:40]!r}", "write each as N1234-1 or N1234-0")
        keys.append(key)
        if click == "1":
            clicked.append(key)
    return Impression(user, at, tuple(history.split()), tuple(keys), tuple(clicked))


def _rows(file: Path, columns: int) -> Iterator[tuple[list[str], Where]]:
    """The cells of each line. Raises `UsageError` for a file that is not there, `RowError` for one too short."""
    options = ReadOptions(format="tsv")
    for source in find_files([file], options):
        origin, chunks = utf8_chunks(source, options)
        for piece in lines(chunks, origin.limit):
            text = decoded(origin, piece)
            if isinstance(text, Reject):
                raise _refused(text.where, text.field, text.reason, text.remedy)
            if not text.strip():
                continue
            cells, where = [cell.strip() for cell in text.split("\t")], Where(origin.name, piece.line)
            if len(cells) < columns:
                raise _refused(where, None, f"has {len(cells)} columns", f"MIND's files have at least {columns}")
            yield cells, where


def _refused(where: Where, field: str | None, reason: str, remedy: str) -> RowError:
    return RowError(where.file, where.line, field, reason, remedy)
