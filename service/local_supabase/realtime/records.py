"""A change as JSON: written by Postgres, trimmed to what a subscriber may read."""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import tuple_row

from local_supabase.database import Connection
from local_supabase.realtime.bindings import Binding, Condition
from local_supabase.realtime.pgoutput import Change, Values
from local_supabase.realtime.tables import Table

_MAX_ROW_BYTES = 1024 * 1024
_SMALL_VALUE_BYTES = 64
_FLOATS = ("numeric", "real", "double precision")
# Numbers stay text: Python's own would lose digits, and refuse the longest.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)
Conditions = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A change whose values are JSON text, by column in the order of jsonb."""

    change: Change
    table: Table
    record: dict[str, str] | None
    old_record: dict[str, str] | None
    too_large: bool

    def payload(
        self, bindings: list[Binding], selectable: frozenset[str], chosen: tuple[str, ...] | None
    ) -> str:
        """The payload of a `postgres_changes` frame.

        Args:
            bindings: those it answers, of one channel and one choice of columns.
            selectable: the columns that the bearer may read.
            chosen: the columns that the bindings want; None for all.
        """
        error = self._error(selectable)
        wanted = selectable if error is None else frozenset[str]()
        if chosen is not None:
            wanted &= {*chosen, *(field.name for field in self.table.key)}
        columns = [
            {"name": field.name, "type": field.short_type}
            for field in self.table.fields
            if field.name in wanted
        ]
        stamp = self.change.committed_at.isoformat(timespec="milliseconds")
        if self.too_large:
            error = error or "Error 413: Payload Too Large"
        parts = {
            "columns": _compact(columns),
            "commit_timestamp": _compact(stamp.replace("+00:00", "Z") if wanted else None),
            "errors": _compact([error] if error else None),
            "old_record": self._trimmed(self.old_record, wanted),
            "record": self._trimmed(self.record, wanted),
            "schema": _compact(self.change.relation.schema),
            "table": _compact(self.change.relation.name),
            "type": _compact(self.change.kind),
        }
        data = ",".join(f'"{name}":{text}' for name, text in parts.items() if text is not None)
        ids = _compact([binding.id for binding in reversed(bindings)])
        return f'{{"data":{{{data}}},"ids":{ids}}}'

    def is_refused(self, selectable: frozenset[str]) -> bool:
        """Whether the row cannot be shown at all, which every subscriber of the table is told."""
        return self._error(selectable) is not None

    def _error(self, selectable: frozenset[str]) -> str | None:
        if self.change.kind == "DELETE":
            return None
        if not self.table.key:
            return "Error 400: Bad Request, no primary key"
        if not all(field.name in selectable for field in self.table.key):
            return "Error 401: Unauthorized"
        return None

    def _trimmed(self, record: dict[str, str] | None, wanted: frozenset[str]) -> str | None:
        if record is None:
            return None
        members = (
            f"{json.dumps(name, ensure_ascii=False)}: {text}"
            for name, text in record.items()
            if name in wanted and not (self.too_large and len(text.encode()) > _SMALL_VALUE_BYTES)
        )
        return f"{{{', '.join(members)}}}"


async def show(connection: Connection, change: Change, table: Table) -> Shown:
    """Let Postgres write the rows of a change as JSON."""
    kept = _kept(change.old, table, change.kind)
    new, old = _row(change.new or {}, table), _row(kept, table)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            sql.SQL(
                "select (select to_jsonb(r)::text from (select {}) r),"
                " (select to_jsonb(r)::text from (select {}) r)"
            ).format(new, old)
        )
        new_text, old_text = await cursor.fetchone() or ("{}", "{}")
    size = sum(len(v or "") for values in (change.new, kept) for v in (values or {}).values())
    return Shown(
        change,
        table,
        record=None if change.kind == "DELETE" else members_of(new_text),
        old_record=None if change.kind == "INSERT" else members_of(old_text),
        too_large=size > _MAX_ROW_BYTES,
    )


async def passed(
    connection: Connection, change: Change, table: Table, filters: set[Conditions]
) -> set[Conditions]:
    """Those filters that the change passes, tried by Postgres.

    Raises:
        psycopg.Error: a filter cannot be tried on this row, such as any on an array.
    """
    types = {field.name: field.type for field in table.fields}
    row = (change.new if change.kind != "DELETE" else change.old) or {}
    row = {name: text for name, text in row.items() if name in types}
    free = {conditions for conditions in filters if not conditions}
    tried = [c for c in filters if c and all(condition.column in row for condition in c)]
    if not tried:
        return free
    compared = {part.column for c in tried for part in c if part.operator != "is"}
    typed = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(
            _compared(text, types[name]) if name in compared else _typed(text, types[name]),
            sql.Identifier(name),
        )
        for name, text in row.items()
    )
    tests = [
        sql.SQL(" and ").join([condition.to_sql(types[condition.column]) for condition in c])
        for c in tried
    ]
    query = sql.SQL("select {} from (select {}) r").format(sql.SQL(", ").join(tests), typed)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query)
        verdicts = await cursor.fetchone() or ()
    return free | {c for c, verdict in zip(tried, verdicts, strict=True) if verdict}


def _typed(text: str | None, type_name: str) -> sql.Composed:
    return sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(type_name))


def _compared(text: str | None, type_name: str) -> sql.Composable:
    """A value as the real server compares it: by way of JSON, which no array comes back from."""
    value = _typed(text, type_name)
    if type_name.endswith("[]"):
        return sql.SQL("(to_jsonb({})::text)::{}").format(value, sql.SQL(type_name))
    return value


def members_of(text: str) -> dict[str, str]:
    """The members of a JSON object as Postgres writes it, each value as it stands there."""
    members: dict[str, str] = {}
    at = 1
    while text[at] != "}":
        name, at = _JSON.raw_decode(text, at)
        start = at + len(": ")
        _, at = _JSON.raw_decode(text, start)
        members[name] = text[start:at]
        if text[at] == ",":
            at += len(", ")
    return members


def _kept(old: Values | None, table: Table, kind: str) -> Values:
    """What may be shown of the old row: policies cannot protect a row that is gone."""
    if kind == "DELETE" and table.has_policies:
        keys = {field.name for field in table.key}
        return {name: text for name, text in (old or {}).items() if name in keys}
    return old or {}


def _row(values: Values, table: Table) -> sql.Composable:
    """A select list with each value in its type and the form in which Realtime shows it."""
    types = {field.name: field.type for field in table.fields}
    return sql.SQL(", ").join(
        sql.SQL("{} as {}").format(_value(text, types[name]), sql.Identifier(name))
        for name, text in values.items()
        if name in types
    )


def _value(text: str | None, type_name: str) -> sql.Composable:
    value = _typed(text, type_name)
    if type_name == "bytea":
        return sql.SQL("encode({}, 'hex')").format(value)
    if type_name == "bpchar":
        return sql.SQL("left({}, 1)").format(value)  # it casts to "character", which is one
    if type_name in _FLOATS and text in ("NaN", "Infinity", "-Infinity"):
        return sql.SQL("null")
    return value


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
