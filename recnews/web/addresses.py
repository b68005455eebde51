"""Which addresses may be asked. A feed, or whoever redirects from it, must not make us speak to what stands behind our
own door: a router, a metadata service, a database on loopback."""

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from recnews.errors import FetchError

Resolve = Callable[[str, int], list[str]]
_SCHEMES = {"http", "https"}
_NAT64 = IPv6Network("64:ff9b::/96")


def check_address(url: str) -> None:
    """Raise `FetchError` unless `url` is one that may be typed: http or https, a host, no password in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise FetchError(url[:200], f"is not an address ({error})", "write it as https://host/path") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise FetchError(url[:200], "is not an http or https address", "write it as https://host/path")
    if parts.username is not None or parts.password is not None:
        shown = f"{parts.scheme}://…@{parts.hostname}"
        raise FetchError(shown, "has a name or password in it, which would end in reports", "use an address without")


def public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also where it stands for another in its disguise."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(it.is_global and not it.is_multicast for it in (ip, *_within(ip)))


def _within(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(ip, IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [it for it in found if it is not None]


def look_up(host: str, port: int) -> list[str]:
    """The IP addresses of a host, as the system knows them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def pinned(url: str, host: str, port: int, *, seconds: float, allow_private: bool, resolve: Resolve) -> str:
    """The one IP address to connect to. Asked once and then used, so that a name cannot change between check and use.

    Raises `FetchError` when the name is not known in time, or leads to no address that may be asked.
    """
    found = _in_time(url, host, port, seconds, resolve)
    allowed = found if allow_private else [address for address in found if public(address)]
    if not allowed:
        reason = f"{host} is at {found[0]}, which is not an address of the open internet"
        remedy = "if it is one of your own, `watch --allow-private` or `service.allow_private` lets it be asked"
        raise FetchError(url, reason, remedy)
    return allowed[0]


def _in_time(url: str, host: str, port: int, seconds: float, resolve: Resolve) -> list[str]:
    # The system's resolver knows no time limit: it is left behind in its thread.
    found: list[str] = []
    problem: list[Exception] = []

    def ask() -> None:
        try:
            found.extend(resolve(host, port))
        except (OSError, UnicodeError) as error:
            problem.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        why = str(problem[0]) if problem else f"no answer within {seconds:g} seconds"
        raise FetchError(url, f"the name {host} is not known ({why})", "see whether the address is right")
    return list(found)
