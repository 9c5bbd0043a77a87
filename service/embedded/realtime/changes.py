"""Changes of published tables from the write-ahead log, for those who may see them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from service.embedded.database import Database
from service.embedded.realtime.bindings import BadBindingError, Binding
from service.embedded.realtime.pgoutput import Change, Column, Decoder, Values

POLL_SECONDS = 0.1
IDLE_POLL_SECONDS = 0.5
_IDLE_AFTER_POLLS = 20
_RECONNECT_SECONDS = 0.5

_CHANGES = (
    b"select data from pg_logical_slot_get_binary_changes(%s, null, 5000,"
    b" 'proto_version', '1', 'publication_names', 'supabase_realtime')"
)
_TABLES = """
select t.schemaname as schema, t.tablename as name,
       (select jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
        from pg_catalog.pg_attribute a
        where a.attrelid = format('%I.%I', t.schemaname, t.tablename)::regclass
          and a.attnum > 0 and not a.attisdropped) as columns
from pg_catalog.pg_publication_tables t where t.pubname = 'supabase_realtime'
"""
_READABLE = """
select array_agg(a.attname::text) as names from pg_catalog.pg_attribute a
where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(a.attrelid, a.attnum, 'select')
"""


class Subscriber(Protocol):
    """A joined channel that wants changes."""

    claims: dict[str, Any]
    bindings: list[Binding]

    def deliver_change(self, payload: str) -> None:
        """Send a `postgres_changes` payload, JSON already."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A change with its record as JSON text, and which filters it passed."""

    change: Change
    types: dict[str, str]
    record: str | None
    old_record: str | None
    passed: dict[tuple[Any, ...], bool]


