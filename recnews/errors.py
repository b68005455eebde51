"""Every error recnews raises on purpose. Each composes its message from fields and says what to do next."""

from pathlib import Path
from typing import Self


class RecnewsError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line exits with."""

    exit_code = 1


class UsageError(RecnewsError):
    """The call itself is wrong: an unknown option value, a missing file, two options that exclude each other."""

    exit_code = 2


class SettingsError(UsageError):
    """A settings file or environment variable does not hold what recnews expects."""

    def __init__(self, file: str, field: str, reason: str) -> None:
        self.file, self.field, self.reason = file, field, reason
        super().__init__(f"{file}: setting {field!r}: {reason}")


class MissingExtraError(RecnewsError):
    """A feature needs an optional package that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'recnews[{extra}]'")


class UnreadableFileError(RecnewsError):
    """A file cannot be read at all (as opposed to one bad row in it)."""

    def __init__(self, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file}: {reason}")


class FetchError(RecnewsError):
    """A document could not be fetched. `retry_after` is what the server says about trying again, as it says it."""

    def __init__(self, url: str, reason: str, remedy: str, retry_after: str = "") -> None:
        self.url, self.reason, self.remedy, self.retry_after = url, reason, remedy, retry_after
        super().__init__(f"{url}: {reason}; {remedy}")


class RowError(RecnewsError):
    """One row cannot be taken, and the caller asked to stop at the first such row (`--on-error abort`)."""

    def __init__(self, file: str, line: int, field: str | None, reason: str, remedy: str) -> None:
        self.file, self.line, self.field, self.reason, self.remedy = file, line, field, reason, remedy
        where = f"{file}:{line}" + (f": field {field!r}" if field else "")
        super().__init__(f"{where}: {reason}; {remedy}")


class StorageError(RecnewsError):
    """A folder or the store cannot be written or read; what was there before is intact."""

    def __init__(self, path: Path | str, reason: str, remedy: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{path}: {reason}; {remedy}")


class UnreachableError(StorageError):
    """The server that holds the store does not answer now; the same again may succeed. What was acknowledged before
    is kept, and what fails so was not acknowledged."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason, "try again in a moment")


class SchemaError(RecnewsError):
    """The store was written by a version of recnews that this one does not know."""

    def __init__(self, path: str, found: int, known: int) -> None:
        self.path, self.found, self.known = path, found, known
        super().__init__(
            f"{path}: the store has schema version {found}, this recnews knows up to {known}; install a newer recnews"
        )


class UnknownArticleError(RecnewsError):
    """No stored article has this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"no article has the id {key!r}; `recnews articles list` shows what is stored")


class UnknownWordError(RecnewsError):
    """The live generation has no vector for a word."""

    def __init__(self, word: str, generation: str, pieces: tuple[str, ...]) -> None:
        self.word, self.generation, self.pieces = word, generation, pieces
        cut = f" (cut into {' / '.join(pieces)})" if len(pieces) > 1 else ""
        super().__init__(
            f"generation {generation} has not learned the word {word!r}{cut}: it is rarer than the training minimum, "
            "a stop word, or newer than the last `recnews train`"
        )


class NoGenerationError(RecnewsError):
    """Nothing has been trained yet in this home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"{home}: no generation is live yet; run `recnews train` first")


class NoMapError(RecnewsError):
    """The live generation has no map of its articles. `why` is `off`, `few`, `extra`, or `old` for one that was trained
    by a recnews without maps."""

    def __init__(self, generation: str, why: str) -> None:
        self.generation, self.why = generation, why
        told = {
            "off": "map.enabled was off; switch it on in recnews.toml and run `recnews train`",
            "few": "there were too few articles for one; ingest more and run `recnews train`",
            "extra": "openTSNE was not installed; pip install 'recnews[map]' and run `recnews train`",
        }.get(why, "it was trained without; run `recnews train`")
        super().__init__(f"generation {generation} has no map: {told}")


class UnknownGenerationError(RecnewsError):
    """A generation id that is not on disk."""

    def __init__(self, generation: str, known: tuple[str, ...]) -> None:
        self.generation, self.known = generation, known
        super().__init__(f"no generation {generation!r}; there is {', '.join(known) if known else 'none yet'}")


class DamagedGenerationError(RecnewsError):
    """A generation's files are missing, truncated, altered or of an unknown format."""

    def __init__(self, generation: str, file: Path | str, reason: str) -> None:
        self.generation, self.file, self.reason = generation, str(file), reason
        super().__init__(
            f"generation {generation} is damaged: {file}: {reason}; "
            "`recnews generations rollback` returns to the previous one, `recnews train` builds a new one"
        )


class SharedGenerationError(RecnewsError):
    """A generation that nodes share is not in the store as it should be."""

    def __init__(self, generation: str, place: str, reason: str) -> None:
        self.generation, self.place, self.reason = generation, place, reason
        super().__init__(
            f"generation {generation} cannot be taken from {place}: {reason}; "
            f"`recnews generations promote {generation}` on a node that holds it puts it there again"
        )


class DamagedBackupError(RecnewsError):
    """A backup's files are missing, altered or of an unknown format."""

    def __init__(self, file: Path | str, reason: str) -> None:
        self.file, self.reason = str(file), reason
        super().__init__(f"the backup is damaged: {file}: {reason}; `recnews backups DIR --check` looks at all of them")


class ClusterError(RecnewsError):
    """A Dask cluster cannot be used, or a worker of it is not prepared for what it was asked."""

    def __init__(self, what: str, reason: str, remedy: str) -> None:
        self.what, self.reason, self.remedy = what, reason, remedy
        super().__init__(f"cluster: {what}: {reason}; {remedy}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        return type(self), (self.what, self.reason, self.remedy)


class SealError(RecnewsError):
    """A segment cannot be sealed as asked."""

    def __init__(self, segment: str, reason: str, remedy: str) -> None:
        self.segment, self.reason = segment, reason
        super().__init__(f"segment {segment} is not sealed: {reason}; {remedy}")


class ArchiveError(RecnewsError):
    """The engine that older articles are searched in does not answer, or not as it should."""

    def __init__(self, engine: str, reason: str) -> None:
        self.engine, self.reason = engine, reason
        super().__init__(f"{engine}: {reason}; see that it runs and that `index.archive` in the settings names it")


class TrainingError(RecnewsError):
    """The stored articles do not allow a generation to be trained, or the new one failed its check."""


class BusyError(RecnewsError):
    """Another process holds what this one needs."""

    def __init__(self, what: str, holder: str) -> None:
        self.what, self.holder = what, holder
        super().__init__(f"{what} is held by {holder}; wait for it to end, then run the command again")
