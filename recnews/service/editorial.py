"""Pins and rules: the editors' hand on all feeds."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from recnews.newsroom import Newsroom
from recnews.records import Rules
from recnews.service import answers, models, render
from recnews.service.access import needs
from recnews.service.asking import WITH_BODY, ArticleId, Asked, RuleName, problems

router = APIRouter(prefix="/v1", tags=["editors"])
_READ, _WRITE = [Depends(needs("read"))], [Depends(needs("write"))]
Kind = Literal["blocked-categories", "blocked-sources", "impersonal-categories"]


@router.get("/pins", dependencies=_READ, responses={200: {"model": answers.Pins}, **problems()})
async def get_pins(desk: Asked, asked: Annotated[models.AtQuery, Query()]) -> Response:
    """Pins by slot: all there are, or with `at` those that hold then."""
    return render.answer(render.pins(await desk.read(lambda room: room.editors.pins(asked.at))))


@router.put(
    "/pins/{article:path}", dependencies=_WRITE, responses={200: {"model": answers.Pins}, **problems(404, *WITH_BODY)}
)
async def put_pin(desk: Asked, article: ArticleId, asked: models.PinIn) -> Response:
    """Put an article into a place of every feed. An article has one pin: the new one replaces it."""

    def pin(room: Newsroom) -> dict[str, Any]:
        room.editors.pin(article, asked.slot, starts_at=asked.starts_at, until=asked.until)
        return render.pins([it for it in room.editors.pins() if it.key == article])

    return render.answer(await desk.write(pin))


@router.delete("/pins/{article:path}", dependencies=_WRITE, status_code=204, responses=problems(404))
async def delete_pin(desk: Asked, article: ArticleId) -> Response:
    """Take an article's pin away, if it has one."""
    await desk.write(lambda room: room.editors.unpin([article]))
    return Response(status_code=204)


@router.get("/rules", dependencies=_READ, responses={200: {"model": answers.RulesOut}, **problems()})
async def get_rules(desk: Asked) -> Response:
    """What is blocked, and what is never chosen by what a reader has read."""
    return _told(await desk.read(lambda room: room.editors.rules()))


@router.put(
    "/rules/{kind}/{name:path}", dependencies=_WRITE, responses={200: {"model": answers.RulesOut}, **problems()}
)
async def put_rule(desk: Asked, kind: Kind, name: RuleName) -> Response:
    """Make a rule. It holds in the next feed."""

    def make(room: Newsroom) -> Rules:
        if kind == "blocked-categories":
            room.editors.block(categories=[name])
        elif kind == "blocked-sources":
            room.editors.block(sources=[name])
        else:
            room.editors.impersonal([name])
        return room.editors.rules()

    return _told(await desk.write(make))


@router.delete("/rules/{kind}/{name:path}", dependencies=_WRITE, status_code=204, responses=problems())
async def delete_rule(desk: Asked, kind: Kind, name: RuleName) -> Response:
    """Take a rule away, if it is there."""

    def remove(room: Newsroom) -> None:
        if kind == "blocked-categories":
            room.editors.unblock(categories=[name])
        elif kind == "blocked-sources":
            room.editors.unblock(sources=[name])
        else:
            room.editors.personal([name])

    await desk.write(remove)
    return Response(status_code=204)


def _told(found: Rules) -> Response:
    return render.answer({name: getattr(found, name) for name in Rules.__slots__})
