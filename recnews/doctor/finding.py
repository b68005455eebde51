"""What a look at a home finds."""

from dataclasses import dataclass
from typing import Literal

State = Literal["fine", "note", "act"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and how it is: `fine`, a `note` to know, or something to `act` on with the remedy told."""

    area: str
    state: State
    what: str
    remedy: str = ""
