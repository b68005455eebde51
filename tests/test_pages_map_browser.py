"""The analyst's map in a real browser: drawn, coloured, zoomed, selected by mouse and by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("openTSNE", reason="openTSNE is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Page

from tests.browser_world import Seen, chromium
from tests.conftest import EACH, WORLD
from tests.map_world import copied, lasso, mapped_home
from tests.pages_world import HOSTILE, LONG
from tests.service_world import Service, running
from tests.test_pages_readers import USER
from tests.worlds import TOPICS

__all__ = ["mapped_home"]
_ALL = len(WORLD) * EACH + 16 + 2
_PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of them."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def mapped(mapped_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for this machine over a home with a map."""
    with running(copied(mapped_home, tmp_path_factory.mktemp("map")), workers=1) as service:
        yield service


def _drawn(seen: Seen, path: str = "/map") -> Page:
    seen.go(path)
    seen.page.locator(f'#map[data-ready="{_ALL}"]').wait_for()
    seen.page.locator("#map-trends table").first.wait_for()
    return seen.page


def _ink(page: Page) -> int:
    """How many pixels of the canvas are painted."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(
        page.evaluate("""() => {
        const canvas = document.querySelector("#map canvas");
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
        return count;
    }""")
    )


def test_the_map_is_drawn_coloured_and_zoomed(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url)
    page = _drawn(seen)
    whole = _ink(page)
    assert whole > _ALL
    for by in ("day", "category", "reads"):
        page.get_by_label("Colour by").select_option(by)
        assert page.locator("#map-legend").inner_text() != ""
    assert "1 reads" in page.inner_text("#map-legend")
    page.get_by_label("Colour by").select_option("topic")
    page.get_by_role("button", name="Zoom in").click()
    closer = _ink(page)
    assert closer != whole
    page.get_by_role("button", name="Show all").click()
    assert _ink(page) == whole
    page.locator("#map canvas").hover()
    page.mouse.wheel(0, -300)
    assert _ink(page) != whole
    seen.in_order("map")
    seen.close()


def test_a_lasso_lists_what_it_holds_and_shift_draws_one(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url)
    page = _drawn(seen)
    page.get_by_role("button", name="Lasso").click()
    lasso(page)
    page.get_by_text(f"{_ALL} articles selected").wait_for()
    assert page.locator("#map-picked li").count() == 50
    assert HOSTILE in page.inner_text("#map-picked")
    assert LONG in page.inner_text("#map-picked")
    seen.in_order("map-lasso")
    page.get_by_role("button", name="Clear selection").click()
    page.get_by_text("0 articles selected").wait_for()
    assert page.locator("#map-picked li").count() == 0
    page.get_by_role("button", name="Lasso").click()
    lasso(page, "Shift")
    page.get_by_text(f"{_ALL} articles selected").wait_for()
    page.locator("#map-picked a", has_text="hostile").or_(page.locator("#map-picked a").first).first.click()
    page.wait_for_url("**/desk/article?id=**")
    seen.close()


def test_all_of_it_by_keyboard_in_the_dark_on_a_phone(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url, locale="zh-CN", viewport=_PHONE, color_scheme="dark")
    page = _drawn(seen)
    canvas = page.locator("#map canvas")
    page.get_by_role("button", name="取消选择").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.querySelector('#map canvas')")
    before = _ink(page)
    for key in ("+", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    assert _ink(page) != before
    for key in ("0", "-", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("已选中").wait_for()
    assert page.locator("#map-picked li").count() > 0
    page.keyboard.press("Escape")
    page.get_by_text("已选中 0 篇文章").wait_for()
    assert canvas.get_attribute("aria-describedby") == "map-keys"
    seen.in_order("map-phone-dark")
    seen.close()


def test_a_title_is_shown_under_the_pointer(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url)
    page = _drawn(seen)
    canvas = page.locator("#map canvas")
    box = canvas.bounding_box()
    assert box is not None
    points = page.evaluate("""async () => {
        const buffer = await (await fetch("/map/points")).arrayBuffer();
        const [n] = new Uint32Array(buffer, 0, 1);
        const [x, y] = [0, 1].map((at) => new Uint16Array(buffer, 4 + 4 * n + 2 * n * at, n));
        return [x[n - 2], y[n - 2]];
    }""")
    scale = min(box["width"], box["height"]) / 2.1
    x, y = (value / 65535 * 2 - 1 for value in points)
    page.mouse.move(box["x"] + box["width"] / 2 + x * scale, box["y"] + box["height"] / 2 - y * scale)
    page.locator(".tip:not([hidden])").wait_for()
    assert page.inner_text(".tip") != ""
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.locator(".tip").wait_for(state="hidden")
    seen.close()


def test_a_reader_on_the_map_and_a_topic_listed(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url, color_scheme="dark")
    page = _drawn(seen)
    plain = _ink(page)
    page.get_by_label("Lay a reader").fill("金融迷")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator(f'#map[data-ready="{_ALL}"]').wait_for()
    assert _ink(page) > plain
    assert "金融迷 on the map" in page.inner_text("main")
    page.locator("tr[data-topic] a").first.click()
    page.wait_for_url("**topic=**")
    assert "articles; the latest" in page.inner_text("main")
    assert page.locator("#user").input_value() == "金融迷"
    page.locator(f'#map[data-ready="{_ALL}"]').wait_for()
    seen.in_order("map-reader-dark")
    seen.go(f"/map?user={USER}")
    page.locator(f'#map[data-ready="{_ALL}"]').wait_for()
    seen.in_order()
    seen.close()


def test_lists_work_without_scripts(browser: Browser, mapped: Service) -> None:
    seen = Seen(browser, mapped.url, java_script_enabled=False)
    seen.go("/map")
    seen.page.get_by_role("combobox", name="Topic").select_option(index=1)
    seen.page.get_by_role("button", name="List").click()
    assert "articles; the latest" in seen.page.inner_text("main")
    seen.page.get_by_role("link", name="Count it").click()
    seen.page.wait_for_url("**/map/trends")
    assert set(seen.page.locator(".rising tr td").first.inner_text().split(", ")) <= set(TOPICS["医疗"])
    assert seen.wrong == []
    seen.close()
