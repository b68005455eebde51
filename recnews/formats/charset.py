"""Which encoding a file is in, from its beginning. UTF-8 unless the bytes say otherwise."""

import codecs
import re

from recnews.errors import UsageError

SNIFFED = 256 * 1024
"""Bytes of a file that are looked at."""

_SAMPLE = 16 * 1024
_FEW = 40
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-1": "cp1252",
}
"""Files named after the smaller set often hold characters of the larger one."""

_DECLARED = re.compile(
    rb"""<\?xml[^>]{1,200}?encoding\s*=\s*["']([\w.:-]{2,30})|<meta[^>]{1,200}?charset\s*=\s*["']?([\w.:-]{2,30})""",
    re.IGNORECASE,
)
_NOBODYS_CHOICE = {"ascii", "iso8859-1", "cp1252"}
"""What servers and templates declare by default, whatever is written."""

_PLAUSIBLE = ["gb18030", "big5", "cp950", "cp932", "euc_jp", "cp949", "cp1252", "cp1250", "cp1251"]

_COMMON = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学"
    "法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前"
    "外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系"
    "闻报记者京市场企经济据"
)
"""The commonest characters of simplified Chinese: they make up half of any news text, and next to none of the
noise that another encoding gives when it is read as GB18030."""


def check_encoding(name: str, head: bytes) -> str:
    """The codec to use for an encoding the caller named. Raises `UsageError` if Python has none of that
    name."""
    try:
        codec = codecs.lookup(name)
        b"".decode(name)
    except LookupError as error:
        raise UsageError(f"unknown encoding {name!r}; utf-8, gb18030, big5 and utf-16 are usual") from error
    if codec.name in {"utf-8", "utf-8-sig", "ascii"}:
        return "utf-8"
    if codec.name in {"utf-16", "utf-32"} and not _by_bom(head):
        return f"{codec.name}-le"
    return _WIDER.get(codec.name, codec.name)


def guess_encoding(head: bytes) -> str:
    """The encoding that `head`, the beginning of a file, is most plausibly in; `utf-8` where nothing is.

    A file that is UTF-8 but for some damaged rows stays UTF-8: those rows are rejected, not guessed at.
    """
    if found := _by_bom(head):
        return found
    if head.isascii():
        return "utf-8"
    told = [line for line in _whole_lines(head) if not line.isascii()]
    if _mostly_utf8(told):
        return "utf-8"
    sample = b"\n".join(told)[:_SAMPLE]
    return "gb18030" if _is_chinese_gb(sample) else _by_statistics(sample)


def guess_marked(head: bytes, declared: str = "") -> str:
    """As `guess_encoding`, for XML and HTML: what is `declared`, by the document or whoever sent it, decides where the
    bytes allow it. A declaration is often wrong; that bytes are UTF-8 by chance is not to be feared."""
    found = guess_encoding(head)
    if found == "utf-8" and (head.isascii() or _mostly_utf8(head.split(b"\n"))):
        return found
    said = _DECLARED.search(head[:4096])
    for name in (declared, (said[1] or said[2]).decode() if said else ""):
        try:
            codec = codecs.lookup(name).name
            head.decode(codec, "strict" if len(head) < SNIFFED else "ignore")
        except (LookupError, UnicodeDecodeError):
            continue
        wider = _WIDER.get(codec, codec)
        if codec not in _NOBODYS_CHOICE and not (wider == "gb18030" and not _is_chinese_gb(head)):
            return wider
    return found


def _by_bom(head: bytes) -> str:
    return next((name for bom, name in _BOMS if head.startswith(bom)), "")


def _whole_lines(head: bytes) -> list[bytes]:
    """Lines of `head`; the last is left out when it may be cut, unless it is the only one."""
    told = head.split(b"\n")
    return told[:-1] if len(told) > 1 and len(head) >= SNIFFED else told


def _mostly_utf8(told: list[bytes]) -> bool:
    valid = 0
    for line in told:
        try:
            # Not final: the only line of a file may be cut in the middle of a character.
            codecs.getincrementaldecoder("utf-8")().decode(line)
            valid += 1
        except UnicodeDecodeError:
            pass
    if valid * 2 >= len(told):
        return True
    text = b"\n".join(told)[:_SAMPLE].decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return sum(not character.isascii() for character in text) - bad >= 4 * bad


def _is_chinese_gb(sample: bytes) -> bool:
    text = sample.decode("gb18030", "ignore")
    ideographs = [character for character in text if "\u4e00" <= character <= "\u9fff"]
    if sum(character in _COMMON for character in ideographs) * 5 >= max(1, len(ideographs)):
        return True
    return len(ideographs) < _FEW and _fits_gb2312(sample)


def _fits_gb2312(sample: bytes) -> bool:
    """Whether a text too short for statistics (a headline) can be simplified Chinese, the likeliest guess here."""
    try:
        text = sample.decode("gb2312")
    except UnicodeDecodeError:
        return False
    return not any("\u3040" <= character <= "\u30ff" for character in text)


def _by_statistics(sample: bytes) -> str:
    # Imported here: it costs 30 ms, and almost no file needs it.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_PLAUSIBLE, threshold=0.4, enable_fallback=False).best()
    if best is None:
        return "utf-8"
    name = codecs.lookup(best.encoding).name
    return _WIDER.get(name, name)
