"""The application of one worker."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from recnews import __version__
from recnews.config import Settings, load_settings
from recnews.errors import RecnewsError
from recnews.service import articles, editorial, events, feeds, logs, operating, readers
from recnews.service.access import Access, rate_limit
from recnews.service.desk import Desk
from recnews.service.guard import Guard
from recnews.service.intakes import Intakes
from recnews.service.keys import Keys
from recnews.service.metrics import worker_ended
from recnews.service.pages import PAGES, render
from recnews.service.pages.route import told as told_as_page
from recnews.service.pages.sessions import Sessions
from recnews.service.plan import PLAN_VARIABLE, Plan
from recnews.service.problems import ProblemError, from_validation, of_status, problem_of

_SWITCH_SECONDS = 0.0005
_ABOUT = """Explained feeds of news for each reader. Ids may hold any character; in a path they are percent-encoded, a
slash as `%2F`. Every answer that is not a success is a problem as RFC 9457 has it."""


def create() -> ASGIApp:
    """The application that the environment asks for; uvicorn calls this in each worker."""
    plan = Plan(**json.loads(os.environ[PLAN_VARIABLE]))
    # A thread that encodes holds the interpreter this long before a feed gets its turn; Python's own 5 ms, once for
    # each of its reads of the store, would be most of a feed's time.
    sys.setswitchinterval(_SWITCH_SECONDS)
    logs.set_up(plan.log_ids)
    settings = load_settings(Path(plan.home))
    return Guard(_cors(build(plan, settings), settings), settings.service, plan.log_ids)


def build(plan: Plan, settings: Settings) -> FastAPI:
    """The routes, without what surrounds them."""
    app = FastAPI(
        title="recnews", version=__version__, description=_ABOUT, redirect_slashes=False, docs_url=None, redoc_url=None,
        openapi_url="/openapi.json", lifespan=_lifespan,
    )  # fmt: skip
    app.state.plan, app.state.settings = plan, settings
    limit = rate_limit(settings.service.rate, settings.service.burst)
    keys = Keys(Path(plan.home))
    app.state.access = Access(keys, limit, plan.host)
    app.state.sessions = Sessions(plan.secret.encode(), keys)
    for room in (readers, feeds, articles, events, editorial, operating):
        app.include_router(room.router)
    if settings.service.pages:
        render.prepare()
        for page in PAGES:
            app.include_router(page.router)
    app.add_exception_handler(HTTPException, _told_by_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in (ProblemError, RecnewsError, Exception):
        app.add_exception_handler(kind, _told)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    plan: Plan = app.state.plan
    intakes = Intakes(Path(plan.folder), Path(plan.home), app.state.settings)
    desk = await asyncio.to_thread(Desk, Path(plan.home), app.state.settings, intakes)
    app.state.desk = desk
    running = (desk.follow(), desk.history.follow(), _end_with(plan.parent))
    tasks = [asyncio.create_task(it) for it in running]
    logs.tell("started", pid=os.getpid())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(desk.close)
        worker_ended(os.getpid())
        logs.tell("stopped", pid=os.getpid())


async def _end_with(parent: int) -> None:
    """Stop when the parent is gone: nobody would start this worker again, and it would keep the port."""
    while not parent or os.getpid() == parent or os.getppid() == parent:
        await asyncio.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _cors(app: FastAPI, settings: Settings) -> ASGIApp:
    origins = [origin.strip() for origin in settings.service.cors_origins.split(",") if origin.strip()]
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["Authorization", "Content-Type"],
        max_age=600,
    )  # fmt: skip


async def _told(_: Request, error: Exception) -> Response:
    found = problem_of(error)
    if found.status >= 500 and isinstance(error, RecnewsError):  # others are told by the guard
        logs.tell("refused", logging.WARNING, error)
    return found.response()


async def _told_by_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this kind
    by_browser = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if by_browser and request.app.state.settings.service.pages:
        return told_as_page(request, error)
    return of_status(error.status_code, str(error.detail), error.headers).response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return from_validation(error.errors()).response()
