"""Who is let in: a key with the right scope, or, as long as there are no keys, whoever is on this machine."""

import ipaddress
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from recnews.service.keys import Key, Keys, Scope
from recnews.service.limits import RateLimit
from recnews.service.problems import ProblemError

_bearer = HTTPBearer(auto_error=False, description="A key that `recnews keys create` has shown.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_NAMES = {"localhost", "ip6-localhost"}


class Access:
    """Decides on each request. `host` is the address the service listens on."""

    def __init__(self, keys: Keys, rate: RateLimit, host: str) -> None:
        self._keys, self._rate, self._local = keys, rate, is_loopback(host)

    def check(self, request: Request, text: str | None, scope: Scope) -> None:
        """Raise `ProblemError` unless who asks may do what `scope` is needed for, and not too often."""
        if text is None and self.is_open(request):
            name = ""
        else:
            key = self.key(text or "")
            if key is None:
                said = "send a key as `Authorization: Bearer KEY`" if text is None else "there is no such key"
                raise ProblemError("no-key", said, headers={"WWW-Authenticate": "Bearer"})
            if not key.allows(scope):
                raise ProblemError("wrong-scope", f"this needs a key of scope {scope}; this one has {key.scope}")
            name = key.id
        self.not_too_often(name)

    def key(self, text: str) -> Key | None:
        """The key with this text; None when there is none."""
        return self._keys.find(text) if text else None

    def is_open(self, request: Request) -> bool:
        """Whether there are no keys, so that this machine may do all. Raises `ProblemError` when another one asks."""
        if self._keys.all():
            return False
        self._only_here(request)
        return True

    def not_too_often(self, name: str) -> None:
        """Raise `ProblemError` when the key of this id, or those without one, have asked too often."""
        wait = self._rate.wait(name)
        if wait:
            raise ProblemError("too-many-requests", "this key has asked too often", retry_after=wait)

    def _only_here(self, request: Request) -> None:
        # The name in `Host` is looked at, too: else a page in a browser of this machine could have its own name
        # resolved to 127.0.0.1 and read along.
        client = request.client.host if request.client else ""
        if not (self._local and is_loopback(client) and is_loopback(request.url.hostname or "")):
            raise ProblemError("not-local", "this service has no keys; make one with `recnews keys create`")


def is_loopback(host: str) -> bool:
    """Whether an address or name is that of this machine to itself."""
    if host in _NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def rate_limit(rate: float, burst: int) -> RateLimit:
    """A rate limit by the steady clock."""
    return RateLimit(rate, burst, time.monotonic)


def needs(scope: Scope) -> Callable[[Request, Bearer], Coroutine[Any, Any, None]]:
    """A dependency that lets in who may do this."""

    async def check(request: Request, bearer: Bearer) -> None:
        request.app.state.access.check(request, bearer.credentials if bearer else None, scope)

    return check
