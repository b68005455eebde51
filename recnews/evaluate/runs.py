"""Evaluations that were run in a home: kept with their date, settings and the generation that was live, and read back.

What is kept has no questions in it: they say when somebody came back, and forgetting a reader must not have to look for
that. To compare two runs reader by reader, write both with `--json` and give them to `--compare`.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recnews.config import load_settings
from recnews.errors import StorageError, UsageError
from recnews.generations import Generations
from recnews.metrics import Figure
from recnews.store import STORE_FILE

_FOLDER, _FORMAT = "evaluations", 1
Figures = Mapping[str, Mapping[str, Figure]]
"""Figures by method and measure."""


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation. `at` and `generation` (the live one, which an evaluation does not use: it trains its own) are
    empty for a file that `--json` wrote."""

    name: str
    at: str
    generation: str
    document: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`similarity` or `feeds`."""
        return str(self.document["evaluation"])

    @property
    def about(self) -> str:
        """How it was measured, in a line."""
        if self.kind == "feeds":
            return f"{self.document['protocol']}: {self.document['about']}"
        corpus = self.document["corpus"]
        return f"trained on {corpus['trained_on']:,} articles, asked about {corpus['asked_about']:,}"

    def parts(self) -> dict[str, Figures]:
        """The figures of each view or task."""
        found = self.document["views" if self.kind == "feeds" else "tasks"]
        return {
            part["name"]: {
                it["method"]: {name: _figure(value) for name, value in it["figures"].items()} for it in part["methods"]
            }
            for part in found
        }


def keep(home: Path, document: Mapping[str, Any], at: datetime) -> Path | None:
    """Keep an evaluation in a home; None, and nothing is written, in one without a store. Raises `StorageError`,
    `SettingsError`."""
    if not load_settings(home).store.get_secret_value() and not (home / "corpora" / STORE_FILE).exists():
        return None
    folder = home / "corpora" / _FOLDER
    file = folder / f"{at:%Y%m%dT%H%M%S%f}-{document['evaluation']}.json"
    told = {name: value for name, value in document.items() if name != "questions"}
    live = Generations(home / "indexes").current().live or ""
    kept = {"format": _FORMAT, "at": at.isoformat(timespec="seconds"), "generation": live, "document": told}
    temporary = folder / f".{file.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)  # with a store elsewhere, nothing may be here yet
        temporary.write_text(json.dumps(kept, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "check the rights of the home") from error
    return file


def kept_runs(home: Path) -> list[Run]:
    """The evaluations of a home, the latest first; a file that is none is passed over."""
    found = list[Run]()
    for file in sorted((home / "corpora" / _FOLDER).glob("[0-9]*.json"), reverse=True):
        try:
            found.append(read_run(file))
        except UsageError:
            continue
    return found


def read_run(file: Path) -> Run:
    """A kept evaluation, or what `recnews evaluate … --json FILE` wrote. Raises `UsageError`."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        kept = found if "document" in found else {"format": _FORMAT, "at": "", "generation": "", "document": found}
        run = Run(file.stem, str(kept["at"]), str(kept["generation"]), kept["document"])
        if kept["format"] != _FORMAT or run.kind not in {"feeds", "similarity"}:
            raise ValueError
        _ = run.parts(), run.about
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.strerror if isinstance(error, OSError) else "holds no evaluation"
        raise UsageError(
            f"{file}: cannot be read ({said}); name a file that `recnews evaluate … --json FILE` wrote"
        ) from error
    return run


def _figure(told: Mapping[str, Any]) -> Figure:
    value, low, high = (math.nan if told[name] is None else float(told[name]) for name in ("value", "low", "high"))
    return Figure(value, low, high, int(told["n"]))
