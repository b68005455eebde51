"""The pages in a real browser: what people see, do, and cannot do."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser

from recnews.service.keys import Keys
from tests.browser_world import Seen, chromium
from tests.service_world import Service, running
from tests.test_pages import NOW


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of them."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def keyed(trained: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[Service, str]]:
    """A service with a key of scope admin."""
    home = Path(copytree(trained, tmp_path_factory.mktemp("browsed") / "home"))
    key = Keys(home).create("admin", "the chief", NOW)
    with running(home, workers=1) as service:
        yield service, key


def test_signing_in_by_keyboard_in_both_languages_and_in_the_dark(browser: Browser, keyed: tuple[Service, str]) -> None:
    service, key = keyed
    seen = Seen(browser, service.url, locale="zh-CN", viewport={"width": 360, "height": 740})
    seen.go("/")
    assert seen.page.url.endswith("/sign-in")
    seen.in_order("sign-in-phone")
    seen.page.keyboard.press("Tab")
    assert seen.page.inner_text(":focus") == "跳到正文"
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.type(key)
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/")
    assert seen.page.inner_text("h1") == "编辑部"
    seen.in_order("front-phone")
    seen.page.get_by_role("button", name="English").click()
    seen.page.get_by_role("button", name="dark").click()
    assert seen.page.inner_text("h1") == "Newsroom"
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 26)"
    seen.in_order("front-dark")
    seen.page.get_by_role("button", name="Sign out").click()
    seen.page.wait_for_url("**/sign-in")
    seen.close()


def test_the_colours_of_the_system_are_followed(browser: Browser, keyed: tuple[Service, str]) -> None:
    seen = Seen(browser, keyed[0].url, color_scheme="dark")
    seen.go("/sign-in")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    seen.in_order()
    seen.close()
