"""One request by a browser: who asks, in which language and colours, and whether a form is one of ours."""

import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from recnews.service.access import Access
from recnews.service.keys import SCOPES, Key, Scope
from recnews.service.pages import catalogue
from recnews.service.pages.sessions import Sessions
from recnews.service.problems import ProblemError

SESSION_COOKIE, VISIT_COOKIE = "recnews_session", "recnews_visit"
LANGUAGE_COOKIE, THEME_COOKIE = "recnews_language", "recnews_theme"
THEMES = ("auto", "light", "dark")
_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks and how. `scope` is None for somebody who has not signed in; `is_open` says that there are no keys and
    this machine asks, which may do all. `token` goes into every form."""

    path: str
    address: str
    lang: str
    theme: str
    key: Key | None
    is_open: bool
    number: str
    is_new: bool
    token: str
    secure: bool

    @property
    def scope(self) -> Scope | None:
        """What may be done."""
        return "admin" if self.is_open else self.key.scope if self.key else None

    def may(self, scope: Scope) -> bool:
        """Whether this visitor may do what `scope` is needed for."""
        return self.scope is not None and SCOPES.index(self.scope) >= SCOPES.index(scope)

    def text(self, name: str, /, **given: Any) -> str:
        """A text of the catalogue in the visitor's language."""
        found = catalogue.texts(self.lang)[name]
        return found.format(**given) if given else found

    def text_or(self, name: str, otherwise: str) -> str:
        """The same, where a name may be one that the catalogue does not have."""
        return catalogue.texts(self.lang).get(name, otherwise)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was sent, found to be ours."""

    visit: Visit
    values: FormData

    def text(self, name: str, most: int = 2048) -> str:
        """A field; empty when it was not sent."""
        found = self.values.get(name, "")
        if not isinstance(found, str) or len(found) > most:
            raise ProblemError("invalid", f"{name}: is no text of at most {most:,} characters")
        return found.strip()

    def raw(self, name: str) -> str:
        """A field as it was sent."""
        found = self.values.get(name, "")
        return found if isinstance(found, str) else ""

    def file(self, name: str) -> UploadFile | None:
        """A file; None when none was chosen."""
        found = self.values.get(name)
        return found if isinstance(found, UploadFile) and found.filename else None


def look_at(request: Request, admit: bool = True) -> Visit:
    """What a request says of its visitor. `admit` counts it against how often a key may ask, and raises `ProblemError`
    when only this machine is answered; without it nothing is refused, so that an error can be told."""
    access: Access = request.app.state.access
    sessions: Sessions = request.app.state.sessions
    cookies = request.cookies
    is_open = access.is_open(request) if admit else False
    session = cookies.get(SESSION_COOKIE, "")
    key = sessions.key(session, time.time()) if session and not is_open else None
    if admit:
        access.not_too_often(key.id if key else "")
    number = cookies.get(VISIT_COOKIE, "")
    is_new = len(number) != 32
    number = secrets.token_hex(16) if is_new else number
    theme = cookies.get(THEME_COOKIE, "")
    query = f"?{request.url.query}" if request.url.query else ""
    return Visit(
        path=request.url.path, address=f"{request.url.path}{query}" if request.method == "GET" else "/",
        lang=catalogue.language(cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", "")),
        theme=theme if theme in THEMES else "auto", key=key, is_open=is_open, number=number, is_new=is_new,
        token=sessions.form_token(number, session if key else ""), secure=request.url.scheme == "https",
    )  # fmt: skip


def page(scope: Scope | None) -> Callable[[Request], Coroutine[Any, Any, Visit]]:
    """A dependency that lets in who may see a page; None lets in everybody."""

    async def check(request: Request) -> Visit:
        visit = look_at(request)
        _may(visit, scope)
        return visit

    return check


def form(scope: Scope | None) -> Callable[[Request], Coroutine[Any, Any, Form]]:
    """A dependency that reads a form of our own from somebody who may send it.

    Three things hold forms of other sites off: cookies that browsers send along on our own pages only
    (`SameSite=Strict`), what browsers say of where a request comes from, and a token that only our pages know.
    """

    async def read(request: Request) -> Form:
        visit = look_at(request)
        _may(visit, scope)
        _from_here(request)
        values = await request.form(max_files=1, max_fields=_FIELDS, max_part_size=8 * 1024 * 1024)
        session = request.cookies.get(SESSION_COOKIE, "") if visit.key else ""
        token = values.get("token", "")
        sessions: Sessions = request.app.state.sessions
        if not isinstance(token, str) or visit.is_new or not sessions.is_form_token(token, visit.number, session):
            raise ProblemError("foreign-form", "this form has become old; load its page again")
        return Form(visit, values)

    return read


Everybody = Annotated[Visit, Depends(page(None))]
Reads = Annotated[Visit, Depends(page("read"))]
Writes = Annotated[Visit, Depends(page("write"))]
Administers = Annotated[Visit, Depends(page("admin"))]
SentByEverybody = Annotated[Form, Depends(form(None))]
SentToWrite = Annotated[Form, Depends(form("write"))]
SentToAdminister = Annotated[Form, Depends(form("admin"))]


def _may(visit: Visit, scope: Scope | None) -> None:
    if scope is None or visit.may(scope):
        return
    if visit.scope is None:
        raise ProblemError("no-key", "sign in with a key")
    raise ProblemError("wrong-scope", f"this needs a key of scope {scope}; this one has {visit.scope}")


def _from_here(request: Request) -> None:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site == "same-origin"
    else:  # an older browser, or none
        ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        raise ProblemError("foreign-form", "this form comes from another site")
