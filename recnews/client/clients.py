"""The two clients. Their methods are the same; one waits by blocking, the other by `await`."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from recnews.client import calls, sending
from recnews.client.calls import Call, Feed, RowReport, Wanted, part
from recnews.records import Neighbors, Recommendation

T = TypeVar("T")
Row = Mapping[str, Any]
Places = tuple[Recommendation, ...]
_ALL = Wanted()


class Client:
    """A service at `url`; `key` is what `recnews keys create` has shown. Use it as a context manager.

    Every method raises `ServiceError`. A call is sent again at most `retries` times; `timeout` in seconds is for each.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 10.0, retries: int = 3) -> None:
        self._http = httpx.Client(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._retries = retries

    def feed(
        self, user: str, n: int = 10, *, offset: int = 0, session: str | None = None, wanted: Wanted = _ALL
    ) -> Feed:
        """A reader's feed, best first; `session` is that of an earlier page."""
        return self._ask(calls.feed(user, n, offset, session, wanted))

    def anonymous_feed(
        self, history: Iterable[Row], n: int = 10, *, offset: int = 0, session: str | None = None, wanted: Wanted = _ALL
    ) -> Feed:
        """A feed for a history, rows such as `{"article": "a-17"}`; nothing of it is stored."""
        return self._ask(calls.anonymous_feed(history, n, offset, session, wanted))

    def feeds(self, users: Sequence[str], n: int = 10, *, wanted: Wanted = _ALL) -> dict[str, Places]:
        """Feeds of many readers, all as of one moment."""
        return self._ask(calls.feeds(users, n, wanted))

    def article(self, article: str) -> dict[str, Any]:
        """A stored article."""
        return self._ask(calls.simple("GET", f"/v1/articles/{part(article)}"))

    def related(self, article: str, n: int = 10) -> Neighbors:
        """Articles and words near an article."""
        return self._ask(calls.near(f"/v1/articles/{part(article)}/related", {"n": n}))

    def word_neighbors(self, word: str, n: int = 10, *, minus: Sequence[str] = ()) -> Neighbors:
        """Words and articles near a word."""
        return self._ask(calls.near(f"/v1/words/{part(word)}/neighbors", {"n": n, "minus": list(minus)}))

    def interests(self, user: str, n: int = 10) -> Neighbors:
        """What a reader is interested in."""
        return self._ask(calls.near(f"/v1/users/{part(user)}", {"n": n}))

    def text_neighbors(self, text: str, n: int = 10) -> Neighbors:
        """Words and articles near a text."""
        return self._ask(calls.near_text(text, n))

    def put_articles(self, articles: Iterable[Row]) -> list[RowReport]:
        """Store articles, rows as `recnews ingest` takes them; what became of each."""
        return self._ask(calls.rows("/v1/articles", articles, again=True))

    def put_events(self, events: Iterable[Row]) -> list[RowReport]:
        """Store events; what became of each. They are sent again after a failure only when each has an `event_id` or an
        `at`, by which the service knows it again."""
        rows = list(events)
        return self._ask(calls.rows("/v1/events", rows, all(it.get("event_id") or it.get("at") for it in rows)))

    def edit_article(self, article: str, **change: Any) -> dict[str, Any]:
        """Change `hidden`, `expires_at` or `category` of an article."""
        return self._ask(calls.simple("PATCH", f"/v1/articles/{part(article)}", change))

    def delete_article(self, article: str) -> None:
        """Remove an article for good."""
        self._ask(calls.simple("DELETE", f"/v1/articles/{part(article)}"))

    def pin(self, article: str, slot: int = 1, **times: datetime) -> None:
        """Put an article into a place of every feed; `starts_at` and `until` restrict when."""
        self._ask(calls.simple("PUT", f"/v1/pins/{part(article)}", {"slot": slot, **times}))

    def unpin(self, article: str) -> None:
        """Take a pin away."""
        self._ask(calls.simple("DELETE", f"/v1/pins/{part(article)}"))

    def export(self, user: str) -> dict[str, Any]:
        """All that is held on a reader. Needs a key of scope admin."""
        return self._ask(calls.simple("GET", f"/v1/users/{part(user)}/export"))

    def forget(self, user: str) -> dict[str, Any]:
        """Remove all that is held on a reader; how much that was. Needs a key of scope admin."""
        return self._ask(calls.simple("DELETE", f"/v1/users/{part(user)}"))

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            came: httpx.Response | httpx.TransportError
            try:
                came = self._http.request(**sending.arguments(call))
            except httpx.TransportError as error:
                came = error
            wait = sending.wait_before_next(call, came, attempt, self._retries)
            if wait < 0:
                return call.read(sending.outcome(came))
            time.sleep(wait)
            attempt += 1


class AsyncClient:
    """A service at `url`; `key` is what `recnews keys create` has shown. Use it as an asynchronous context manager.

    Every method raises `ServiceError`. A call is sent again at most `retries` times; `timeout` in seconds is for each.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 10.0, retries: int = 3) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._retries = retries

    async def feed(
        self, user: str, n: int = 10, *, offset: int = 0, session: str | None = None, wanted: Wanted = _ALL
    ) -> Feed:
        """A reader's feed, best first; `session` is that of an earlier page."""
        return await self._ask(calls.feed(user, n, offset, session, wanted))

    async def anonymous_feed(
        self, history: Iterable[Row], n: int = 10, *, offset: int = 0, session: str | None = None, wanted: Wanted = _ALL
    ) -> Feed:
        """A feed for a history, rows such as `{"article": "a-17"}`; nothing of it is stored."""
        return await self._ask(calls.anonymous_feed(history, n, offset, session, wanted))

    async def feeds(self, users: Sequence[str], n: int = 10, *, wanted: Wanted = _ALL) -> dict[str, Places]:
        """Feeds of many readers, all as of one moment."""
        return await self._ask(calls.feeds(users, n, wanted))

    async def article(self, article: str) -> dict[str, Any]:
        """A stored article."""
        return await self._ask(calls.simple("GET", f"/v1/articles/{part(article)}"))

    async def related(self, article: str, n: int = 10) -> Neighbors:
        """Articles and words near an article."""
        return await self._ask(calls.near(f"/v1/articles/{part(article)}/related", {"n": n}))

    async def word_neighbors(self, word: str, n: int = 10, *, minus: Sequence[str] = ()) -> Neighbors:
        """Words and articles near a word."""
        return await self._ask(calls.near(f"/v1/words/{part(word)}/neighbors", {"n": n, "minus": list(minus)}))

    async def interests(self, user: str, n: int = 10) -> Neighbors:
        """What a reader is interested in."""
        return await self._ask(calls.near(f"/v1/users/{part(user)}", {"n": n}))

    async def text_neighbors(self, text: str, n: int = 10) -> Neighbors:
        """Words and articles near a text."""
        return await self._ask(calls.near_text(text, n))

    async def put_articles(self, articles: Iterable[Row]) -> list[RowReport]:
        """Store articles, rows as `recnews ingest` takes them; what became of each."""
        return await self._ask(calls.rows("/v1/articles", articles, again=True))

    async def put_events(self, events: Iterable[Row]) -> list[RowReport]:
        """Store events; what became of each. They are sent again after a failure only when each has an `event_id` or an
        `at`, by which the service knows it again."""
        rows = list(events)
        return await self._ask(calls.rows("/v1/events", rows, all(it.get("event_id") or it.get("at") for it in rows)))

    async def edit_article(self, article: str, **change: Any) -> dict[str, Any]:
        """Change `hidden`, `expires_at` or `category` of an article."""
        return await self._ask(calls.simple("PATCH", f"/v1/articles/{part(article)}", change))

    async def delete_article(self, article: str) -> None:
        """Remove an article for good."""
        await self._ask(calls.simple("DELETE", f"/v1/articles/{part(article)}"))

    async def pin(self, article: str, slot: int = 1, **times: datetime) -> None:
        """Put an article into a place of every feed; `starts_at` and `until` restrict when."""
        await self._ask(calls.simple("PUT", f"/v1/pins/{part(article)}", {"slot": slot, **times}))

    async def unpin(self, article: str) -> None:
        """Take a pin away."""
        await self._ask(calls.simple("DELETE", f"/v1/pins/{part(article)}"))

    async def export(self, user: str) -> dict[str, Any]:
        """All that is held on a reader. Needs a key of scope admin."""
        return await self._ask(calls.simple("GET", f"/v1/users/{part(user)}/export"))

    async def forget(self, user: str) -> dict[str, Any]:
        """Remove all that is held on a reader; how much that was. Needs a key of scope admin."""
        return await self._ask(calls.simple("DELETE", f"/v1/users/{part(user)}"))

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _ask(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            came: httpx.Response | httpx.TransportError
            try:
                came = await self._http.request(**sending.arguments(call))
            except httpx.TransportError as error:
                came = error
            wait = sending.wait_before_next(call, came, attempt, self._retries)
            if wait < 0:
                return call.read(sending.outcome(came))
            await asyncio.sleep(wait)
            attempt += 1
