"""The map of a home as files to send to somebody: a page with all data inside, and pictures."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from recnews.errors import MissingExtraError, StorageError, UsageError
from recnews.mapping import Topic, Trends
from recnews.mapsheet import page, picture
from recnews.newsroom import Newsroom
from recnews.newsroom.given import aware, zone_of

__all__ = ["Sheets", "check_targets"]


class Sheets:
    """A map as of one time; what hidden, expired and unpublished articles are is not told.

    Raises `NoGenerationError`, `NoMapError`, `DamagedGenerationError`.
    """

    def __init__(self, newsroom: Newsroom, at: datetime | None, lang: str) -> None:
        self._newsroom, self._lang, self.at = newsroom, lang, aware(at)
        self._mapped = newsroom.maps.current()
        self.points = self._mapped.points(self.at)
        self.topics: list[Topic] = self._mapped.topics(self.at)
        self.trends: Trends = newsroom.maps.trends(at=self.at)

    def write_page(self, file: Path) -> int:
        """Write an HTML file that asks nobody for anything; how many articles it holds. Raises `StorageError`."""
        reads = self._newsroom.maps.reads(self.points.ids)
        sheet = page.Sheet(
            self._lang, self.at, self.points, reads, self.topics, self.trends, self._mapped.categories,
            self._newsroom.store.articles.cards(self.points.ids.tolist()),
            zone_of(self._newsroom.settings.ingest.timezone),
        )  # fmt: skip
        _write(file, page.html_of(sheet).encode("utf-8", "replace"))
        return len(self.points.ids)

    def write_picture(self, file: Path) -> int:
        """Write a PNG or SVG, as the file's name ends; how many articles it shows. Raises `StorageError`."""
        _write(file, picture.drawn(self.points, self.topics, self.at, file.suffix.lower()[1:]))
        return len(self.points.ids)


def check_targets(files: Mapping[str, Path | None], lang: str, replace: bool) -> None:
    """Tell what would keep files from being written before anything takes time; `files` are named by their options.

    Raises `UsageError`, `MissingExtraError`.
    """
    if lang not in page.LANGUAGES:
        raise UsageError(f"--lang: {lang!r} is none of {', '.join(page.LANGUAGES)}")
    given = {option: file for option, file in files.items() if file is not None}
    for option, file in given.items():
        suffixes = (".html", ".htm") if option == "--html" else (f".{option.removeprefix('--')}",)
        if file.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {file}: such a file ends in {' or '.join(suffixes)}")
        if not file.parent.is_dir():
            raise UsageError(f"{option} {file}: there is no folder {file.parent}")
        if file.is_dir() or (file.exists() and not replace):
            raise UsageError(f"{option} {file}: exists already; name another file, or add --replace")
    if given.keys() - {"--html"}:
        try:
            import matplotlib  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise MissingExtraError("matplotlib", "map", "a picture") from error


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing."""
    building = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        building.write_bytes(content)
        building.replace(file)
    except OSError as error:
        building.unlink(missing_ok=True)
        raise StorageError(file, f"cannot be written ({error.strerror})", "choose another file") from error