class Changes:
    """Follows the log while anybody is subscribed.

    Args:
        database: administrator connections, for policies and types.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: set[Subscriber] = set()
        self._wanted = asyncio.Event()
        self._following = asyncio.Event()
        self._types: dict[tuple[int, int], str] = {}
        self.swallow = False

    async def check(self, binding: Binding) -> None:
        """Raise BadBindingError where a binding can never work."""
        tables = await self._published(binding)
        if not tables:
            raise BadBindingError(
                "Unable to subscribe to changes with given parameters. Please check Realtime is "
                f"enabled for the given connect parameters: {binding.described()}"
            )
        for table in tables:
            await self._check_table(binding, table["columns"])

    async def add(self, subscriber: Subscriber) -> None:
        """Begin to deliver; returns when nothing committed from now on will be missed."""
        self._subscribers.add(subscriber)
        self._wanted.set()
        await self._following.wait()

    def remove(self, subscriber: Subscriber) -> None:
        """Deliver no more; harmless for one that was never added."""
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            self._wanted.clear()

    async def run(self) -> None:
        """Follow the log whenever somebody is subscribed; returns only when cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
            except psycopg.OperationalError:
                await asyncio.sleep(_RECONNECT_SECONDS)
            finally:
                self._following.clear()

    async def _follow(self) -> None:
        slot = f"embedded_realtime_{secrets.token_hex(6)}"
        decoder, quiet = Decoder(), 0
        async with await psycopg.AsyncConnection[DictRow].connect(
            self._database.conninfo, autocommit=True, row_factory=dict_row
        ) as connection:
            await connection.execute(
                "select pg_create_logical_replication_slot(%s, 'pgoutput', true)", (slot,)
            )
            self._following.set()
            while self._subscribers:
                cursor = await connection.execute(_CHANGES, (slot,), binary=True)
                found = await cursor.fetchall()
                for row in found:
                    change = decoder.decode(bytes(row["data"]))
                    if change is not None and not self.swallow:
                        await self._deliver(change)
                quiet = 0 if found else quiet + 1
                pause = POLL_SECONDS if quiet < _IDLE_AFTER_POLLS else IDLE_POLL_SECONDS
                await asyncio.sleep(pause)

    async def _published(self, binding: Binding) -> list[DictRow]:
        async with self._database.administrator() as connection:
            cursor = await connection.execute(_TABLES)
            tables = await cursor.fetchall()
        return [
            table
            for table in tables
            if binding.concerns(table["schema"], table["name"], binding.event)
        ]

    async def _check_table(self, binding: Binding, columns: dict[str, str]) -> None:
        problem = None
        for condition in binding.conditions:
            if condition.column not in columns:
                problem = (
                    f"ERROR P0001 (raise_exception) invalid column for filter {condition.column}"
                )
        for name in binding.columns or ():
            if name not in columns:
                problem = f"ERROR P0001 (raise_exception) invalid column for select {name}"
        if problem is None:
            problem = await self._bad_value(binding, columns)
        if problem is not None:
            raise BadBindingError(
                "Unable to subscribe to changes with given parameters. An exception happened so "
                f"please check your connect parameters: {binding.described()}. Exception: {problem}"
            )

    async def _bad_value(self, binding: Binding, columns: dict[str, str]) -> str | None:
        for condition in binding.conditions:
            query = sql.SQL("select {} from (select null::{} as {}) r").format(
                condition.to_sql(columns[condition.column]),
                sql.SQL(columns[condition.column]),
                sql.Identifier(condition.column),
            )
            try:
                async with self._database.administrator() as connection:
                    await connection.execute(query)
            except psycopg.DataError as error:
                name = type(error).__name__
                words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
                return f"ERROR {error.sqlstate} ({words}) {error.diag.message_primary}"
        return None

    async def _deliver(self, change: Change) -> None:
        relation = change.relation
        interested = [
            (subscriber, bindings)
            for subscriber in tuple(self._subscribers)
            if (bindings := _concerned(subscriber.bindings, change))
        ]
        if not interested:
            return
        shown = await self._show(change, {b.conditions for _, found in interested for b in found})
        verdicts: dict[str, list[str] | None] = {}
        for subscriber, bindings in interested:
            matching = [binding for binding in bindings if shown.passed[binding.conditions]]
            if not matching:
                continue
            key = json.dumps(subscriber.claims, sort_keys=True)
            if key not in verdicts:
                verdicts[key] = await self._readable(change, subscriber.claims)
            columns = verdicts[key]
            if columns is not None:
                subscriber.deliver_change(_payload(shown, matching, columns, relation.columns))

    async def _show(self, change: Change, filters: Iterable[tuple[Any, ...]]) -> _Shown:
        """Let Postgres write the record as JSON and try the filters on it."""
        wanted = list(filters)
        types = {c.name: await self._type(c) for c in change.relation.columns}
        tested = change.new if change.new is not None else change.old or {}
        tests = [
            sql.SQL(" and ").join([c.to_sql(types[c.column]) for c in conditions])
            if conditions and all(c.column in tested for c in conditions)
            else sql.SQL("true" if not conditions else "false")
            for conditions in wanted
        ]
        query = sql.SQL("select to_jsonb(r)::text, {} from (select {}) r").format(
            sql.SQL(", ").join(tests), _row(tested, types)
        )
        old = change.old if change.kind == "UPDATE" else None
        async with self._database.administrator() as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.tuple_row)
            await cursor.execute(query)
            record, *passed = await cursor.fetchone() or ("{}",)
            old_record = None
            if old is not None:
                await cursor.execute(
                    sql.SQL("select to_jsonb(r)::text from (select {}) r").format(_row(old, types))
                )
                [old_record] = await cursor.fetchone() or ("{}",)
        verdicts = dict(zip(wanted, passed, strict=True))
        if change.kind == "DELETE":
            return _Shown(change, types, None, record, verdicts)
        return _Shown(change, types, record, old_record, verdicts)

    async def _readable(self, change: Change, claims: dict[str, Any]) -> list[str] | None:
        """The columns the bearer may read of the changed row; None where it is hidden."""
        relation = change.relation
        if change.kind == "DELETE":
            return [column.name for column in relation.columns]
        keys = [column for column in relation.columns if column.is_key]
        tests: list[sql.Composable] = [
            sql.SQL("{} = {}::{}").format(
                sql.Identifier(column.name),
                sql.Literal((change.new or {}).get(column.name)),
                sql.SQL(await self._type(column)),
            )
            for column in keys
        ]
        query = sql.SQL("select 1 from {} where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(" and ").join(tests or [sql.SQL("true")]),
        )
        try:
            async with self._database.acting_as(claims) as connection:
                cursor = await connection.execute(_READABLE, (relation.oid,))
                row = await cursor.fetchone()
                names = (row or {}).get("names")
                if not names:
                    return []
                cursor = await connection.execute(query)
                return list(names) if await cursor.fetchone() is not None else None
        except psycopg.errors.InsufficientPrivilege:
            return []
        except psycopg.Error:
            return None

    async def _type(self, column: Column) -> str:
        key = (column.type_oid, column.type_modifier)
        if key not in self._types:
            async with self._database.administrator() as connection:
                cursor = await connection.execute("select format_type(%s, %s) as name", key)
                row = await cursor.fetchone()
            self._types[key] = str((row or {})["name"])
        return self._types[key]


