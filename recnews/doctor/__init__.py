"""Is everything there that a home needs to serve? What is found, and what to do about it.

Quick looks from outside, none of which changes anything; `recnews verify` reads the data themselves.
"""

from datetime import datetime
from pathlib import Path

from recnews.config import load_settings
from recnews.doctor import data, machine, wishes
from recnews.doctor.finding import Finding
from recnews.errors import RecnewsError

__all__ = ["Finding", "examine"]


def examine(home: Path, now: datetime) -> list[Finding]:
    """Look at a home at `now`, the present. A part that cannot be looked at is a finding, never an error."""
    found = [*machine.look(home, now)]
    try:
        settings = load_settings(home)
    except RecnewsError as error:
        return [*found, Finding("settings", "act", str(error), "mend that; nothing else was looked at")]
    return [*found, *wishes.look(home, settings), *data.look(home, settings, now)]
