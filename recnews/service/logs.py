"""The service's log: a line of JSON for each thing that happened, on standard error.

It names routes, never paths: an id of a reader or an article is in it only when that was asked for (`--log-ids`), and a
body never.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_log = logging.getLogger("recnews.service")


class JsonLines(logging.Formatter):
    """A record as one line of JSON. `with_ids` lets messages of errors through, which may hold ids."""

    def __init__(self, with_ids: bool) -> None:
        super().__init__()
        self._with_ids = with_ids

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "worker": os.getpid(),
            "event": getattr(record, "event", "message"),
        }
        fields = getattr(record, "fields", None)
        line |= {"message": record.getMessage()} if fields is None else fields
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)

    def _told(self, error: BaseException) -> dict[str, Any]:
        frames = traceback.extract_tb(error.__traceback__)
        told: dict[str, Any] = {
            "kind": type(error).__qualname__,
            "at": [f"{frame.filename.rpartition('recnews')[2]}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
        }
        return told | ({"says": str(error)} if self._with_ids else {})


def set_up(with_ids: bool) -> None:
    """Send the logs of recnews and of uvicorn through one handler. Call it once a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(with_ids))
    for name in ("recnews", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], name == "uvicorn.error"
    for name in ("recnews", "uvicorn"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)


def tell(event: str, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Write one line."""
    if _log.isEnabledFor(level):
        _log.log(level, event, extra={"event": event, "fields": fields}, exc_info=error)
