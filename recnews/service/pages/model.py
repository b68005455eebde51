"""What pages ask of the model, and what they show while it cannot be asked."""

from collections.abc import Callable
from typing import TypeVar

from recnews.errors import NoGenerationError
from recnews.service.desk import Desk
from recnews.service.problems import ProblemError
from recnews.service.room import ServiceRoom

T = TypeVar("T")


async def of_model(desk: Desk, work: Callable[[ServiceRoom], T]) -> tuple[T | None, str]:
    """What `work` makes of a newsroom that has all it takes to cut and encode; else None, and the kind of problem that
    keeps it: there is no generation yet, or an ingest goes on, for which the rest of a page need not wait."""
    try:
        return await desk.write(work), ""
    except NoGenerationError:
        return None, "not-ready"
    except ProblemError as error:
        if error.kind != "busy":
            raise
        return None, "busy"
