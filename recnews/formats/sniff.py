"""What kind of XML or HTML a document is, by how it begins."""

import re

from recnews.formats.charset import guess_encoding

_KINDS = {"rss": "feed", "rdf": "feed", "feed": "feed", "urlset": "sitemap", "sitemapindex": "sitemap", "html": "html"}
# Atomic groups: a hostile beginning is looked through once, not once for each way to cut it.
_PROLOG = re.compile(
    r"\ufeff?(?>(?:\s+|<\?(?>.*?\?>)|<!--(?>.*?-->)|<!DOCTYPE\s+(?!html)(?>[^\[>]*+(?:\[.*?\]\s*)?>))*)",
    re.IGNORECASE | re.DOTALL,
)
_ROOT = re.compile(r"<!DOCTYPE\s+(html)|<(?:[\w.-]{1,40}:)?(\w{1,40})", re.IGNORECASE)


def kind_of(head: bytes) -> str:
    """`feed`, `sitemap` or `html`; empty for anything else. `head` is the beginning of a document."""
    text = head.decode(guess_encoding(head), "ignore")
    prolog = _PROLOG.match(text)
    found = _ROOT.match(text, prolog.end() if prolog else 0)
    return _KINDS.get((found[1] or found[2]).lower(), "") if found else ""
