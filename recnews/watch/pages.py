"""The full text of feed entries that come as a link and a summary."""

from collections.abc import Iterator, Mapping
from typing import Any

from recnews import formats
from recnews.errors import FetchError
from recnews.formats import ReadOptions, Row, Source
from recnews.records import Reject
from recnews.watch.state import digest
from recnews.web import Client

_TRIES = 3


class FullTexts:
    """Completes entries by the pages they link to, each entry once.

    `seen` is what to remember, `skipped` how many entries were left out because their full text is stored already,
    `left` whether some are to be tried in the next round.
    """

    def __init__(self, client: Client, options: ReadOptions, before: Mapping[str, list[Any]], most: int) -> None:
        self._client, self._options, self._before, self._most = client, options, before, most
        self.seen: dict[str, list[Any]] = {}
        self.fetched, self.skipped, self.left, self.problem = 0, 0, False, ""
        self._asked = 0

    def completed(self, rows: Iterator[Row | Reject]) -> Iterator[Row | Reject]:
        """The rows, with the text of their pages where they have none. A page that cannot be had leaves its entry as it
        is, or, where an earlier full text is stored, leaves that alone."""
        for row in rows:
            if isinstance(row, Reject) or row.cells.get("body") or not row.cells.get("url"):
                yield row
            elif (whole := self._whole(row)) is not None:
                yield whole
            else:
                self.skipped += 1

    def _whole(self, row: Row) -> Row | None:
        name, now = str(row.cells["id"]), digest(dict(row.cells))
        then, tries, full = self._before.get(name, ["", 0, False])
        tries = tries if then == now else 0
        self.seen[name] = [now, tries, full]
        if (then == now and full and not tries) or tries >= _TRIES:
            return None if full else row
        if self._asked >= self._most:
            self.left = True
            return None if full else row
        page = self._page(str(row.cells["url"]))
        if page is None:
            self.seen[name] = [now, tries + 1, full]
            self.left = self.left or tries + 1 < _TRIES
            return None if full else row
        self.seen[name] = [now, 0, True]
        self.fetched += 1
        # What the feed says of an entry goes before what was guessed from its page.
        return Row(row.where, {name: value for name, value in page.items() if value} | dict(row.cells))

    def _page(self, url: str) -> dict[str, Any] | None:
        self._asked += 1
        try:
            answer = self._client.get(url)
        except FetchError as error:
            self.problem = self.problem or str(error)
            return None
        source = Source(url, None, "html", data=answer.data, address=answer.url, declared=answer.charset)
        for found in formats.read_document(source, self._options):
            if isinstance(found, Row):
                return {"body": found.cells["body"], "author": found.cells.get("author", "")}
            self.problem = self.problem or f"{url}: {found.reason}; the entry is taken as the feed has it"
        return None
