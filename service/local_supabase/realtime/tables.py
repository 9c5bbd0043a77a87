"""What Postgres knows of a published table: its columns, its key, who may read what."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from local_supabase.database import Connection, Database
from local_supabase.realtime.bindings import BadBindingError, Binding, Condition

_PUBLISHED = """
select n.nspname as schema, c.relname as name, c.oid::int8 as oid,
       coalesce((select jsonb_object_agg(a.attname, format_type(a.atttypid, -1))
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{}') as columns
from pg_catalog.pg_publication_tables p
join pg_catalog.pg_namespace n on n.nspname = p.schemaname
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
where p.pubname = 'supabase_realtime'
"""
_TABLE = """
select a.attname as name, format_type(a.atttypid, -1) as type, t.typname as short_type,
       coalesce(a.attnum = any (k.conkey), false) as is_key,
       c.relrowsecurity as has_policies
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
where c.oid = %s::oid order by a.attnum
"""
_SELECTABLE = """
select a.attname::text as name from pg_catalog.pg_attribute a
where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(%s::name, a.attrelid, a.attnum, 'select')
"""
_CONTEXT = "Unable to subscribe to changes with given parameters. {} connect parameters: {}{}"


@dataclass(frozen=True, slots=True)
class Field:
    """A column; `type` is what a value is cast to, `short_type` what clients are told."""

    name: str
    type: str
    short_type: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is now, which may be later than the change that is being told."""

    fields: tuple[Field, ...]
    has_policies: bool

    @property
    def key(self) -> tuple[Field, ...]:
        """The primary key's columns."""
        return tuple(field for field in self.fields if field.is_key)


class Catalog:
    """Answers about tables from one reading each; lives as long as they may be believed.

    Args:
        connection: of the superuser.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables: dict[int, Table] = {}
        self._selectable: dict[tuple[int, str], frozenset[str]] = {}

    async def table(self, oid: int) -> Table:
        """The table with this number; one without columns where it is gone."""
        if oid not in self._tables:
            rows = await (await self._connection.execute(_TABLE, (oid,))).fetchall()
            has_policies = bool(rows and rows[0]["has_policies"])
            self._tables[oid] = Table(tuple(map(_field, rows)), has_policies)
        return self._tables[oid]

    async def selectable(self, oid: int, role: str) -> frozenset[str]:
        """The columns that a role may select."""
        if (oid, role) not in self._selectable:
            cursor = await self._connection.execute(_SELECTABLE, (oid, role))
            self._selectable[oid, role] = frozenset(r["name"] for r in await cursor.fetchall())
        return self._selectable[oid, role]


def _field(row: DictRow) -> Field:
    return Field(row["name"], row["type"], row["short_type"], row["is_key"])


async def resolve(database: Database, binding: Binding, claims: dict[str, Any]) -> Binding:
    """The binding with the tables that it means.

    Raises:
        BadBindingError: it can never work for the bearer of the claims.
    """
    async with database.administrator() as connection:
        tables = [
            table
            for table in await (await connection.execute(_PUBLISHED)).fetchall()
            if binding.names(table["schema"], table["name"])
        ]
        if not tables:
            asked = "Please check Realtime is enabled for the given"
            raise BadBindingError(_CONTEXT.format(asked, binding.described(), ""))
        columns = [table["columns"] for table in tables]
        problem = await _problem(connection, binding, claims, columns)
    if problem is not None:
        asked = "An exception happened so please check your"
        raise BadBindingError(
            _CONTEXT.format(asked, binding.described(), f". Exception: ERROR {problem}")
        )
    return replace(binding, oids=frozenset(table["oid"] for table in tables))


async def _problem(
    connection: Connection, binding: Binding, claims: dict[str, Any], tables: list[dict[str, str]]
) -> str | None:
    try:
        await connection.execute("select %s::text::jsonb", (json.dumps(claims),))
        await connection.execute("select quote_ident(%s)::regrole", (str(claims["role"]),))
        for columns in tables:
            for condition in binding.conditions:
                if condition.column not in columns:
                    return f"P0001 (raise_exception) invalid column for filter {condition.column}"
                await connection.execute(_trial(condition, columns[condition.column]))
            for name in binding.columns or ():
                if name not in columns:
                    return f"P0001 (raise_exception) invalid column for select {name}"
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        return _described(error)
    except UnicodeError:
        return '22021 (character_not_in_repertoire) invalid byte sequence for encoding "UTF8"'
    return None


def _trial(condition: Condition, type_name: str) -> sql.Composed:
    """The condition on a row of nulls, which fails where its value or operator is wrong."""
    return sql.SQL("select {} from (select null::{} as {}) r").format(
        condition.to_sql(type_name), sql.SQL(type_name), sql.Identifier(condition.column)
    )


def _described(error: psycopg.Error) -> str:
    """An error as the real server's driver words it: `22P02 (invalid_text_…) invalid input…`."""
    name = type(error).__name__
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
    return f"{error.sqlstate} ({words}) {error.diag.message_primary or error}"
