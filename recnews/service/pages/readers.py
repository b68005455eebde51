"""The reader's view: what somebody read, what they get, and why; their data, and forgetting them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from recnews.config import FeedSettings
from recnews.errors import NoGenerationError
from recnews.newsroom.given import zone_of
from recnews.records import HeldEvent, Recommendation, Taste
from recnews.service import render as answers
from recnews.service.asking import Asked
from recnews.service.desk import Desk
from recnews.service.metrics import stage
from recnews.service.models import Request
from recnews.service.pages.render import HEADERS, page, render
from recnews.service.pages.route import PageRoute
from recnews.service.pages.visit import Administers, Reads, SentToAdminister
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/reader", route_class=PageRoute, include_in_schema=False)
SLIDERS = ("freshness", "popularity", "diversity")
_STEP = 0.01
_PLACES, _HISTORY, _RECENT = 20, 30, 12
_EMPTY = BeforeValidator(lambda text: None if text == "" else text)
_Weight = Annotated[Annotated[float, Field(ge=0, le=100)] | None, _EMPTY]
_Share = Annotated[Annotated[float, Field(ge=0, le=1)] | None, _EMPTY]
_User = Annotated[str, Field(max_length=2048)]


class FeedAsked(Request):
    """Whose feed, as of when (local time of the home), and with which weights."""

    user: _User = ""
    at: Annotated[str, Field(max_length=40)] = ""
    freshness: _Weight = None
    popularity: _Weight = None
    diversity: _Share = None


@dataclass(frozen=True, slots=True)
class View:
    """A feed as the page shows it. `usual` are the weights of the settings, `changed` those that were moved."""

    user: str
    at: datetime
    feed: list[Recommendation]
    usual: Mapping[str, float]
    changed: Mapping[str, float]

    @property
    def weights(self) -> dict[str, float]:
        """The weights that were ranked with."""
        return {**self.usual, **self.changed}

    @property
    def scale(self) -> float:
        """The longest bar there is, in points of score."""
        parts = [[reason.value for reason in place.reasons] for place in self.feed]
        return max((sum(value for value in values if value > 0) for values in parts), default=0.0) or 1.0

    def bars(self, place: Recommendation) -> list[tuple[str, float, float]]:
        """The parts of a score as pieces of a bar 100 long: name, begin, length. Parts below 0 have no piece."""
        begin, pieces = 0.0, list[tuple[str, float, float]]()
        for reason in place.reasons:
            length = max(reason.value, 0.0) / self.scale * 100
            pieces.append((reason.part, round(begin, 2), round(length, 2)))
            begin += length
        return pieces


@router.get("")
async def reader(desk: Asked, visit: Reads, asked: Annotated[FeedAsked, Query()]) -> Response:
    """History beside feed. Without a reader, the form that asks for one."""
    zone = home_zone(desk)
    at = moment(asked.at, zone)
    known = visit.may("admin")  # who reads what is told as by export: to a key of scope admin

    def look(room: ServiceRoom) -> tuple[list[str], list[HeldEvent]]:
        recent = room.readers.recent(_RECENT) if known else []
        return recent, room.readers.history(asked.user, _HISTORY, at=at) if known and asked.user else []

    recent, history = await desk.look(look)
    view, tastes = await _view(desk, asked, at), list[Taste]()
    if view is not None and asked.user:
        tastes = await desk.read(lambda room: room.tastes(asked.user, at=at))
    return page(
        visit, "reader.html", asked=asked, zone=zone, recent=recent, history=history, view=view, tastes=tastes,
        sliders=SLIDERS,
    )  # fmt: skip


@router.get("/feed")
async def feed(desk: Asked, visit: Reads, asked: Annotated[FeedAsked, Query()]) -> Response:
    """The feed alone: what the page puts in its place while a slider is moved."""
    zone = home_zone(desk)
    view = await _view(desk, asked, moment(asked.at, zone))
    return Response(
        render(visit, "feed.html", view=view, zone=zone), headers=dict(HEADERS), media_type="text/html; charset=utf-8"
    )


@router.get("/export")
async def export(desk: Asked, visit: Administers, user: Annotated[_User, Query(min_length=1)]) -> Response:  # noqa: ARG001
    """All that is held on a reader, as a file."""
    answer = answers.answer(answers.held(await desk.apart(lambda room: room.readers.export(user))))
    answer.headers.update(HEADERS)
    answer.headers["Content-Disposition"] = 'attachment; filename="reader.json"'
    return answer


@router.get("/forget")
async def ask_to_forget(visit: Administers, user: Annotated[_User, Query(min_length=1)]) -> Response:
    """Whether it is meant: the id is to be written once more."""
    return page(visit, "forget.html", user=user, wrong=False, done=None)


@router.post("/forget")
async def forget(desk: Asked, sent: SentToAdminister) -> Response:
    """Remove all that is held on a reader."""
    user = sent.text("user")
    if not user or sent.text("again") != user:
        return page(sent.visit, "forget.html", 422, user=user, wrong=True, done=None)
    done = await desk.apart(lambda room: room.readers.forget(user))
    return page(sent.visit, "forget.html", user=user, wrong=False, done=done)


def home_zone(desk: Desk) -> ZoneInfo:
    """The zone that pages tell times in: the home's own, else UTC."""
    return zone_of(desk.settings.ingest.timezone) or ZoneInfo("UTC")


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A time as browsers send it, in the zone of the page; the present for none. Raises `ProblemError`."""
    if not text:
        return datetime.now(UTC)
    try:
        given = datetime.fromisoformat(text)
        found = (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ProblemError("invalid", "at: is no time; write it as 2026-05-01T08:00") from error
    if not 1900 <= found.year <= 2200:
        raise ProblemError("invalid", "at: is not between the years 1900 and 2200")
    return found


async def _view(desk: Desk, asked: FeedAsked, at: datetime) -> View | None:
    """The feed; None before the first training, or for nobody."""
    if not asked.user:
        return None

    def ask(room: ServiceRoom) -> View:
        usual = room.feed_settings()
        moved = {name: getattr(asked, name) for name in SLIDERS if getattr(asked, name) is not None}
        # A slider that stands where the page has put it asks for nothing.
        changed = {name: value for name, value in moved.items() if abs(value - getattr(usual, name)) > _STEP / 2}
        chosen = FeedSettings.model_validate(room.settings.feed.model_dump() | changed)
        with stage("feed"):
            found = room.recommend(asked.user, _PLACES, at=at, feed=chosen)
        return View(asked.user, at, found, {name: getattr(usual, name) for name in SLIDERS}, changed)

    try:
        return await desk.read(ask)
    except NoGenerationError:
        return None
