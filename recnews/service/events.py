"""Events: what readers read, liked, shared, disliked, or were shown."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from recnews.accept import Outcome
from recnews.records import EVENT_KINDS
from recnews.service.access import needs
from recnews.service.articles import ONE_OR_MANY, row_or_rows, told
from recnews.service.asking import WITH_BODY, Asked, problems, rows_of
from recnews.service.metrics import stage
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/v1/events", tags=["events"])
_ROW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "user": {"type": "string", "maxLength": 2048},
        "article": {"type": "string", "maxLength": 2048, "description": "May come later than the event."},
        "kind": {"enum": list(EVENT_KINDS), "default": "read"},
        "at": {"type": "string", "format": "date-time", "description": "With its offset; else now."},
        "weight": {"type": "number", "exclusiveMinimum": 0, "default": 1},
        "dwell": {"type": "number", "minimum": 0, "description": "Seconds on the page."},
        "event_id": {"type": "string", "maxLength": 2048, "description": "Sent again, the event counts once."},
    },
    "required": ["user", "article"],
}
_EXAMPLE = {
    "user": "alice", "article": "a-17", "kind": "read", "at": "2026-05-01T08:03:00+08:00", "dwell": 41,
    "event_id": "2f1c9f0a",
}  # fmt: skip


@router.post(
    "",
    dependencies=[Depends(needs("write"))],
    responses={**ONE_OR_MANY, **problems(*WITH_BODY)},
    openapi_extra=row_or_rows(_ROW, _EXAMPLE),
)
async def put_events(desk: Asked, request: Request) -> Response:
    """Store one event or many, impressions included. The reader's next feed knows.

    Send an `event_id`, or `at`, to be able to send an event again: without either it is a new one each time.
    """
    rows, many = await rows_of(request, desk.settings.service.batch)
    now = datetime.now(UTC).isoformat()
    timed = [row if row.get("at") not in (None, "") else {**row, "at": now} for row in rows]

    def accept(room: ServiceRoom) -> list[Outcome]:
        with stage("events"):
            return room.accept_events(timed)

    return told(await desk.write(accept), many, "event")
