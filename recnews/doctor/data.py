"""What is stored and what was learned: locks, engines, store, generations, and what waits."""

import fcntl
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from recnews.backup import last_backup
from recnews.catalog import Catalog
from recnews.config import Settings
from recnews.doctor.finding import Finding, State
from recnews.doctor.machine import installed
from recnews.errors import DamagedGenerationError, RecnewsError, UnreachableError
from recnews.generation import Generation
from recnews.generations import Current, Generations
from recnews.index.archive import ArchiveSettings
from recnews.index.engines import FAISS, open_archive
from recnews.index.planning import DAY
from recnews.index.segments import SegmentedIndex
from recnews.privacy import KEY_FILE
from recnews.store import STORE_FILE, ReaderIds, Store, to_micros
from recnews.watch import watched

_WAITING, _FAILURES = 1000, 3


def look(home: Path, settings: Settings, now: datetime) -> Iterator[Finding]:
    """All of it."""
    yield from _locks(home)
    yield from _engines(settings)
    if not settings.store.get_secret_value() and not (home / "corpora" / STORE_FILE).exists():
        yield Finding("store", "note", f"{home} holds no store yet", "`recnews ingest` makes one")
        return
    yield from _backups(home, settings, now)
    try:
        yield from _inside(home, settings, now)
    except UnreachableError as error:
        remedy = "start it, or mend `store` in the settings, the network or the server's rights"
        yield Finding("store", "act", str(error), remedy)
    except RecnewsError as error:
        yield Finding("store", "act", str(error), "see “A damaged store” in docs/operations.md")


def _locks(home: Path) -> Iterator[Finding]:
    names = {"indexes/.train.lock": "a training or a change of generations", "corpora/watch.lock": "`recnews watch`"}
    held = [what for name, what in names.items() if _is_held(home / name)]
    yield from (Finding("locks", "note", f"{what} is going on") for what in held)
    if not held:
        yield Finding("locks", "fine", "nothing is held")


