"""Text that came from elsewhere, made fit for a log, a row and a terminal."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST_TEXT = 300
# Some proxies answer with the request that they refused, and our keys are in its headers.
_KEYS = re.compile(
    r"bearer\S*\s*\S+|sb_secret_\S+|eyJ\S+|api_?key=[^\s&]+|(?<=://)[^\s/@]+@",
    re.IGNORECASE,
)


def plain(text: str, limit: int = LONGEST_TEXT) -> str:
    """One printable line of at most so many characters, without anything like a key in it."""
    words = " ".join(text.split())
    line = "".join(c for c in words if c.isprintable())
    return _KEYS.sub("(a key)", line)[:limit]


def address(url: str) -> str:
    """A URL as it may be shown: without user name, password and query."""
    try:
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "(an address that cannot be read)"
    return plain(shown)
