"""Buckets, as the official client meets them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import psycopg
import pytest
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from tests.support.contract import Project
from tests.support.storage import MakeBucket, refusal, refused


async def test_a_created_bucket_is_named_listed_and_described(
    service_client: AsyncStorageClient, make_bucket: MakeBucket
) -> None:
    name = await make_bucket(
        public=True, file_size_limit=1000, allowed_mime_types=["audio/mpeg", "image/*"]
    )
    row = await service_client.get_bucket(name)
    assert (row.id, row.name, row.public) == (name, name, True)
    assert (row.file_size_limit, row.allowed_mime_types) == (1000, ["audio/mpeg", "image/*"])
    assert name in [each.id for each in await service_client.list_buckets()]


async def test_creating_answers_the_name(http: httpx.AsyncClient, make_bucket: MakeBucket) -> None:
    name = await make_bucket()
    await http.request("DELETE", f"bucket/{name}", json={})
    answer = await http.post("bucket", json={"id": name, "name": name})
    assert (answer.status_code, answer.json()) == (200, {"name": name})


async def test_a_bucket_is_private_and_without_limits_unless_told(
    service_client: AsyncStorageClient, make_bucket: MakeBucket
) -> None:
    row = await service_client.get_bucket(await make_bucket())
    assert (row.public, row.file_size_limit, row.allowed_mime_types) == (False, None, None)


async def test_a_name_that_is_taken_is_a_duplicate(
    service_client: AsyncStorageClient, http: httpx.AsyncClient, bucket: str
) -> None:
    assert await refusal(service_client.create_bucket(bucket)) == ("409", "Duplicate")
    answer = await http.post("bucket", json={"id": bucket, "name": bucket})
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "409",
        "error": "Duplicate",
        "code": "BucketAlreadyExists",
        "message": "The resource already exists",
    }


@pytest.mark.parametrize(
    ("options", "status", "error", "code"),
    [
        ({"name": "a/b"}, "400", "Invalid Input", "InvalidBucketName"),
        ({"name": "é"}, "400", "Invalid Input", "InvalidBucketName"),
        ({"name": "n" * 101}, "400", "Invalid Input", "InvalidBucketName"),
        ({"name": ""}, "400", "Invalid Input", "InvalidBucketName"),
        ({"file_size_limit": 10**15}, "413", "Payload too large", "EntityTooLarge"),
        ({"file_size_limit": "abc"}, "400", "Error", "InvalidRequest"),
        ({"allowed_mime_types": ["nonsense"]}, "415", "invalid_mime_type", "InvalidMimeType"),
    ],
)
async def test_a_bucket_that_cannot_be_is_refused(
    http: httpx.AsyncClient, options: dict[str, Any], status: str, error: str, code: str
) -> None:
    name = options.get("name", f"contract-{uuid.uuid4().hex[:12]}")
    answer = await http.post("bucket", json={"id": name, "name": name, **options})
    body = answer.json()
    assert answer.status_code == 400
    assert (body["statusCode"], body["error"], body["code"]) == (status, error, code)


async def test_a_size_limit_may_be_written_with_its_unit(
    service_client: AsyncStorageClient, make_bucket: MakeBucket
) -> None:
    row = await service_client.get_bucket(await make_bucket(file_size_limit="1MB"))
    assert row.file_size_limit == 1_000_000


async def test_anonymous_clients_create_and_see_no_buckets(
    anonymous_client: AsyncStorageClient, bucket: str
) -> None:
    error = await refused(anonymous_client.create_bucket(f"contract-{uuid.uuid4().hex[:12]}"))
    assert (error.status, error.code) == ("403", "Unauthorized")
    assert error.message == "new row violates row-level security policy"
    assert await anonymous_client.list_buckets() == []
    assert await refusal(anonymous_client.get_bucket(bucket)) == ("404", "Bucket not found")


@pytest.mark.parametrize("action", ["get_bucket", "delete_bucket"])
async def test_a_missing_bucket_is_not_found(
    service_client: AsyncStorageClient, action: str
) -> None:
    error = await refused(getattr(service_client, action)("contract-missing"))
    assert (error.status, error.code) == ("404", "Bucket not found")
    assert error.message == "Bucket not found"


async def test_only_an_empty_bucket_can_be_deleted(
    service_client: AsyncStorageClient, make_bucket: MakeBucket
) -> None:
    name = await make_bucket()
    await service_client.from_(name).upload("a.txt", b"a")
    error = await refused(service_client.delete_bucket(name))
    assert (error.status, error.code) == ("409", "ResourceNotEmpty")
    assert error.message == "The bucket you tried to delete is not empty"
    await service_client.from_(name).remove(["a.txt"])
    assert await service_client.delete_bucket(name) == {"message": "Successfully deleted"}
    with pytest.raises(StorageApiError):
        await service_client.get_bucket(name)


async def test_a_migration_may_insert_a_bucket(
    project: Project, service_client: AsyncStorageClient
) -> None:
    """The role `postgres` inserts buckets, but deletes no objects behind the API's back."""
    name = f"contract-{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(
        project.database_url, autocommit=True
    ) as connection:
        await connection.execute(
            """insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
            values (%s, %s, true, 20971520, array['audio/mpeg'])""",
            (name, name),
        )
        row = await service_client.get_bucket(name)
        assert (row.public, row.file_size_limit) == (True, 20 * 2**20)
        assert row.owner == ""
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Storage API"):
            await connection.execute("delete from storage.objects")
    await service_client.delete_bucket(name)


async def test_a_name_is_taken_apart_by_the_functions_for_policies(project: Project) -> None:
    async with await psycopg.AsyncConnection.connect(project.database_url) as connection:
        cursor = await connection.execute(
            """select storage.foldername('a/b/c.d.mp3'), storage.filename('a/b/c.d.mp3'),
            storage.extension('a/b/c.d.mp3'), storage.foldername('c.mp3')"""
        )
        assert await cursor.fetchone() == (["a", "b"], "c.d.mp3", "mp3", [])
