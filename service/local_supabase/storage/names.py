"""Which keys, bucket names, media types and sizes the storage API accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from local_supabase.storage import rejections

EMPTY_FOLDER_PLACEHOLDER = ".emptyFolderPlaceholder"

_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]+")
_BUCKET_NAME = re.compile(r"[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}")
_MIME_PATTERN = re.compile(r"(?:[\w!#$&^.+-]+/(?:\*|[\w!#$&^.+-]+)|\*/\*)", re.ASCII)
_SIZE = re.compile(r"(\d+)(GB|MB|KB|B)?", re.IGNORECASE)
_UNITS = {"GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1, "": 1}
_LONGEST_PATH_PART_BYTES = 255


def check_key(key: str) -> None:
    """Raise StorageRejectedError for a key with a character that is not allowed."""
    if not _KEY.fullmatch(key):
        raise rejections.invalid_key(key)


def check_key_fits(key: str) -> None:
    """Raise StorageRejectedError (500, as the real server) for a key that no disk could hold."""
    if any(len(part) > _LONGEST_PATH_PART_BYTES for part in key.split("/")):
        raise rejections.internal()


def check_bucket_name(name: str) -> None:
    """Raise StorageRejectedError for a bucket name that is not allowed."""
    if not _BUCKET_NAME.fullmatch(name):
        raise rejections.invalid_bucket_name()


def check_mime_patterns(patterns: Sequence[str]) -> None:
    """Raise StorageRejectedError for the first allowed type that is no media type."""
    for pattern in patterns:
        if not _MIME_PATTERN.fullmatch(pattern):
            raise rejections.invalid_mime_type(pattern)


def check_mime_type(mime_type: str, patterns: Sequence[str] | None) -> None:
    """Raise StorageRejectedError for a type that a bucket does not take.

    The comparison is exact, parameters and case included; `audio/*` takes every audio type.
    """
    if patterns and not any(_takes(pattern, mime_type) for pattern in patterns):
        raise rejections.invalid_mime_type(mime_type)


def parse_size_limit(value: object) -> int | None:
    """The bytes of a bucket's `file_size_limit`: a number, `"5MB"`, `"500"`, or null for none."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise rejections.invalid_request(
            "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B"
        )
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def _takes(pattern: str, mime_type: str) -> bool:
    if pattern == "*/*":
        return True
    if pattern.endswith("/*"):
        return mime_type.startswith(pattern[:-1])
    return pattern == mime_type