def _concerned(bindings: list[Binding], change: Change) -> list[Binding]:
    relation = change.relation
    return [b for b in bindings if b.concerns(relation.schema, relation.name, change.kind)]


def _row(values: Values, types: dict[str, str]) -> sql.Composable:
    """A select list with each value in its type and the form in which Realtime shows it."""
    parts: list[sql.Composable] = []
    for name, text in values.items():
        value: sql.Composable = sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(types[name]))
        if types[name] == "bytea":
            value = sql.SQL("encode({}, 'hex')").format(value)
        elif types[name].startswith("character("):
            value = sql.SQL("rtrim({})").format(value)
        elif types[name].startswith(("numeric", "real", "double")):
            value = sql.SQL("nullif({}, 'NaN')").format(value)
        parts.append(sql.SQL("{} as {}").format(value, sql.Identifier(name)))
    return sql.SQL(", ").join(parts)


def _payload(
    shown: _Shown, matching: list[Binding], readable: list[str], columns: tuple[Column, ...]
) -> str:
    change, relation = shown.change, shown.change.relation
    wanted = set(readable)
    trimmed = matching[0].columns
    if trimmed is not None:
        wanted &= set(trimmed)
    named = [
        {"name": column.name, "type": _short_type(shown.types[column.name])}
        for column in columns
        if column.name in wanted
    ]
    stamp = change.committed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    errors = None if readable else ["Error 401: Unauthorized"]
    parts = {
        "columns": json.dumps(named),
        "commit_timestamp": json.dumps(stamp if readable else None),
        "errors": json.dumps(errors),
        "old_record": _trimmed(shown.old_record, wanted),
        "record": _trimmed(shown.record, wanted),
        "schema": json.dumps(relation.schema),
        "table": json.dumps(relation.name),
        "type": json.dumps(change.kind),
    }
    data = ",".join(f'"{name}":{text}' for name, text in parts.items() if text is not None)
    ids = json.dumps([binding.id for binding in reversed(matching)])
    return f'{{"data":{{{data}}},"ids":{ids}}}'


def _trimmed(record: str | None, wanted: set[str]) -> str | None:
    """The record's JSON, verbatim where all of it is wanted."""
    if record is None:
        return None
    values = json.loads(record)
    if wanted.issuperset(values):
        return record
    return json.dumps({name: value for name, value in values.items() if name in wanted})


def _short_type(name: str) -> str:
    return _SHORT_TYPES.get(name, name.partition("(")[0])


_SHORT_TYPES = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "boolean": "bool",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
    "text[]": "_text",
}
