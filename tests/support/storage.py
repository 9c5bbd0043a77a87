"""Calls of Storage that are refused, and buckets that are to be empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from tests.support.contract import Project

MakeBucket = Callable[..., Awaitable[str]]
CreatePolicy = Callable[[str], Awaitable[None]]


async def refused(call: Awaitable[Any]) -> StorageApiError:
    """What the official client raises for a call that is refused."""
    with pytest.raises(StorageApiError) as caught:
        await call
    return caught.value


async def refusal(call: Awaitable[Any]) -> tuple[int | str, str]:
    """The status and the code of a call that is refused."""
    error = await refused(call)
    return error.status, error.code


async def empty_bucket(project: Project, client: AsyncStorageClient, bucket: str) -> None:
    """Remove every object of a bucket."""
    async with await psycopg.AsyncConnection.connect(project.database_url) as connection:
        cursor = await connection.execute(
            "select name from storage.objects where bucket_id = %s", (bucket,)
        )
        keys = [str(row[0]) for row in await cursor.fetchall()]
    if keys:
        await client.from_(bucket).remove(keys)
