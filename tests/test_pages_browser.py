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
from tests.pages_world import HOSTILE, READER, furnished
from tests.service_world import Service, running
from tests.test_pages import NOW
from tests.test_pages_readers import USER


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


@pytest.fixture(scope="module")
def opened(trained: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Service]:
    """A service for this machine over a home with readers, a hostile article and a long title."""
    with running(furnished(trained, tmp_path_factory.mktemp("opened")), workers=1) as service:
        yield service


def test_a_feed_is_ranked_anew_while_a_slider_moves(browser: Browser, opened: Service) -> None:
    seen = Seen(browser, opened.url)
    seen.go(f"/reader?user={USER}")
    assert seen.page.title() == f"{READER} · recnews"
    assert HOSTILE in seen.page.inner_text("#feed")
    before = [float(it) for it in seen.page.locator(".feed .freshness b").all_inner_texts()]
    slider = seen.page.get_by_label("Freshness")
    slider.focus()
    for _ in range(20):
        seen.page.keyboard.press("ArrowRight")
    seen.page.get_by_text("ranked anew").wait_for(state="attached")
    after = [float(it) for it in seen.page.locator(".feed .freshness b").all_inner_texts()]
    assert max(after) > max(before)
    usual = float(slider.get_attribute("data-usual") or 0)
    assert f"freshness = {usual + 0.2:.2f}" in seen.page.inner_text("#feed pre")
    assert f"freshness={usual + 0.2:g}" in seen.page.url
    seen.in_order("reader")
    seen.page.reload()
    assert slider.input_value() == f"{usual + 0.2:.1f}"
    seen.page.get_by_role("link", name="As the settings say").click()
    assert seen.page.locator("#feed pre").count() == 0
    seen.close()


def test_a_feed_works_without_scripts_on_a_phone(browser: Browser, opened: Service) -> None:
    phone = {"width": 360, "height": 740}
    seen = Seen(browser, opened.url, locale="zh-CN", java_script_enabled=False, viewport=phone, color_scheme="dark")
    seen.go("/reader")
    seen.page.get_by_role("link", name=READER).click()
    seen.page.get_by_label("新鲜度").fill("0.9")
    seen.page.get_by_role("button", name="查看").click()
    assert "freshness = 0.90" in seen.page.inner_text("#feed pre")
    seen.page.get_by_role("link", name="遗忘").click()
    assert seen.wrong == []
    seen.close()
    seen = Seen(browser, opened.url, locale="zh-CN", viewport=phone, color_scheme="dark")
    seen.go(f"/reader?user={USER}")
    seen.in_order("reader-phone-dark")
    seen.close()
