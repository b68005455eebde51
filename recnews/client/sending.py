"""When a request is sent again, and what is raised when that does not help.

What may be sent twice is sent again when the connection fails. When the service says that it did not take a request
(429, 503), any is: nothing was begun.
"""

import random
from collections.abc import Mapping
from typing import Any

from recnews.client.calls import Call
from recnews.errors import MissingExtraError, RecnewsError

try:
    import httpx
except ImportError as error:
    raise MissingExtraError("httpx", "client", "the Python client") from error

_NOT_TAKEN = {429, 503}
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 30.0


class ServiceError(RecnewsError):
    """The service answered with a problem (RFC 9457), or not at all (`status` 0). `kind` is a name such as
    `unknown-article`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        told = ": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name))
        super().__init__(f"{status} {told}" if status else told)


def headers(key: str | None) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def arguments(call: Call[Any]) -> dict[str, Any]:
    """How httpx takes a call."""
    found: dict[str, Any] = {"method": call.method, "url": call.path}
    if call.query:
        found["params"] = list(call.query)
    return found if call.body is None else found | {"json": call.body}


def wait_before_next(call: Call[Any], came: httpx.Response | httpx.TransportError, attempt: int, retries: int) -> float:
    """How many seconds to wait before sending a call again; below 0 when it should not be."""
    if attempt >= retries:
        return -1.0
    # Spread, so that many clients do not come again all at once.
    usual: float = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT) * (0.5 + random.random())  # noqa: S311
    if isinstance(came, httpx.TransportError):
        return usual if call.again or isinstance(came, httpx.ConnectError) else -1.0
    if came.status_code not in _NOT_TAKEN:
        return -1.0
    told = came.headers.get("Retry-After", "")
    wait = max(float(told), usual) if told.isdigit() else usual
    return wait if wait <= _LONGEST_WAIT else -1.0


def outcome(came: httpx.Response | httpx.TransportError) -> Any:
    """The JSON of an answer, None for one without a body. Raises `ServiceError`."""
    if isinstance(came, httpx.TransportError):
        title = f"{type(came).__name__}: the service cannot be reached"
        raise ServiceError(0, {"title": title, "detail": str(came)}) from came
    if came.is_success:
        return came.json() if came.content else None
    try:
        problem = came.json()
    except ValueError:
        problem = {}
    raise ServiceError(came.status_code, problem if isinstance(problem, dict) else {})
