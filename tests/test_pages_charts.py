"""Charts in a real browser: drawn from their tables, by the library that comes with the pages."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, ViewportSize

from recnews.service.history import Steps
from recnews.service.pages.charts import Chart, over_time
from recnews.service.pages.render import HEADERS, STATIC, render
from recnews.service.pages.visit import Visit
from tests.browser_world import Seen, chromium
from tests.cli_world import ROOT
from tests.pages_world import HOSTILE, furnished
from tests.service_world import Service, running, until

PHONE: ViewportSize = {"width": 360, "height": 740}
SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 3, 1, 15, 59, 30, tzinfo=UTC)  # half a minute before midnight in Shanghai


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of them."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Service]:
    """A service over a home with readers, a hostile article and a long title."""
    with running(furnished(trained, tmp_path_factory.mktemp("charts")), workers=1) as found:
        yield found


def steps(count: int, seconds: float = 60) -> Steps:
    """So many steps: requests go up and down, nothing was handed in but in one of them, feeds pause in the middle."""
    ends = [BEGIN.timestamp() + (place + 1) * seconds for place in range(count)]
    wave = [4 + 3 * math.sin(place / 9) for place in range(count)]
    feeds = [math.nan if count > 9 and count // 3 < place < count // 2 else 10 + place % 7 for place in range(count)]
    rows = [0.0] * (count - 1) + [2.5]
    return Steps(BEGIN.timestamp(), ends, wave, [0.0] * count, rows, feeds, [it * 2 for it in wave])


def visit(lang: str) -> Visit:
    """Somebody who looks at a page in a language."""
    return Visit("/words/time", "/words/time", lang, "auto", None, True, "0" * 32, False, "0" * 64, False)


class Drawn(Seen):
    """A page of the service whose chart is one of ours: its templates, scripts and policy, other values."""

    def show(self, chart: Chart, lang: str = "en") -> None:
        """Load it."""
        text = render(visit(lang), "words_written.html", chart=chart, back="/words")
        self.page.route("**/words/time", lambda it: it.fulfill(body=text, headers=dict(HEADERS), content_type=HTML))
        self.go("/words/time")

    def move(self, share: float) -> str:
        """The pointer over the plot, so far from its left; what is read then."""
        box = self.page.locator(".u-over").bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        return self.reading()

    def reading(self) -> str:
        """The line below the plot."""
        return self.page.locator(".reading").inner_text()

    def spoken(self) -> str:
        """What a screen reader says of the plot."""
        return self.page.get_by_role("slider").get_attribute("aria-valuetext") or ""

    def colours(self) -> set[str]:
        """What is on the canvas."""
        return set(self.page.evaluate(_COLOURS))

    def times(self) -> list[float]:
        """From when to when is drawn: the reading at either end, as places of rows."""
        self.move(0)
        first = self.page.get_by_role("slider").get_attribute("aria-valuenow") or ""
        self.move(0.999)
        return [float(first), float(self.page.get_by_role("slider").get_attribute("aria-valuenow") or "")]


HTML = "text/html; charset=utf-8"
_PIXELS = """(canvas, left, wide) => {
  const copy = new OffscreenCanvas(wide, canvas.height).getContext("2d");
  copy.drawImage(canvas, -left, 0);
  return copy.getImageData(0, 0, wide, canvas.height).data;
}"""
_COLOURS = f"""() => {{
  const canvas = document.querySelector(".plot canvas");
  const data = ({_PIXELS})(canvas, 0, canvas.width);
  const found = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) found.add(data.slice(i, i + 3).join(" "));
  return [...found];
}}"""


def rates(count: int, lang: str = "en", seconds: float = 60) -> Chart:
    """What the service counted."""
    return over_time(visit(lang), steps(count, seconds), SHANGHAI)[0]


def latencies(count: int, lang: str = "en") -> Chart:
    """How long it took."""
    return over_time(visit(lang), steps(count), SHANGHAI)[1]


def test_lines_are_drawn_in_the_colours_of_their_legend(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.show(rates(90))
    seen.page.locator(".plot canvas").wait_for()
    light = {"31 95 168", "179 92 0", "28 122 82"}
    assert light <= seen.colours()
    assert not seen.page.locator("details").evaluate("it => it.open")
    seen.in_order("chart-light")
    seen.page.emulate_media(color_scheme="dark")  # changed while the page is looked at
    dark = {"125 180 240", "240 171 92", "111 207 159"}
    seen.page.wait_for_function(f"() => ({_COLOURS})().includes('125 180 240')")
    assert dark <= seen.colours()
    assert not light & seen.colours()
    seen.in_order("chart-dark")
    seen.page.emulate_media(forced_colors="active", color_scheme="light")
    seen.page.wait_for_function(f"() => !({_COLOURS})().includes('125 180 240')")
    assert not (light | dark) & seen.colours()
    seen.in_order("chart-forced")
    seen.close()


def test_a_pointer_and_keys_tell_values(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.show(rates(90))
    assert "Drag to zoom" in seen.reading()
    middle = seen.move(0.5)
    assert re.match(r"03-02 00:4\d:30 · requests \d\.\d\d /s · rows handed in 0\.00 /s · failures 0\.00 /s$", middle)
    seen.page.mouse.move(0, 0)
    assert "Drag to zoom" in seen.reading()
    plot = seen.page.get_by_role("slider")
    assert plot.get_attribute("aria-label") == "How many a second"
    seen.page.locator("h1").click()
    seen.page.keyboard.press("Tab")
    assert plot.evaluate("it => it === document.activeElement")
    assert seen.reading() == middle  # it goes on where the pointer was
    assert seen.spoken() == middle
    before = int(plot.get_attribute("aria-valuenow") or "")
    seen.page.keyboard.press("ArrowLeft")
    assert int(plot.get_attribute("aria-valuenow") or "") == before - 1
    seen.page.keyboard.press("End")
    assert seen.reading() == seen.spoken()
    assert seen.spoken().startswith("03-02 01:29:30 · ")
    assert "rows handed in 2.50 /s" in seen.spoken()
    seen.page.keyboard.press("ArrowRight")
    assert plot.get_attribute("aria-valuenow") == plot.get_attribute("aria-valuemax") == "89"
    seen.page.keyboard.press("Home")
    assert seen.spoken().startswith("03-02 00:00:30 · ")
    seen.in_order("chart-keys")
    seen.page.keyboard.press("Tab")
    assert "Drag to zoom" in seen.reading()
    seen.close()


def test_every_row_is_come_to_by_keys_on_a_phone(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url, viewport=PHONE, locale="zh-CN", color_scheme="dark")
    seen.show(rates(400, "zh", 600), "zh")
    seen.page.get_by_role("slider").focus()
    seen.page.keyboard.press("Home")
    for place in range(1, 60):
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.get_by_role("slider").get_attribute("aria-valuenow") == str(place)
    assert "请求" in seen.spoken()
    seen.in_order("chart-phone-dark-zh")
    seen.close()


def test_zoom_by_dragging_and_by_keys(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.show(rates(90))
    whole = seen.page.get_by_role("button", name="Show all")
    assert not whole.is_visible()
    seen.move(0.25)
    seen.page.mouse.down()
    seen.move(0.5)
    seen.page.mouse.up()
    whole.wait_for()
    first, last = seen.times()
    assert 21 <= first <= 24
    assert 43 <= last <= 46
    seen.in_order("chart-zoomed")
    whole.click()
    assert seen.times() == [0, 89]
    assert not whole.is_visible()
    plot = seen.page.get_by_role("slider")
    plot.focus()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("+")
    assert seen.times() == [0, 44]
    plot.focus()
    seen.page.keyboard.press("End")  # beside what is seen, which moves along
    assert seen.spoken().startswith("03-02 01:29:30 · ")
    assert seen.times() == [45, 89]
    for _ in range(12):
        seen.page.keyboard.press("+")
    assert seen.times()[0] >= 84
    seen.page.keyboard.press("0")
    assert seen.times() == [0, 89]
    seen.close()


def test_what_is_unknown_is_a_gap(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url, locale="zh-CN")
    seen.show(latencies(90, "zh"), "zh")
    assert seen.move(0.42).endswith("推荐 –")
    assert "–" not in seen.move(0.1)
    # The dashed line of feeds (the second one) has nothing on the canvas in the gap, and something beside it.
    assert seen.page.evaluate(_COLUMN, [0.35, 0.48]) == 0
    assert seen.page.evaluate(_COLUMN, [0.05, 0.3]) > 0
    seen.in_order("chart-gap-zh")
    seen.close()


_COLUMN = f"""([from, to]) => {{
  const canvas = document.querySelector(".plot canvas");
  const over = document.querySelector(".u-over");
  const ratio = canvas.width / canvas.clientWidth;
  const left = Math.round((over.offsetLeft + from * over.clientWidth) * ratio);
  const wide = Math.round((to - from) * over.clientWidth * ratio);
  const data = ({_PIXELS})(canvas, left, wide);
  let found = 0;
  for (let i = 0; i < data.length; i += 4) found += data[i] === 179 && data[i + 1] === 92 && data[i + 2] === 0;
  return found;
}}"""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_points(browser: Browser, service: Service, count: int) -> None:
    seen = Drawn(browser, service.url)
    seen.page.add_init_script(_LISTEN)
    seen.show(rates(count))
    assert "31 95 168" in seen.colours()
    assert "2027" not in " ".join(seen.page.evaluate("said"))  # no years around a moment alone
    seen.page.get_by_role("slider").focus()
    for key in ("Home", "End", "+", "-", "0", "PageUp"):
        seen.page.keyboard.press(key)
        assert f"03-02 00:0{count - 1}:30 · requests" in seen.spoken() or key == "Home"
    seen.in_order(f"chart-{count}")
    seen.close()


def test_the_axis_of_time_is_in_the_homes_zone_and_the_pages_language(browser: Browser, service: Service) -> None:
    for lang, day, month in (("en", "Mar 2", "Mar"), ("zh", "3月2日", "3月")):
        seen = Drawn(browser, service.url, timezone_id="America/New_York")
        seen.page.add_init_script(_LISTEN)
        seen.show(rates(9, lang), lang)
        assert {day, "00:05"} <= set(seen.page.evaluate("said"))
        seen.show(rates(90, lang, 86400 * 7), lang)
        assert month in seen.page.evaluate("said")
        assert "2027" in " ".join(seen.page.evaluate("said"))
        seen.in_order(f"chart-axis-{lang}")
        seen.close()


_LISTEN = """
window.said = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...given) {
  said.push(text);
  return write.call(this, text, ...given);
};"""


def test_a_chart_that_comes_later_is_drawn_and_follows_its_page(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.go("/words?word=进球&beside=股市&span=30")
    seen.page.locator("[data-from] .plot canvas").wait_for()
    assert {"31 95 168", "179 92 0"} <= seen.colours()
    seen.page.get_by_role("slider").focus()
    seen.page.keyboard.press("End")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert re.match(rf"{today} · 进球 \d+ articles · 股市 \d+ articles$", seen.spoken())
    seen.page.set_viewport_size(PHONE)
    wide = "document.querySelector('.plot canvas').clientWidth"
    seen.page.wait_for_function(f"() => {wide} < 360 && {wide} > 250")
    seen.in_order("chart-narrowed")
    seen.page.get_by_text("As a table").click()
    assert seen.page.locator("line-chart tbody tr").count() == 30
    seen.in_order("chart-table")
    seen.page.locator("line-chart").evaluate("it => it.remove()")
    seen.page.emulate_media(color_scheme="dark")
    seen.page.set_viewport_size({"width": 800, "height": 600})
    assert seen.wrong == []
    seen.close()


def test_without_scripts_the_table_is_open(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url, java_script_enabled=False, locale="zh-CN", viewport=PHONE)
    seen.go("/words?word=进球")
    seen.page.get_by_role("link", name="统计").click()
    assert seen.page.locator("line-chart tbody tr").first.is_visible()
    assert not seen.page.locator(".plot").is_visible()
    assert seen.wrong == []
    seen.close()


def test_without_the_library_the_table_is_open(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.page.route("**/uPlot*.js*", lambda it: it.abort())
    seen.show(rates(9))
    assert seen.page.locator("line-chart tbody tr").count() == 9
    assert seen.page.locator("line-chart tbody tr").first.is_visible()
    assert not seen.page.locator(".plot").is_visible()
    seen.close()


def test_a_finger_moves_the_cursor(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url, viewport=PHONE, has_touch=True, is_mobile=True)
    seen.show(rates(90))
    box = seen.page.locator(".u-over").bounding_box()
    assert box is not None
    session = seen.context.new_cdp_session(seen.page)
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.3), ("touchMove", 0.4), ("touchMove", 0.5)):
        point = {"x": box["x"] + share * box["width"], "y": box["y"] + 50}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    seen.page.wait_for_function("() => document.querySelector('.reading').textContent.startsWith('03-02 00:4')")
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    seen.close()


def test_the_operators_room_draws_what_was_counted(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url, locale="zh-CN", viewport=PHONE, color_scheme="dark")

    def came() -> bool:
        seen.go("/operator")
        return seen.page.locator("line-chart canvas").count() == 2

    until(came, service)
    assert {"125 180 240"} <= seen.colours()
    seen.in_order("operator-charts-phone-dark")
    seen.close()


def test_a_name_that_is_markup_stays_text(browser: Browser, service: Service) -> None:
    seen = Drawn(browser, service.url)
    seen.go("/words/time?word=" + HOSTILE[:90].replace("&", "%26").replace("#", "%23"))
    seen.page.locator(".plot canvas").wait_for()
    seen.page.get_by_role("slider").focus()
    assert HOSTILE[:60] in seen.spoken()
    assert seen.page.title() == "Over time · recnews"
    seen.in_order()
    seen.close()


def test_the_library_is_what_was_published() -> None:
    lines = (ROOT / "vendor" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert sums == {
        "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    }
    assert {it.name: hashlib.sha256(it.read_bytes()).hexdigest() for it in STATIC.glob("uPlot*")} == sums
    lock = json.loads((ROOT / "vendor" / "package-lock.json").read_text(encoding="utf-8"))
    version = lock["packages"]["node_modules/uplot"]["version"]
    assert f"uPlot (v{version})" in (STATIC / "uPlot.iife.min.js").read_text(encoding="utf-8")[:100]
    assert "resolved" not in lock["packages"]["node_modules/uplot"]  # no address of a registry
