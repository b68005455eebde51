"""A visitor of the pages who is no browser: keeps cookies, finds the token of a page, sends forms."""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from recnews.newsroom import Newsroom
from recnews.records import Draft, EventDraft
from tests.service_world import PATIENCE, Service, until
from tests.worlds import article, read, small_settings

HOSTILE = '<script>document.title="hacked"</script><img src=x onerror="document.title=1">\' " {{ 7 * 7 }}'
"""A title that would do something on a page that trusts it."""
READER = '读者/1 <b>&"x'
"""A reader who has read about football, by an id that no page may trust either."""
LONG = "关于进一步加强城市轨道交通运营安全管理工作并完善应急处置机制的若干意见正式印发" * 4
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


def furnished(trained: Path, folder: Path) -> Path:
    """A copy of the trained home with a reader, a hostile article and one with a very long title."""
    home = Path(shutil.copytree(trained, folder / "home"))
    football = article("足球", 20)
    lately = datetime.now(UTC) - timedelta(hours=1)
    drafts: list[Draft] = [
        Draft("hostile", HOSTILE, football.body, url="javascript:alert(1)", source="<i>", published_at=lately),
        Draft("long", LONG, f"{football.body}，进球", url="https://news.example/long?a=1&b=2", published_at=lately),
    ]
    events: list[EventDraft] = [read(READER, f"足球-{number}") for number in range(4)]
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.ingest(drafts)
        newsroom.record_many([*events, read("金融迷", "金融-1")])
    return home


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


def begun(visitor: Visitor, name: str, content: bytes) -> str:
    """Hand a file in; the address that tells how far it is."""
    files = {"file": (name, content)}
    found = visitor.client.post("/desk/upload", data={"token": visitor.token("/desk")}, files=files)
    assert found.status_code == 303, found.text
    return str(found.headers["location"])


def ended(visitor: Visitor, address: str) -> str:
    """The page of an input once there is nothing more to wait for."""
    until(lambda: "<progress" not in visitor.get(address))
    return visitor.get(address)
