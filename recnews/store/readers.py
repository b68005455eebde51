"""How the ids of readers are kept: as they come, or as keyed hashes."""

import re
from hashlib import blake2b

_HASHED = re.compile(r"keyed:[0-9a-f]{40}")


class ReaderIds:
    """Turns the id of a reader into what the store keeps of it. Everything that takes an id into the store or looks one
    up goes through here.

    With a key it is a hash that only who has the key can tell from an id. A hash stays as it is, so that what was read
    from the store can be asked for again. Without a key ids are kept as they are.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    def __call__(self, user_id: str) -> str:
        """What is kept of an id."""
        if self._key is None or _HASHED.fullmatch(user_id):
            return user_id
        return f"keyed:{blake2b(user_id.encode(), key=self._key, digest_size=20).hexdigest()}"

    def note(self, user_id: str) -> str:
        """What is kept of one who was forgotten: a hash of the id's hash, which the store had so far, by the key."""
        return f"forgotten:{blake2b(b'forgotten ' + self(user_id).encode(), key=self._key or b'').hexdigest()[:40]}"

    @property
    def fingerprint(self) -> bytes | None:
        """What tells this key from another one and does not tell the key; None without one."""
        return None if self._key is None else blake2b(b"recnews readers", key=self._key, digest_size=16).digest()
