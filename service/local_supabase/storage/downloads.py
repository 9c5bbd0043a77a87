"""Serving a stored file: headers, conditions, ranges, and the bytes in pieces."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local_supabase.storage import rejections
from local_supabase.storage.objects import Row

_PIECE_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included, of a file of `size_bytes`."""

    first: int
    last: int
    size_bytes: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.first}-{self.last}/{self.size_bytes}"


def span_of(header: str | None, size_bytes: int) -> Span | None:
    """The bytes that a Range header names, None without one; raises StorageRejectedError 416."""
    if header is None:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        raise rejections.invalid_range()
    first, last = match.groups()
    if not first:
        span = Span(max(0, size_bytes - int(last)), size_bytes - 1, size_bytes)
    else:
        end = min(int(last), size_bytes - 1) if last else size_bytes - 1
        span = Span(int(first), end, size_bytes)
    if span.length <= 0:
        raise rejections.invalid_range()
    return span


def is_unchanged(headers: Headers, etag: str, last_modified: datetime) -> bool:
    """Whether a conditional request may be answered 304.

    `last_modified` counts with its fraction, so that a client which sends back the whole seconds
    of the header gets the content again, as from the real server.
    """
    tags = headers.get("if-none-match")
    if tags is not None:
        return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in tags.split(","))
    since = headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return parsedate_to_datetime(since) >= last_modified
    except (TypeError, ValueError):
        return False


def answer(
    request: Request, row: Row, content: BinaryIO, *, expires_at: datetime | None = None
) -> Response:
    """The answer to GET or HEAD of an object.

    Args:
        request: may have the headers Range, If-None-Match, If-Modified-Since and the parameter
            `download`.
        row: of storage.objects.
        content: the open file; the answer closes it.
        expires_at: for a signed URL; takes the place of Cache-Control.
    """
    metadata = row["metadata"]
    last_modified = datetime.fromisoformat(metadata["lastModified"])
    headers = _headers(request, metadata, last_modified, expires_at)
    try:
        if is_unchanged(request.headers, metadata["eTag"], last_modified):
            content.close()
            return Response(status_code=304, headers=headers)
        span = span_of(request.headers.get("range"), metadata["size"])
    except rejections.StorageRejectedError:
        content.close()
        raise
    if span is not None:
        headers["content-range"] = span.content_range
    whole = Span(0, metadata["size"] - 1, metadata["size"])
    headers["content-type"] = _safe_type(metadata["mimetype"])
    return FileAnswer(content, span or whole, 200 if span is None else 206, headers)


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as JavaScript writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FileAnswer(Response):
    """Sends a part of an open file in pieces, then closes it."""

    def __init__(
        self, content: BinaryIO, span: Span, status_code: int, headers: dict[str, str]
    ) -> None:
        super().__init__(
            status_code=status_code, headers={**headers, "content-length": str(span.length)}
        )
        self._content = content
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a HEAD request gets the headers only."""
        with self._content:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            left = 0 if scope["method"] == "HEAD" else self._span.length
            self._content.seek(self._span.first)
            while left > 0:
                piece = await asyncio.to_thread(self._content.read, min(left, _PIECE_BYTES))
                if not piece:
                    return  # the file is shorter than its row says: let the connection break
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(
    request: Request, metadata: Row, last_modified: datetime, expires_at: datetime | None
) -> dict[str, str]:
    headers = {
        "accept-ranges": "bytes",
        "etag": metadata["eTag"],
        "last-modified": format_datetime(last_modified, usegmt=True),
        "x-robots-tag": "none",
    }
    if expires_at is None:
        headers["cache-control"] = metadata["cacheControl"]
    else:
        headers["expires"] = format_datetime(expires_at, usegmt=True)
    download = request.query_params.get("download")
    if download == "":
        headers["content-disposition"] = "attachment;"
    elif download is not None:
        name = quote(download, safe="!'()*-._~")
        headers["content-disposition"] = f"attachment; filename={name}; filename*=UTF-8''{name}"
    return headers


def _safe_type(mime_type: str) -> str:
    return "text/plain" if "text/html" in mime_type else mime_type
