"""API keys: who may ask, who may write, who may do what concerns readers.

A key is 256 random bits, so there is nothing to guess and nothing to stretch: one SHA-256 of it is kept. A slow hash
such as scrypt protects passwords that people choose, and would cost every request more than its feed.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from recnews.errors import StorageError, UsageError

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each may do what those before it may."""
KEYS_FILE = "keys.json"
_FORMAT = 1
_PREFIX = "recnews"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: `sha256` of its text, never the text."""

    id: str
    scope: Scope
    name: str
    created_at: str
    sha256: str

    def allows(self, scope: Scope) -> bool:
        """Whether this key may do what `scope` is needed for."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


class Keys:
    """The keys of a home, in `keys.json`. A change holds in every process at its next question."""

    def __init__(self, home: Path) -> None:
        self.file = home / KEYS_FILE
        self._seen: tuple[int, int, int] | None = None
        self._keys = dict[str, Key]()

    def all(self) -> list[Key]:
        """All keys, oldest first. Raises `StorageError` when the file cannot be read: then nobody is let in."""
        self._follow()
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def create(self, scope: Scope, name: str, now: datetime) -> str:
        """Make a key; returns its text, which cannot be had again. Raises `UsageError`, `StorageError`."""
        if not name.isprintable() or len(name) > _LONGEST_NAME:
            raise UsageError(f"a key's name is printable and has at most {_LONGEST_NAME} characters")
        key_id = secrets.token_hex(4)
        text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        made = Key(key_id, scope, name, now.isoformat(timespec="seconds"), _digest(text))
        with self._changing() as keys:
            keys[key_id] = made
        return text

    def revoke(self, key_id: str) -> Key:
        """Take a key back, by its id. Raises `UsageError` for one that is not there."""
        with self._changing() as keys:
            if key_id not in keys:
                known = ", ".join(keys) or "none"
                raise UsageError(f"no key has the id {key_id!r}; there is {known}")
            return keys.pop(key_id)

    def find(self, text: str) -> Key | None:
        """The key with this text, None when there is none. Compared in constant time."""
        self._follow()
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        # A key that is not there costs the same as one whose text is wrong.
        key = self._keys.get(key_id) if prefix == _PREFIX and secret else None
        right = hmac.compare_digest(_digest(text), "" if key is None else key.sha256)
        return key if right else None

    def _follow(self) -> None:
        """Read the file again when it is another one."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        except OSError as error:
            raise _unreadable(self.file, error) from error
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen != self._seen:
            self._keys, self._seen = _read(self.file), seen

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Key]]:
        """The keys, to be changed, while no other process changes them; then written in one rename."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StorageError(self.file.parent, f"cannot be used ({error.strerror})", "choose another home") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._follow()
            keys = dict(self._keys)
            yield keys
            _write(self.file, keys)
        finally:
            os.close(lock)
        self._seen = None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _read(file: Path) -> dict[str, Key]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        keys = [Key(**values) for values in found["keys"]]
        if found["format"] != _FORMAT or any(key.scope not in SCOPES for key in keys):
            raise ValueError("its format is not known")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(file, error) from error
    return {key.id: key for key in keys}


def _write(file: Path, keys: dict[str, Key]) -> None:
    text = json.dumps({"format": _FORMAT, "keys": [asdict(key) for key in keys.values()]}, indent=2) + "\n"
    fresh = file.with_name(f".{file.name}.new")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "mend that and run it again") from error


def _unreadable(file: Path, error: Exception) -> StorageError:
    return StorageError(file, f"cannot be read ({error})", "mend it, or remove it and make new keys")
