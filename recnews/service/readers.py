"""What a reader may ask for: all that is held on them, and to be forgotten."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from recnews.service import answers, render
from recnews.service.access import needs
from recnews.service.asking import Asked, UserId, problems

router = APIRouter(prefix="/v1/users", dependencies=[Depends(needs("admin"))], tags=["readers"])


@router.get("/{user:path}/export", responses={200: {"model": answers.HeldOut}, **problems()})
async def export(desk: Asked, user: UserId) -> Response:
    """All that is held on a reader."""
    return render.answer(render.held(await desk.apart(lambda room: room.readers.export(user))))


@router.delete("/{user:path}", responses={200: {"model": answers.ForgottenOut}, **problems()})
async def forget(desk: Asked, user: UserId) -> Response:
    """Remove all that is held on a reader, to the last byte. It writes the store anew, so it may take a while; feeds go
    on meanwhile, writes wait. A reader who is not known is forgotten already."""
    done = await desk.apart(lambda room: room.readers.forget(user))
    return render.answer({"events": done.events, "rejected": done.rejected, "elsewhere": len(done.elsewhere)})
