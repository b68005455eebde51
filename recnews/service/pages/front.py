"""The first page, signing in and out, language and colours, and the files that come with the pages."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from recnews.service.access import Access
from recnews.service.asking import Asked
from recnews.service.pages import catalogue
from recnews.service.pages.render import HEADERS, STATIC, back_to, page, remember
from recnews.service.pages.route import PageRoute
from recnews.service.pages.sessions import SESSION_SECONDS, Sessions
from recnews.service.pages.visit import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    Everybody,
    Reads,
    SentByEverybody,
)
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_YEAR = 365 * 24 * 3600
_KINDS = {
    ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
Next = Annotated[str, Query(max_length=8192)]


@router.get("/")
async def front(desk: Asked, visit: Reads) -> Response:
    """What there is, in a few figures, and where to go."""

    def look(room: ServiceRoom) -> tuple[int, str | None]:
        return room.store.articles.count(), room.generations.current().live

    articles, live = await desk.look(look)
    return page(visit, "front.html", articles=articles, live=live, ready=desk.ready)


@router.get("/sign-in")
async def ask_for_key(visit: Everybody, next: Next = "/") -> Response:  # noqa: A002 - the name in the address
    """The form that takes a key."""
    if visit.scope is not None:
        return back_to(next)
    return page(visit, "sign_in.html", next=next, wrong=False)


@router.post("/sign-in")
async def sign_in(request: Request, sent: SentByEverybody) -> Response:
    """Begin a session for a key. It is asked for in the body of a form, so that it is in no address and no log."""
    access: Access = request.app.state.access
    sessions: Sessions = request.app.state.sessions
    key = access.key(sent.raw("key").strip())
    if key is None:
        return page(sent.visit, "sign_in.html", 401, next=sent.text("next", 8192) or "/", wrong=True)
    answer = back_to(sent.text("next", 8192) or "/")
    remember(answer, SESSION_COOKIE, sessions.begin(key, time.time()), sent.visit, SESSION_SECONDS)
    return answer


@router.post("/sign-out")
async def sign_out(sent: SentByEverybody) -> Response:  # noqa: ARG001 - it was found to be ours
    """End the session in this browser."""
    answer = back_to("/sign-in")
    answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    return answer


@router.post("/look")
async def choose_look(sent: SentByEverybody) -> Response:
    """Keep a language, or light or dark."""
    answer = back_to(sent.text("next", 8192))
    if sent.text("language") in catalogue.LANGUAGES:
        remember(answer, LANGUAGE_COOKIE, sent.text("language"), sent.visit, _YEAR)
    if sent.text("theme") in THEMES:
        remember(answer, THEME_COOKIE, sent.text("theme"), sent.visit, _YEAR)
    return answer


@router.get("/static/{name}")
async def file(name: str) -> Response:
    """A file that comes with the pages."""
    found = next((file for file in STATIC.iterdir() if file.name == name), None)
    if found is None:
        raise ProblemError("not-found", "there is no such file")
    headers = dict(HEADERS) | {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(found, headers=headers, media_type=_KINDS[found.suffix])
