"""The analyst's map: articles in two dimensions, their topics, what rises, and a reader laid on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from recnews.errors import NoGenerationError, NoMapError
from recnews.mapping import Topic, Trends, Wanted, packed
from recnews.records import HeldEvent, Recommendation
from recnews.service.asking import Asked
from recnews.service.desk import Desk
from recnews.service.metrics import stage
from recnews.service.models import Request
from recnews.service.pages.readers import home_zone, moment
from recnews.service.pages.render import HEADERS, link, page, part, static
from recnews.service.pages.route import PageRoute
from recnews.service.pages.visit import Reads, Visit
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom
from recnews.store import ArticleCard

router = APIRouter(prefix="/map", route_class=PageRoute, include_in_schema=False)
COLOURS = ("topic", "day", "category", "reads")
"""What points can be coloured by."""
TEXTS = (
    "map.failed", "map.label", "map.selected", "map.colour", "map.lasso", "map.in", "map.zoom_in", "map.out",
    "map.zoom_out", "map.whole", "map.clear", "map.others", "map.days", "map.now", "map.reads",
    *(f"map.by_{name}" for name in COLOURS),
)  # fmt: skip
"""The texts that the script shows."""
_PLACES, _HISTORY, _LISTED, _CARDS = 20, 200, 50, 100
_EMPTY = BeforeValidator(lambda text: None if text == "" else text)
_Number = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, _EMPTY]
_Day = Annotated[Annotated[date, Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))] | None, _EMPTY]
_Ids = Annotated[str, Query(pattern=r"^\d{1,18}(,\d{1,18}){0,99}$")]


class MapAsked(Request):
    """A reader to lay on the map, as of a time in the home's zone, and which articles to list: of a topic, a category,
    and days, the last one too."""

    user: Annotated[str, Field(max_length=2048)] = ""
    at: Annotated[str, Field(max_length=40)] = ""
    topic: _Number = None
    category: _Number = None
    since: _Day = None
    until: _Day = None

    @property
    def listing(self) -> bool:
        """Whether articles are to be listed."""
        return any(it is not None for it in (self.topic, self.category, self.since, self.until))


@dataclass(frozen=True, slots=True)
class Looked:
    """What the page shows of a map, without its points."""

    topics: list[Topic]
    categories: list[tuple[int, str]]
    articles: int
    cards: list[ArticleCard]
    found: int


@dataclass(frozen=True, slots=True)
class Laid:
    """A reader on the map: history, feed, and the ids of their articles, -1 for one that is not stored."""

    history: list[tuple[int, HeldEvent]]
    feed: list[tuple[int, Recommendation]]


@router.get("")
async def analyst(desk: Asked, visit: Reads, asked: Annotated[MapAsked, Query()]) -> Response:
    """The page; its points come after it."""
    zone, now = home_zone(desk), datetime.now(UTC)

    def look(room: ServiceRoom) -> Looked:
        mapped = room.maps.current()
        topics = mapped.topics(now)
        names = sorted((name, number) for number, name in enumerate(mapped.categories) if name)
        ids, found = mapped.listed(_wanted(asked, zone), now, _LISTED) if asked.listing else ([], 0)
        return Looked(
            topics, [(number, name) for name, number in names], sum(topic.articles for topic in topics),
            _in_order(room, ids), found,
        )  # fmt: skip

    try:
        looked = await desk.look(look)
    except (NoMapError, NoGenerationError) as error:
        why = error.why if isinstance(error, NoMapError) else "untrained"
        return page(visit, "map.html", why=why, asked=asked)
    laid = await _laid(desk, visit, asked.user, moment(asked.at, zone)) if asked.user else None
    told = json.dumps(_told(visit, looked, laid), ensure_ascii=False)
    return page(visit, "map.html", why="", asked=asked, looked=looked, laid=laid, told=told, zone=zone)


@router.get("/points")
async def points(desk: Asked, visit: Reads) -> Response:  # noqa: ARG001 - may see it
    """All points, as `recnews.mapping.packed` writes them."""

    def look(room: ServiceRoom) -> bytes:
        now = datetime.now(UTC)
        found = room.maps.current().points(now)
        return packed(found, room.maps.reads(found.ids), now)

    try:
        found = await desk.look(look)
    except NoMapError as error:
        raise ProblemError("not-found", str(error)) from error
    return Response(found, headers=dict(HEADERS), media_type="application/octet-stream")


@router.get("/cards")
async def cards(desk: Asked, visit: Reads, ids: _Ids) -> Response:  # noqa: ARG001 - may see it
    """What is listed of some articles."""
    zone = home_zone(desk)
    wanted = [int(one) for one in ids.split(",")][:_CARDS]
    found = await desk.look(lambda room: [card_of(card, zone) for card in _in_order(room, wanted)])
    body = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, headers=dict(HEADERS), media_type="application/json")


@router.get("/trends")
async def trends(desk: Asked, visit: Reads, request: HttpRequest) -> Response:
    """What rises, as the page puts it into its place; a page of its own for browsers without scripts."""

    def look(room: ServiceRoom) -> Trends | None:
        try:
            return room.maps.trends()
        except (NoMapError, NoGenerationError):
            return None

    found = await desk.look(look)
    return part(visit, request, "map_rising.html", "map_trends.html", trends=found)


def card_of(card: ArticleCard, zone: ZoneInfo) -> dict[str, Any]:
    """An article as the script lists it."""
    day = card.published_at.astimezone(zone).date().isoformat()
    return {"id": card.article_id, "key": card.key, "title": card.title, "category": card.category, "day": day}


def _told(visit: Visit, looked: Looked, laid: Laid | None) -> Mapping[str, Any]:
    """What the script is told."""
    marks = [(one, "history") for one, _ in laid.history] + [(one, "feed") for one, _ in laid.feed] if laid else []
    return {
        "lang": visit.lang,
        "texts": {name.removeprefix("map."): visit.text(name) for name in TEXTS},
        "by": COLOURS,
        "topics": [{"number": it.number, "words": it.words, "x": it.x, "y": it.y} for it in looked.topics],
        "categories": dict(looked.categories),
        "marks": [{"id": one, "kind": kind} for one, kind in marks if one >= 0],
        "plot": static("plot.js"),
        "points": "/map/points",
        "cards": "/map/cards",
        "article": link("/desk/article") + "?id=",
    }


async def _laid(desk: Desk, visit: Visit, user: str, at: datetime) -> Laid:
    """History, for who may see it, and feed of a reader, as they were at a time."""

    def feed_of(room: ServiceRoom) -> list[Recommendation]:
        with stage("feed"):
            return room.recommend(user, _PLACES, at=at)

    try:
        feed = await desk.read(feed_of)
    except NoGenerationError:
        feed = []

    def look(room: ServiceRoom) -> Laid:
        history = room.readers.history(user, _HISTORY, at=at) if visit.may("admin") else []
        ids = room.store.articles.ids([*(it.key for it in history), *(it.key for it in feed)])
        return Laid([(ids.get(it.key, -1), it) for it in history], [(ids.get(it.key, -1), it) for it in feed])

    return await desk.look(look)


def _in_order(room: ServiceRoom, ids: Sequence[int]) -> list[ArticleCard]:
    found = room.store.articles.cards(list(ids))
    return [found[one] for one in ids if one in found]


def _wanted(asked: MapAsked, zone: ZoneInfo) -> Wanted:
    def begin(day: date | None, later: int = 0) -> datetime | None:
        return None if day is None else datetime.combine(day + timedelta(days=later), time(), zone)

    return Wanted(
        -1 if asked.topic is None else asked.topic, -1 if asked.category is None else asked.category,
        begin(asked.since), begin(asked.until, 1),
    )  # fmt: skip
