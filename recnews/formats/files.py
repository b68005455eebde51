"""Which files an ingest reads: paths and folders become a list of `Source`s, in an order that never
changes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recnews.errors import UnreadableFileError, UsageError
from recnews.formats.base import ReadOptions

FORMATS = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
}
"""Suffix (and `--format`) to format."""

STDIN = "<stdin>"
_KNOWN = ", ".join(f".{suffix}" for suffix in FORMATS) + ", each also with .gz"


@dataclass(frozen=True, slots=True)
class Source:
    """One input. `name` is what reports call it, `path` is None for standard input, `size` is in bytes on
    disk."""

    name: str
    path: Path | None
    format: str
    gzip: bool = False
    size: int = 0
    regular: bool = False


def find_files(paths: Sequence[str | Path], options: ReadOptions | None = None) -> list[Source]:
    """The inputs that `paths` name: files, folders (recursive, sorted, without hidden files) and `-` for
    standard input.

    A file reached twice is listed once. Raises `UsageError` for a missing file, an unknown suffix or a
    folder with nothing to read in it, `UnreadableFileError` for a file or folder that may not be read.
    """
    asked = _asked_format((options or ReadOptions()).format)
    found: dict[str, Source] = {}
    for path in paths:
        if str(path) == "-":
            found.setdefault("-", Source(STDIN, None, asked or "jsonl"))
            continue
        for source in _sources(Path(path), asked):
            found.setdefault(os.path.realpath(source.name), source)
    if not found:
        raise UsageError("no input: name files, folders or - for standard input")
    return list(found.values())


def _asked_format(name: str) -> str:
    if name and name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS.get(name, "")


def _sources(path: Path, asked: str) -> list[Source]:
    if path.is_dir():
        listed = [_source(file, format_, gzip) for file, format_, gzip in _walk(path)]
        if not listed:
            raise UsageError(f"{path}: the folder holds no file to read; known are {_KNOWN}")
        return listed
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    format_, gzip = _by_suffix(path.name)
    if not format_ and not asked:
        raise UsageError(
            f"{path}: unknown kind of file; known are {_KNOWN}; --format names it where the suffix does not"
        )
    return [_source(path, format_ or asked, gzip)]


def _walk(folder: Path) -> Iterator[tuple[Path, str, bool]]:
    def stop(error: OSError) -> None:
        raise UnreadableFileError(str(error.filename), f"cannot be listed ({error.strerror})") from error

    for parent, folders, files in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            format_, gzip = _by_suffix(name)
            if format_ and not name.startswith("."):
                yield Path(parent, name), format_, gzip


def _by_suffix(name: str) -> tuple[str, bool]:
    """Format (empty if unknown) and whether the file is compressed, by its name."""
    lower = name.lower()
    gzip = lower.endswith(".gz")
    _, dot, suffix = lower.removesuffix(".gz").rpartition(".")
    return (FORMATS.get(suffix, "") if dot else ""), gzip


def _source(path: Path, format_: str, gzip: bool) -> Source:
    # Asked now, so that one closed file among a thousand is told before the first row goes in.
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UnreadableFileError(str(path), "may not be read: missing, or no permission")
    regular = path.is_file()
    return Source(str(path), path, format_, gzip, path.stat().st_size if regular else 0, regular)
