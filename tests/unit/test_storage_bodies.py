"""Upload bodies: forms and raw bytes in pieces of any size."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from local_supabase.storage.bodies import Description, receive
from local_supabase.storage.files import Files
from local_supabase.storage.rejections import StorageRejectedError

FORM = {"content-type": "multipart/form-data; boundary=edge"}


def part(headers: str, content: bytes) -> bytes:
    return b"--edge\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, content: str) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', content.encode())


def file(content: bytes, mime_type: str = "audio/mpeg;q=1") -> bytes:
    disposition = 'Content-Disposition: form-data; name=""; filename="blob"'
    return part(f"{disposition}\r\nContent-Type: {mime_type}", content)


END = b"--edge--\r\n"


async def read(
    headers: dict[str, str],
    pieces: list[bytes],
    *,
    dies: bool = False,
    limit_bytes: int = 1000,
    admit: Any = None,
) -> tuple[Description, bytes, list[str]]:
    """What became of a body: its description, the bytes written, the types admitted."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    end = {"type": "http.disconnect"} if dies else {"type": "http.request", "body": b""}
    script = iter([*messages, end])
    admitted: list[str] = []

    async def next_message() -> Any:
        return next(script)

    async def note(mime_type: str) -> None:
        admitted.append(mime_type)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": encoded}, next_message)
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        files.prepare(set())
        with files.receive(limit_bytes) as incoming:
            description = await receive(request, incoming, admit or note)
            incoming.keep()
        with files.open(incoming.version) as content:
            return description, content.read(), admitted


@given(st.binary(max_size=300), st.integers(1, 50))
async def test_a_form_is_read_in_pieces_of_any_size(content: bytes, size: int) -> None:
    body = field("cacheControl", "60") + field("metadata", '{"a": 1}') + file(content) + END
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    description, written, admitted = await read(FORM, pieces)
    assert written == content
    assert admitted == ["audio/mpeg"]
    assert description == Description("audio/mpeg", "max-age=60", {"a": 1})


async def test_fields_may_follow_the_file() -> None:
    body = file(b"a") + field("cacheControl", "60") + END
    description, _, _ = await read(FORM, [body])
    assert description.cache_control == "max-age=60"


async def test_a_file_without_a_type_is_a_stream_of_bytes() -> None:
    body = part('Content-Disposition: form-data; name="f"; filename="x"', b"a") + END
    description, _, _ = await read(FORM, [body])
    assert description == Description("application/octet-stream", "no-cache", None)


@pytest.mark.parametrize(
    "body",
    [
        field("cacheControl", "60") + END,
        file(b"a"),
        file(b"a")[:-10],
        b"nonsense",
        field("metadata", "x" * 1_000_001) + file(b"a") + END,
    ],
    ids=["no file", "no end", "half a file", "no form", "an endless field"],
)
async def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(StorageRejectedError) as caught:
        await read(FORM, [body])
    assert caught.value.reason == "InvalidRequest"


async def test_a_refusal_comes_before_the_first_byte_is_written() -> None:
    async def refuse(_: str) -> None:
        raise StorageRejectedError(403, "", "", "no")

    with pytest.raises(StorageRejectedError, match="no"):
        await read(FORM, [file(b"x" * 500) + END], admit=refuse, limit_bytes=10)


@pytest.mark.parametrize("headers", [FORM, {"content-type": "audio/mpeg"}])
async def test_a_client_that_goes_away_is_noticed(headers: dict[str, str]) -> None:
    with pytest.raises(ClientDisconnect):
        await read(headers, [file(b"a")], dies=True)


async def test_raw_bytes_are_described_by_the_headers() -> None:
    metadata = base64.b64encode(json.dumps({"mood": "calm"}).encode()).decode()
    headers = {"content-type": "audio/mpeg;q=1", "cache-control": "x", "x-metadata": metadata}
    description, written, admitted = await read(headers, [b"con", b"tent"])
    assert (written, admitted) == (b"content", ["audio/mpeg;q=1"])
    assert description == Description("audio/mpeg;q=1", "x", {"mood": "calm"})


@pytest.mark.parametrize("metadata", ["%%%", "YQ==", "W10="])
async def test_metadata_that_is_no_object_is_ignored(metadata: str) -> None:
    description, _, _ = await read({"x-metadata": metadata}, [b"a"])
    assert description == Description("application/octet-stream", "no-cache", None)


async def test_a_raw_body_announced_too_long_is_refused_before_anything_else() -> None:
    async def never(_: str) -> None:
        raise AssertionError

    with pytest.raises(StorageRejectedError) as caught:
        await read({"content-length": "11"}, [b"x" * 11], limit_bytes=10, admit=never)
    assert caught.value.status == 413


@pytest.mark.parametrize("body", [file(b"x" * 11) + END, b"x" * 11])
async def test_a_body_that_turns_out_too_long_is_refused(body: bytes) -> None:
    headers = FORM if body.startswith(b"--") else {}
    with pytest.raises(StorageRejectedError) as caught:
        await read(headers, [body], limit_bytes=10)
    assert caught.value.status == 413
