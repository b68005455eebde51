"""The word explorer: what lies around a word, words taken from and added to words, and words over time."""

from datetime import UTC, datetime, timedelta
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
    time = link("/words/time", word=asked.word, beside=asked.beside, span=asked.span)
    return page(visit, "words.html", asked=asked, around=around, why=why, graph=graph, spans=SPANS, time=time)


@router.get("/time")
async def over_time(desk: Asked, visit: Reads, asked: Annotated[WordsAsked, Query()], request: HttpRequest) -> Response:
    """Words over time, as the page puts it into its place: all texts of that time are read. A page of its own for
    browsers without scripts."""
    if not asked.word:
        return RedirectResponse("/words", 303)
    zone, names = home_zone(desk), list(dict.fromkeys([asked.word, *filter(None, [asked.beside])]))
    chart = _drawn(visit, names, await desk.look(lambda room: _written(room, names, asked.span, zone)), zone)
    back = link("/words", word=asked.word, beside=asked.beside, span=asked.span)
    return part(visit, request, "words_written.html", "words_time.html", chart=chart, back=back)


def _written(room: ServiceRoom, names: list[str], span: str, zone: ZoneInfo) -> Written:
    """By days, or by weeks from Monday on for a longer time."""
    now = datetime.now(zone)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "all":
        first = room.archive.earliest()
        days = (today - first.astimezone(zone)).days + 1 if first else 1
    else:
        days = int(span) - 1
    begin = today - timedelta(days=max(days, 1))
    if span not in {"30", "90"}:
        begin -= timedelta(days=begin.weekday())
        begin = max(begin, today - timedelta(days=today.weekday(), weeks=_WEEKS))
    step = timedelta(weeks=1) if span not in {"30", "90"} else timedelta(days=1)
    return room.words.written(names, begin.astimezone(UTC), step, until=now.astimezone(UTC))


def _drawn(visit: Visit, names: list[str], written: Written, zone: ZoneInfo) -> Chart:
    span = "week" if written.step > timedelta(days=1) else "day"
    columns = [Column(visit.text("desk.articles"), written.articles, _COUNT)]
    for name, counts in zip(names, written.holding, strict=True):
        told = {"total": sum(counts), "most": max(counts), "last": counts[-1]}
        text = visit.text(f"words.told_{span}", **{it: _COUNT.format(count) for it, count in told.items()})
        columns.append(Column(name, counts, _COUNT, text))
    return Chart(
        "written", visit.text("words.curve_about", words=visit.text("reader.comma").join(names)),
        visit.text("words.unit"), visit.text(f"words.{span}"),
        [written.begin + place * written.step for place in range(len(written.articles))],
        columns, zone,
    )  # fmt: skip


def _graph(visit: Visit, asked: WordsAsked, around: Around) -> Markup:
    near = [it.word for it in around.near]
    links = [link("/words", word=word, beside=asked.beside, span=asked.span) for word in near]
    about = visit.text("words.graph_about", word=asked.name)
    scores = [it.score for it in around.near]
    drawn = drawing.words(asked.name, near, scores, around.likeness, links=links, about=about)
    return Markup(drawn)  # noqa: S704 - as above
