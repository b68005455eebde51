"""Which archive the settings name."""

import re

from recnews.errors import SettingsError
from recnews.index.archive import Archive, ArchiveSettings

FAISS = "faiss"
_POSTGRES = ("postgresql+psycopg://",)
_MILVUS = ("milvus+http://", "milvus+https://")


def open_archive(settings: ArchiveSettings, name: str, dim: int) -> Archive:
    """The archive of the generation `name`, rows of `dim` numbers. Nothing is asked of the engine yet.

    Raises `SettingsError`, `MissingExtraError`.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", settings.prefix) or not re.fullmatch(r"[a-z0-9_]{1,24}", name):
        raise SettingsError("settings", "index.archive_prefix", "is not of lower-case letters, digits and _")
    if settings.url.startswith(_POSTGRES):
        from recnews.index.pgvector import PgvectorArchive

        return PgvectorArchive(settings, name, dim)
    if settings.url.startswith(_MILVUS):
        from recnews.index.milvus import MilvusArchive

        return MilvusArchive(settings, name, dim)
    raise SettingsError("settings", "index.archive", f"begins with none of {', '.join((*_POSTGRES, *_MILVUS))}")
