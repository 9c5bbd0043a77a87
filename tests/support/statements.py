"""The statements in a function's body, as Postgres's own parser reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast, parse_plpgsql, parse_sql
from pglast.parser import ParseError
from pglast.visitors import Visitor

_ASSIGNMENT = "PLpgSQL_stmt_assign"


class _Unbounded(Visitor):
    """Collects updates and deletes without a condition, also those inside another statement."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_UpdateStmt(self, _: Any, node: Any) -> None:  # noqa: N802  the parser's
        if node.whereClause is None:
            self.found.append(f"update {node.relation.relname}")

    def visit_DeleteStmt(self, _: Any, node: Any) -> None:  # noqa: N802
        if node.whereClause is None:
            self.found.append(f"delete from {node.relation.relname}")


def without_where(
    definition: str, language: str, body: str, *, may_execute: bool = False
) -> list[str]:
    """What a function would be refused for on an API connection: each with its table.

    Args:
        definition: the `create function` statement.
        language: `sql` or `plpgsql`.
        body: what is between its quotes.
        may_execute: whether it is known what text it puts together and executes.

    Raises:
        ValueError: a statement could not be read, so that nothing is known of it.
    """
    # The parser knows types of `public` alone, and what it looks for is the same in any schema.
    readable = definition.replace("music.", "public.")
    texts = [body] if language == "sql" else list(_statements(parse_plpgsql(readable), may_execute))
    found = []
    for text in texts:
        visitor = _Unbounded()
        visitor(_parsed(text))
        found += visitor.found
    return found


def _parsed(text: str) -> Any:
    for form in (text, f"select {text}"):  # an expression alone, as in a condition
        try:
            return parse_sql(form)
        except ParseError:
            continue
    raise ValueError(f"This cannot be read: {text}")


def _statements(node: Any, may_execute: bool, inside: str = "") -> Iterator[str]:
    """Every query and expression of a parsed PL/pgSQL function, dynamic ones as their text."""
    if isinstance(node, list):
        for each in node:
            yield from _statements(each, may_execute, inside)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "query" and isinstance(value, str):
                yield _right_hand(value) if inside == _ASSIGNMENT else value
                if inside == "PLpgSQL_stmt_dynexecute" and not may_execute:
                    yield from _dynamic(value)
            else:
                within = name if name.startswith("PLpgSQL_stmt") else inside
                within = "" if name == "params" else within
                yield from _statements(value, may_execute, within)


def _right_hand(assignment: str) -> str:
    return assignment.partition(":=")[2] or assignment.partition("=")[2]


def _dynamic(expression: str) -> Iterator[str]:
    """The text that an `execute` runs; only one written out can be read."""
    statement: Any = parse_sql(f"select {expression}")[0]
    value = statement.stmt.targetList[0].val
    if not isinstance(value, ast.A_Const):
        raise TypeError(f"What is executed here cannot be read: {expression}")
    text: Any = value.val
    yield text.sval
