"""What a channel subscribes to: schema, table, event, filter, columns."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any

from psycopg import sql

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "like": "~~",
    "ilike": "~~*",
    "match": "~",
    "imatch": "~*",
    "isdistinct": "is distinct from",
}
_PART = re.compile(r"^([^=]+)=(not\.)?([a-z]+)\.(.*)$", re.DOTALL)
_TO_THE_COMMA = re.compile(r",(?=[^,()]+=(?:not\.)?[a-z]+\.)")


class BadBindingError(Exception):
    """The binding cannot be subscribed to, in the words of the real server."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a filter."""

    column: str
    operator: str
    value: str
    negated: bool

    def to_sql(self, type_name: str) -> sql.Composable:
        """The comparison on the columns of a row called `r`; never null."""
        column = sql.SQL("r.{}").format(sql.Identifier(self.column))
        as_type = sql.SQL("::" + type_name)  # from the catalog
        if self.operator == "in":
            values = [sql.Literal(part) + as_type for part in self.value.strip("()").split(",")]
            found = sql.SQL("{} in ({})").format(column, sql.SQL(",").join(values))
        elif self.operator == "is":
            found = sql.SQL("{} is {}").format(column, sql.SQL(_is_operand(self.value)))
        else:
            operand = sql.Literal(self.value) + as_type
            operator = sql.SQL(f" {_OPERATORS[self.operator]} ")
            found = column + operator + operand
        if self.negated:
            found = sql.SQL("not ({})").format(found)
        return sql.SQL("coalesce({}, false)").format(found)


@dataclass(frozen=True)
class Binding:
    """One entry of `postgres_changes`; `params` is what the client sent."""

    params: dict[str, Any]
    schema: str
    table: str
    event: str
    conditions: tuple[Condition, ...]
    columns: tuple[str, ...] | None

    @property
    def id(self) -> int:
        """The same number for the same parameters, below 2^27."""
        return zlib.crc32(json.dumps(self.params, sort_keys=True).encode()) & 0x7FFFFFF

    def concerns(self, schema: str, table: str, kind: str) -> bool:
        """Whether a change of this kind to this table is asked for."""
        return (
            self.schema in ("*", schema)
            and self.table in ("*", table)
            and (self.event not in ("INSERT", "UPDATE", "DELETE") or self.event == kind)
        )

    def described(self) -> str:
        """The parameters as the real server prints them."""
        filters = ", ".join(
            f'{{"{c.column}", "{c.operator}", "{c.value}", {str(c.negated).lower()}}}'
            for c in self.conditions
        )
        select = "nil" if self.columns is None else json.dumps(list(self.columns))
        return (
            f"[event: {self.event}, schema: {self.schema}, table: {self.table}, "
            f"filters: [{filters}], select: {select}]"
        )


def parse(params: Any) -> Binding:
    """Read one entry; raises BadBindingError."""
    if not isinstance(params, dict):
        params = {}
    columns = params.get("select")
    return Binding(
        params=params,
        schema=str(params.get("schema") or "*"),
        table=str(params.get("table") or "*"),
        event=str(params.get("event") or "*"),
        conditions=_conditions(params),
        columns=tuple(map(str, columns)) if isinstance(columns, list) else None,
    )


def _conditions(params: dict[str, Any]) -> tuple[Condition, ...]:
    text = params.get("filter", "")
    if "filter" in params and not isinstance(text, str):
        raise BadBindingError(
            "No subscription params provided. Please provide at least a `schema` or `table` "
            f"to subscribe to: {json.dumps(params)}"
        )
    if not text:
        return ()
    return tuple(_condition(part) for part in _TO_THE_COMMA.split(text))


def _condition(part: str) -> Condition:
    match = _PART.match(part)
    if match is None or match[3] not in (*_OPERATORS, "in", "is"):
        pieces = json.dumps(part.split("=", 1))
        raise BadBindingError(f"Error parsing `filter` params: {pieces}")
    if match[3] == "in" and not (match[4].startswith("(") and match[4].endswith(")")):
        raise BadBindingError("`in` filter value must be wrapped by parentheses")
    return Condition(match[1], match[3], match[4], bool(match[2]))


def _is_operand(value: str) -> str:
    operand = value.strip().lower()
    if operand not in ("null", "true", "false", "unknown", "not null"):
        raise BadBindingError(f'Error parsing `filter` params: ["is", "{value}"]')
    return operand
