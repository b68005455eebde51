"""A home with a map for tests of pages and commands: six topics, a reader, a hostile article, a long title."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recnews.newsroom import Newsroom
from recnews.records import Draft
from tests.conftest import EACH, WORLD
from tests.pages_world import HOSTILE, LONG, READER
from tests.worlds import article, mapped_settings, read

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def mapped_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home. Copy it before you change it."""
    pytest.importorskip("openTSNE", reason="openTSNE is not installed")
    home = tmp_path_factory.mktemp("mapped")
    lately = datetime.now(UTC) - timedelta(hours=1)
    drafts = [article(topic, number, lately - number * timedelta(days=3)) for topic in WORLD for number in range(EACH)]
    drafts += [article("医疗", 100 + number, lately - number * timedelta(hours=4)) for number in range(16)]
    football = article("足球", 50)
    drafts += [
        Draft("hostile", HOSTILE, football.body, category="</script><b>", published_at=lately),
        Draft("long", LONG, f"{football.body}，进球", published_at=lately),
    ]
    with Newsroom.open(home, mapped_settings()) as newsroom:
        newsroom.ingest(drafts)
        newsroom.record_many(
            [*(read(READER, f"足球-{number}", lately) for number in range(4)), read("金融迷", "金融-1")]
        )
        newsroom.train()
    return home


def copied(home: Path, folder: Path) -> Path:
    """A copy of a home."""
    return Path(shutil.copytree(home, folder / "home"))


def lasso(page: "Page", modifier: str = "") -> None:
    """Draw around everything."""
    box = page.locator("#map canvas").bounding_box()
    assert box is not None
    left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    if modifier:
        page.keyboard.down(modifier)
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    if modifier:
        page.keyboard.up(modifier)
