"""The project's Storage through the official client."""

from __future__ import annotations

from collections.abc import Sequence

from storage3 import AsyncStorageClient
from storage3._async.file_api import AsyncBucketProxy
from storage3.exceptions import StorageApiError
from storage3.types import BaseBucket

from music_service.errors import ConfigurationError
from music_service.redact import plain
from music_service.store import failures
from music_service.store.client import ProjectClient


def objects_in(client: ProjectClient, bucket: str) -> AsyncBucketProxy:
    """What a bucket holds, to be uploaded, read and deleted."""
    return _storage(client).from_(bucket)


async def remove(client: ProjectClient, bucket: str, keys: Sequence[str]) -> list[str]:
    """Remove objects and their files; answers the keys of those that were there.

    Raises:
        TransientError: Storage refuses, or cannot be reached; some may be gone.
    """
    with failures.removing_audio(client.url):
        removed = await objects_in(client, bucket).remove(list(keys))
    return [each["name"] for each in removed]


async def rules_of(client: ProjectClient, bucket: str) -> BaseBucket | None:
    """The rules of a bucket; None where there is no such bucket.

    Raises:
        ConfigurationError: Storage refuses the key.
    """
    try:
        return await _storage(client).get_bucket(bucket)
    except StorageApiError as error:
        if str(error.status) in ("400", "404"):
            return None
        reason = plain(error.message)
        raise ConfigurationError(f"Storage refuses the service: {reason}") from error


def _storage(client: ProjectClient) -> AsyncStorageClient:
    return AsyncStorageClient(f"{client.url}/storage/v1/", client.headers, http_client=client.http)