def _is_held(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _engines(settings: Settings) -> Iterator[Finding]:
    index, address = settings.index, settings.index.archive.get_secret_value()
    if address == FAISS:
        return
    asked = ArchiveSettings(address, index.archive_prefix, index.archive_seconds, index.hot)
    kind = address.partition(":")[0]
    try:
        archive = open_archive(asked, "doctor", 8)
        try:
            archive.prepare()
            archive.drop()  # what it has made to ask in
        finally:
            archive.close()
    except RecnewsError as error:
        remedy = "start it, or check index.archive and the network; feeds go on without it, searches of all are partial"
        yield Finding("archive", "act", f"{kind}: {error}", remedy)
    else:
        yield Finding("archive", "fine", f"{kind} answers")


def _backups(home: Path, settings: Settings, now: datetime) -> Iterator[Finding]:
    try:
        found = last_backup(home)
    except (RecnewsError, OSError) as error:
        yield Finding(
            "backup", "act", str(error), "see that its disk is there, or `recnews backup` into another folder"
        )
        return
    folder, latest = found or (home, None)
    if latest is None:
        yield Finding("backup", "note", "no backup was made from here", "`recnews backup DIR`, every night")
        return
    age = now - latest.moment
    told = f"the latest in {folder} is {age / timedelta(days=1):.1f} days old"
    if latest.problems:
        what = f"{told}, and something was wrong with the home: {latest.problems[0]}"
        yield Finding("backup", "act", what, "`recnews verify` says what to do")
    elif age > timedelta(days=settings.doctor.backup_days):
        yield Finding("backup", "act", told, f"see why `recnews backup {folder}` has not run; doctor.backup_days")
    else:
        yield Finding("backup", "fine", told)


def _standby(store: Store, settings: Settings) -> Iterator[Finding]:
    behind = store.standby_behind()
    if behind is None:
        remedy = "start it, or mend `replica` in the settings; was it promoted? then set up another one"
        yield Finding("standby", "act", "does not answer, or is no standby any more", remedy)
    elif behind > settings.doctor.standby_bytes:
        what = f"{behind / 1e6:.1f} MB behind: the primary answers meanwhile"
        yield Finding("standby", "act", what, "see its log, its disk and the network; doctor.standby_bytes")
    else:
        yield Finding("standby", "fine", f"answers, {behind:,} bytes behind")


def _inside(home: Path, settings: Settings, now: datetime) -> Iterator[Finding]:
    key = home / "corpora" / KEY_FILE
    readers = ReaderIds(key.read_bytes()) if settings.privacy.hash_ids and key.exists() else None
    replica = settings.replica.get_secret_value()
    store = Store(home / "corpora", readers, settings.store.get_secret_value(), replica)
    generations = Generations(home / "indexes")
    try:
        told = f"{store.place}: schema version {store.rows.version}, {store.articles.count():,} articles"
        yield Finding("store", "fine", told)
        if replica:
            yield from _standby(store, settings)
        yield from _generation(store, generations, settings, now)
        if settings.share_generations and settings.store.get_secret_value():
            yield from _shared(store, generations)
        yield from _waiting(store, generations)
    finally:
        store.close()


def _generation(store: Store, generations: Generations, settings: Settings, now: datetime) -> Iterator[Finding]:
    current = generations.current()
    if current.live is None:
        state: State = "act" if store.articles.count() else "note"
        yield Finding("generation", state, "nothing has been trained yet", "`recnews train`")
        return
    try:
        live, damages = generations.live(prepared=False)
    except DamagedGenerationError as error:
        yield Finding("generation", "act", str(error), "`recnews train`")
        return
    yield from (Finding("generation", "act", str(it), "see “a bad generation” in docs/operations.md") for it in damages)
    if live is not None:
        yield Finding("generation", "fine", f"{live.id} of {live.manifest.created_at[:16]} serves")
        moved = sorted(name for name, was in live.manifest.libraries.items() if installed(name) not in (was, None))
        if moved:
            what = f"{live.id} was trained with other versions of {', '.join(moved)}"
            yield Finding("generation", "note", what, "`recnews verify` says whether it still gives the same vectors")
        if settings.index.archive.get_secret_value() == FAISS:
            yield from _sealed(live, settings, now)


def _shared(store: Store, generations: Generations) -> Iterator[Finding]:
    """Which generations of all nodes this one holds."""
    names, held, said = store.shared.names(), generations.held(), store.shared.current()
    told = f"this node holds {' '.join(held) or 'none'} of {' '.join(names) or 'none'} in the store"
    live = Current.read(said).live if said else None
    if live is None or live == generations.current().live:
        yield Finding("generation", "fine", told)
    else:
        remedy = "`recnews serve` and `recnews ingest` fetch it; `recnews status` does so now, or says why it cannot"
        yield Finding("generation", "act", f"{told}, where {live} is live", remedy)


def _sealed(live: Generation, settings: Settings, now: datetime) -> Iterator[Finding]:
    index = Catalog.open(live.folder, live.id, live.layout).index
    if not isinstance(index, SegmentedIndex):
        return
    ripe = int((index.newest_times() < to_micros(now) - settings.index.hot * DAY).sum())
    told = f"{len(index.parts())} sealed segments; {ripe:,} older articles lie in memory"
    if ripe < 2 * settings.index.least:
        yield Finding("index", "fine", told)
    else:
        yield Finding(
            "index", "act", told, "`recnews seal`, which `recnews serve` does by itself: search is quicker then"
        )


def _waiting(store: Store, generations: Generations) -> Iterator[Finding]:
    """What is stored and not taken in yet by what is made of it."""
    live = generations.current().live
    pending = store.vectors.missing(live) if live else 0
    if pending > _WAITING:
        remedy = "`recnews serve` or `recnews ingest` of any file encodes them; if they stay, `recnews verify --repair`"
        yield Finding("queues", "act", f"{pending:,} articles wait to be encoded", remedy)
    elif live:
        yield Finding("queues", "fine", f"{pending:,} articles wait to be encoded")
    forgotten = store.privacy.unfinished()
    if forgotten:
        what = f"forgetting {len(forgotten)} readers was begun and not finished"
        yield Finding("queues", "act", what, "run `recnews forget USER` again")
    for it in watched(store):
        if it.failures >= _FAILURES:
            what = f"{it.source} has failed {it.failures} times in a row"
            yield Finding("queues", "act", what, "`recnews watch --list` says why")
