"""A newsroom as the service uses it: it answers callers who wait, row by row, and leaves what is slow to whoever keeps
house."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from recnews.accept import Outcome, accept_articles, accept_events
from recnews.errors import RecnewsError
from recnews.newsroom import Newsroom
from recnews.newsroom.given import aware, read_options
from recnews.newsroom.upkeep import make_searchable, save_snapshot


class ServiceRoom(Newsroom):
    """What a newsroom does, and what only a service asks of it."""

    def accept(self, articles: Sequence[Mapping[str, Any]], *, now: datetime | None = None) -> list[Outcome]:
        """Store articles and make them searchable; what became of each row, in order.

        All that is taken is on the disk when this returns. A row that cannot be taken is told and not kept.
        """
        outcomes = accept_articles(self.store, articles, read_options(None, self.settings.ingest), aware(now))
        if any(it.became in {"added", "changed"} for it in outcomes):
            make_searchable(self, count=False)
        return outcomes

    def accept_events(self, events: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """As `accept`, for events. They are in the next feed; `keep_house` learns from them."""
        return accept_events(self.store, events, read_options(None, self.settings.ingest))

    def count_readers(self) -> None:
        """Count the whole reading log, so that no feed has to: from then on only what comes to it is counted. Raises
        `NoGenerationError`."""
        self._audiences.at(aware(None), self._learned(self.serving.generation(prepared=False)))

    def look_ahead(self) -> None:
        """Read what the analyst's map shows, so that its first page need not wait for that. What is wrong with it is
        told to who asks for it."""
        with suppress(RecnewsError):
            self.maps.reads(self.maps.current().points(aware(None)).ids)

    def keep_house(self) -> int:
        """Do what `accept` has left: encode what a killed process did not, take in what the reading log says by now,
        save snapshots of the catalog and the map, seal what is old; how many articles were encoded. Nothing before the
        first training. Raises `SealError` as `seal` does."""
        indexed = make_searchable(self)
        if self.generations.current().live is not None:
            save_snapshot(self)
            self.maps.keep()
            self.seal()
        return indexed
