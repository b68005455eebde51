"""`recnews map`: topics and what rises for people and programs; the map as a page and as pictures."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("openTSNE", reason="openTSNE is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from recnews.newsroom import Newsroom
from tests.cli_world import answer, run
from tests.conftest import EACH, WORLD
from tests.map_world import mapped_home
from tests.pages_world import HOSTILE, LONG, READER
from tests.worlds import TOPICS

__all__ = ["mapped_home"]
_ALL = len(WORLD) * EACH + 16 + 2


@pytest.fixture(scope="module")
def sheet(mapped_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map as a page, in Chinese."""
    file = tmp_path_factory.mktemp("sheet") / "map.html"
    said = run(mapped_home, "map", "--html", str(file), "--lang", "zh").stdout
    assert said == f"{_ALL} articles written to {file}\n"
    return file


def test_topics_and_what_rises_are_told(mapped_home: Path) -> None:
    found = answer(mapped_home, "map")
    assert sum(topic["articles"] for topic in found["topics"]) == _ALL
    assert set(found["topics"][0]["words"]) <= set(TOPICS["医疗"])
    assert set(found["rising"]["topics"][0]["words"]) <= set(TOPICS["医疗"])
    lines = run(mapped_home, "map").stdout
    assert "rising this week:" in lines
    assert len(lines.split("\n\n")[0].splitlines()) == 6
    long_ago = run(mapped_home, "map", "--at", "2020-01-01T00:00Z").stdout
    assert "nothing stands out" in long_ago


def test_the_page_holds_all_and_lets_nothing_in_or_out(sheet: Path) -> None:
    text = sheet.read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in text
    assert "文章地图" in text
    assert HOSTILE not in text
    assert READER not in text
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", text)
    (raw,) = re.findall(r'id="map-cards">(.*?)</script>', text)
    cards = json.loads(raw)
    assert {HOSTILE, LONG} <= {card["title"] for card in cards}
    assert len(cards) == _ALL


def test_the_page_works_in_a_browser_alone(sheet: Path) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    from tests.browser_world import Seen, chromium
    from tests.map_world import lasso

    with chromium() as browser:
        for look in ({}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}):
            seen = Seen(browser, "file://", **look)
            seen.go(sheet.as_uri())
            seen.page.locator(f'#map[data-ready="{_ALL}"]').wait_for()
            seen.page.get_by_role("button", name="套索").click()
            lasso(seen.page)
            seen.page.get_by_text(f"已选中 {_ALL} 篇文章").wait_for()
            assert seen.page.locator("#map-picked li").count() == 50
            assert seen.page.locator("#map-picked a").count() == 0
            seen.page.get_by_label("着色依据").select_option("reads")
            assert "1 次阅读" in seen.page.inner_text("#map-legend")
            seen.in_order(f"sheet-{'dark' if look else 'light'}")
            seen.close()


def test_pictures_are_made_and_the_same_each_time(mapped_home: Path, tmp_path: Path) -> None:
    at = ("--at", "2100-01-01T00:00Z")
    first, again = ([str(tmp_path / f"{name}.{kind}") for kind in ("png", "svg")] for name in ("one", "other"))
    for png, svg in (first, again):
        run(mapped_home, "map", "--png", png, "--svg", svg, *at)
    for one, other in zip(first, again, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()
    assert Path(first[0]).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in Path(first[1]).read_text(encoding="utf-8")


def test_nothing_is_written_over_unless_asked_for(mapped_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "map.html"
    file.write_text("mine", encoding="utf-8")
    assert "--replace" in run(mapped_home, "map", "--html", str(file), code=2).stderr
    assert file.read_text(encoding="utf-8") == "mine"
    written = answer(mapped_home, "map", "--html", str(file), "--replace")
    assert written == {"written": [{"file": str(file), "articles": _ALL}]}
    assert file.read_text(encoding="utf-8") != "mine"
    assert [it.name for it in tmp_path.iterdir()] == ["map.html"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--png", "map.jpg"), ".png"),
        (("--html", "map.png"), ".html"),
        (("--svg", "nowhere/map.svg"), "there is no folder"),
        (("--html", "map.html", "--lang", "fr"), "--lang"),
    ],
)
def test_what_cannot_be_written_is_told_before(mapped_home: Path, words: tuple[str, ...], said: str) -> None:
    assert said in run(mapped_home, "map", *words, code=2).stderr


def test_a_home_without_a_map_says_how_to_get_one(trained: Path, tmp_path: Path) -> None:
    assert "too few articles" in run(trained, "map", "--html", str(tmp_path / "map.html"), code=1).stderr
    with Newsroom.open(tmp_path / "empty"):
        pass
    assert "recnews train" in run(tmp_path / "empty", "map", code=1).stderr
