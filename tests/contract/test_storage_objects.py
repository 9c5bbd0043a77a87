"""Listing, removing, moving and copying objects, and uploads by signed URL."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError
from storage3.types import CreateSignedUploadUrlOptions


async def refusal(call: Any) -> tuple[int | str, str]:
    """What the official client says of a call that is refused."""
    with pytest.raises(StorageApiError) as caught:
        await call
    return caught.value.status, caught.value.code


@pytest.fixture
async def files(service_client: AsyncStorageClient, bucket: str) -> Any:
    """A bucket with `a.txt`, `b/one.txt`, `b/two.txt`, `b/deep/three.txt` and `c.txt`."""
    proxy = service_client.from_(bucket)
    for key in ("b/two.txt", "c.txt", "b/one.txt", "a.txt", "b/deep/three.txt"):
        await proxy.upload(key, key.encode())
    return proxy


async def names(files: Any, *arguments: Any) -> list[str]:
    return [row["name"] for row in await files.list(*arguments)]


async def test_a_listing_shows_one_level_with_folders_that_have_no_id(files: Any) -> None:
    rows = await files.list()
    assert [(row["name"], row["id"] is None) for row in rows] == [
        ("a.txt", False),
        ("b", True),
        ("c.txt", False),
    ]
    assert rows[0]["metadata"]["size"] == 5
    assert rows[1] == {
        "name": "b",
        "id": None,
        "updated_at": None,
        "created_at": None,
        "last_accessed_at": None,
        "metadata": None,
    }
    assert await names(files, "b") == ["deep", "one.txt", "two.txt"]
    assert await names(files, "b/") == ["deep", "one.txt", "two.txt"]


async def test_a_listing_can_be_cut_sorted_and_searched(files: Any) -> None:
    assert await names(files, None, {"limit": 2}) == ["a.txt", "b"]
    assert await names(files, None, {"limit": 2, "offset": 2}) == ["c.txt"]
    descending = {"sortBy": {"column": "name", "order": "desc"}}
    assert await names(files, "b", descending) == ["two.txt", "one.txt", "deep"]
    by_age = {"sortBy": {"column": "created_at", "order": "asc"}}
    assert await names(files, "b", by_age) == ["deep", "two.txt", "one.txt"]
    assert await names(files, "b", {"search": "o"}) == ["one.txt"]
    assert await names(files, "b", {"search": "O"}) == ["one.txt"]


async def test_a_listing_of_nothing_is_empty(
    files: Any, service_client: AsyncStorageClient, anonymous_client: AsyncStorageClient
) -> None:
    assert await files.list("missing") == []
    assert await service_client.from_("contract-missing").list() == []
    assert await anonymous_client.from_(files.id).list() == []


async def test_a_listing_with_impossible_options_is_refused(files: Any) -> None:
    assert await refusal(files.list(None, {"limit": 0})) == ("400", "Error")
    assert await refusal(files.list(None, {"sortBy": {"column": "size"}})) == ("400", "Error")


async def test_removing_answers_only_what_was_removed(files: Any) -> None:
    rows = await files.remove(["a.txt", "missing.txt", "b/one.txt"])
    assert sorted(row["name"] for row in rows) == ["a.txt", "b/one.txt"]
    assert {row["bucket_id"] for row in rows} == {files.id}
    assert await files.exists("a.txt") is False
    assert await files.exists("b/two.txt") is True


async def test_removing_without_rights_silently_removes_nothing(
    files: Any, service_client: AsyncStorageClient, anonymous_client: AsyncStorageClient
) -> None:
    assert await anonymous_client.from_(files.id).remove(["a.txt"]) == []
    assert await service_client.from_("contract-missing").remove(["a.txt"]) == []
    assert await files.exists("a.txt") is True


async def test_removing_nothing_is_refused_and_removing_much_is_not(files: Any) -> None:
    with pytest.raises(StorageApiError) as caught:
        await files.remove([])
    assert (caught.value.status, caught.value.code) == ("400", "Error")
    assert caught.value.message == "body/prefixes must NOT have fewer than 1 items"
    assert await files.remove([f"missing-{number}" for number in range(1001)]) == []


async def test_one_object_can_be_deleted_by_its_path(http: httpx.AsyncClient, files: Any) -> None:
    answer = await http.delete(f"object/{files.id}/a.txt")
    assert (answer.status_code, answer.json()) == (200, {"message": "Successfully deleted"})
    answer = await http.delete(f"object/{files.id}/a.txt")
    assert (answer.status_code, answer.json()["code"]) == (400, "NoSuchKey")


async def test_a_move_keeps_the_object_under_another_key(files: Any) -> None:
    before = await files.info("a.txt")
    assert (await files.move("a.txt", "moved/a.txt"))["message"] == "Successfully moved"
    assert await files.download("moved/a.txt") == b"a.txt"
    assert (await files.info("moved/a.txt"))["id"] == before["id"]
    assert await files.exists("a.txt") is False


async def test_a_move_needs_a_source_and_a_free_place(http: httpx.AsyncClient, files: Any) -> None:
    assert await refusal(files.move("missing.txt", "d.txt")) == ("404", "not_found")
    assert await refusal(files.move("a.txt", "c.txt")) == ("409", "Duplicate")
    body = {"bucketId": files.id, "sourceKey": "a.txt", "destinationKey": "c.txt"}
    answer = await http.post("object/move", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "ResourceAlreadyExists")


async def test_a_copy_is_an_object_of_its_own(files: Any) -> None:
    answer = await files.copy("a.txt", "copy.txt")
    assert answer["Key"] == f"{files.id}/copy.txt"
    assert answer["name"] == "copy.txt"
    assert answer["Id"] == answer["id"]
    await files.remove(["a.txt"])
    assert await files.download("copy.txt") == b"a.txt"


async def test_a_copy_needs_a_source_and_a_free_place(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, files: Any
) -> None:
    assert await refusal(files.copy("missing.txt", "d.txt")) == ("404", "not_found")
    missing = service_client.from_("contract-missing")
    assert await refusal(missing.copy("a.txt", "d.txt")) == ("404", "not_found")
    body = {"bucketId": files.id, "sourceKey": "a.txt", "destinationKey": "c.txt"}
    answer = await http.post("object/copy", json=body)
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "409")
    assert answer.json()["code"] == "KeyAlreadyExists"


async def test_a_signed_upload_needs_no_key(
    anonymous_client: AsyncStorageClient, files: Any, stranger: httpx.AsyncClient
) -> None:
    signed = await files.create_signed_upload_url("signed/new.txt")
    answer = await anonymous_client.from_(files.id).upload_to_signed_url(
        "signed/new.txt", signed["token"], b"signed"
    )
    assert answer.full_path == f"{files.id}/signed/new.txt"
    assert await files.download("signed/new.txt") == b"signed"
    other = await stranger.put(
        f"object/upload/sign/{files.id}/other.txt",
        params={"token": signed["token"]},
        content=b"other",
    )
    assert (other.status_code, other.json()["code"]) == (400, "InvalidSignature")


async def test_a_signed_upload_to_an_existing_key_must_say_so(files: Any) -> None:
    assert await refusal(files.create_signed_upload_url("a.txt")) == ("409", "Duplicate")
    options = CreateSignedUploadUrlOptions(upsert="true")
    signed = await files.create_signed_upload_url("a.txt", options)
    await files.upload_to_signed_url("a.txt", signed["token"], b"replaced")
    assert await files.download("a.txt") == b"replaced"


async def test_what_is_not_there_is_no_route(http: httpx.AsyncClient) -> None:
    assert (await http.get("no/such/thing")).status_code == 404
