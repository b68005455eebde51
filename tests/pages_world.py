"""A visitor of the pages who is no browser: keeps cookies, finds the token of a page, sends forms."""

import re
from collections.abc import Mapping
from html import unescape
from types import TracebackType
from typing import Any, Self

import httpx

from tests.service_world import PATIENCE, Service

_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


class Visitor:
    """One visitor with cookies of their own. Redirects are not followed."""

    def __init__(self, service: Service, **headers: str) -> None:
        self.client = httpx.Client(base_url=service.url, timeout=PATIENCE, headers={"Accept": "text/html"} | headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def get(self, path: str, status: int = 200, **given: Any) -> str:
        """The text of a page."""
        found = self.client.get(path, **given)
        assert found.status_code == status, found.text
        return found.text

    def send(
        self, path: str, values: Mapping[str, str], page: str = "/sign-in", status: int = 303, **given: Any
    ) -> httpx.Response:
        """Send a form with the token that `page` holds."""
        found = self.client.post(path, data={"token": self.token(page), **values}, **given)
        assert found.status_code == status, found.text
        return found

    def token(self, page: str) -> str:
        """What the forms of a page send along."""
        found = _TOKEN.search(self.client.get(page, follow_redirects=True).text)
        assert found is not None
        return found[1]

    def sign_in(self, key: str) -> None:
        """Begin a session."""
        self.send("/sign-in", {"key": key, "next": "/"})


def words(page: str) -> str:
    """What stands on a page, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
