"""The rows of storage.objects: read and changed as the caller, or as the server itself."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from local_supabase.database import Connection, Database
from local_supabase.storage import rejections
from local_supabase.storage.caller import Caller

Row = dict[str, Any]

_INSERT = """
insert into storage.objects
  (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
values (%(bucket)s, %(key)s, %(owner)s, %(owner_id)s, %(version)s, %(metadata)s, %(user_metadata)s)
"""
_OR_UPDATE = """
on conflict (bucket_id, name) do update set owner = excluded.owner, owner_id = excluded.owner_id,
  version = excluded.version, metadata = excluded.metadata, user_metadata = excluded.user_metadata
"""
_ALLOW_DELETE = "select set_config('storage.allow_delete_query', 'true', true)"

_LIST = """
with entries as (
  select substr(o.name, length(%(prefix)s) + 1) as tail, o.id, o.updated_at, o.created_at,
    o.last_accessed_at, o.metadata
  from storage.objects o
  where o.bucket_id = %(bucket)s
    and starts_with(lower(o.name), lower(%(prefix)s || %(search)s))
), named as (
  select *, position('/' in substr(tail, length(%(search)s) + 1)) as slash from entries
), listed as (
  select distinct left(tail, length(%(search)s) + slash - 1) as name, true as is_folder,
    null::uuid as id, null::timestamptz as updated_at, null::timestamptz as created_at,
    null::timestamptz as last_accessed_at, null::jsonb as metadata
  from named where slash > 0
  union all
  select tail, false, id, updated_at, created_at, last_accessed_at, metadata
  from named where slash = 0
)
select name, id, updated_at, created_at, last_accessed_at, metadata from listed
order by {order}
limit %(limit)s offset %(offset)s
"""
_BY_NAME = """lower(name || case when is_folder then '/' else '' end) collate "C" {direction}"""
_FOLDERS_FIRST = "is_folder desc, {column} {direction}, name {direction}"


@dataclass(frozen=True, slots=True)
class NewObject:
    """A row to be written; `version` names its file."""

    bucket: str
    key: str
    owner: str | None
    version: str = ""
    metadata: Row | None = None
    user_metadata: Row | None = None

    @property
    def parameters(self) -> Row:
        """The values of the insert."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "owner": _uuid_or_none(self.owner),
            "owner_id": self.owner,
            "version": self.version,
            "metadata": None if self.metadata is None else Jsonb(self.metadata),
            "user_metadata": None if self.user_metadata is None else Jsonb(self.user_metadata),
        }


class Objects:
    """Access to storage.objects.

    Methods that take a `caller` obey the policies; the others are the server's own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def versions(self) -> set[str]:
        """The versions that rows name."""
        async with self._database.administrator() as connection:
            cursor = await connection.execute("select version from storage.objects")
            return {row["version"] for row in await cursor.fetchall()}

    async def find(self, bucket: str, key: str, caller: Caller | None = None) -> Row:
        """One row; raises StorageRejectedError where the caller (if any) sees none."""
        async with contextlib.AsyncExitStack() as stack:
            access = (
                self._database.administrator()
                if caller is None
                else self._database.acting_as(caller.claims)
            )
            row = await _find(await stack.enter_async_context(access), bucket, key)
        if row is None:
            raise rejections.no_such_key()
        return row

    async def find_all(self, bucket: str, keys: list[str], caller: Caller) -> dict[str, Row]:
        """Those of several rows that the caller can see, by key."""
        async with self._database.acting_as(caller.claims) as connection:
            cursor = await connection.execute(
                "select * from storage.objects where bucket_id = %s and name = any(%s)",
                (bucket, keys),
            )
            return {row["name"]: row for row in await cursor.fetchall()}

    async def admit(self, new: NewObject, caller: Caller, *, upsert: bool) -> None:
        """Raise StorageRejectedError unless the caller may write this; writes nothing."""
        statement = _INSERT + (_OR_UPDATE if upsert else "")
        async with (
            self._database.acting_as(caller.claims) as connection,
            connection.transaction(force_rollback=True),
        ):
            try:
                await connection.execute(statement, new.parameters)
            except psycopg.errors.UniqueViolation as error:
                raise rejections.duplicate("KeyAlreadyExists") from error

    async def save(self, new: NewObject, *, upsert: bool) -> tuple[str, str | None]:
        """Write an admitted row.

        Returns:
            Its id and the version that it replaced, whose file is no longer needed.
        """
        statement = _INSERT + (_OR_UPDATE if upsert else "") + "returning id"
        async with self._database.administrator() as connection, connection.transaction():
            await connection.execute(  # so that each of two writers knows what it replaced
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"{new.bucket}/{new.key}",),
            )
            old = await _find(connection, new.bucket, new.key)
            try:
                cursor = await connection.execute(statement, new.parameters)
            except psycopg.errors.UniqueViolation as error:
                raise rejections.duplicate("KeyAlreadyExists") from error
            row = await cursor.fetchone()
        assert row is not None  # noqa: S101  an insert returns its row
        return str(row["id"]), None if old is None else old["version"]

    async def delete(self, bucket: str, keys: list[str], caller: Caller) -> list[Row]:
        """Delete those of these keys that the caller may; returns the deleted rows."""
        async with self._database.acting_as(caller.claims) as connection:
            await connection.execute(_ALLOW_DELETE)
            cursor = await connection.execute(
                "delete from storage.objects where bucket_id = %s and name = any(%s) returning *",
                (bucket, keys),
            )
            return await cursor.fetchall()

    async def list(
        self,
        caller: Caller,
        *,
        bucket: str,
        prefix: str,
        search: str,
        column: str,
        direction: str,
        limit: int,
        offset: int,
    ) -> list[Row]:
        """What lies directly under a prefix; folders have no id."""
        order = _BY_NAME if column == "name" else _FOLDERS_FIRST
        statement = _LIST.format(order=order.format(column=column, direction=direction))
        parameters = {
            "bucket": bucket,
            "prefix": prefix,
            "search": search,
            "limit": limit,
            "offset": offset,
        }
        async with self._database.acting_as(caller.claims) as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()


async def _find(connection: Connection, bucket: str, key: str) -> Row | None:
    cursor = await connection.execute(
        "select * from storage.objects where bucket_id = %s and name = %s", (bucket, key)
    )
    return await cursor.fetchone()


def _uuid_or_none(owner: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(owner) if owner else None
    except ValueError:
        return None
