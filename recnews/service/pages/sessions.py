"""Who is signed in, and which forms are our own.

A session is a signed cookie, so that any worker can tell it: the id of the key that was given, until when it holds, and
a signature. The secret lives as long as the service does and is nowhere on the disk; the key itself is in no cookie. A
key that is revoked takes its sessions along.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from recnews.service.keys import Key, Keys

SESSION_SECONDS = 12 * 3600
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Sessions:
    """Makes and reads session cookies and form tokens. Times are in seconds since the epoch."""

    secret: bytes
    keys: Keys

    def begin(self, key: Key, now: float) -> str:
        """The cookie of a new session."""
        text = f"{key.id}.{int(now) + SESSION_SECONDS:x}.{secrets.token_hex(8)}"
        return f"{text}.{self._sign('session', text, key.sha256)}"

    def key(self, cookie: str, now: float) -> Key | None:
        """The key of a session; None when it is over, or was never given."""
        text, _, signature = cookie[:_LONGEST].rpartition(".")
        key_id, _, rest = text.partition(".")
        ends, _, _ = rest.partition(".")
        key = next((key for key in self.keys.all() if key.id == key_id), None)
        right = hmac.compare_digest(signature.encode(), self._sign("session", text, key.sha256 if key else "").encode())
        try:
            return key if right and int(ends, 16) > now else None
        except ValueError:
            return None

    def form_token(self, visit: str, session: str) -> str:
        """What a form must send along, for the cookie of a visit and that of a session."""
        return self._sign("form", visit, session)

    def is_form_token(self, token: str, visit: str, session: str) -> bool:
        """Whether a form was given to this very visit."""
        right = self.form_token(visit, session)
        return bool(visit) and hmac.compare_digest(token.encode(errors="replace"), right.encode())

    def _sign(self, *parts: str) -> str:
        told = "".join(f"{len(part)}:{part}" for part in parts).encode(errors="replace")
        return hmac.new(self.secret, told, hashlib.sha256).hexdigest()
