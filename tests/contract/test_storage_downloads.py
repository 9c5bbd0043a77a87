"""Downloads: by public URL, with a token and by signed URL; ranges, conditions, headers."""

from __future__ import annotations

import hashlib
import time
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import httpx
import jwt
import pytest
from storage3 import AsyncStorageClient

from tests.support.contract import Project
from tests.support.storage import refusal, refused

CONTENT = bytes(range(256)) * 16


@pytest.fixture
async def song(service_client: AsyncStorageClient, bucket: str) -> str:
    """The path of an audio file of 4,096 bytes in a public bucket."""
    options: Any = {"content-type": "audio/mpeg"}
    await service_client.from_(bucket).upload("d/song.mp3", CONTENT, options)
    return f"{bucket}/d/song.mp3"


@pytest.fixture
async def hidden_song(service_client: AsyncStorageClient, private_bucket: str) -> str:
    """The path of the same file in a private bucket."""
    options: Any = {"content-type": "audio/mpeg"}
    await service_client.from_(private_bucket).upload("d/song.mp3", CONTENT, options)
    return f"{private_bucket}/d/song.mp3"


@pytest.mark.parametrize("way", ["public/", "authenticated/", ""])
async def test_an_answer_has_the_headers_that_players_and_caches_need(
    http: httpx.AsyncClient, song: str, way: str
) -> None:
    answer = await http.get(f"object/{way}{song}")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["cache-control"] == "max-age=3600"
    assert answer.headers["etag"] == f'"{hashlib.md5(CONTENT).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == "4096"
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-robots-tag"] == "none"
    assert "content-disposition" not in answer.headers
    parsedate_to_datetime(answer.headers["last-modified"])


async def test_a_public_object_needs_no_key(stranger: httpx.AsyncClient, song: str) -> None:
    assert (await stranger.get(f"object/public/{song}")).content == CONTENT
    assert (await stranger.get(f"object/{song}")).content == CONTENT


async def test_the_client_writes_the_public_url(
    project: Project, service_client: AsyncStorageClient, stranger: httpx.AsyncClient, song: str
) -> None:
    url = await service_client.from_(song.split("/", maxsplit=1)[0]).get_public_url("d/song.mp3")
    assert url == f"{project.storage_url}object/public/{song}"
    assert (await stranger.get(url)).content == CONTENT


