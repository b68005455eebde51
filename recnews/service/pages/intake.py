"""What comes in by hand: a file with its report, and rejected rows that are mended and handed in again."""

import asyncio
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from recnews.accept import Outcome
from recnews.errors import FetchError
from recnews.service.asking import Asked
from recnews.service.desk import Desk
from recnews.service.intakes import Intake
from recnews.service.pages.readers import home_zone
from recnews.service.pages.render import HEADERS, back_to, link, page, render
from recnews.service.pages.route import PageRoute
from recnews.service.pages.visit import Form, SentToWrite, Visit, Writes
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/desk", route_class=PageRoute, include_in_schema=False)
_ROWS = 20
_OTHER = re.compile(r"[^\w.\-]+")
_Number = Annotated[str, Query(pattern="^[0-9a-f]{16}$")]
_File = Annotated[str, Query(max_length=255)]


@router.post("/upload")
async def upload(desk: Asked, sent: SentToWrite) -> Response:
    """Take the articles of a file in, beside all else; the page that follows tells how far it is."""
    given = sent.file("file")
    if given is None:
        raise ProblemError("invalid", "file: none was chosen")
    number = await asyncio.to_thread(desk.intakes.file, file_name(given.filename or ""), given.file)
    return back_to(link("/desk/intake", id=number))


@router.post("/fetch")
async def fetch(desk: Asked, sent: SentToWrite) -> Response:
    """Take the articles of a feed in, by its address."""
    try:
        number = desk.intakes.feed(sent.text("address"))
    except FetchError as error:
        raise ProblemError("invalid", f"address: {error}") from error
    return back_to(link("/desk/intake", id=number))


@router.get("/intake")
async def intake(desk: Asked, visit: Writes, id: _Number) -> Response:  # noqa: A002 - the name in the address
    """How far an input is; once all is read, what became of its rows. Leaving the page changes nothing."""
    return page(visit, "intake.html", it=_intake(desk, id), zone=home_zone(desk))


@router.get("/intake/state")
async def state(desk: Asked, visit: Writes, id: _Number) -> Response:  # noqa: A002 - as above
    """The part of that page that changes: what a script puts into its place."""
    text = render(visit, "intake_state.html", it=_intake(desk, id), zone=home_zone(desk))
    return Response(text, headers=dict(HEADERS), media_type="text/html; charset=utf-8")


@router.get("/quarantine")
async def quarantine(
    desk: Asked, visit: Writes, file: _File = "", offset: Annotated[int, Query(ge=0, le=2**62)] = 0,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:  # fmt: skip
    """Rejected rows: where they stood, what is wrong with them, and a form to mend each."""
    return await _quarantine(desk, visit, file, offset, done=done)


@router.post("/mend")
async def mend(desk: Asked, sent: SentToWrite) -> Response:
    """Hand a mended row in. Once it is taken, it leaves the quarantine; else it stays, and why is told."""
    file, digest, text = sent.text("file", 255), sent.text("digest", 64), sent.raw("row")
    _may_see(sent.visit, file)
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return await _again(desk, sent, text, "row", "no-object")

    def hand_in(room: ServiceRoom) -> Outcome:
        [outcome] = room.accept_events([row]) if _of_events(file) else room.accept([row])
        if outcome.became != "rejected":  # in this order a crash between the two loses nothing
            room.rejected.take_out(file, digest)
        return outcome

    outcome = await desk.write(hand_in)
    if outcome.became == "rejected":
        return await _again(desk, sent, text, outcome.field or "row", f"{outcome.reason}; {outcome.remedy}")
    left = await desk.look(lambda room: file in dict(room.rejected.files()))
    return back_to(link("/desk/quarantine", file=file if left else None, done="mended"))


def file_name(given: str) -> str:
    """A name for a file that somebody hands in: its own without folders and odd characters, its ending kept."""
    name = _OTHER.sub("_", re.split(r"[/\\]", given)[-1]).lstrip(".")
    return name[-80:] or "articles"


def _intake(desk: Desk, number: str) -> Intake:
    found = desk.intakes.find(number)
    if found is None:
        raise ProblemError("not-found", "no input has this number; the service may have been started anew since")
    return found


async def _again(desk: Desk, sent: Form, text: str, field: str, reason: str) -> Response:
    offset = sent.text("offset", 20)
    wrong = {"digest": sent.text("digest", 64), "text": text, "field": field, "reason": reason}
    start = int(offset) if offset.isdecimal() and int(offset) < 2**62 else 0
    return await _quarantine(desk, sent.visit, sent.text("file", 255), start, wrong=wrong)


async def _quarantine(
    desk: Desk, visit: Visit, file: str, offset: int, *, done: str = "", wrong: dict[str, Any] | None = None
) -> Response:
    _may_see(visit, file)

    def look(room: ServiceRoom) -> Any:
        files = [one for one in room.rejected.files() if visit.may("admin") or not _of_events(one[0])]
        return files, room.rejected.page(file, offset, _ROWS) if file else ([], None)

    files, (rows, more) = await desk.look(look)
    return page(
        visit, "quarantine.html", 422 if wrong else 200, files=files, file=file, offset=offset, rows=rows, more=more,
        done=done, wrong=wrong or {"digest": ""},
    )  # fmt: skip


def _may_see(visit: Visit, file: str) -> None:
    """Rows of a reading log say who read what."""
    if _of_events(file) and not visit.may("admin"):
        raise ProblemError("wrong-scope", "rows of a reading log need a key of scope admin")


def _of_events(file: str) -> bool:
    return file.startswith("events-")
