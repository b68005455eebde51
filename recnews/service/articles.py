"""Articles: what publishers hand in, and the editors' hand on them."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from recnews.accept import Outcome
from recnews.newsroom import Newsroom
from recnews.service import answers, models, render
from recnews.service.access import needs
from recnews.service.asking import WITH_BODY, ArticleId, Asked, problems, rows_of
from recnews.service.metrics import ROWS, stage
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/v1/articles", tags=["articles"])
_READ, _WRITE = [Depends(needs("read"))], [Depends(needs("write"))]
_TEXT: dict[str, Any] = {"type": "string"}
_ROW: dict[str, Any] = {
    "type": "object",
    "description": "`id` or `url`, and `title` or `body`, are needed; the rest may be left out.",
    "properties": {
        "id": {"type": "string", "maxLength": 2048, "description": "Your id; the url where it is left out."},
        **dict.fromkeys(("title", "body", "summary", "url", "author", "source", "category"), _TEXT),
        "tags": {"type": "array", "items": _TEXT},
        "lang": _TEXT,
        "published_at": {"type": "string", "format": "date-time", "description": "With its offset."},
        "expires_at": {"type": "string", "format": "date-time", "description": "Not served from then on."},
    },
    "required": ["id", "title"],
}
_EXAMPLE = {
    "id": "a-17", "title": "地铁新线今天开通", "body": "市民今天早晨乘上了第一班车。", "source": "晚报",
    "category": "本地", "lang": "zh", "published_at": "2026-05-01T08:00:00+08:00",
}  # fmt: skip


def row_or_rows(row: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI of a body that is one row or a list of rows. Their fields are checked one row after the other."""
    schema = {"oneOf": [row, {"type": "array", "items": row, "minItems": 1, "maxItems": 1000}]}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


ONE_OR_MANY: dict[int | str, dict[str, Any]] = {
    200: {"model": answers.RowOutcome, "description": "The row was there already."},
    201: {"model": answers.RowOutcome, "description": "The row was added."},
    207: {"model": answers.Report, "description": "What became of each of many rows."},
}


def told(outcomes: list[Outcome], many: bool, kind: str) -> Response:
    """The outcome of one row, or the report on many."""
    for it in outcomes:
        ROWS.labels(kind, it.became).inc()
    rows = [render.outcome(it, event=kind == "event") for it in outcomes]
    if many:
        return render.answer({"outcomes": rows}, 207)
    if outcomes[0].became == "rejected":
        reason = f"{outcomes[0].reason}; {outcomes[0].remedy}"
        raise ProblemError("rejected", reason, errors=[{"field": outcomes[0].field or "row", "reason": reason}])
    return render.answer(rows[0], rows[0]["status"])


@router.post(
    "",
    dependencies=_WRITE,
    responses={**ONE_OR_MANY, **problems(*WITH_BODY)},
    openapi_extra=row_or_rows(_ROW, _EXAMPLE),
)
async def put_articles(desk: Asked, request: Request) -> Response:
    """Store one article or many, replacing those whose ids are there already. They are in the next feed."""
    rows, many = await rows_of(request, desk.settings.service.batch)

    def accept(room: ServiceRoom) -> list[Outcome]:
        with stage("articles"):
            return room.accept(rows)

    return told(await desk.write(accept), many, "article")


@router.get("/{article:path}", dependencies=_READ, responses={200: {"model": answers.ArticleOut}, **problems(404)})
async def get_article(desk: Asked, article: ArticleId) -> Response:
    """A stored article."""
    return render.answer(render.article(await desk.read(lambda room: room.article(article))))


@router.patch(
    "/{article:path}", dependencies=_WRITE, responses={200: {"model": answers.ArticleOut}, **problems(404, *WITH_BODY)}
)
async def edit_article(desk: Asked, article: ArticleId, edit: models.Edit) -> Response:
    """Hide an article, let it expire, or put it under a category. The next feed knows."""

    def change(room: Newsroom) -> dict[str, Any]:
        given = {name: getattr(edit, name) for name in edit.model_fields_set}
        if given.get("hidden", True) is None:
            del given["hidden"]
        room.editors.edit(article, given)  # type: ignore[arg-type]
        return render.article(room.article(article))

    return render.answer(await desk.write(change))


@router.delete("/{article:path}", dependencies=_WRITE, status_code=204, responses=problems(404))
async def delete_article(desk: Asked, article: ArticleId) -> Response:
    """Remove an article for good. Events about it stay."""
    await desk.write(lambda room: room.delete([article]))
    return Response(status_code=204)
