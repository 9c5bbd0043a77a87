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
_KEYWORDS = ("null", "true", "false", "unknown")
_PART = re.compile(r"^([^=]+)=(not\.)?([a-z]+)\.(.*)$", re.DOTALL)
_COMMA_OUTSIDE_LISTS = re.compile(r",(?![^(]*\))")


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
        if self.operator == "is":
            found = sql.SQL("{} is {}").format(column, sql.SQL(self.value))  # one of _KEYWORDS
        elif self.operator == "in":
            members = sql.Literal("{" + self.value[1:-1] + "}")
            found = sql.SQL("{} = any ({}::{}[])").format(column, members, sql.SQL(type_name))
        else:
            operator = sql.SQL(_OPERATORS[self.operator])
            value = sql.Literal(self.value)
            found = sql.SQL("{} {} {}::{}").format(column, operator, value, sql.SQL(type_name))
        if self.negated:
            found = sql.SQL("not ({})").format(found)
        return sql.SQL("coalesce({}, false)").format(found)


@dataclass(frozen=True)
class Binding:
    """One entry of `postgres_changes`.

    `params` is what the client sent; `oids` are the published tables that it found when it was
    subscribed, so that one made later is not told, though it has the same name.
    """

    params: dict[str, Any]
    schema: str
    table: str
    event: str
    conditions: tuple[Condition, ...]
    columns: tuple[str, ...] | None
    oids: frozenset[int] = frozenset()

    @property
    def id(self) -> int:
        """The same number for the same parameters, below 2^27."""
        return id_of(self.params)

    def names(self, schema: str, table: str) -> bool:
        """Whether this table is asked for."""
        return self.schema in ("*", schema) and self.table in ("*", table)

    def concerns(self, oid: int, kind: str) -> bool:
        """Whether a change of this kind to the table with this number is asked for."""
        return oid in self.oids and (
            self.event not in ("INSERT", "UPDATE", "DELETE") or self.event == kind
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


def id_of(params: Any) -> int:
    """The id of a binding with these parameters, whether or not they make sense."""
    return zlib.crc32(json.dumps(params, sort_keys=True).encode()) & 0x7FFFFFF


def parse(params: Any) -> Binding:
    """Read one entry; raises BadBindingError."""
    if not isinstance(params, dict):
        raise _without_parameters(params)
    if not (params.get("schema") or params.get("table")):
        raise _without_parameters(params)
    columns = params.get("select")
    return Binding(
        params=params,
        schema=str(params.get("schema") or "*"),
        table=str(params.get("table") or "*"),
        event="INSERT" if params.get("event") == "insert" else str(params.get("event") or "*"),
        conditions=_conditions(params),
        columns=tuple(map(str, columns)) if isinstance(columns, list) and columns else None,
    )


def of_topic(topic: str) -> dict[str, str]:
    """The binding that a join without a configuration asks for: `schema:table:filter`."""
    return dict(zip(("schema", "table", "filter"), topic.split(":", 2), strict=False))


def _conditions(params: dict[str, Any]) -> tuple[Condition, ...]:
    text = params.get("filter", "")
    if not isinstance(text, str):
        raise _without_parameters(params)
    if not text:
        return ()
    return tuple(_condition(part) for part in _COMMA_OUTSIDE_LISTS.split(text))


def _condition(part: str) -> Condition:
    match = _PART.match(part)
    if match is None or match[3] not in (*_OPERATORS, "in", "is"):
        pieces = part.partition("=")[2].split(".", 1) if "=" in part else [part]
        raise _unparsed(json.dumps(pieces, ensure_ascii=False))
    column, operator, value = match[1], match[3], match[4]
    if operator == "in" and not (value.startswith("(") and value.endswith(")")):
        raise _unparsed("`in` filter value must be wrapped by parentheses")
    if operator == "is" and value not in _KEYWORDS:
        raise _unparsed("invalid value for is filter: must be null, true, false, or unknown")
    return Condition(column, operator, value, bool(match[2]))


def _unparsed(reason: str) -> BadBindingError:
    return BadBindingError(f"Error parsing `filter` params: {reason}")


def _without_parameters(params: Any) -> BadBindingError:
    return BadBindingError(
        "No subscription params provided. Please provide at least a `schema` or `table` "
        f"to subscribe to: {_inspected(params)}"
    )


def _inspected(value: Any) -> str:
    """A value as Elixir prints it, which the real server's messages quote."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} => {_inspected(value[key])}" for key in sorted(value))
        return f"%{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inspected, value))}]"
    return "nil" if value is None else json.dumps(value)
