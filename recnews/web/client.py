"""Getting one document: so many bytes, so many seconds, so many redirects, and only from where it may come."""

import re
import socket
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from recnews.errors import FetchError, MissingExtraError
from recnews.web.addresses import Resolve, check_address, look_up, pinned

if TYPE_CHECKING:
    import httpx

_REDIRECTS = {301, 302, 303, 307, 308}
_FOR_GOOD = {301, 308}
_GZIP = b"\x1f\x8b"
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,30})", re.IGNORECASE)
_WITHIN_ADDRESS = 2048
LATER = "it is tried again later"
"""The remedy where there is nothing to do but wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a fetch may go: in seconds all told, in bytes once unpacked, in redirects."""

    seconds: float = 30.0
    max_bytes: int = 16 * 1024 * 1024
    redirects: int = 5
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A document. `fresh` is False when it has not changed since it came with `etag` and `modified`; `url` is where it
    came from in the end, `moved` where the asked address says it has moved for good."""

    fresh: bool
    url: str
    data: bytes = b""
    etag: str = ""
    modified: str = ""
    charset: str = ""
    moved: str = ""


class Client:
    """Fetches documents. Use it as a context manager; raises `MissingExtraError` without httpx."""

    def __init__(self, limits: Limits, resolve: Resolve = look_up) -> None:
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("httpx", "watch", "watching an address") from error

        self._httpx, self._limits = httpx, limits
        # Proxies of the environment would resolve the name anew, and no connection is kept: the next address may hide
        # behind the same IP address under another name.
        transport = _transport(limits, resolve)
        self._client = httpx.Client(transport=transport, trust_env=False, timeout=limits.seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, etag: str = "", modified: str = "") -> Answer:
        """The document at `url`; `etag` and `modified` are those of the copy that is there already.

        Raises `FetchError` with what went wrong, and when to try again where the server says so.
        """
        moved, current, for_good = "", url, True
        with _Deadline(self._limits.seconds) as deadline:
            for _ in range(self._limits.redirects + 1):
                check_address(current)
                answer = self._once(current, _conditions(etag, modified), deadline)
                if isinstance(answer, Answer):
                    return replace(answer, moved=moved)
                status, current = answer
                for_good = for_good and status in _FOR_GOOD
                moved = current if for_good else moved
        raise FetchError(url, f"redirects more than {self._limits.redirects} times", "give the address it leads to")

    def _once(self, url: str, headers: Mapping[str, str], deadline: "_Deadline") -> Answer | tuple[int, str]:
        """What one request gives: a document, or a redirect's status and target."""
        self._client.cookies.clear()
        httpx = self._httpx
        try:
            with self._client.stream("GET", url, headers=headers, extensions={"trace": deadline.trace}) as response:
                return self._answer(url, response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
            late = deadline.over or isinstance(error, httpx.TimeoutException)
            said = str(error) or type(error).__name__
            reason = f"took longer than {self._limits.seconds:g} seconds" if late else f"failed ({said[:200]})"
            raise FetchError(url, reason, LATER) from error

    def _answer(self, url: str, response: "httpx.Response") -> Answer | tuple[int, str]:
        status, headers = response.status_code, response.headers
        if status in _REDIRECTS:
            return status, str(self._httpx.URL(url).join(headers.get("location", "")))
        if status == 304:
            return Answer(False, url)
        if status != 200:
            remedy = "remove it from what is watched" if status == 410 else LATER
            wait = headers.get("retry-after", "")
            raise FetchError(url, f"the server answered {status} {response.reason_phrase}".rstrip(), remedy, wait)
        charset = _CHARSET.search(headers.get("content-type", ""))
        return Answer(
            True,
            url,
            _body(url, response, self._limits.max_bytes),
            headers.get("etag", "")[:_WITHIN_ADDRESS],
            headers.get("last-modified", "")[:_WITHIN_ADDRESS],
            charset[1] if charset else "",
        )


def _conditions(etag: str, modified: str) -> dict[str, str]:
    wanted = {"If-None-Match": etag, "If-Modified-Since": modified}
    return {
        "User-Agent": "recnews",
        "Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/html;q=0.8, */*;q=0.5",
        "Accept-Encoding": "gzip",
    } | {name: value for name, value in wanted.items() if value}


def _body(url: str, response: "httpx.Response", limit: int) -> bytes:
    """The document, unpacked here: what a small file unpacks to is bounded while it is unpacked."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip", "x-gzip"}:
        raise FetchError(url, f"came packed as {coding[:40]!r}, which was not asked for", "tell its publisher")
    told = response.headers.get("content-length", "")
    if told.isdigit() and len(told) < 20 and int(told) > limit:
        raise _too_large(url, limit)
    parts, length = [], 0
    for chunk in response.iter_raw():
        length += len(chunk)
        if length > limit:
            raise _too_large(url, limit)
        parts.append(chunk)
    data = b"".join(parts)
    if coding != "identity":
        data = _unpacked(url, data, limit)
    # A file that is packed itself, such as feed.xml.gz.
    return _unpacked(url, data, limit) if data.startswith(_GZIP) else data


def _unpacked(url: str, data: bytes, limit: int) -> bytes:
    packed = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = packed.decompress(data, limit + 1)
    except zlib.error as error:
        raise FetchError(url, f"came damaged ({error})", LATER) from error
    if len(plain) > limit:
        raise _too_large(url, limit)
    if not packed.eof:
        raise FetchError(url, "came cut off", LATER)
    return plain


def _too_large(url: str, limit: int) -> FetchError:
    return FetchError(url, f"is larger than {limit:,} bytes", "raise watch.max_bytes, if it is meant to be")


def _transport(limits: Limits, resolve: Resolve) -> "httpx.BaseTransport":
    import httpx

    class Pinned(httpx.HTTPTransport):
        """Connects to the IP address that was checked; the name stays in the Host header and in TLS."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            url = request.url
            port = url.port or (443 if url.scheme == "https" else 80)
            address = pinned(
                str(url), url.host, port,
                seconds=limits.seconds, allow_private=limits.allow_private, resolve=resolve,
            )  # fmt: skip
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            request.url = url.copy_with(host=address)
            return super().handle_request(request)

    return Pinned(trust_env=True, limits=httpx.Limits(max_keepalive_connections=0))


class _Deadline:
    """Shuts the connection once time is over. A server that sends a byte now and then passes every other limit."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Told by httpx what happens to the connection."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._sockets.append(told["return_value"].get_extra_info("socket"))
            if self.over:
                self._shut()

    def _shut(self) -> None:
        self.over = True
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
