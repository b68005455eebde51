"""What surrounds every request: its number, its body read within limits, its time, its line in the log."""

import asyncio
import logging
import secrets
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recnews.config import ServiceSettings
from recnews.service import logs
from recnews.service.metrics import REQUESTS, SECONDS
from recnews.service.problems import ProblemError, problem_of

_LONGEST_URL = 65_536
_WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
_FORM, _UPLOAD = b"application/x-www-form-urlencoded", b"multipart/form-data"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, log_ids: bool) -> None:
        self._app, self._settings, self._log_ids = app, settings, log_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong inside is told as a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        begun = time.perf_counter()
        failure: BaseException | None = None
        try:
            whole = await self._admitted(scope, receive)
            await self._app(scope, whole, answer.send)
        except Exception as error:  # the last place where it can be told
            failure = None if isinstance(error, ProblemError) else error
            if not answer.status:
                await problem_of(error).response()(scope, receive, answer.send)
        finally:
            self._told(scope, answer, time.perf_counter() - begun, failure)

    async def _admitted(self, scope: Scope, receive: Receive) -> Receive:
        """What gives the body, read already. Raises `ProblemError`."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        if len(raw) + len(scope["query_string"]) > _LONGEST_URL:
            raise ProblemError("too-large", f"the address has more than {_LONGEST_URL:,} bytes")
        try:
            unquote_to_bytes(raw).decode()
            # Routes are found in the path as it was sent: an id may hold a slash, which is then written %2F.
            scope["path"] = raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise ProblemError("bad-request", "the path is not percent-encoded UTF-8") from error
        if scope["method"] not in _WITH_BODY:
            return receive
        headers = {name: value for name, value in scope["headers"] if name in {b"content-length", b"content-type"}}
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        of_pages = not raw.startswith(b"/v1/")
        if kind == _UPLOAD and of_pages:
            return self._piece_by_piece(headers.get(b"content-length", b""), receive)
        body = await self._body(headers.get(b"content-length", b""), receive)
        if body and kind != b"application/json" and not (kind == _FORM and of_pages):
            raise ProblemError("wrong-media-type", "send a body as `Content-Type: application/json`")
        return _given(body, receive)

    async def _body(self, announced: bytes, receive: Receive) -> bytes:
        most = self._settings.body_bytes
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        parts, size = list[bytes](), 0
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ProblemError("bad-request", "the body ended early")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(most)
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise ProblemError(
                "timeout", "the rest of the body did not come", headers={"Connection": "close"}
            ) from error
        return b"".join(parts)

    def _piece_by_piece(self, announced: bytes, receive: Receive) -> Receive:
        """What gives a file as it comes, within limits: it need not fit into memory, and is not read before somebody
        was found who may send it."""
        most, size = self._settings.upload_bytes, 0
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)

        async def give() -> MutableMapping[str, Any]:
            nonlocal size
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    message = await receive()
            except TimeoutError as error:
                raise ProblemError("timeout", "the rest of the file did not come") from error
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > most:
                    raise _too_large(most)
            return message

        return give

    def _told(self, scope: Scope, answer: "_Answer", seconds: float, failure: BaseException | None) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        REQUESTS.labels(route, method, answer.status).inc()
        SECONDS.labels(route).observe(seconds)
        more = {"path": scope["path"]} if self._log_ids else {}
        logs.tell(
            "request", logging.ERROR if failure else logging.INFO, failure, id=answer.number,
            method=method, route=route, status=answer.status, ms=round(seconds * 1000, 2), bytes=answer.bytes, **more,
        )  # fmt: skip


class _Answer:
    """Watches what is sent, and numbers it."""

    def __init__(self, send: Send) -> None:
        self._send, self.status, self.bytes, self.number = send, 0, 0, secrets.token_hex(8)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.number.encode())]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _given(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, then what comes after it."""
    left = [body]

    async def give() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return give


def _too_large(most: int) -> ProblemError:
    return ProblemError("too-large", f"the body has more than {most:,} bytes", headers={"Connection": "close"})
