"""The rows of storage.buckets: as the caller sees them, or as the server itself does."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from local_supabase.database import Connection, Database
from local_supabase.storage import rejections
from local_supabase.storage.caller import Caller

Row = dict[str, Any]


class Buckets:
    """Access to storage.buckets.

    Methods that take a `caller` obey the policies; the others are the server's own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, bucket: str) -> Row:
        """A bucket, whoever asks; raises StorageRejectedError where there is none."""
        async with self._database.administrator() as connection:
            return await _get(connection, bucket)

    async def list(self, caller: Caller) -> list[Row]:
        """The buckets that the caller can see, by name."""
        async with self._database.acting_as(caller.claims) as connection:
            cursor = await connection.execute("select * from storage.buckets order by name")
            return await cursor.fetchall()

    async def get_as(self, caller: Caller, bucket: str) -> Row:
        """A bucket that the caller can see; raises StorageRejectedError."""
        async with self._database.acting_as(caller.claims) as connection:
            return await _get(connection, bucket)

    async def create(self, caller: Caller, values: Row) -> None:
        """Insert a bucket with these columns; raises StorageRejectedError."""
        columns = sql.SQL(", ").join(map(sql.Identifier, values))
        places = sql.SQL(", ").join(map(sql.Placeholder, values))
        statement = sql.SQL("insert into storage.buckets ({}) values ({})").format(columns, places)
        async with self._database.acting_as(caller.claims) as connection:
            try:
                await connection.execute(statement, values)
            except psycopg.errors.UniqueViolation as error:
                raise rejections.duplicate("BucketAlreadyExists") from error

    async def delete(self, caller: Caller, bucket: str) -> None:
        """Delete an empty bucket; raises StorageRejectedError."""
        await self.get_as(caller, bucket)
        async with self._database.acting_as(caller.claims) as connection:
            await connection.execute(
                "select set_config('storage.allow_delete_query', 'true', true)"
            )
            try:
                cursor = await connection.execute(
                    "delete from storage.buckets where id = %s returning id", (bucket,)
                )
            except psycopg.errors.ForeignKeyViolation as error:
                raise rejections.bucket_not_empty() from error
            if await cursor.fetchone() is None:
                raise rejections.access_denied("Access denied")


async def _get(connection: Connection, bucket: str) -> Row:
    cursor = await connection.execute("select * from storage.buckets where id = %s", (bucket,))
    row = await cursor.fetchone()
    if row is None:
        raise rejections.no_such_bucket()
    return row
