"""The map as one HTML file: data, style and script inside, and a policy that lets nothing else in or out.

The script is that of the page of the service. Texts of articles are escaped, or are data that no browser runs.
"""

import json
import tomllib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from recnews.atlas import Points
from recnews.mapping import Rising, Topic, Trends, packed
from recnews.records import Int64
from recnews.store import ArticleCard

LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-Hans"}
"""Languages, and how HTML names them."""
_IMPORT, _EXPORT = "const { Plot } = await import(told.plot);", "export class Plot"
_COLOURS = ("topic", "day", "category", "reads")
_EMPTY = "data:,"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file shows: `points` with how often each was read, `cards` by id, categories by number."""

    lang: str
    at: datetime
    points: Points
    reads: Int64
    topics: Sequence[Topic]
    trends: Trends
    categories: Sequence[str]
    cards: Mapping[int, ArticleCard]
    zone: tzinfo | None


def html_of(sheet: Sheet) -> str:
    """The file."""
    texts = _texts(sheet.lang)
    style = "\n".join(_asset(name) for name in ("pages.css", "map.css"))
    script = _script()
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    day = sheet.at.astimezone(sheet.zone).strftime("%Y-%m-%d %H:%M")
    told = json.dumps(_told(sheet, texts), ensure_ascii=False)
    points = b64encode(packed(sheet.points, sheet.reads, sheet.at)).decode()
    title = escape(texts["title"])
    return "\n".join([
        "<!doctype html>",
        f'<html lang="{LANGUAGES[sheet.lang]}">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{title} · recnews</title><link rel="icon" href="{_EMPTY}">',
        f"<style>{style}</style>",
        "</head>",
        "<body><main>",
        f"<h1>{title}</h1>",
        f"<p>{escape(_about(sheet, texts))}</p><p class=\"quiet\">{day}</p>",
        '<div class="beside"><section>',
        f'<div id="map" data-told="{escape(told)}"></div>',
        f'<p class="quiet" id="map-keys">{escape(texts["keys"])}</p>',
        '<p role="status" id="map-said"></p>',
        f'<div id="map-picked" tabindex="0" role="region" aria-label="{escape(texts["picked"])}"></div></section>',
        *_topics(sheet, texts),
        "</div>",
        *_trends(sheet, texts),
        "</main>",
        f'<script type="application/json" id="map-cards">{_data(_cards(sheet))}</script>',
        f'<script type="text/plain" id="map-points">{points}</script>',
        f'<script type="module">{script}</script>',
        "</body></html>",
        "",
    ])  # fmt: skip


def _about(sheet: Sheet, texts: Mapping[str, str]) -> str:
    return texts["about"].format(articles=f"{len(sheet.points.ids):,}", topics=len(sheet.topics))


def _told(sheet: Sheet, texts: Mapping[str, str]) -> dict[str, Any]:
    """What the script is told, as by the page of the service."""
    return {
        "lang": sheet.lang, "texts": texts, "by": _COLOURS, "marks": [],
        "topics": [{"number": it.number, "words": it.words, "x": it.x, "y": it.y} for it in sheet.topics],
        "categories": {number: name for number, name in enumerate(sheet.categories) if name},
    }  # fmt: skip


def _cards(sheet: Sheet) -> list[dict[str, Any]]:
    return [
        {"id": card.article_id, "key": card.key, "title": card.title, "category": card.category,
         "day": card.published_at.astimezone(sheet.zone).date().isoformat()}
        for card in sheet.cards.values()
    ]  # fmt: skip


def _topics(sheet: Sheet, texts: Mapping[str, str]) -> list[str]:
    head = (
        f'<th scope="col">{escape(texts["topic"])}</th><th scope="col" class="number">{escape(texts["articles"])}</th>'
    )
    rows = [
        f'<tr data-topic="{it.number}"><td><span class="swatch"></span>{escape(" ".join(it.words[:5]))}</td>'
        f'<td class="number">{it.articles:,}</td></tr>'
        for it in sheet.topics
    ]
    name = escape(texts["topics"])
    return [
        f'<section aria-labelledby="h-topics"><h2 id="h-topics">{name}</h2>',
        '<div class="tall" tabindex="0" role="region" aria-labelledby="h-topics">',
        f"<table><thead><tr>{head}</tr></thead><tbody>", *rows, "</tbody></table></div></section>",
    ]  # fmt: skip


def _trends(sheet: Sheet, texts: Mapping[str, str]) -> list[str]:
    parts = [f"<section><h2>{escape(texts['trends'])}</h2>", f'<p class="quiet">{escape(texts["trends_about"])}</p>']
    tables = ((sheet.trends.topics, texts["topics"]), (sheet.trends.words, texts["words"]))
    found = [_rising(rows, name, texts) for rows, name in tables if rows]
    told = f'<div class="beside">{"".join(found)}</div>' if found else f"<p>{escape(texts['nothing_rises'])}</p>"
    return [*parts, told, "</section>"]


def _rising(rows: Sequence[Rising], name: str, texts: Mapping[str, str]) -> str:
    titles = (name, texts["weeks"], texts["week"], texts["factor"])
    head = "".join(
        f'<th scope="col"{" class=number" if place > 1 else ""}>{escape(it)}</th>' for place, it in enumerate(titles)
    )
    body = "".join(
        f"<tr><td>{escape(' '.join(it.words[:4]))}</td><td>{_spark(it.counts)}</td>"
        f'<td class="number">{it.counts[-1]:,}</td><td class="number">× {it.factor:.1f}</td></tr>'
        for it in rows
    )
    return f'<div><table class="rising"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _spark(counts: Sequence[int]) -> str:
    """A small chart: a bar for each week, the last one marked."""
    most = max(*counts, 1)
    bars = "".join(
        f'<rect{" class=now" if place == len(counts) - 1 else ""} x="{place * 10 + 1}" y="{20 - count / most * 20:.1f}"'
        f' width="8" height="{count / most * 20:.1f}"/>'
        for place, count in enumerate(counts)
    )
    label = ", ".join(map(str, counts))
    box = f'viewBox="0 0 {len(counts) * 10} 20" preserveAspectRatio="none"'
    return f'<svg class="spark" {box} role="img" aria-label="{label}">{bars}</svg>'


def _data(value: Any) -> str:
    """JSON that no browser takes for the end of the element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _script() -> str:
    """The scripts of the page as one."""
    plot, wiring = _asset("plot.js"), _asset("map.js")
    if _EXPORT not in plot or _IMPORT not in wiring:
        raise AssertionError("the scripts of the map do not go together as they did")
    return plot.replace(_EXPORT, "class Plot") + wiring.replace(_IMPORT, "")


def _asset(name: str) -> str:
    return (files("recnews") / "service" / "pages" / "static" / name).read_text(encoding="utf-8")


def _texts(lang: str) -> Mapping[str, str]:
    """The texts of the map's page; read here, because the pages themselves need the service's libraries."""
    text = (files("recnews") / "service" / "pages" / "texts" / f"{lang}.toml").read_text(encoding="utf-8")
    return {name: str(value) for name, value in tomllib.loads(text)["map"].items()}


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
