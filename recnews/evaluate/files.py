"""The files an evaluation reads. A row that cannot be taken stops it: a figure over half a file would mislead."""

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from recnews.errors import RowError, UsageError
from recnews.evaluate.systems import Text
from recnews.evaluate.tasks import JudgedPair, WordPair
from recnews.formats import ReadOptions, find_files, read_articles, read_events
from recnews.formats.base import Row, decoded
from recnews.formats.jsonl import read_jsonl
from recnews.formats.stream import lines, utf8_chunks
from recnews.newsroom import Newsroom
from recnews.records import Draft, EventDraft, HasText, Reject, Where

_PARTS = ("title", "summary", "body")
_KEPT = ("key", "title", "body", "summary", "url", "author", "source", "category", "tags", "lang", "published_at")


def articles_of(paths: Sequence[str | Path], options: ReadOptions, limit: int | None = None) -> list[Draft]:
    """The articles of files, at most `limit`, in the order of the files; an id that comes again is taken once.

    Raises `RowError` for the first row that cannot be taken, `UsageError` for a file that is not there.
    """
    found: dict[str, Draft] = {}
    for row in islice(read_articles(paths, options), limit):
        if isinstance(row, Reject):
            raise _refused(row)
        found.setdefault(row.key, row)
    return list(found.values())


def stored_articles(newsroom: Newsroom, limit: int | None = None) -> list[Draft]:
    """The articles of a home, oldest first; with `limit`, its newest ones."""
    stored = newsroom.articles(newsroom.status().articles if limit is None else limit)
    return [Draft(**{name: getattr(article, name) for name in _KEPT}) for article in reversed(stored)]


def events_of(paths: Sequence[str | Path], options: ReadOptions) -> list[EventDraft]:
    """The events of files, in the order of the files; otherwise as `articles_of`."""
    found = []
    for row in read_events(paths, options):
        if isinstance(row, Reject):
            raise _refused(row)
        found.append(row)
    return found


def stored_events(newsroom: Newsroom) -> list[EventDraft]:
    """The events of a home."""
    return list(newsroom.store.events.all())


def pairs_of(path: str | Path, lang: str = "") -> list[JudgedPair]:
    """Judged pairs, a JSON object a line: `a` and `b`, each a text or an article with `title` and `body`, and
    `similarity`, a number; `lang` restricts to lines with this `lang`.

    Raises `RowError` naming file, line and field.
    """
    options = ReadOptions(format="jsonl")
    found = []
    for source in find_files([path], options):
        for row in read_jsonl(*utf8_chunks(source, options)):
            if isinstance(row, Reject):
                raise _refused(row)
            if not lang or row.cells.get("lang") == lang:
                found.append(_pair(row))
    if not found:
        raise UsageError(f"{path}: there is no pair" + (f" with lang {lang!r}" if lang else "") + " in this file")
    return found


def word_pairs_of(path: str | Path) -> list[WordPair]:
    """Judged pairs of words, `word TAB word TAB score` a line; lines that start with `#` are comments.

    Raises `RowError` naming file, line and field.
    """
    options = ReadOptions(format="tsv")
    found = []
    for source in find_files([path], options):
        origin, chunks = utf8_chunks(source, options)
        for piece in lines(chunks, origin.limit):
            text = decoded(origin, piece)
            if isinstance(text, Reject):
                raise _refused(text)
            if text.strip() and not text.startswith("#"):
                found.append(_word_pair(text, Where(origin.name, piece.line)))
    if not found:
        raise UsageError(f"{path}: there is no pair of words in this file")
    return found


def _pair(row: Row) -> JudgedPair:
    similarity = _number(row.cells.get("similarity"), "similarity", row.where)
    return JudgedPair(_text(row, "a"), _text(row, "b"), similarity)


def _text(row: Row, name: str) -> HasText:
    value = row.cells.get(name)
    if isinstance(value, str) and value.strip():
        return Text.free(value)
    if isinstance(value, dict):
        parts = {part: value[part] for part in _PARTS if value.get(part)}
        if parts and all(isinstance(part, str) for part in parts.values()):
            return Text(**{part: parts.get(part, "") for part in _PARTS})
    shown = "is missing" if value is None else "holds no text"
    raise RowError(
        row.where.file, row.where.line, name, shown, 'write a text, or an article such as {"title": "…", "body": "…"}'
    )


def _word_pair(text: str, where: Where) -> WordPair:
    cells = [cell.strip() for cell in text.split("\t")]
    if len(cells) != 3:
        raise RowError(
            where.file, where.line, None, f"has {len(cells)} columns, not 3", "write word, word and score between tabs"
        )
    for field, cell in zip(("word 1", "word 2"), cells[:2], strict=True):
        if not cell:
            raise RowError(where.file, where.line, field, "is empty", "write a word")
    return WordPair(cells[0], cells[1], _number(cells[2], "score", where))


def _number(value: Any, field: str, where: Where) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        reason = "is missing" if value is None else f"is not a finite number: {str(value)[:40]!r}"
        raise RowError(where.file, where.line, field, reason, "write how alike people find the two, as a number")
    return found


def _refused(row: Reject) -> RowError:
    return RowError(row.where.file, row.where.line, row.field, row.reason, row.remedy)
