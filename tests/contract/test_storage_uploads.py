"""Uploads: what is stored, what is refused, and in which order it is looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from storage3 import AsyncStorageClient

from tests.support.storage import MakeBucket, refusal, refused


async def test_an_upload_answers_its_key_and_id(http: httpx.AsyncClient, bucket: str) -> None:
    answer = await http.post(f"object/{bucket}/d/a.txt", content=b"a")
    assert answer.status_code == 200
    assert answer.json()["Key"] == f"{bucket}/d/a.txt"
    assert len(answer.json()["Id"]) == 36


async def test_the_official_client_uploads_bytes_paths_and_open_files(
    service_client: AsyncStorageClient, bucket: str, tmp_path: Path
) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(bytes(range(256)) * 1000)
    files = service_client.from_(bucket)
    answer = await files.upload("a/bytes.mp3", path.read_bytes(), {"content-type": "audio/mpeg"})
    assert (answer.path, answer.full_path) == ("a/bytes.mp3", f"{bucket}/a/bytes.mp3")
    await files.upload("a/path.mp3", path, {"content-type": "audio/mpeg"})
    with path.open("rb") as file:
        await files.upload("a/file.mp3", file, {"content-type": "audio/mpeg"})
    for key in ("a/bytes.mp3", "a/path.mp3", "a/file.mp3"):
        assert await files.download(key) == path.read_bytes()
        info = await files.info(key)
        assert (info["size"], info["content_type"]) == (256_000, "audio/mpeg")
        assert info["etag"] == f'"{hashlib.md5(path.read_bytes()).hexdigest()}"'


async def test_what_the_client_says_of_a_file_is_kept(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, bucket: str
) -> None:
    await service_client.from_(bucket).upload(
        "a.txt", b"a", {"cache-control": "60", "metadata": {"mood": "calm"}}
    )
    info = await service_client.from_(bucket).info("a.txt")
    assert info["cache_control"] == "max-age=60"
    assert info["content_type"] == "text/plain"
    assert info["metadata"] == {"mood": "calm"}
    await service_client.from_(bucket).upload("b.txt", b"b", {"cache-control": "max-age=60"})
    answer = await http.get(f"object/public/{bucket}/b.txt")
    assert answer.headers["cache-control"] == "max-age=max-age=60"


async def test_an_existing_key_is_refused_unless_upsert_is_exactly_true(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, bucket: str
) -> None:
    files = service_client.from_(bucket)
    await files.upload("a.txt", b"one")
    first = await files.info("a.txt")
    assert await refusal(files.upload("a.txt", b"two")) == ("409", "Duplicate")
    assert await refusal(files.upload("a.txt", b"two", {"upsert": "True"})) == ("409", "Duplicate")
    answer = await http.post(f"object/{bucket}/a.txt", content=b"two")
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "409",
        "error": "Duplicate",
        "code": "KeyAlreadyExists",
        "message": "The resource already exists",
    }
    assert await files.download("a.txt") == b"one"
    await files.upload("a.txt", b"three", {"upsert": "true"})
    second = await files.info("a.txt")
    assert await files.download("a.txt") == b"three"
    assert second["id"] == first["id"]
    assert second["version"] != first["version"]


async def test_an_update_of_a_missing_object_creates_it(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    await service_client.from_(bucket).update("new.txt", b"new")
    assert await service_client.from_(bucket).download("new.txt") == b"new"


async def test_the_size_limit_is_exact(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, make_bucket: MakeBucket
) -> None:
    limited = await make_bucket(public=True, file_size_limit=1000)
    files = service_client.from_(limited)
    await files.upload("fits.bin", b"x" * 1000)
    assert await refusal(files.upload("big.bin", b"x" * 1001)) == ("413", "Payload too large")
    for key in ("big.bin", "fits.bin"):  # by its length, before anything else is looked at
        answer = await http.post(f"object/{limited}/{key}", content=b"x" * 1001)
        assert answer.status_code == 400
        assert answer.json()["code"] == "EntityTooLarge"
        assert answer.json()["message"] == "The object exceeded the maximum allowed size"
    assert [row["name"] for row in await files.list()] == ["fits.bin"]


async def test_a_big_refused_upload_leaves_the_connection_usable(
    service_client: AsyncStorageClient, make_bucket: MakeBucket
) -> None:
    limited = await make_bucket(file_size_limit=1000)
    files = service_client.from_(limited)
    for _ in range(3):
        assert await refusal(files.upload("b", b"x" * 3_000_000)) == ("413", "Payload too large")
    assert await files.list() == []


async def test_only_the_buckets_own_types_are_taken(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, make_bucket: MakeBucket
) -> None:
    strict = await make_bucket(allowed_mime_types=["audio/mpeg", "text/plain"])
    files = service_client.from_(strict)
    await files.upload("a.mp3", b"a", {"content-type": "audio/mpeg"})
    await files.upload("a.txt", b"a")  # text/plain;charset=UTF-8 loses its parameter in the form
    await files.upload("b.mp3", b"a", {"content-type": "AUDIO/MPEG"})  # lower case in a form
    error = await refused(files.upload("a.pdf", b"a", {"content-type": "application/pdf"}))
    assert (error.status, error.code) == ("415", "invalid_mime_type")
    assert error.message == "mime type application/pdf is not supported"
    answer = await http.post(
        f"object/{strict}/raw.mp3", content=b"a", headers={"content-type": "AUDIO/MPEG"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidMimeType")
    answer = await http.post(
        f"object/{strict}/raw.txt",
        content=b"a",
        headers={"content-type": "text/plain;charset=UTF-8"},
    )
    assert answer.json()["code"] == "InvalidMimeType"


async def test_a_missing_bucket_is_not_found(
    service_client: AsyncStorageClient, anonymous_client: AsyncStorageClient
) -> None:
    for client in (service_client, anonymous_client):
        call = client.from_("contract-missing").upload("a.txt", b"a")
        assert await refusal(call) == ("404", "Bucket not found")


@pytest.mark.parametrize("character", [*"#%[]{}|\\~^", "é"])
async def test_keys_have_only_allowed_characters(
    http: httpx.AsyncClient, bucket: str, character: str
) -> None:
    path = httpx.URL(f"{http.base_url}object/{bucket}/").copy_with(
        raw_path=f"/storage/v1/object/{bucket}/".encode() + quoted(f"a{character}.txt")
    )
    answer = await http.post(path, content=b"a")
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "400",
        "error": "InvalidKey",
        "code": "InvalidKey",
        "message": f"Invalid key: a{character}.txt",
    }


def quoted(text: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in text.encode()).encode()


async def test_keys_may_have_spaces_and_punctuation(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    files = service_client.from_(bucket)
    for key in ("a b.txt", "!.*'() &$@=;:+,-_.txt", "what?.txt"):
        await files.upload(key, key.encode())
        assert await files.download(key) == key.encode()
    await files.upload("x%20y.txt", b"decoded")
    assert await files.download("x y.txt") == b"decoded"


async def test_the_client_tidies_keys_before_it_sends_them(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    files = service_client.from_(bucket)
    await files.upload("/a//b.txt", b"tidy")
    assert await files.download("a/b.txt") == b"tidy"
    with pytest.raises(ValueError, match="dot segments"):
        await files.upload("../x.txt", b"x")


async def test_the_client_takes_its_options_only_in_their_own_spelling(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    files = service_client.from_(bucket)
    misspelt: Any = {"contentType": "audio/mpeg"}
    await files.upload("a.txt", b"a", misspelt)
    assert (await files.info("a.txt"))["content_type"] == "text/plain"
    wrong: Any = {"upsert": True}
    with pytest.raises(AttributeError):
        await files.upload("a.txt", b"a", wrong)


async def test_a_key_too_long_for_a_file_system_is_an_internal_error(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    assert await refusal(service_client.from_(bucket).upload("k" * 1100, b"a")) == (
        "500",
        "Internal",
    )


async def test_an_empty_folder_placeholder_is_empty(
    service_client: AsyncStorageClient, bucket: str
) -> None:
    files = service_client.from_(bucket)
    await files.upload("folder/.emptyFolderPlaceholder", b"")
    call = files.upload("other/.emptyFolderPlaceholder", b"a")
    assert await refusal(call) == ("413", "Payload too large")


async def test_an_empty_file_is_a_file(service_client: AsyncStorageClient, bucket: str) -> None:
    await service_client.from_(bucket).upload("empty.txt", b"")
    assert await service_client.from_(bucket).download("empty.txt") == b""


async def test_a_form_is_checked_in_the_real_servers_order(
    service_client: AsyncStorageClient,
    anonymous_client: AsyncStorageClient,
    make_bucket: MakeBucket,
) -> None:
    """Type, then key, then policy, then duplicate, and the size last of all."""
    strict = await make_bucket(allowed_mime_types=["text/plain"], file_size_limit=10)
    files, strangers = service_client.from_(strict), anonymous_client.from_(strict)
    await files.upload("a.txt", b"a")
    big, wrong = b"x" * 11, {"content-type": "image/png"}
    assert await refusal(files.upload("é.txt", big, wrong)) == ("415", "invalid_mime_type")  # type: ignore[arg-type]
    assert await refusal(strangers.upload("a.txt", big, wrong)) == ("415", "invalid_mime_type")  # type: ignore[arg-type]
    assert await refusal(strangers.upload("a.txt", big)) == ("403", "Unauthorized")
    assert await refusal(files.upload("a.txt", big)) == ("409", "Duplicate")
    assert await refusal(files.upload("b.txt", big)) == ("413", "Payload too large")


async def test_an_upload_that_stops_half_way_leaves_nothing(
    project: Any, service_client: AsyncStorageClient, bucket: str
) -> None:
    """The body is announced longer than it is, and then the connection ends."""
    await service_client.from_(bucket).upload("kept.txt", b"before")

    async def half() -> Any:
        yield b"x" * 100_000
        raise ConnectionResetError("the client dies")

    headers = {
        "authorization": f"Bearer {project.secret_key}",
        "apikey": project.secret_key,
        "x-upsert": "true",
        "content-length": "200000",
    }
    for key in ("new.bin", "kept.txt"):
        async with httpx.AsyncClient() as client:
            with pytest.raises(ConnectionResetError):
                await client.post(
                    f"{project.storage_url}object/{bucket}/{key}", content=half(), headers=headers
                )
    assert [row["name"] for row in await service_client.from_(bucket).list()] == ["kept.txt"]
    assert await service_client.from_(bucket).download("kept.txt") == b"before"
