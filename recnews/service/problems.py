"""What goes wrong, told as RFC 9457 says: `application/problem+json` for every answer that is not a success."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from recnews.errors import (
    BusyError,
    NoGenerationError,
    RecnewsError,
    SettingsError,
    UnknownArticleError,
    UnknownWordError,
    UnreachableError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"

# The type of a problem is a name that never changes, for programs; its title is for people.
_TITLES: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "no-key": (401, "A key is needed"),
    "wrong-scope": (403, "The key does not allow this"),
    "foreign-form": (403, "The form is not one of this page"),
    "not-local": (403, "Without keys only this machine is answered"),
    "not-found": (404, "There is nothing here"),
    "unknown-article": (404, "No article has this id"),
    "unknown-word": (404, "This word has not been learned"),
    "no-such-method": (405, "This cannot be done here"),
    "timeout": (408, "The request did not come in time"),
    "too-large": (413, "The request is too large"),
    "wrong-media-type": (415, "The body is not JSON"),
    "invalid": (422, "The request holds a wrong value"),
    "rejected": (422, "The row cannot be taken"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "The service failed"),
    "not-ready": (503, "Nothing can be answered yet"),
    "busy": (503, "The service has too much to do"),
    "storage": (503, "The store cannot be used"),
}


class ProblemError(Exception):
    """An answer that is not a success. `errors` says what is wrong with single fields."""

    def __init__(
        self, kind: str, detail: str, *, errors: Sequence[Mapping[str, Any]] = (), retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.kind, self.detail, self.errors = kind, detail, errors
        self.status, self.title = _TITLES[kind]
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(int(retry_after + 0.999), 1))
        super().__init__(detail)

    def document(self) -> dict[str, Any]:
        """The members of the answer."""
        found: dict[str, Any] = {
            "type": f"urn:recnews:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return found | ({"errors": list(self.errors)} if self.errors else {})

    def response(self) -> Response:
        """The answer."""
        body = json.dumps(self.document(), ensure_ascii=False).encode("utf-8", "replace")
        return Response(body, self.status, self.headers, MEDIA_TYPE)


_OF_ERRORS: Sequence[tuple[type[RecnewsError], str, str, float | None]] = (
    (NoGenerationError, "not-ready", "no generation is live yet; train one with `recnews train`", 30),
    (BusyError, "busy", "another process holds what this needs", 5),
    (UnknownWordError, "unknown-word", "the live generation has not learned this word", None),
    (UnreachableError, "storage", "the store cannot be reached, or not be written, at the moment", 1),
    (SettingsError, "storage", "the home cannot be used; the service's log says why", 30),
    (UsageError, "invalid", "", None),
    (RecnewsError, "storage", "the home cannot be used; the service's log says why", 30),
)


def problem_of(error: BaseException) -> ProblemError:
    """How an error of recnews is told. What is nobody's mistake is told without its inner parts."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, UnknownArticleError):
        return ProblemError("unknown-article", f"no article has the id {_short(error.key)!r}")
    for kind, name, detail, again in _OF_ERRORS:
        if isinstance(error, kind):
            return ProblemError(name, detail or str(error), retry_after=again)
    return ProblemError("internal", "this is a fault of the service; its log has more under the request id")


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> ProblemError:
    """The problem for a status that the framework gives."""
    kinds = {400: "bad-request", 404: "not-found", 405: "no-such-method", 413: "too-large", 415: "wrong-media-type"}
    return ProblemError(kinds.get(status, "bad-request"), detail or HTTPStatus(status).phrase, headers=headers)


def from_validation(found: Sequence[Mapping[str, Any]]) -> ProblemError:
    """What pydantic found wrong with a request. The values themselves are not told: they may be anything."""
    errors = [{"field": ".".join(_short(str(part), 80) for part in it["loc"]), "reason": it["msg"]} for it in found]
    shown = errors[:20]
    if any(it["type"] == "json_invalid" for it in found):
        return ProblemError("bad-request", "the body is not JSON", errors=shown)
    return ProblemError(
        "invalid", f"{shown[0]['field']}: {shown[0]['reason']}" if shown else "a value is wrong", errors=shown
    )


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
