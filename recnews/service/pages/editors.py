"""The editor's desk: what came in, articles looked up and taken in hand, pins."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from recnews.errors import UsageError
from recnews.newsroom import Newsroom
from recnews.records import Article, Cut, Neighbors, Pin
from recnews.service.asking import Asked
from recnews.service.pages.model import of_model
from recnews.service.pages.readers import home_zone, moment
from recnews.service.pages.render import back_to, link, page
from recnews.service.pages.route import PageRoute
from recnews.service.pages.visit import Form, Reads, SentToWrite
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom
from recnews.store import ArticleCard, CameIn, ReadBy
from recnews.text import parse_word

router = APIRouter(prefix="/desk", route_class=PageRoute, include_in_schema=False)
_LISTED, _RELATED, _INTAKES = 30, 8, 5
_CUT = 20_000
_Id = Annotated[str, Query(min_length=1, max_length=2048)]
Done = Annotated[str, Query(max_length=20)]
_Text = Annotated[str, Query(max_length=200)]
_Place = Annotated[str, Query(pattern=r"^(-?\d{1,18}\.\d{1,18})?$")]


@dataclass(frozen=True, slots=True)
class Filed:
    """What the store knows of an article, without a model."""

    article: Article
    story: list[ArticleCard]
    read_by: list[ReadBy]
    pin: Pin | None


@dataclass(frozen=True, slots=True)
class Desktop:
    """What lies on the desk: `more` is where the next page of articles begins."""

    cards: list[ArticleCard]
    more: str
    came_in: list[CameIn]
    pins: list[tuple[Pin, ArticleCard]]
    rejected: int


@router.get("")
async def desktop(desk: Asked, visit: Reads, q: _Text = "", before: _Place = "", done: Done = "") -> Response:
    """What came in today, the pins, and articles to look up."""
    zone = home_zone(desk)
    today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    micros, _, article_id = before.partition(".")
    start = (int(micros), int(article_id)) if before else None

    def look(room: ServiceRoom) -> Desktop:
        cards, more = room.archive.newest(_LISTED, q.strip(), start)
        pins = room.editors.pins()
        pinned = room.store.articles.cards([pin.article_id for pin in pins])
        return Desktop(
            cards, f"{more[0]}.{more[1]}" if more else "", room.archive.came_in(today),
            [(pin, pinned[pin.article_id]) for pin in pins if pin.article_id in pinned], len(room.rejected.files()),
        )  # fmt: skip

    found = await desk.look(look)
    intakes = desk.intakes.latest(_INTAKES) if visit.may("write") else []
    return page(
        visit, "desk.html", found=found, q=q.strip(), before=before, zone=zone, today=today, done=done, intakes=intakes,
    )  # fmt: skip


@router.get("/article")
async def article(desk: Asked, visit: Reads, id: _Id, done: Done = "") -> Response:  # noqa: A002 - the name in the address
    """One article, with all that is known of it."""

    def look(room: ServiceRoom) -> Filed:
        pin = next((pin for pin in room.editors.pins() if pin.key == id), None)
        return Filed(room.article(id), room.archive.story(id), room.archive.read_by(id), pin)

    filed = await desk.look(look)

    def ask_model(room: ServiceRoom) -> tuple[Cut, Neighbors]:
        text = "\n".join((filed.article.title, filed.article.summary, filed.article.body))
        return room.cut(text[:_CUT]), room.neighbors(article=id, k=_RELATED)

    told, why = await of_model(desk, ask_model)
    cut, near = told or (None, None)
    now, zone = datetime.now(UTC), home_zone(desk)
    return page(visit, "article.html", filed=filed, cut=cut, near=near, why=why, now=now, zone=zone, done=done)


@router.post("/hide")
async def hide(desk: Asked, sent: SentToWrite) -> Response:
    """Take an article out of every feed, or put it back."""
    hidden = sent.text("hidden") == "yes"
    await desk.write(lambda room: room.editors.hide([sent.text("id")], hidden))
    return _to_article(sent, "hidden" if hidden else "shown")


@router.post("/expire")
async def expire(desk: Asked, sent: SentToWrite) -> Response:
    """Serve an article until a time, or as long as its publisher says."""
    at = None if sent.text("never") else moment(sent.text("at"), home_zone(desk))
    await desk.write(lambda room: room.editors.edit(sent.text("id"), {"expires_at": at}))
    return _to_article(sent, "unexpired" if at is None else "expired")


@router.post("/categorize")
async def categorize(desk: Asked, sent: SentToWrite) -> Response:
    """Put an article under a category; none takes back what editors have set."""
    category = sent.text("category", 200) or None
    await desk.write(lambda room: room.editors.categorize([sent.text("id")], category))
    return _to_article(sent, "categorized")


@router.post("/pin")
async def pin(desk: Asked, sent: SentToWrite) -> Response:
    """Put an article into a place of every feed, between two times."""
    zone = home_zone(desk)
    starts, until = (moment(sent.text(name), zone) if sent.text(name) else None for name in ("starts", "until"))
    try:
        slot = int(sent.text("slot", 4))
    except ValueError as error:
        raise ProblemError("invalid", "slot: is no number") from error
    await desk.write(lambda room: room.editors.pin(sent.text("id"), slot, starts_at=starts, until=until))
    return _to_article(sent, "pinned")


@router.post("/unpin")
async def unpin(desk: Asked, sent: SentToWrite) -> Response:
    """Take a pin away."""
    await desk.write(lambda room: room.editors.unpin([sent.text("id")]))
    return back_to("/desk?done=unpinned") if sent.text("from") == "desk" else _to_article(sent, "unpinned")


@router.post("/word")
async def word(desk: Asked, sent: SentToWrite) -> Response:
    """Put a word into the dictionary: the next training keeps it whole."""
    given = sent.text("word", 100)
    if not given or len(given.split()) != 1:
        raise ProblemError("invalid", "word: is one word, without a space")

    def add(room: Newsroom) -> None:
        if not room.dictionary.add(parse_word(given)):
            raise UsageError(f"{given!r} is in the dictionary already")

    await desk.write(add)
    return _to_article(sent, "word")


def _to_article(sent: Form, done: str) -> Response:
    return back_to(link("/desk/article", id=sent.text("id"), done=done))
