"""Listing and removing objects."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from storage3 import AsyncStorageClient

from tests.support.storage import refusal, refused


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
    error = await refused(files.remove([]))
    assert (error.status, error.code) == ("400", "Error")
    assert error.message == "body/prefixes must NOT have fewer than 1 items"
    assert await files.remove([f"missing-{number}" for number in range(1001)]) == []


async def test_one_object_can_be_deleted_by_its_path(http: httpx.AsyncClient, files: Any) -> None:
    answer = await http.delete(f"object/{files.id}/a.txt")
    assert (answer.status_code, answer.json()) == (200, {"message": "Successfully deleted"})
    answer = await http.delete(f"object/{files.id}/a.txt")
    assert (answer.status_code, answer.json()["code"]) == (400, "NoSuchKey")


async def test_what_is_not_there_is_no_route(http: httpx.AsyncClient) -> None:
    assert (await http.get("no/such/thing")).status_code == 404
