"""Passwords at rest: salted scrypt, slow enough and without a further dependency."""

from __future__ import annotations

import base64
import hashlib
import secrets

_COST = {"n": 2**13, "r": 8, "p": 1}


def hash_password(password: str) -> str:
    """A salted hash to keep; takes some 30 ms of processor time."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_text(salt)}${_text(_digest(password, salt))}"


def matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was hashed; never for a user without a password."""
    if not kept:
        return False
    _, salt, digest = kept.split("$")
    return secrets.compare_digest(
        _digest(password, base64.b64decode(salt)), base64.b64decode(digest)
    )


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
