"""Writing into the settings file of a home; what else stands there, comments included, stays."""

from collections.abc import Mapping
from pathlib import Path

from recnews.config import SETTINGS_FILE, load_settings
from recnews.errors import MissingExtraError, StorageError


def update_settings(home: Path, section: str, values: Mapping[str, float]) -> Path:
    """Set values of a section in `recnews.toml`; returns the file. It is replaced in one rename, and only by settings
    that can be read again.

    Raises `SettingsError`, `StorageError`, `MissingExtraError`.
    """
    try:
        import tomlkit
    except ImportError as error:
        raise MissingExtraError("tomlkit", "evaluate", "writing settings") from error
    load_settings(home, {})  # says what is wrong with the file before anything is written
    file = home / SETTINGS_FILE
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8") if file.exists() else "")
        table = document.setdefault(section, tomlkit.table())
        for name, value in values.items():
            table[name] = value
        temporary = file.with_name(f".{SETTINGS_FILE}.new")
        temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "make it a file you may write") from error
    load_settings(home, {})
    return file
