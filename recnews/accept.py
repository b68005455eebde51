"""Rows handed in by a caller that waits for the answer: each is told what became of it, and none is put aside.

Nothing here learns: what grows slowly (`recnews.readership`) is left to whoever keeps house.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from recnews import formats
from recnews.formats import ReadOptions
from recnews.records import Draft, EventDraft, Reject
from recnews.store import Store

Became = Literal["added", "changed", "unchanged", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row. `key` names the article where that could be read; `waiting` marks an event for an article
    that is not stored yet. A rejected row has a reason, a remedy and, where one is to blame, a field."""

    key: str
    became: Became
    waiting: bool = False
    field: str | None = None
    reason: str = ""
    remedy: str = ""


def accept_articles(
    store: Store, rows: Sequence[Mapping[str, Any]], options: ReadOptions, now: datetime
) -> list[Outcome]:
    """Store articles in one transaction; the outcome of each row, in order.

    Of two rows with one id the first counts; the other is a duplicate, or rejected when it says something else.
    """
    outcomes = dict[int, Outcome]()
    first = dict[str, tuple[int, Draft]]()
    for place, row in enumerate(formats.articles_from_rows(rows, options)):
        if isinstance(row, Reject):
            outcomes[place] = _rejected(row, "id")
        elif row.key not in first:
            first[row.key] = place, row
        elif row == first[row.key][1]:
            outcomes[place] = Outcome(row.key, "duplicate")
        else:
            reason = f"row {first[row.key][0] + 1} has the same id and other content"
            outcomes[place] = Outcome(row.key, "rejected", False, "id", reason, "give each article an id of its own")
    if first:
        became = store.articles.upsert([draft for _, draft in first.values()], now)
        for (place, draft), what in zip(first.values(), became, strict=True):
            outcomes[place] = Outcome(draft.key, what)
    return [outcomes[place] for place in range(len(outcomes))]


def accept_events(store: Store, rows: Sequence[Mapping[str, Any]], options: ReadOptions) -> list[Outcome]:
    """Store events in one transaction; the outcome of each row, in order. One that is stored already is a duplicate."""
    outcomes = dict[int, Outcome]()
    good = dict[int, EventDraft]()
    for place, row in enumerate(formats.events_from_rows(rows, options)):
        if isinstance(row, Reject):
            outcomes[place] = _rejected(row, "article")
        else:
            good[place] = row
    told = store.events.add_each(list(good.values()))
    for (place, draft), (new, waiting) in zip(good.items(), told, strict=True):
        outcomes[place] = Outcome(draft.key, "added" if new else "duplicate", waiting)
    return [outcomes[place] for place in range(len(outcomes))]


def _rejected(reject: Reject, name: str) -> Outcome:
    found = (reject.row or {}).get(name)
    key = found if isinstance(found, str) else ""
    return Outcome(key[:200], "rejected", False, reject.field, reject.reason, reject.remedy)
