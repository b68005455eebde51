"""What the clients ask: each call as what is sent and how its answer is read, whoever sends it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from recnews.records import ArticleNeighbor, Neighbors, Reason, Recommendation, WordNeighbor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. `again`: it may be sent twice without harm."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    again: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a feed may hold, as the service takes it; `at` and `since` are aware times, `since` may be an age such as
    `3d`."""

    categories: Sequence[str] = ()
    languages: Sequence[str] = ()
    sources: Sequence[str] = ()
    exclude: Sequence[str] = ()
    since: datetime | str | None = None
    explain: bool = False
    at: datetime | None = None

    def values(self) -> dict[str, Any]:
        """As the service calls them."""
        names = {"categories": "category", "languages": "language", "sources": "source"}
        found = {names.get(name, name): getattr(self, name) for name in self.__slots__}
        return {name: plain(value) for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a feed. Ask for the next with its `session` and a larger `offset`; `more` says whether there may be
    one. Its recommendations have reasons when `explain` was asked for."""

    user: str | None
    at: datetime
    session: str
    offset: int
    more: bool
    recommendations: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of one row that was handed in: added, changed, unchanged, duplicate or rejected."""

    id: str
    became: str
    waiting: bool = False
    field: str | None = None
    reason: str = ""
    remedy: str = ""


def feed(user: str, n: int, offset: int, session: str | None, wanted: Wanted) -> Call[Feed]:
    """A reader's feed."""
    query = {"n": n, "offset": offset, **wanted.values()} | ({"session": session} if session else {})
    return Call("GET", f"/v1/users/{part(user)}/feed", _feed, _query(query))


def anonymous_feed(
    history: Iterable[Mapping[str, Any]], n: int, offset: int, session: str | None, wanted: Wanted
) -> Call[Feed]:
    """A feed for a history."""
    body = {"history": [plain(act) for act in history], "n": n, "offset": offset, **wanted.values()}
    return Call("POST", "/v1/feed", _feed, body=body | ({"session": session} if session else {}))


def feeds(users: Sequence[str], n: int, wanted: Wanted) -> Call[dict[str, tuple[Recommendation, ...]]]:
    """Feeds of many readers."""

    def read(found: Any) -> dict[str, tuple[Recommendation, ...]]:
        return {it["user"]: tuple(_place(row) for row in it["recommendations"]) for it in found["feeds"]}

    return Call("POST", "/v1/feeds", read, body={"users": list(users), "n": n, **wanted.values()})


def rows(path: str, given: Iterable[Mapping[str, Any]], again: bool) -> Call[list[RowReport]]:
    """Articles or events."""
    return Call("POST", path, _reports, body=[plain(row) for row in given], again=again)


def near(path: str, query: Mapping[str, Any]) -> Call[Neighbors]:
    """Neighbours."""
    return Call("GET", path, _near, _query(query))


def near_text(text: str, n: int) -> Call[Neighbors]:
    """Neighbours of a text."""
    return Call("POST", "/v1/neighbors", _near, body={"text": text, "n": n})


def simple(method: str, path: str, body: Any = None) -> Call[dict[str, Any]]:
    """A call whose answer is handed on as it is."""
    return Call(method, path, lambda found: dict(found or {}), body=None if body is None else plain(body))


def part(text: str) -> str:
    """An id as a part of a path. Dots are written out, too: alone they would mean a folder."""
    found = quote(text, safe="")
    return found.replace(".", "%2E") if not found.strip(".") else found


def plain(value: Any) -> Any:
    """A value in the terms of JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple | set | frozenset) else value


def _query(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = list[tuple[str, str]]()
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            pairs.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return tuple(pairs)


def _feed(found: Any) -> Feed:
    places = tuple(_place(row) for row in found["recommendations"])
    at = datetime.fromisoformat(found["at"])
    return Feed(found["user"], at, found["session"], found["offset"], found["more"], places)


def _place(row: Mapping[str, Any]) -> Recommendation:
    reasons = tuple(
        Reason(it["part"], it["value"], it["id"], it["title"], tuple(it["words"])) for it in row.get("reasons", ())
    )
    return Recommendation(
        row["id"], row["title"], row["score"], row["source"], reasons, row["url"], row["category"],
        datetime.fromisoformat(row["published_at"]), row["category_probability"],
    )  # fmt: skip


def _near(found: Any) -> Neighbors:
    return Neighbors(
        tuple(WordNeighbor(it["word"], it["score"]) for it in found["words"]),
        tuple(ArticleNeighbor(it["id"], it["title"], it["score"]) for it in found["articles"]),
        tuple(found["tokens"]),
        tuple(found["unknown"]),
        found["partial"],
    )


def _reports(found: Any) -> list[RowReport]:
    return [
        replace(RowReport(it["id"], it["became"]), **{name: it[name] for name in RowReport.__slots__ if name in it})
        for it in found["outcomes"]
    ]
