"""Health and metrics: what watches the service."""

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from recnews.newsroom import Newsroom
from recnews.service import answers, metrics, render
from recnews.service.access import needs
from recnews.service.asking import Asked, problems
from recnews.service.desk import Desk
from recnews.service.problems import ProblemError

router = APIRouter(tags=["operating"])


@router.get("/health/live", responses={200: {"model": answers.Health}})
async def live() -> Response:
    """The worker answers."""
    return render.answer({"status": "live"})


@router.get("/health/ready", responses={200: {"model": answers.Health}, 503: problems()[503]})
async def ready(desk: Asked) -> Response:
    """Store, model and index are loaded; 503 until then, and before the first training."""
    if not desk.ready:
        raise ProblemError("not-ready", "no generation is loaded yet", retry_after=1)
    return render.answer({"status": "ready", "generation": desk.generation})


@router.get(
    "/metrics",
    dependencies=[Depends(needs("read"))],
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}, **problems()},
    response_class=Response,
)
async def told(desk: Asked) -> Response:
    """What all workers count, and the state of the home."""
    return Response(await counted(desk), media_type=CONTENT_TYPE_LATEST)


async def counted(desk: Desk) -> bytes:
    """The same, for who is in the house."""

    def look(room: Newsroom) -> tuple[dict[str, tuple[str, float]], str]:
        current = room.generations.current().live or ""
        pending = room.store.vectors.waiting(current) if current else room.store.articles.count()
        return {
            "recnews_articles": ("Articles stored.", room.store.articles.count()),
            "recnews_pending_articles": ("Articles that no feed can show before they are encoded.", pending),
            "recnews_index_lag": ("Changed articles the worker asked takes over with its next feed.", desk.lag()),
        }, current

    figures, current = await desk.look(look)
    return metrics.page(figures, current)
