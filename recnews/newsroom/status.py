"""A home in figures."""

from dataclasses import dataclass
from datetime import datetime

from recnews.errors import RecnewsError
from recnews.newsroom.home import Home


@dataclass(frozen=True, slots=True)
class Status:
    """A home in figures. `pending` articles wait to be encoded by the live generation; `waiting` events for their
    article; `forgotten` readers for a training without them."""

    home: str
    articles: int
    hidden: int
    events: int
    readers: int
    waiting: int
    pending: int
    live: str | None
    previous: tuple[str, ...]
    generations: tuple[str, ...]
    forgotten: int
    quarantine: tuple[str, ...]
    store_bytes: int
    index_bytes: int
    free_bytes: int


def status_of(home: Home) -> Status:
    """Count."""
    events, readers, waiting = home.store.events.counts()
    current, articles = home.generations.current(), home.store.articles.count()
    return Status(
        home=str(home.home),
        articles=articles,
        hidden=home.store.articles.count(hidden=True),
        events=events,
        readers=readers,
        waiting=waiting,
        pending=articles if current.live is None else home.store.vectors.waiting(current.live),
        live=current.live,
        previous=current.previous,
        generations=home.generations.names(),
        forgotten=_forgotten(home),
        quarantine=tuple(sorted(str(file) for file in (home.corpora / "quarantine").glob("*.jsonl"))),
        store_bytes=home.store.disk_bytes(),
        index_bytes=home.generations.disk_bytes(),
        free_bytes=home.store.free_bytes(),
    )


def _forgotten(home: Home) -> int:
    """How many readers were forgotten since what serves was trained; 0 when nothing can serve."""
    try:
        live, _ = home.generations.live(prepared=False)
    except RecnewsError:
        return 0
    moment = live and datetime.fromisoformat(live.manifest.created_at)
    return home.store.privacy.forgotten_since(moment) if moment else 0
