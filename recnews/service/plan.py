"""What `recnews serve` hands to its workers.

Apart from the application: the parent of several workers makes it, and must not load what counts. It would be taken for
a worker that answers from no generation.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field

PLAN_VARIABLE = "RECNEWS_SERVE_PLAN"


@dataclass(frozen=True, slots=True)
class Plan:
    """What `recnews serve` hands to each worker. `secret` signs the sessions of browsers: all workers have the
    same, and it is gone with them. `folder` is for what lives no longer than this run."""

    home: str
    folder: str
    host: str = "127.0.0.1"
    log_ids: bool = False
    parent: int = 0
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def export(self) -> None:
        """Leave it in the environment, for the workers."""
        os.environ[PLAN_VARIABLE] = json.dumps(asdict(self))
