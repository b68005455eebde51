"""The word explorer: what lies around a word, words taken from and added to words, and words over time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from markupsafe import Markup
from pydantic import Field, StringConstraints
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from recnews import drawing
from recnews.explore import Around
from recnews.newsroom.words import Written
from recnews.service.asking import Asked
from recnews.service.models import Request
from recnews.service.pages.charts import Chart, Column
from recnews.service.pages.model import of_model
from recnews.service.pages.readers import home_zone
from recnews.service.pages.render import link, page, part
from recnews.service.pages.route import PageRoute
from recnews.service.pages.visit import Reads, Visit
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/words", route_class=PageRoute, include_in_schema=False)
SPANS = ("30", "90", "365", "all")
_BY_DAY = ("30", "90")
_NEAR, _WEEKS, _COUNT = 12, 1990, "{:,}"
_Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]


class WordsAsked(Request):
    """The word to look around, what is taken from it and added to it, and a second one to set beside it in time."""

    word: _Word = ""
    minus: _Word = ""
    plus: _Word = ""
    beside: _Word = ""
    span: Annotated[str, Field(pattern="^(30|90|365|all)$")] = "90"

    @property
    def name(self) -> str:
        """What was asked for, as a sum."""
        return f"{self.word}{f' − {self.minus}' if self.minus else ''}{f' + {self.plus}' if self.plus else ''}"


@router.get("")
async def explorer(desk: Asked, visit: Reads, asked: Annotated[WordsAsked, Query()]) -> Response:
    """One word, a sum of words, or the form that asks for one."""
    around, why, graph = None, "", Markup()
    if asked.word:
        plus, minus = [asked.word, *filter(None, [asked.plus])], [*filter(None, [asked.minus])]
        around, why = await of_model(desk, lambda room: room.words.around(plus, minus, _NEAR))
        graph = _graph(visit, asked, around) if around and around.near else graph
    counted = link("/words/time", word=asked.word, beside=asked.beside, span=asked.span)
    return page(visit, "words.html", asked=asked, around=around, why=why, graph=graph, spans=SPANS, time=counted)


@router.get("/time")
async def over_time(desk: Asked, visit: Reads, asked: Annotated[WordsAsked, Query()], request: HttpRequest) -> Response:
    """Words over time, as the page puts it into its place: all texts of that time are read. A page of its own for
    browsers without scripts."""
    if not asked.word:
        return RedirectResponse("/words", 303)
    zone, names = home_zone(desk), list(dict.fromkeys([asked.word, *filter(None, [asked.beside])]))
    written = await desk.look(lambda room: _written(room, names, asked.span, zone))
    chart = _drawn(visit, names, written, "day" if asked.span in _BY_DAY else "week", zone)
    back = link("/words", word=asked.word, beside=asked.beside, span=asked.span)
    return part(visit, request, "words_written.html", "words_time.html", chart=chart, back=back)


def _written(room: ServiceRoom, names: list[str], span: str, zone: ZoneInfo) -> Written:
    today = datetime.now(zone).date()
    if span == "all":
        earliest = room.archive.earliest()
        first = earliest.astimezone(zone).date() if earliest else today
    else:
        first = today - timedelta(days=int(span) - 1)
    first = min(first, today - timedelta(days=1))
    return room.words.written(names, bounds_of(first, today, zone, weeks=span not in _BY_DAY))


def bounds_of(first: date, last: date, zone: ZoneInfo, *, weeks: bool) -> list[datetime]:
    """When the days of a calendar begin, from a first to a last one, and when that one ends; or weeks from Monday on,
    the latest so many. In UTC, ascending: a day may have 23 or 25 hours, and one that a zone left out is none."""
    if weeks:
        first, last = (it - timedelta(days=it.weekday()) for it in (first, last))
        first = max(first, last - timedelta(weeks=_WEEKS))
    length = 7 if weeks else 1
    days = (first + timedelta(days=it) for it in range(0, (last - first).days + length + 1, length))
    return sorted({datetime.combine(day, time.min, zone).astimezone(UTC) for day in days})


def _drawn(visit: Visit, names: list[str], written: Written, span: str, zone: ZoneInfo) -> Chart:
    columns = [Column(visit.text("desk.articles"), written.articles, _COUNT)]
    for name, counts in zip(names, written.holding, strict=True):
        told = {"total": sum(counts), "most": max(counts), "last": counts[-1]}
        text = visit.text(f"words.told_{span}", **{it: _COUNT.format(count) for it, count in told.items()})
        columns.append(Column(name, counts, _COUNT, text))
    return Chart(
        "written", visit.text("words.curve_about", words=visit.text("reader.comma").join(names)),
        visit.text("words.unit"), visit.text(f"words.{span}"),
        written.begins, columns, zone,
    )  # fmt: skip


def _graph(visit: Visit, asked: WordsAsked, around: Around) -> Markup:
    near = [it.word for it in around.near]
    links = [link("/words", word=word, beside=asked.beside, span=asked.span) for word in near]
    about = visit.text("words.graph_about", word=asked.name)
    scores = [it.score for it in around.near]
    drawn = drawing.words(asked.name, near, scores, around.likeness, links=links, about=about)
    return Markup(drawn)  # noqa: S704 - as above
