"""The pages in a real browser: what people see, do, and cannot do."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, FilePayload

from recnews.service.keys import Keys
from tests.browser_world import Seen, chromium
from tests.pages_world import HOSTILE, READER, furnished
from tests.service_world import Service, running
from tests.test_pages import NOW
from tests.test_pages_intake import many
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
    usual = float(slider.get_attribute("data-usual") or 0)
    # Each step asks anew, and an earlier answer may come first.
    seen.page.locator("#feed pre", has_text=f"freshness = {usual + 0.2:.2f}").wait_for()
    after = [float(it) for it in seen.page.locator(".feed .freshness b").all_inner_texts()]
    assert max(after) > max(before)
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


def test_a_pin_set_on_the_desk_is_in_the_readers_view(browser: Browser, opened: Service) -> None:
    seen = Seen(browser, opened.url)
    seen.go("/desk")
    seen.in_order("desk")
    seen.page.get_by_label("Words of a title").fill("hostile")
    seen.page.get_by_role("button", name="Find").click()
    seen.page.get_by_role("link", name=HOSTILE).first.click()
    assert seen.page.inner_text("h1") == HOSTILE
    seen.page.get_by_label("Place", exact=True).fill("2")
    seen.page.get_by_role("button", name="Pin", exact=True).click()
    seen.page.get_by_text("Pinned. The next feed").wait_for()
    seen.in_order("article")
    seen.go("/reader?user=nobody")
    second = seen.page.locator(".feed > li").nth(1)
    assert second.locator("h3").inner_text() == HOSTILE
    assert "pinned by editors" in second.inner_text()
    assert seen.page.title() == "nobody · recnews"
    seen.close()


def test_a_file_is_handed_in_and_a_row_is_mended(browser: Browser, opened: Service) -> None:
    phone = {"width": 360, "height": 740}
    seen = Seen(browser, opened.url, locale="zh-CN", viewport=phone, color_scheme="dark")
    seen.go("/desk")
    seen.in_order("desk-phone-dark")
    rows = '{"id": "b-1", "title": "球员"}\n{"id": "b-2", "title": "教练", "published_at": "someday"}\n'
    file: FilePayload = {"name": "早报.jsonl", "mimeType": "application/json", "buffer": rows.encode()}
    seen.page.get_by_label("文章文件").set_input_files([file])
    seen.page.get_by_role("button", name="入库", exact=True).click()
    seen.page.get_by_text("已收下的文章").first.wait_for()
    assert "1\n被拒" in seen.page.inner_text(".figures").replace("被拒\n1", "1\n被拒")
    seen.in_order("upload-phone-dark")
    seen.page.get_by_role("link", name="隔离区").click()
    seen.page.get_by_role("link", name="articles-").click()
    seen.in_order("quarantine-phone-dark")
    seen.page.get_by_label("该行内容").fill('{"id": "b-2", "title": "教练"}')
    seen.page.get_by_role("button", name="重新提交").click()
    seen.page.get_by_text("并移出隔离区").wait_for()
    assert "隔离区是空的" in seen.page.inner_text("main")
    seen.go("/desk/article?id=long")
    seen.in_order("article-phone-dark")
    seen.close()


def test_a_file_that_is_refused_is_sent_once(browser: Browser, opened: Service) -> None:
    seen = Seen(browser, opened.url)
    sent = list[str]()
    seen.page.on("request", lambda it: sent.append(it.url) if it.method == "POST" else None)
    seen.go("/desk")
    file: FilePayload = {"name": "a.jsonl", "mimeType": "application/json", "buffer": b'{"id": "r-1", "title": "x"}'}
    seen.page.get_by_label("File with articles").set_input_files([file])
    seen.page.locator("#upload input[name=token]").evaluate("it => { it.value = 'x' }")
    with seen.page.expect_console_message(lambda it: "403" in it.text):  # the browser tells the answer's status
        seen.page.get_by_role("button", name="Take in", exact=True).click()
    seen.page.locator("h1", has_text="This did not work").wait_for()
    assert [it.removeprefix(opened.url) for it in sent] == ["/desk/upload"]
    seen.wrong = [it for it in seen.wrong if "403" not in it]
    seen.in_order("upload-refused")
    seen.go("/desk")
    seen.page.get_by_label("File with articles").set_input_files([file])
    seen.context.set_offline(True)
    seen.page.get_by_role("button", name="Take in", exact=True).click()
    seen.page.get_by_text("The connection broke").wait_for()
    assert len(sent) == 2
    seen.context.set_offline(False)
    seen.page.get_by_role("button", name="Take in", exact=True).click()
    seen.page.wait_for_url("**/desk/intake?id=*")
    assert len(sent) == 3
    seen.close()


def test_how_far_a_file_is_shows_while_it_is_read(browser: Browser, opened: Service) -> None:
    seen = Seen(browser, opened.url)
    seen.go("/desk")
    file: FilePayload = {"name": "big.jsonl", "mimeType": "application/json", "buffer": many(5000)}
    seen.page.get_by_label("File with articles").set_input_files([file])
    seen.page.get_by_role("button", name="Take in", exact=True).click()
    seen.page.wait_for_url("**/desk/intake?id=*")
    address = seen.page.url
    seen.page.locator("progress[value]").wait_for()
    seen.in_order("intake")
    seen.go("/desk")  # leaving the page changes nothing
    seen.page.get_by_role("link", name="big.jsonl").click()
    assert seen.page.url == address
    seen.page.get_by_text("All that was taken in").first.wait_for()
    assert "5,000" in seen.page.inner_text(".figures")
    seen.page.get_by_text("All that was taken in").last.wait_for(state="attached")
    seen.in_order("intake-done")
    seen.go("/desk")
    seen.page.get_by_label("Address of an RSS").fill("http://127.0.0.1:1/feed")
    seen.page.get_by_role("button", name="Fetch").click()
    seen.page.get_by_text("not an address of the open internet").wait_for()
    seen.in_order("intake-failed")
    seen.close()


def test_a_walk_from_an_articles_words_through_the_graph(browser: Browser, opened: Service) -> None:
    seen = Seen(browser, opened.url)
    seen.go("/desk/article?id=足球-1")
    seen.page.get_by_role("link", name="进球", exact=True).first.click()
    assert seen.page.inner_text("h1") == "Words"
    seen.page.locator("[data-from] canvas").wait_for()
    seen.in_order("words")
    assert seen.page.locator(".graph a.node").count() == 12
    seen.page.locator(".graph a.node").first.focus()
    word = seen.page.locator(".graph a.node text").first.text_content()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/words?word=*&span=90")
    assert seen.page.get_by_label("Word", exact=True).input_value() == word
    seen.close()
    phone = {"width": 360, "height": 740}
    seen = Seen(browser, opened.url, locale="zh-CN", viewport=phone, color_scheme="dark")
    seen.go("/words?word=进球&minus=联赛&plus=股市&beside=基金")
    seen.page.get_by_text("数字表").first.click()
    seen.in_order("words-phone-dark")
    seen.go("/words?word=没有学过")
    seen.in_order("words-unknown-phone-dark")
    seen.go("/words")
    seen.in_order("words-empty-phone-dark")
    seen.close()


def test_the_operators_room_and_the_first_page(browser: Browser, keyed: tuple[Service, str]) -> None:
    service, key = keyed
    for look in ({"locale": "zh-CN", "viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}, {}):
        seen = Seen(browser, service.url, **look)
        seen.go("/operator")
        seen.page.locator("#key").fill(key)
        seen.page.locator("button.main").click()
        seen.page.wait_for_url("**/operator")
        seen.in_order(f"operator-{'phone-dark' if look else 'light'}")
        seen.page.locator("#h-keys ~ div a").click()
        seen.in_order(f"revoke-{'phone-dark' if look else 'light'}")
        seen.go("/")
        assert seen.page.locator(".doors li").count() >= 4
        seen.in_order(f"front-{'phone-dark' if look else 'light'}")
        seen.close()
