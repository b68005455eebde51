"""How pages answer what goes wrong: as a page, in the visitor's language."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from recnews.errors import RecnewsError
from recnews.service import logs
from recnews.service.pages.render import back_to, link, page
from recnews.service.pages.visit import look_at
from recnews.service.problems import ProblemError, from_validation, of_status, problem_of


class PageRoute(APIRoute):
    """A route that answers with pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors told as pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # whatever it is, a browser gets a page
                return told(request, error)

        return answer


def told(request: Request, error: Exception) -> Response:
    """The page that says what went wrong; the page to sign in where that is all that is missing."""
    found = _problem(error)
    if found.kind == "internal":
        logs.tell("page", logging.ERROR, error)
    elif found.status >= 500:
        logs.tell("refused", logging.WARNING, error)
    visit = look_at(request, admit=False)
    if found.kind == "no-key" and request.method == "GET":
        fragment = request.headers.get("sec-fetch-dest") == "empty"  # asked by a script: it loads the page anew
        return page(visit, "error.html", 401, problem=found) if fragment else back_to(_sign_in(visit.address))
    answer = page(visit, "error.html", found.status, problem=found)
    answer.headers.update(found.headers)
    return answer


def _sign_in(address: str) -> str:
    return link("/sign-in", next=None if address == "/" else address)


def _problem(error: Exception) -> ProblemError:
    if isinstance(error, RequestValidationError):
        return from_validation(error.errors())
    if isinstance(error, HTTPException):
        return of_status(error.status_code, str(error.detail), error.headers)
    found = problem_of(error)
    # What an editor or operator did is told to them with all there is to say: they can mend it.
    told = isinstance(error, RecnewsError) and found.kind in {"storage", "busy"}
    return ProblemError(found.kind, str(error)) if told else found
