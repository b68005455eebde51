"""Feeds and neighbours: what readers and analysts ask."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from recnews.newsroom import Newsroom
from recnews.records import EventDraft, Neighbors, Recommendation
from recnews.service import answers, models, render
from recnews.service.access import needs
from recnews.service.asking import WITH_BODY, ArticleId, Asked, UserId, Word, problems, since, within
from recnews.service.desk import Desk
from recnews.service.metrics import count_feed, stage
from recnews.service.paging import Session
from recnews.service.problems import ProblemError

router = APIRouter(prefix="/v1", dependencies=[Depends(needs("read"))], tags=["feeds"])
_NOBODY = ""


@router.get("/users/{user:path}/feed", responses={200: {"model": answers.Feed}, **problems()})
async def feed(desk: Asked, user: UserId, asked: Annotated[models.FeedQuery, Query()]) -> Response:
    """A reader's feed, best first. An unknown reader gets fresh and popular articles, labelled so."""
    return await _page(desk, user, asked, None)


@router.post("/feed", responses={200: {"model": answers.Feed}, **problems(*WITH_BODY)})
async def anonymous_feed(desk: Asked, asked: models.AnonymousFeed) -> Response:
    """A feed for the history in the request. Nothing is stored."""
    history = [EventDraft(_NOBODY, act.article, act.kind, act.weight, act.dwell, act.at) for act in asked.history]
    return await _page(desk, None, asked, history)


@router.post("/feeds", responses={200: {"model": answers.Feeds}, **problems(*WITH_BODY)})
async def many_feeds(desk: Asked, asked: models.ManyFeeds) -> Response:
    """Feeds of many readers, all as of one moment. Other requests are answered between two of them."""
    within(desk.settings.service.readers, len(asked.users), "users")
    at, filters = asked.at or datetime.now(UTC), _filters(desk, asked)
    told = []
    for user in asked.users:
        found = await desk.read(_recommending(user, asked.n, at, filters))
        told.append({"user": user, "recommendations": [render.place(it, asked.explain) for it in found]})
    return render.answer({"at": at, "feeds": told})


@router.get("/articles/{article:path}/related", responses={200: {"model": answers.Near}, **problems(404)})
async def related(desk: Asked, article: ArticleId, asked: Annotated[models.NearQuery, Query()]) -> Response:
    """Articles and words near an article."""
    return await _near(desk, asked, article=article)


@router.get("/words/{word:path}/neighbors", responses={200: {"model": answers.Near}, **problems(404)})
async def word_neighbors(desk: Asked, word: Word, asked: Annotated[models.WordQuery, Query()]) -> Response:
    """Words and articles near a word."""
    return await _near(desk, asked, word=word, minus=asked.minus)


@router.get("/users/{user:path}", responses={200: {"model": answers.Near}, **problems()})
async def interests(desk: Asked, user: UserId, asked: Annotated[models.NearQuery, Query()]) -> Response:
    """What a reader is interested in, in words and articles; nothing for an unknown reader."""
    return await _near(desk, asked, user=user)


@router.post("/neighbors", responses={200: {"model": answers.Near}, **problems(*WITH_BODY)})
async def text_neighbors(desk: Asked, asked: models.NearText) -> Response:
    """Words and articles near a text, and how it was cut."""
    return await _near(desk, asked, text=asked.text)


async def _page(desk: Desk, user: str | None, asked: models.FeedQuery, history: list[EventDraft] | None) -> Response:
    """One page of a feed. Its later pages are asked as of the same moment, and rank the same candidates."""
    until = within(desk.settings.service.depth, asked.offset + asked.n, "offset")
    continued = None if asked.session is None else Session.read(asked.session)
    if continued and asked.at is not None:
        raise ProblemError("invalid", "at: a session has a time of its own; give one of the two")
    at = continued.at if continued else asked.at or datetime.now(UTC)
    more = {"page": continued.page, "newest": continued.newest} if continued else {}
    recommend = _recommending(user or _NOBODY, until, at, _filters(desk, asked), history=history, **more)

    def ask(room: Newsroom) -> tuple[list[Recommendation], Session]:
        return recommend(room), continued or Session(at, until, room.serving.newest_article)

    found, session = await desk.read(ask)
    with stage("render"):
        shown = found[asked.offset :]
        count_feed(shown)
        return render.answer({
            "user": user, "at": at, "session": session.token(), "offset": asked.offset, "more": len(found) == until,
            "recommendations": [render.place(it, asked.explain) for it in shown],
        })  # fmt: skip


def _filters(desk: Desk, asked: models.Wanted) -> dict[str, Any]:
    within(desk.settings.service.page, asked.n, "n")
    return {
        "categories": asked.category,
        "langs": asked.language,
        "sources": asked.source,
        "exclude": asked.exclude,
        "since": since(asked.since),
        "explain": asked.explain,
    }


def _recommending(
    user: str, k: int, at: datetime, filters: dict[str, Any], **more: Any
) -> Callable[[Newsroom], list[Recommendation]]:
    def ask(room: Newsroom) -> list[Recommendation]:
        with stage("feed"):
            return room.recommend(user, k, at=at, **filters, **more)

    return ask


async def _near(desk: Desk, asked: models.NearQuery | models.NearText, **of: Any) -> Response:
    # In the writing lane: it has all it takes to cut and encode, and a feed does not wait for a search of all words.
    within(desk.settings.service.page, asked.n, "n")

    def ask(room: Newsroom) -> Neighbors:
        with stage("neighbors"):
            return room.neighbors(k=asked.n, at=asked.at, **of)

    return render.answer(render.near(await desk.write(ask)))
