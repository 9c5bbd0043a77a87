"""Reading an upload's body as it comes: raw bytes or a multipart form, straight to disk."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from local_supabase.storage import rejections
from local_supabase.storage.files import IncomingFile

_LARGEST_FIELD_BYTES = 1_000_000


@dataclass(slots=True)
class Description:
    """What an upload says of itself."""

    mime_type: str
    cache_control: str = "no-cache"
    user_metadata: dict[str, Any] | None = None


Admit = Callable[[str], Awaitable[None]]


async def receive(request: Request, incoming: IncomingFile, admit: Admit) -> Description:
    """Write the body to `incoming`.

    Args:
        request: the upload.
        incoming: takes the bytes and knows the limit.
        admit: called once with the media type, before the first byte is written; raises
            StorageRejectedError to end the upload.
    """
    content_type = request.headers.get("content-type", "")
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        return await _receive_form(request, options.get(b"boundary", b""), incoming, admit)
    return await _receive_raw(request, incoming, admit)


async def _receive_raw(request: Request, incoming: IncomingFile, admit: Admit) -> Description:
    headers = request.headers
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > incoming.limit_bytes:
        raise rejections.too_large()
    description = Description(
        mime_type=headers.get("content-type", "application/octet-stream"),
        cache_control=headers.get("cache-control", "no-cache"),
        user_metadata=_decode_metadata(headers.get("x-metadata", "")),
    )
    await admit(description.mime_type)
    async for chunk in request.stream():
        incoming.write(chunk)
    return description


async def _receive_form(
    request: Request, boundary: bytes, incoming: IncomingFile, admit: Admit
) -> Description:
    mime_type: str | None = None
    fields: dict[str, bytes] = {}
    async for part, chunk in _parts(request, boundary):
        if not part.is_file:
            fields[part.name] = fields.get(part.name, b"") + chunk
            if len(fields[part.name]) > _LARGEST_FIELD_BYTES:
                raise rejections.invalid_request("A field of the form is too long")
            continue
        if mime_type is None:
            mime_type = part.mime_type
            await admit(mime_type)
        incoming.write(chunk)
    if mime_type is None:
        raise rejections.invalid_request("No content provided")
    seconds = fields.get("cacheControl", b"").decode(errors="replace")
    return Description(
        mime_type=mime_type,
        cache_control=f"max-age={seconds}" if seconds else "no-cache",
        user_metadata=_parse_metadata(fields.get("metadata", b"")),
    )


@dataclass(slots=True)
class _Part:
    """One part of a form: a field, or a file when it has a file name."""

    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    is_file: bool = False
    mime_type: str = "application/octet-stream"

    def read_headers(self) -> None:
        _, options = parse_options_header(self.headers.get("content-disposition", b""))
        self.name = options.get(b"name", b"").decode(errors="replace")
        self.is_file = b"filename" in options
        if "content-type" in self.headers:
            kind = self.headers["content-type"].split(b";")[0].strip()
            self.mime_type = kind.decode("latin-1").lower()


class _Form:
    """Collects what the parser's callbacks say during one write."""

    def __init__(self, boundary: bytes) -> None:
        self.found: list[tuple[_Part, bytes]] = []
        self.complete = False
        self._part = _Part()
        self._header_name = b""
        self._header_value = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._name,
                "on_header_value": self._value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._part = _Part()

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._part.headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        self._part.read_headers()
        self.found.append((self._part, b""))  # an empty file is a file, too

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.found.append((self._part, data[start:end]))

    def _end(self) -> None:
        self.complete = True


async def _parts(request: Request, boundary: bytes) -> AsyncIterator[tuple[_Part, bytes]]:
    """The parts of a form, in pieces as they arrive."""
    try:
        form = _Form(boundary)
        async for chunk in request.stream():
            form.parser.write(chunk)
            for piece in form.found:
                yield piece
            form.found.clear()
    except FormParserError as error:
        raise rejections.invalid_request(f"The form is malformed: {error}") from error
    if not form.complete:
        raise rejections.invalid_request("The form ends before its last boundary")


def _decode_metadata(text: str) -> dict[str, Any] | None:
    try:
        return _parse_metadata(base64.b64decode(text, validate=True))
    except binascii.Error:
        return None


def _parse_metadata(text: bytes) -> dict[str, Any] | None:
    """The user's own metadata; what is no JSON object is ignored, as on the real server."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
