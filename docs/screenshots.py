"""Take the pictures of `docs/pictures/` from the demo's home: `make screenshots`.

Starts `recnews serve` over a copy of the home, so that nothing of the home changes, and looks at its pages in Chromium.
Every picture is reduced to 128 colours, which keeps each below a quarter of a megabyte.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PATIENCE = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: the page at `path`, in a language, light or dark, in a window of some width and height; `wait` is
    what must be on the page first."""

    name: str
    path: str
    language: str = "zh-CN"
    scheme: str = "light"
    width: int = 1200
    height: int = 860
    wait: str = "main"


SHOTS = (
    Shot("reader", "/reader?user=reader-2", language="en-GB", height=1000, wait=".feed"),
    Shot("reader-dark", "/reader?user=reader-2", scheme="dark", height=1000, wait=".feed"),
    Shot("map", "/map?user=reader-2", language="en-GB", height=1000, wait="canvas"),
    Shot("words", f"/words?word={quote('消防')}", wait=".graph a.node"),
    Shot("phone", "/reader?user=reader-2", width=390, height=844, wait=".feed"),
)


def main() -> None:
    """Take all of them, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("demo-home"), help="made by `make demo`")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("--only", default=",".join(shot.name for shot in SHOTS), help="comma-separated")
    asked = parser.parse_args()
    if not (asked.home / "indexes").is_dir():
        parser.error(f"{asked.home} is no home; `make demo` builds it")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.exit("there is no Chromium; `make browser` installs it where it can be")
    asked.out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as spare, sync_playwright() as driver:
        home = shutil.copytree(asked.home, Path(spare) / "home")
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        with service(home) as url:
            for shot in SHOTS:
                if shot.name in asked.only.split(","):
                    path = asked.out / f"{shot.name}.png"
                    take(browser, url, shot, path)
                    print(f"{path}: {path.stat().st_size:,} bytes")
        browser.close()


def take(browser: Browser, url: str, shot: Shot, path: Path) -> None:
    """Take one picture."""
    context = browser.new_context(
        base_url=url, locale=shot.language, color_scheme="dark" if shot.scheme == "dark" else "light",
        viewport={"width": shot.width, "height": shot.height},
    )  # fmt: skip
    page = context.new_page()
    page.goto(shot.path)
    page.locator(shot.wait).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    context.close()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def service(home: Path) -> Iterator[str]:
    """`recnews serve` over a home, on a loopback port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    words = ("-m", "recnews", "--home", str(home), "serve", "--port", url.rpartition(":")[2], "--workers", "1")
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(process, f"{url}/health/ready")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Until the service is ready. Exits when it ends before, or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the service did not become ready")


if __name__ == "__main__":
    main()
