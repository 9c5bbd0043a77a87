"""Text that came from elsewhere, made fit for a log, a row and a terminal."""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from urllib.parse import quote, urlsplit

LONGEST_TEXT = 300
_LONGEST_READ = 10_000  # more of a text is not even looked at
_SHORTEST_SECRET = 8  # a shorter value would be found in ordinary words
_STAND_IN = "(a key)"
# Some proxies answer with the request that they refused, and our keys are in its headers.
_KEYS = re.compile(
    r"bearer\S*\s*\S+|sb_secret_\S+|eyJ\S+|api_?key=[^\s&]+|(?<=://)[^\s/@]+@",
    re.IGNORECASE,
)
# No scheme is longer; without a bound each letter of a long word would be a beginning to try.
_ADDRESS = re.compile(r"[a-z0-9+.-]{0,30}://\S*", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>|[<>]")
_secrets: set[str] = set()


def keep_secret(value: str) -> None:
    """From now on this very value is shown by nothing here, in none of its usual forms."""
    if len(value) >= _SHORTEST_SECRET and value not in _secrets:
        _secrets.add(value)
        _pattern.cache_clear()


def without_secrets(text: str) -> str:
    """The text with every kept secret replaced, and nothing else changed."""
    pattern = _pattern()
    return pattern.sub(_STAND_IN, text) if pattern else text


def holds_secret(text: str) -> bool:
    """Whether a kept secret is in it."""
    return without_secrets(text) != text


def plain(text: str, limit: int = LONGEST_TEXT) -> str:
    """One printable line of at most so many characters, without anything like a key in it."""
    words = " ".join(text.split())
    line = "".join(c for c in words if c.isprintable())
    # Our own keys first, so that none is cut in two and half of it left.
    line = _KEYS.sub(_STAND_IN, without_secrets(line)[:_LONGEST_READ])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def spoken(text: str, limit: int = LONGEST_TEXT) -> str:
    """What a stranger said, for people to read: `plain`, and no markup and no address in it."""
    words = _ADDRESS.sub("(an address)", plain(text, len(text)))
    return plain(_TAG.sub(" ", words), limit)


def address(url: str) -> str:
    """A URL as it may be shown: without user name, password and query."""
    try:
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "(an address that cannot be read)"
    return plain(shown)


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str] | None:
    forms = {form for secret in _secrets for form in _forms(secret)}
    # The longest first: one form may begin as another does.
    by_length = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, by_length)), re.IGNORECASE) if by_length else None


def _forms(secret: str) -> set[str]:
    """The value as it is, in a URL, in JSON, in hexadecimal and in base64 at each alignment."""
    content = secret.encode()
    every_byte = "".join(f"%{byte:02x}" for byte in content)
    every_unit = "".join(f"\\u{ord(c):04x}" for c in secret)
    forms = {secret, quote(secret, safe=""), every_byte, every_unit, content.hex()}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/")}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content).decode()
        # What is told by the neighbours' bits as well is left out at both ends.
        core = encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        forms |= {core, core.translate(str.maketrans("+/", "-_"))}
    return forms
