"""What editors look up. Each is answered by an index of the store, and needs no generation."""

from datetime import datetime

from recnews.newsroom.given import writable
from recnews.newsroom.home import Home
from recnews.store import ArticleCard, CameIn, ReadBy

_SHOWN = 20


class Archive:
    """The stored articles of a home, looked at one by one or by day."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def newest(
        self, limit: int, contains: str = "", before: tuple[int, int] | None = None
    ) -> tuple[list[ArticleCard], tuple[int, int] | None]:
        """The latest articles and where the next page begins; `contains` is looked for in titles, or is a key."""
        writable(contains)
        live = self._home.generations.current().live
        return self._home.store.listing.newest(limit, contains, before, live or "")

    def earliest(self) -> datetime | None:
        """When the oldest article was published; None without articles."""
        return self._home.store.listing.earliest()

    def came_in(self, since: datetime) -> list[CameIn]:
        """How many articles came in since a time, by source."""
        return self._home.store.listing.came_in(since)

    def read_by(self, key: str) -> list[ReadBy]:
        """Who did what with an article, in counts. Raises `UnknownArticleError`."""
        return self._home.store.listing.read_by(self._home.store.articles.get(key).article_id)

    def story(self, key: str) -> list[ArticleCard]:
        """Other articles that tell the same story. Raises `UnknownArticleError`."""
        return self._home.store.listing.story(self._home.store.articles.get(key).article_id, _SHOWN)