async def test_head_answers_the_headers_alone(stranger: httpx.AsyncClient, song: str) -> None:
    answer = await stranger.head(f"object/public/{song}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "4096"
    missing = await stranger.head(f"object/public/{song}.missing")
    assert (missing.status_code, missing.content) == (400, b"")


@pytest.mark.parametrize(
    ("asked", "content_range", "content"),
    [
        ("bytes=0-9", "bytes 0-9/4096", CONTENT[:10]),
        ("bytes=1000-", "bytes 1000-4095/4096", CONTENT[1000:]),
        ("bytes=-5", "bytes 4091-4095/4096", CONTENT[-5:]),
        ("bytes=4000-9999", "bytes 4000-4095/4096", CONTENT[4000:]),
    ],
)
async def test_a_range_is_answered_in_part(
    stranger: httpx.AsyncClient, song: str, asked: str, content_range: str, content: bytes
) -> None:
    answer = await stranger.get(f"object/public/{song}", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == content_range
    assert answer.headers["content-length"] == str(len(content))
    assert answer.content == content


@pytest.mark.parametrize("asked", ["bytes=4096-", "bytes=0-1,5-6", "lines=0-1"])
async def test_a_range_that_names_no_bytes_is_refused(
    stranger: httpx.AsyncClient, song: str, asked: str
) -> None:
    answer = await stranger.get(f"object/public/{song}", headers={"range": asked})
    assert answer.status_code == 416
    assert "content-range" not in answer.headers
    body = answer.json()
    assert (body["statusCode"], body["error"], body["code"]) == (
        "416",
        "invalid_range",
        "InvalidRange",
    )


async def test_if_range_is_ignored(stranger: httpx.AsyncClient, song: str) -> None:
    headers = {"range": "bytes=0-9", "if-range": '"some other version"'}
    assert (await stranger.get(f"object/public/{song}", headers=headers)).status_code == 206


async def test_a_known_version_is_not_sent_again(stranger: httpx.AsyncClient, song: str) -> None:
    first = await stranger.get(f"object/public/{song}")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    same = await stranger.get(f"object/public/{song}", headers={"if-none-match": etag})
    assert (same.status_code, same.content) == (304, b"")
    other = await stranger.get(f"object/public/{song}", headers={"if-none-match": '"other"'})
    assert other.status_code == 200
    later = format_datetime(parsedate_to_datetime(modified).replace(year=2099), usegmt=True)
    unchanged = await stranger.get(f"object/public/{song}", headers={"if-modified-since": later})
    assert unchanged.status_code == 304


@pytest.mark.parametrize(
    ("query", "disposition"),
    [
        ("download", "attachment;"),
        ("download=", "attachment;"),
        (
            "download=my song.mp3",
            "attachment; filename=my%20song.mp3; filename*=UTF-8''my%20song.mp3",
        ),
    ],
)
async def test_a_download_is_named_on_request(
    stranger: httpx.AsyncClient, song: str, query: str, disposition: str
) -> None:
    answer = await stranger.get(f"object/public/{song}?{query}")
    assert answer.headers["content-disposition"].rstrip(";") == disposition.rstrip(";")


async def test_html_is_served_as_plain_text(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, bucket: str
) -> None:
    await service_client.from_(bucket).upload("a.html", b"<script>", {"content-type": "text/html"})
    answer = await stranger.get(f"object/public/{bucket}/a.html")
    assert answer.headers["content-type"] == "text/plain"


async def test_what_is_missing_is_not_found(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, bucket: str
) -> None:
    assert await refusal(service_client.from_(bucket).download("missing.txt")) == (
        "404",
        "not_found",
    )
    assert await refusal(service_client.from_("contract-missing").download("missing.txt")) == (
        "404",
        "Bucket not found",
    )
    answer = await stranger.get(f"object/public/{bucket}/missing.txt")
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "404",
        "error": "not_found",
        "code": "NoSuchKey",
        "message": "Object not found",
    }
    answer = await stranger.get("object/public/contract-missing/a.txt")
    assert (answer.json()["statusCode"], answer.json()["code"]) == ("404", "NoSuchBucket")


async def test_a_private_bucket_hides_its_objects(
    service_client: AsyncStorageClient,
    anonymous_client: AsyncStorageClient,
    stranger: httpx.AsyncClient,
    hidden_song: str,
) -> None:
    name, _, key = hidden_song.partition("/")
    for path in (f"object/public/{hidden_song}", f"object/{hidden_song}"):
        answer = await stranger.get(path)
        assert answer.status_code == 400
        assert answer.json()["code"] == "NoSuchBucket"
    assert await refusal(anonymous_client.from_(name).download(key)) == ("404", "not_found")
    assert await service_client.from_(name).download(key) == CONTENT


async def test_info_and_exists_tell_of_an_object(
    service_client: AsyncStorageClient, song: str
) -> None:
    files = service_client.from_(song.split("/", maxsplit=1)[0])
    info = await files.info("d/song.mp3")
    assert (info["name"], info["size"], info["content_type"]) == ("d/song.mp3", 4096, "audio/mpeg")
    assert await files.exists("d/song.mp3") is True
    assert await files.exists("d/missing.mp3") is False


async def test_a_signed_url_opens_a_private_object_for_a_while(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, hidden_song: str
) -> None:
    files = service_client.from_(hidden_song.split("/", maxsplit=1)[0])
    signed = await files.create_signed_url("d/song.mp3", 60)
    url = httpx.URL(str(signed["signedURL"]))
    answer = await stranger.get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "cache-control" not in answer.headers
    expires_at = parsedate_to_datetime(answer.headers["expires"]).timestamp()
    assert 0 < expires_at - time.time() <= 61
    part = await stranger.get(url, headers={"range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, CONTENT[:10])
    claims = jwt.decode(url.params["token"], options={"verify_signature": False})
    assert claims["url"] == hidden_song
    assert claims["exp"] - claims["iat"] == 60


async def test_a_signed_download_may_name_the_file(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, hidden_song: str
) -> None:
    files = service_client.from_(hidden_song.split("/", maxsplit=1)[0])
    signed = await files.create_signed_url("d/song.mp3", 60, {"download": "calm.mp3"})
    answer = await stranger.get(str(signed["signedURL"]))
    assert answer.headers["content-disposition"].startswith("attachment; filename=calm.mp3;")


async def test_keys_with_spaces_can_be_signed(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, private_bucket: str
) -> None:
    await service_client.from_(private_bucket).upload("my song.txt", b"la")
    signed = await service_client.from_(private_bucket).create_signed_url("my song.txt", 60)
    assert (await stranger.get(str(signed["signedURL"]))).content == b"la"


async def test_only_visible_objects_can_be_signed(
    service_client: AsyncStorageClient, anonymous_client: AsyncStorageClient, hidden_song: str
) -> None:
    name, _, key = hidden_song.partition("/")
    for files, path in (
        (service_client.from_(name), "missing.mp3"),
        (service_client.from_("contract-missing"), key),
        (anonymous_client.from_(name), key),
    ):
        assert await refusal(files.create_signed_url(path, 60)) == ("404", "not_found")
    error = await refused(service_client.from_(name).create_signed_url(key, 0))
    assert (error.status, error.code) == ("400", "Error")
    assert error.message == "body/expiresIn must be >= 1"


async def test_many_are_signed_at_once(
    service_client: AsyncStorageClient, stranger: httpx.AsyncClient, hidden_song: str
) -> None:
    files = service_client.from_(hidden_song.split("/", maxsplit=1)[0])
    good, bad = await files.create_signed_urls(["d/song.mp3", "missing.mp3"], 60)
    assert (good["path"], good["error"]) == ("d/song.mp3", None)
    assert (await stranger.get(str(good["signedURL"]))).content == CONTENT
    assert bad == {
        "path": "missing.mp3",
        "error": "Either the object does not exist or you do not have access to it",
        "signedURL": None,
        "signedUrl": None,
    }


async def test_a_token_for_something_else_opens_nothing(
    project: Project,
    service_client: AsyncStorageClient,
    stranger: httpx.AsyncClient,
    hidden_song: str,
) -> None:
    signed = await service_client.from_(hidden_song.split("/", maxsplit=1)[0]).create_signed_url(
        "d/song.mp3", 60
    )
    token = httpx.URL(str(signed["signedURL"])).params["token"]
    tampered = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for path, used, code, message in (
        (hidden_song, tampered, "InvalidJWT", "signature verification failed"),
        (f"{hidden_song}.other", token, "InvalidSignature", "Invalid signature"),
    ):
        answer = await stranger.get(f"object/sign/{path}", params={"token": used})
        body = answer.json()
        assert (answer.status_code, body["statusCode"]) == (400, "400")
        assert (body["code"], body["message"]) == (code, message)
    answer = await stranger.get(f"object/sign/{hidden_song}")
    assert answer.status_code == 400


async def test_an_expired_signed_url_opens_nothing(
    project: Project, stranger: httpx.AsyncClient, hidden_song: str
) -> None:
    token = project.token(url=hidden_song, scope="download", exp=int(time.time()) - 10)
    answer = await stranger.get(f"object/sign/{hidden_song}", params={"token": token})
    body = answer.json()
    assert (answer.status_code, body["error"], body["code"]) == (400, "InvalidJWT", "InvalidJWT")
    assert body["message"] == '"exp" claim timestamp check failed'
