"""One feed: fetched if it has changed, read, taken in, remembered."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from recnews import formats
from recnews.errors import FetchError
from recnews.formats import ReadOptions, Source
from recnews.records import Draft, Reject
from recnews.reports import IngestReport, Polled
from recnews.store import Store
from recnews.watch.pages import FullTexts
from recnews.watch.state import KnownRejects, State, back_off, digest
from recnews.web import Answer, Client

_HEAD = 64 * 1024
Take = Callable[[Iterator[Draft | Reject], list[str], Callable[[Reject], bool] | None], IngestReport]
"""Takes articles in: the rows, the names of the inputs, and which of the rejected rows to keep (None for all)."""


class Feeds:
    """Polls feeds. `pages` is how many full texts may be fetched for one, 0 for none at all."""

    def __init__(
        self, store: Store, take: Take, client: Client, options: ReadOptions, *, every: timedelta, pages: int
    ) -> None:
        self._store, self._take, self._client = store, take, client
        self._options, self._every, self._pages = options, every, pages
        self._how = digest(dict(options.rename), str(options.timezone), options.encoding, bool(pages))

    def poll(self, name: str, now: datetime) -> Polled:
        """Ask one feed, unless it is to be left alone for now."""
        state = State.of(self._store.sources.state(name))
        if until := state.waits(now):
            return Polled(name, "waiting", problem=state.problem, next_at=until)
        try:
            polled, state = self._asked(name, state, now)
        except FetchError as error:
            wait = back_off(state.failures, self._every, error.retry_after, now)
            state = state.failed(now, str(error), wait)
            polled = Polled(name, "failed", problem=str(error), next_at=now + wait)
        self._store.sources.keep(name, state.plain())
        return polled

    def _asked(self, name: str, state: State, now: datetime) -> tuple[Polled, State]:
        known = state.how == self._how  # else it must be read again, changed or not
        answer = self._client.get(name, state.etag if known else "", state.modified if known else "")
        content = hashlib.sha256(answer.data).hexdigest()
        if not answer.fresh or (known and content == state.digest):
            return Polled(name, "unchanged", moved=answer.moved), state.well(now)
        source = feed_source(name, answer)
        rejects = KnownRejects(state.rejected)
        texts = FullTexts(self._client, self._options, state.pages if known else {}, self._pages)
        rows = formats.read_document(source, self._options)
        rows = texts.completed(rows) if self._pages else rows
        report = self._take(formats.articles_of(rows, self._options), [name], rejects.is_new)
        report = replace(report, read=report.read + texts.skipped, unchanged=report.unchanged + texts.skipped)
        # What is not done yet is asked for in the next round, also where the feed itself is the same then.
        done = {"etag": answer.etag, "modified": answer.modified, "digest": content}
        done = dict.fromkeys(done, "") if texts.left else done
        state = state.well(
            now, read_at=now.isoformat(), how=self._how, rejected=rejects.digests(), pages=texts.seen, **done
        )
        return Polled(name, "read", report, texts.problem, moved=answer.moved, pages=texts.fetched), state


def feed_source(name: str, answer: Answer) -> Source:
    """What was fetched, to be read as a feed under a name. Raises `FetchError` for what is none."""
    kind = formats.kind_of(answer.data[:_HEAD])
    if kind != "feed":
        what = {"html": "a web page", "sitemap": "a sitemap"}.get(kind, "something else")
        raise FetchError(name, f"gave {what}, neither RSS nor Atom", "give the address of the feed itself")
    make = partial(Source, name, None, "feed", size=len(answer.data), data=answer.data)
    return make(address=answer.url, declared=answer.charset)
