"""The map as a picture, by matplotlib."""

import colorsys
import io
import logging
import re
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recnews.atlas import Points
from recnews.mapping import Topic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei",
)  # fmt: skip
_FILES = re.compile(r"(NotoSansCJK|NotoSansSC|SourceHanSans|wqy|msyh|DroidSansFallback).*\.(ttc|ttf|otf)$")
_log = logging.getLogger("recnews")
_GOLDEN = 137.508 / 360


def drawn(points: Points, topics: Sequence[Topic], at: datetime, form: str) -> bytes:
    """A picture in `form`, `png` or `svg`: a dot for each article, coloured by topic, and the topics' names.

    The same map gives the same bytes. Chinese names take a font that has them, the first of some that is installed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    fonts = _fonts()
    if not fonts and not all(word.isascii() for topic in topics for word in topic.words[:2]):
        _log.warning("no font for Chinese is installed: names are drawn as boxes; install one, such as Noto Sans CJK")
    given: Any = {"font.sans-serif": [*fonts, *mpl.rcParams["font.sans-serif"]], "svg.hashsalt": "recnews"}
    with mpl.rc_context(given), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # said above, in one line
        figure = Figure(figsize=(12, 11), layout="constrained")
        axes = figure.subplots()
        colours = np.array([_colour(number) for number in range(int(points.topics.max(initial=0)) + 1)])
        size = float(np.clip(60_000 / max(len(points.ids), 1), 1.0, 40.0))
        axes.scatter(
            points.places[:, 0], points.places[:, 1], s=size, c=colours[points.topics], linewidths=0, alpha=0.7,
            rasterized=True,
        )  # fmt: skip
        _name(axes, topics)
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(f"recnews · {len(points.ids):,} · {at:%Y-%m-%d}", fontsize=11, color="#56616b")
        out = io.BytesIO()
        figure.savefig(out, format=form, dpi=150, metadata={"Date": None} if form == "svg" else {"Software": None})
    return out.getvalue()


def _name(axes: "Axes", topics: Sequence[Topic]) -> None:
    """Write names where there is room, those of the largest topics first."""
    from matplotlib.patheffects import withStroke

    taken: list[tuple[float, float]] = []
    for topic in topics:
        if any(abs(topic.x - x) < 0.16 and abs(topic.y - y) < 0.04 for x, y in taken):
            continue
        taken.append((topic.x, topic.y))
        # A dollar sign would begin a formula.
        text = " ".join(topic.words[:2]).replace("$", r"\$")
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.text(topic.x, topic.y, text, fontsize=10, ha="center", va="center", path_effects=halo)


def _colour(number: int) -> tuple[float, float, float]:
    """As on the page: hues far apart, one of three lightnesses."""
    return colorsys.hls_to_rgb(number * _GOLDEN % 1, (0.40, 0.52, 0.30)[number % 3], 0.62)


def _fonts() -> list[str]:
    """The first font for Chinese that is installed; none where there is none."""
    from matplotlib import font_manager as manager

    def named() -> str | None:
        there = {font.name for font in manager.fontManager.ttflist}
        return next((name for name in _CHINESE if name in there), None)

    found = named()
    if found is None:  # matplotlib's own list may be older than the font
        files = [file for file in sorted(manager.findSystemFonts()) if _FILES.match(Path(file).name)]
        for file in sorted(files, key=lambda it: "Regular" not in it)[:1]:
            manager.fontManager.addfont(file)
            found = named() or manager.FontProperties(fname=file).get_name()
    return [found] if found else []
