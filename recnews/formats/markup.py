"""HTML as the plain text a reader sees."""

import re
from typing import Any

from recnews.errors import MissingExtraError

_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "br", "caption", "center", "dd", "details", "dialog", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "li", "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "td", "th", "title", "tr", "ul",
))  # fmt: skip
_UNSEEN = ("head", "iframe", "noscript", "object", "script", "style", "template")
_MARKED = re.compile(r"<[!/A-Za-z]|&[#\w]")
_BLANK = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r" ?\n[\n ]*")


def plain_text(markup: str) -> str:
    """The text of a piece of HTML: a line a block, with no script, style or comment. Text without tags stays.

    Raises `MissingExtraError` without lxml.
    """
    if not _MARKED.search(markup):
        return _tidied(markup)
    tree = parsed(f"<div>{markup}</div>", "feeds", "reading the text of an entry")
    return "" if tree is None else text_of(tree)


def text_of(tree: Any) -> str:
    """The text of a parsed piece of HTML, as `plain_text`."""
    from lxml import etree

    etree.strip_elements(tree, *_UNSEEN, with_tail=False)
    parts: list[str] = []
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        if element.tag in _BLOCKS:
            parts.append("\n")
        text = element.text if event == "start" else element.tail
        if text:
            parts.append(_BLANK.sub(" ", text.replace("\n", " ")))
    return _tidied("".join(parts))


def parsed(document: str, extra: str, purpose: str) -> Any:
    """The tree of an HTML document, None where there is nothing in it. It never reaches out to a network or a file."""
    try:
        from lxml import etree, html
    except ImportError as error:
        raise MissingExtraError("lxml", extra, purpose) from error

    # As bytes, with the encoding said: what the document itself says about it no longer holds.
    reader = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(document.encode("utf-8", "replace"), reader)
    except etree.XMLSyntaxError:
        return None


def _tidied(text: str) -> str:
    return _EMPTY_LINES.sub("\n", _BLANK.sub(" ", text)).strip()
