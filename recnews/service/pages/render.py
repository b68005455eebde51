"""Pages from templates. Every text is escaped by the templates themselves; what a browser may do with a page is said in
its headers.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recnews.service.keys import Scope
from recnews.service.pages.catalogue import LANGUAGES
from recnews.service.pages.details import said
from recnews.service.pages.visit import THEMES, VISIT_COOKIE, Visit

HERE = Path(__file__).parent
STATIC = HERE / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NAVIGATION: tuple[tuple[str, str, Scope], ...] = (
    ("/desk", "desk.title", "read"),
    ("/reader", "reader.title", "read"),
    ("/words", "words.title", "read"),
    ("/map", "map.title", "read"),
    ("/operator", "operator.title", "read"),
)
"""Address, the name of its text, and the scope that is needed, in the order shown."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers hide where our own forms come from, too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def prepare() -> None:
    """Compile all templates, so that nobody who is first on a page has to wait for that."""
    made = _environment()
    for name in made.list_templates():
        made.get_template(name)


def render(visit: Visit, template: str, **values: Any) -> str:
    """The text of a page or of a part of one."""
    return _environment().get_template(template).render(visit=visit, t=visit.text, **values)


def page(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    text = render(visit, template, **values).encode("utf-8", "replace")  # what was rejected may hold half a character
    answer = Response(text, status, dict(HEADERS), "text/html; charset=utf-8")
    if visit.is_new:
        remember(answer, VISIT_COOKIE, visit.number, visit)
    return answer


def part(visit: Visit, request: Request, whole: str, inner: str, **values: Any) -> Response:
    """What a script puts into its place on a page: the template `inner`; for a browser that was led here by a link,
    the page `whole` with it."""
    if request.headers.get("sec-fetch-dest") != "empty":
        return page(visit, whole, **values)
    text = render(visit, inner, **values).encode("utf-8", "replace")
    return Response(text, headers=dict(HEADERS), media_type="text/html; charset=utf-8")


def remember(answer: Response, name: str, value: str, visit: Visit, seconds: int | None = None) -> None:
    """Set a cookie that goes with our own pages only, and that no script reads."""
    answer.set_cookie(
        name, value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=visit.secure
    )  # fmt: skip


def back_to(address: str) -> Response:
    """Send a browser to a page of ours, after a form was sent. Any other address is not followed."""
    parts = urlsplit(address)
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    clean = ours and address.isprintable() and "\\" not in address
    return RedirectResponse(address if clean else "/", 303, dict(HEADERS))


def link(path: str, **query: Any) -> str:
    """An address of ours: what is None or empty is left out."""
    told = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, ""))
    return f"{path}?{told}" if told else path


@cache
def static(name: str) -> str:
    """The address of a file that comes with the pages. It changes with the file, so that browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def outward(address: str) -> str:
    """An address that an article gives of itself, when it is one of the web; else nothing."""
    try:
        parts = urlsplit(address.strip())
        whole = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return ""
    return address.strip() if whole else ""


def moment(value: datetime | None, zone: ZoneInfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time as the page shows it."""
    if value is None:
        return ""
    try:
        return value.astimezone(zone).strftime(form)
    except OverflowError:
        return value.strftime(form)


def size(count: int) -> str:
    """Bytes, as people say them."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def pages(visit: Visit) -> list[tuple[str, str]]:
    """The pages that a visitor may see: address, and the name of a text."""
    return [(address, name) for address, name, scope in NAVIGATION if visit.may(scope)]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.globals.update(
        static=static, link=link, languages=LANGUAGES, themes=THEMES, outward=outward, pages=pages, said=said
    )
    made.filters.update(moment=moment, bytes=size)
    return made
