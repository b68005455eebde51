"""Answers as JSON. Floats are written as Python writes them everywhere, so that scores are the same to the last digit
as those of `recnews recommend --json`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from recnews.accept import Outcome
from recnews.records import Article, Held, Neighbors, Pin, Reason, Recommendation

_STATUS = {"added": 201, "rejected": 422}


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json")


def place(it: Recommendation, explain: bool) -> dict[str, Any]:
    """One place of a feed."""
    told = {
        "id": it.key,
        "title": it.title,
        "score": it.score,
        "source": it.source,
        "url": it.url,
        "category": it.category,
        "category_probability": it.category_probability,
        "published_at": it.published_at.isoformat(),
    }
    return told | ({"reasons": [_reason(reason) for reason in it.reasons]} if explain else {})


def near(found: Neighbors) -> dict[str, Any]:
    """Neighbours."""
    return {
        "words": [{"word": it.word, "score": it.score} for it in found.words],
        "articles": [{"id": it.key, "title": it.title, "score": it.score} for it in found.articles],
        "tokens": found.tokens,
        "unknown": found.unknown,
        "partial": found.partial,
    }


def article(it: Article) -> dict[str, Any]:
    """A stored article."""
    names = ("title", "body", "summary", "url", "author", "source", "category", "category_probability", "tags", "lang",
             "published_at", "expires_at", "hidden", "ingested_at")  # fmt: skip
    return {"id": it.key} | {name: getattr(it, name) for name in names}


def outcome(it: Outcome, event: bool) -> dict[str, Any]:
    """What became of a row."""
    told: dict[str, Any] = {"id": it.key, "status": _STATUS.get(it.became, 200), "became": it.became}
    if it.became == "rejected":
        return told | {"field": it.field, "reason": it.reason, "remedy": it.remedy}
    return told | ({"waiting": it.waiting} if event else {})


def pins(found: Sequence[Pin]) -> dict[str, Any]:
    """Pins."""
    return {
        "pins": [{"article": it.key, "slot": it.slot, "starts_at": it.starts_at, "until": it.until} for it in found]
    }


def held(it: Held) -> dict[str, Any]:
    """All that is held on a reader."""
    names = ("title", "kind", "weight", "dwell", "at")
    return {
        "user": it.user,
        "stored_as": it.stored_as,
        "events": [{"article": event.key} | {name: getattr(event, name) for name in names} for event in it.events],
        "rejected": [_jsonable(row) for row in it.rejected],
    }


def _reason(it: Reason) -> dict[str, Any]:
    return {"part": it.part, "value": it.value, "id": it.key, "title": it.title, "words": it.words}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _jsonable(value: Any) -> Any:
    """Rows that were rejected may hold anything; what JSON has not becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _jsonable(item) for name, item in value.items()}
    return [_jsonable(item) for item in value] if isinstance(value, list | tuple) else value
