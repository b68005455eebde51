"""The settings: what contradicts, and what they ask for and is not there."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from recnews.config import FeedSettings, RetentionSettings, Settings, given_reader_key
from recnews.doctor.finding import Finding
from recnews.errors import RecnewsError
from recnews.privacy import KEY_FILE
from recnews.store import STORE_FILE


def look(home: Path, settings: Settings) -> Iterator[Finding]:
    """All of it."""
    found = [*_contradictions(settings), *_unmet(home, settings)]
    yield from found
    if not found:
        yield Finding("settings", "fine", "none contradicts another")


def _contradictions(settings: Settings) -> Iterator[Finding]:
    kept, feed, index, service = settings.retention, settings.feed, settings.index, settings.service
    checks = (
        (
            index.least > index.most,
            "index.least is larger than index.most",
            "nothing would be sealed; raise index.most",
        ),
        (
            service.page > service.depth,
            "service.page is larger than service.depth",
            "no page is longer than the depth of a feed; raise service.depth",
        ),
        (
            bool(feed.window_days) and (feed.window_days or 0) < feed.popularity_days,
            "feed.window_days is shorter than feed.popularity_days",
            "what is popular may be outside the window; make popularity_days shorter",
        ),
        (
            bool(feed.most_of_source) and feed.candidates < service.page,
            "feed.candidates is smaller than service.page while most_of_source is set",
            "raise feed.candidates, so that there are others to choose from",
        ),
        (
            _below(kept, feed, settings.behaviour.half_life_days),
            "retention.events_days is shorter than what feeds look back on",
            "raise it to feed.popularity_days, feed.half_life_days and behaviour.half_life_days at least",
        ),
        (
            index.memory_bytes is not None and index.memory_bytes < 50_000_000,
            "index.memory is smaller than what one day of a newsroom takes",
            "give it 50MB at least, or leave it empty",
        ),
    )
    yield from (Finding("settings", "act", what, remedy) for wrong, what, remedy in checks if wrong)


def _below(kept: RetentionSettings, feed: FeedSettings, half_life: float) -> bool:
    return kept.events_days is not None and kept.events_days < max(feed.popularity_days, feed.half_life_days, half_life)


def _unmet(home: Path, settings: Settings) -> Iterator[Finding]:
    """What settings ask for and is not there."""
    if zone := settings.ingest.timezone:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            yield Finding("settings", "act", f"ingest.timezone: {zone!r} is no time zone", "write Asia/Shanghai, say")
    for source in settings.watch.feeds:
        if "://" not in source and not (home / source).exists():
            yield Finding("settings", "act", f"watch.feeds: {home / source} is not there", "make it, or take it out")
    if settings.privacy.hash_ids:
        try:
            key = given_reader_key()
        except RecnewsError as error:
            yield Finding("settings", "act", str(error), "give a longer one")
            return
        if key is None and (home / "corpora" / STORE_FILE).exists() and not (home / "corpora" / KEY_FILE).exists():
            what = "privacy.hash_ids is on, and there is no key"
            yield Finding("settings", "act", what, f"put corpora/{KEY_FILE} back from a backup: a new one finds nobody")
