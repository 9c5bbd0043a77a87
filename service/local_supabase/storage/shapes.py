"""Rows of storage.objects as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from local_supabase.storage.downloads import timestamp
from local_supabase.storage.objects import Row

_HIDDEN = frozenset({"path_tokens"})


def object_shape(row: Row) -> dict[str, Any]:
    """A row, or what was selected of it, as JSON."""
    return {name: _plain(value) for name, value in row.items() if name not in _HIDDEN}


def info_shape(row: Row) -> dict[str, Any]:
    """The answer of `info`."""
    metadata = row["metadata"]
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "version": row["version"],
        "bucket_id": row["bucket_id"],
        "size": metadata["size"],
        "content_type": metadata["mimetype"],
        "cache_control": metadata["cacheControl"],
        "etag": metadata["eTag"],
        "metadata": row["user_metadata"],
        "last_modified": timestamp(row["updated_at"]),
        "created_at": timestamp(row["created_at"]),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return str(value) if isinstance(value, UUID) else value
