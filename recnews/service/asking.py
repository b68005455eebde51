"""What the routes share: parameters, documented answers, and small steps from a request to a newsroom."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from pydantic import AfterValidator, TypeAdapter, ValidationError

from recnews.service.answers import ProblemOut
from recnews.service.desk import Desk
from recnews.service.models import Time
from recnews.service.problems import MEDIA_TYPE, ProblemError

_AGE = re.compile(r"(\d{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_LONGEST_HOURS = 200 * 366 * 24
_time: TypeAdapter[datetime] = TypeAdapter(Time)
_ABOUT = {
    400: "The request cannot be read.", 401: "A key is needed.", 403: "The key does not allow this.",
    404: "There is no such thing.", 408: "The body did not come in time.", 413: "The request is too large.",
    415: "The body is not JSON.", 422: "A value is wrong.", 429: "Too many requests; see `Retry-After`.",
    500: "A fault of the service.", 503: "Not now; see `Retry-After`.",
}  # fmt: skip
_ALWAYS = (400, 401, 403, 413, 422, 429, 500, 503)
WITH_BODY = (408, 415)
ROWS_MOST = 1000


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are problems."""
    return {
        status: {"description": _ABOUT[status], "content": {MEDIA_TYPE: {}}, "model": ProblemOut}
        for status in sorted({*_ALWAYS, *more})
    }


async def desk_of(request: Request) -> Desk:  # a plain function would go through a pool of threads
    """The worker's desk."""
    desk: Desk = request.app.state.desk
    return desk


def _decoded(text: str) -> str:
    """Routes are found in the path as it was sent, so that an id may hold a slash; here it becomes the id."""
    found = unquote(text, errors="strict")
    if not found.strip() or len(found) > 2048:
        raise ValueError("has from 1 to 2,048 characters")
    return found


Asked = Annotated[Desk, Depends(desk_of)]
_Encoded = AfterValidator(_decoded)
UserId = Annotated[str, Path(description="A reader's id, percent-encoded.", examples=["alice"]), _Encoded]
ArticleId = Annotated[str, Path(description="An article's id, percent-encoded.", examples=["a-17"]), _Encoded]
Word = Annotated[str, Path(description="A word, percent-encoded.", examples=["地铁"]), _Encoded]
RuleName = Annotated[str, Path(description="A category or source, percent-encoded.", examples=["广告"]), _Encoded]


def within(most: int, given: int, name: str) -> int:
    """`given`, when it is not above what the settings allow."""
    if given > most:
        raise ProblemError(
            "invalid", f"{name}: this service allows {most:,}", errors=[{"field": name, "reason": f"above {most}"}]
        )
    return given


def since(text: str | None) -> datetime | timedelta | None:
    """A time, or an age such as `3d`."""
    if text is None:
        return None
    age = _AGE.fullmatch(text.strip())
    if age is None:
        try:
            return _time.validate_python(text)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ProblemError("invalid", f"since: {reason}", errors=[{"field": "since", "reason": reason}]) from error
    hours = int(age[1]) * _HOURS[age[2]]
    if hours > _LONGEST_HOURS:
        raise ProblemError("invalid", "since: is more than two hundred years")
    return timedelta(hours=hours)


async def rows_of(request: Request, most: int) -> tuple[list[Mapping[str, Any]], bool]:
    """The rows in a body, an object or a list of objects, and whether it was a list. Raises `ProblemError`.

    What the rows hold is checked row by row later: one bad row must not spoil the others.
    """
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ProblemError("bad-request", "the body is not JSON") from error
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in rows):
        raise ProblemError("invalid", "the body is an object or a list of objects")
    if not rows:
        raise ProblemError("invalid", "the list is empty")
    within(most, len(rows), "body")
    return rows, isinstance(found, list)
