"""A real Chromium for the tests of pages: Debian's, driven by Playwright; and axe-core, which looks for what keeps
people out who cannot see or point. axe-core (MPL 2.0) comes inside the package `axe-playwright-python`, and is not
shipped.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SERIOUS = {"serious", "critical"}
SHOTS = os.environ.get("PAGES_SHOTS", "")
"""A folder for pictures of the pages that the tests see; none are taken where it is empty."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for a module of tests; they are skipped where there is none."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        pytest.skip("there is no Chromium; `make browser` installs it where it can be")
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


class Seen:
    """A page in a context of its own, and what went wrong on it: errors of scripts, messages of the console, requests
    to anybody else, dialogs."""

    def __init__(self, browser: Browser, url: str, **given: Any) -> None:
        given = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}} | given
        self.context: BrowserContext = browser.new_context(base_url=url, **given)
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.wrong = list[str]()
        self.page.on("console", lambda it: self.wrong.append(it.text) if it.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda it: self.wrong.append(str(it)))
        self.page.on("request", lambda it: None if it.url.startswith(url) else self.wrong.append(it.url))
        self.page.on("dialog", lambda it: self.wrong.append(f"dialog: {it.message}"))

    def go(self, path: str) -> None:
        """Load a page."""
        self.page.goto(path)

    def in_order(self, name: str = "") -> None:
        """Assert that nothing went wrong, that axe finds nothing serious, and that nothing runs over the page's edge.
        With `name`, a picture is taken where pictures are wanted."""
        if name and SHOTS:
            self.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
        assert self.wrong == []
        assert _violations(self.page) == []
        widths = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1]

    def close(self) -> None:
        """End it."""
        self.context.close()


def _violations(page: Page) -> list[str]:
    # Run through the driver, which no policy of the page holds back.
    page.evaluate(_axe())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{it['id']}: {it['help']}: {[node['html'] for node in it['nodes']][:3]}"
        for it in found["violations"]
        if it["impact"] in _SERIOUS
    ]


def _axe() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return (Path(next(iter(spec.submodule_search_locations))) / "axe.min.js").read_text(encoding="utf-8")
