"""The operator's room: generations, keys, and what the service counts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from prometheus_client.parser import text_string_to_metric_families
from pydantic import Field
from starlette.responses import Response

from recnews.errors import RecnewsError
from recnews.evaluate.runs import Run, kept_runs
from recnews.generation import Manifest
from recnews.service.asking import Asked
from recnews.service.keys import Key
from recnews.service.models import Request as Asking
from recnews.service.operating import counted
from recnews.service.pages.charts import Pair, over_time, side_by_side
from recnews.service.pages.readers import home_zone
from recnews.service.pages.render import back_to, page
from recnews.service.pages.route import PageRoute
from recnews.service.pages.sessions import Sessions
from recnews.service.pages.visit import Administers, Reads, SentToAdminister
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

router = APIRouter(prefix="/operator", route_class=PageRoute, include_in_schema=False)
_ROUTES, _RUNS, _PART = 15, 50, 0.99
_Id = Annotated[str, Query(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class Trained:
    """A generation on the disk. `manifest` is None for one that cannot be used, and `wrong` says why."""

    name: str
    size: int
    live: bool
    manifest: Manifest | None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Timed:
    """What was timed: how often, the mean, and below what 99 of a hundred stayed (None: above all that is told apart).
    Seconds."""

    name: str
    count: int
    mean: float
    most: float | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What the service has counted since it was started."""

    routes: list[Timed]
    stages: list[Timed]
    failures: int
    figures: dict[str, int]


class RoomAsked(Asking):
    """What was just done, and which two evaluations to set side by side."""

    done: Annotated[str, Field(max_length=20)] = ""
    before: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str, Field(max_length=200)] = ""


@router.get("")
async def rooms(desk: Asked, request: Request, visit: Reads, asked: Annotated[RoomAsked, Query()]) -> Response:
    """Generations, evaluations, what the service counts, and, for who may do all, keys."""

    def look(room: ServiceRoom) -> tuple[list[Trained], bool, list[Run]]:
        current = room.generations.current()
        found = [_trained(room, name, name == current.live) for name in reversed(room.generations.held())]
        return found, any(name in room.generations.names() for name in current.previous), kept_runs(room.home)[:_RUNS]

    generations, can_go_back, runs = await desk.look(look)
    told = _summed((await counted(desk)).decode())
    keys = _keys(request) if visit.may("admin") else []
    steps, zone = desk.history.steps(), home_zone(desk)
    return page(
        visit, "operator.html", generations=generations, can_go_back=can_go_back, counted=told, keys=keys,
        serving=desk.generation, done=asked.done, runs=runs, compared=_compared(runs, asked.before, asked.after),
        charts=over_time(visit, steps, zone), began=datetime.fromtimestamp(steps.begin, UTC), zone=zone,
    )  # fmt: skip


@router.post("/promote")
async def promote(desk: Asked, sent: SentToAdminister) -> Response:
    """Make a generation live. What came since it was trained is encoded first, which may take a while."""
    await desk.apart(lambda room: room.generations.promote(sent.text("name", 100)))
    return back_to("/operator?done=promoted")


@router.post("/rollback")
async def rollback(desk: Asked, sent: SentToAdminister) -> Response:  # noqa: ARG001 - it was found to be ours
    """Make the generation before the live one live again."""
    await desk.apart(lambda room: room.generations.rollback())
    return back_to("/operator?done=rolled_back")


@router.get("/revoke")
async def ask_to_revoke(request: Request, visit: Administers, id: _Id) -> Response:  # noqa: A002 - the name in the address
    """Whether it is meant."""
    key = next((key for key in _keys(request) if key.id == id), None)
    if key is None:
        raise ProblemError("not-found", "there is no such key")
    own = visit.key is not None and visit.key.id == key.id
    return page(visit, "revoke.html", key=key, own=own, last=len(_keys(request)) == 1)


@router.post("/revoke")
async def revoke(request: Request, sent: SentToAdminister) -> Response:
    """Take a key back; its sessions end with it."""
    sessions: Sessions = request.app.state.sessions
    sessions.keys.revoke(sent.text("id", 100))
    return back_to("/operator?done=revoked")


def _compared(runs: list[Run], before: str, after: str) -> tuple[Run, Run, dict[str, list[Pair]]] | None:
    """Two runs side by side; those that were asked for, else the last two of one kind."""
    named = {run.name: run for run in runs}
    if before and after:
        if before not in named or after not in named:
            raise ProblemError("not-found", "no evaluation of this name is kept")
        two = named[before], named[after]
    else:
        alike = [run for run in runs if run.kind == runs[0].kind][:2]
        if len(alike) < 2:
            return None
        two = alike[1], alike[0]
    return *two, side_by_side(two)


def _keys(request: Request) -> list[Key]:
    sessions: Sessions = request.app.state.sessions
    return sessions.keys.all()


def _trained(room: ServiceRoom, name: str, live: bool) -> Trained:
    folder = room.generations.folder / name
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    try:
        return Trained(name, size, live, room.generations.load(name).manifest)
    except RecnewsError as error:
        return Trained(name, size, live, None, str(error))


def _summed(text: str) -> Counted:
    """What stands in the metrics, summed up for people."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    of_name: dict[str, list[Any]] = defaultdict(list)
    for sample in samples:
        of_name[sample.name].append(sample)
    failures = sum(it.value for it in of_name["recnews_requests_total"] if it.labels["status"].startswith("5"))
    figures = {
        "articles": sum(it.value for it in of_name["recnews_articles"]),
        "pending": sum(it.value for it in of_name["recnews_pending_articles"]),
        "feeds": sum(it.value for it in of_name["recnews_stage_seconds_count"] if it.labels["stage"] == "feed"),
        "fallbacks": sum(it.value for it in of_name["recnews_feed_fallbacks_total"]),
        "swaps": sum(it.value for it in of_name["recnews_generation_swaps_total"]),
    }
    routes = _timed(of_name, "recnews_request_seconds", "route")
    stages = _timed(of_name, "recnews_stage_seconds", "stage")
    return Counted(routes[:_ROUTES], stages, int(failures), {name: int(value) for name, value in figures.items()})


def _timed(of_name: dict[str, list[Any]], name: str, label: str) -> list[Timed]:
    counts = {it.labels[label]: it.value for it in of_name[f"{name}_count"]}
    sums = {it.labels[label]: it.value for it in of_name[f"{name}_sum"]}
    found = [
        Timed(what, int(count), sums.get(what, 0.0) / count, _within(
            ((float(it.labels["le"]), it.value) for it in of_name[f"{name}_bucket"] if it.labels[label] == what), count
        ))
        for what, count in counts.items() if count
    ]  # fmt: skip
    return sorted(found, key=lambda it: (-it.count, it.name))


def _within(buckets: Iterable[tuple[float, float]], count: float) -> float | None:
    """The bound below which 99 of a hundred are; None when that is the one without an end."""
    bound = min((bound for bound, below in buckets if below >= _PART * count), default=float("inf"))
    return None if bound == float("inf") else bound
