"""Which files an ingest reads: paths and folders become a list of `Source`s, in an order that never
changes."""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from gzip import open as gzip_open
from pathlib import Path

from recnews.errors import UnreadableFileError, UsageError
from recnews.formats.base import ReadOptions
from recnews.formats.sniff import kind_of

FORMATS = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "feed": "feed",
    "rss": "feed",
    "atom": "feed",
    "rdf": "feed",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "sitemap": "sitemap",
}
"""Suffix (and `--format`) to format."""

MARKED = frozenset({"feed", "html", "sitemap"})
"""Formats that hold articles only, never events."""

STDIN = "<stdin>"
_XML = "xml"  # says nothing: the content does
_SNIFFED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One input. `name` is what reports call it, `path` is None for standard input and for `data`, which is in memory;
    `size` is in bytes on disk. `address` is where it was fetched from, `declared` the encoding it came under."""

    name: str
    path: Path | None
    format: str
    gzip: bool = False
    size: int = 0
    regular: bool = False
    data: bytes | None = None
    address: str = ""
    declared: str = ""


def find_files(paths: Sequence[str | Path], options: ReadOptions | None = None, articles: bool = True) -> list[Source]:
    """The inputs that `paths` name: files, folders (recursive, sorted, without hidden files) and `-` for
    standard input. Without `articles`, formats that hold only these are none.

    A file reached twice is listed once. Raises `UsageError` for a missing file, an unknown suffix or a
    folder with nothing to read in it, `UnreadableFileError` for a file or folder that may not be read.
    """
    asked = _asked_format((options or ReadOptions()).format, articles)
    found: dict[str, Source] = {}
    for path in paths:
        if str(path) == "-":
            found.setdefault("-", Source(STDIN, None, asked or "jsonl"))
            continue
        for source in _sources(Path(path), asked, articles):
            found.setdefault(os.path.realpath(source.name), source)
    if not found:
        raise UsageError("no input: name files, folders or - for standard input")
    return list(found.values())


def files_in(folder: Path, articles: bool = True) -> list[Source]:
    """What `find_files` lists of a folder; empty where it holds nothing to read."""
    # A sitemap lists pages of its own folder: they are read as they lie there, once.
    return [
        _source(file, format_, gzip)
        for file, format_, gzip in _walk(folder, articles)
        if format_ != "sitemap" and (articles or format_ not in MARKED)
    ]


def _known(articles: bool) -> str:
    suffixes = [suffix for suffix, format_ in FORMATS.items() if articles or format_ not in MARKED]
    return ", ".join(f".{suffix}" for suffix in [*suffixes, *([_XML] if articles else [])]) + ", each also with .gz"


def _asked_format(name: str, articles: bool) -> str:
    known = [suffix for suffix, format_ in FORMATS.items() if articles or format_ not in MARKED]
    if name and name not in known:
        raise UsageError(f"unknown format {name!r}; known are {', '.join(known)}")
    return FORMATS.get(name, "")


def _sources(path: Path, asked: str, articles: bool) -> list[Source]:
    if path.is_dir():
        if listed := files_in(path, articles):
            return listed
        raise UsageError(f"{path}: the folder holds no file to read; known are {_known(articles)}")
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    format_, gzip = _by_suffix(path.name)
    if not format_ and not asked and articles and path.is_file():
        format_ = _by_content(path, gzip)
    if not format_ and not asked:
        raise UsageError(
            f"{path}: unknown kind of file; known are {_known(articles)}; --format names it where the suffix does not"
        )
    if format_ in MARKED and not articles:
        raise UsageError(f"{path}: holds articles, not events; give it to `recnews ingest`")
    return [_source(path, format_ or asked, gzip)]


def _walk(folder: Path, articles: bool) -> Iterator[tuple[Path, str, bool]]:
    def stop(error: OSError) -> None:
        raise UnreadableFileError(str(error.filename), f"cannot be listed ({error.strerror})") from error

    for parent, folders, files in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            format_, gzip = _by_suffix(name)
            if articles and _suffix(name) == _XML:
                format_ = _by_content(Path(parent, name), gzip)
            if format_:
                yield Path(parent, name), format_, gzip


def _suffix(name: str) -> str:
    _, dot, suffix = name.lower().removesuffix(".gz").rpartition(".")
    return suffix if dot else ""


def _by_suffix(name: str) -> tuple[str, bool]:
    """Format (empty if unknown) and whether the file is compressed, by its name."""
    return FORMATS.get(_suffix(name), ""), name.lower().endswith(".gz")


def _by_content(path: Path, gzip: bool) -> str:
    """The format of XML and HTML, by how it begins; empty for anything else, and for what cannot be read."""
    try:
        with gzip_open(path) if gzip else path.open("rb") as file:
            return kind_of(file.read(_SNIFFED))
    except (OSError, EOFError, zlib.error):
        return ""


def _source(path: Path, format_: str, gzip: bool) -> Source:
    # Asked now, so that one closed file among a thousand is told before the first row goes in.
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UnreadableFileError(str(path), "may not be read: missing, or no permission")
    regular = path.is_file()
    return Source(str(path), path, format_, gzip, path.stat().st_size if regular else 0, regular)
