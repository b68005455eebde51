"""Text before it is cut: one form for what readers take for the same characters."""

import re
import unicodedata
from collections.abc import Callable

from recnews.errors import MissingExtraError

# Addresses carry no meaning a reader would share; only ASCII belongs to one, so Chinese right after it stays.
# A name before an @ is tried only from its beginning and never given back, or a long run would take quadratic time.
_ADDRESS = re.compile(
    r"(?:https?://|ftp://|www\.)[\x21-\x7e]+|(?<![a-z0-9._%+-])[a-z0-9._%+-]++@[a-z0-9.-]+\.[a-z]{2,}"
)


# What NFKC leaves alone, or turns from full-width into plain punctuation that parts words in either form.
_PARTED_ALIKE = re.compile(r"[\x00-\x7f\u4e00-\u9fff，。、；：？！（）《》〈〉【】「」“”‘’—\u3000·×±°〇•]*")


def normalize(text: str) -> str:
    """NFKC (full-width letters and digits become plain ones), lower case, no URLs, no e-mail addresses."""
    # NFKC takes as long as cutting the text into words does; most Chinese news needs none of it.
    alike = "//" not in text and _PARTED_ALIKE.fullmatch(text)
    plain = (text if alike else unicodedata.normalize("NFKC", text)).lower()
    if "://" in plain or "www." in plain or "@" in plain:
        return _ADDRESS.sub(" ", plain)
    return plain


def simplifier() -> Callable[[str], str]:
    """A function from traditional to simplified characters, by OpenCC.

    Raises `MissingExtraError` when OpenCC is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise MissingExtraError("opencc", "opencc", "traditional to simplified Chinese") from error
    convert: Callable[[str], str] = OpenCC("t2s").convert
    return convert
