"""Which rows a binding of Realtime asks for: filters, columns, events, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.realtime import Connect, MakeTable, Sql, everything, topic_name

COLUMNS = "id int primary key, status text, n int, ok bool, at timestamptz"
ROWS = """(1, 'pending', 1, true,  '2024-01-01T00:00Z'),
          (2, ' pending', 5, false, '2025-01-01T00:00Z'),
          (3, 'a.b', 9, null, null),
          (4, null, null, null, null),
          (5, 'x&n=eq.1', 7, true, '2024-06-01T00:00Z')"""
MATCHES: dict[str, set[int]] = {
    "": {1, 2, 3, 4, 5},
    "status=eq.pending": {1},
    "status=eq. pending": {2},
    "status=eq.a.b": {3},
    "status=eq.": set(),
    "status=neq.pending": {2, 3, 5},
    "status=not.eq.pending": {2, 3, 5},
    "status=is.null": {4},
    "status=not.is.null": {1, 2, 3, 5},
    "n=lt.5": {1},
    "n=lte.5": {1, 2},
    "n=gt.5": {3, 5},
    "n=gte.5": {2, 3, 5},
    "n=not.gt.5": {1, 2},
    "n=in.(1,9)": {1, 3},
    "n=not.in.(1,9)": {2, 5},
    "n=in.()": set(),
    "status=in.(pending,a.b)": {1, 3},
    "status=like.%pending": {1, 2},
    "status=ilike.PEND%": {1},
    "status=not.like.%pending": {3, 5},
    "status=match.^p.*g$": {1},
    "status=imatch.^P": {1},
    "status=isdistinct.pending": {2, 3, 4, 5},
    "status=not.isdistinct.pending": {1},
    "status=eq.x&n=eq.1": {5},
    "status=eq.pending,n=lt.5": {1},
    "status=eq.pending,n=gt.5": set(),
    "n=in.(1,5,9),ok=is.true": {1},
    "ok=is.true": {1, 5},
    "ok=eq.false": {2},
    "at=lt.2024-03-01": {1},
    "status=eq.'); drop table students; --": set(),
    "status=eq.pending' or 'a'='a": set(),
    "status=eq.{0} %s %(x)s \\": set(),
}


async def test_each_filter_matches_its_rows_and_no_others(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(COLUMNS), await wire_to()
    bindings = [everything(table, filter=text) for text in MATCHES]
    ids = await wire.subscribe(topic_name(), everything(table), *bindings)
    await owner(f"insert into {table} values {ROWS}")
    found: dict[str, set[int]] = {text: set() for text in MATCHES}
    for frame in await wire.changes(5):
        for text, binding_id in zip(MATCHES, ids[1:], strict=True):
            if binding_id in frame.payload["ids"]:
                found[text].add(frame.data["record"]["id"])
    assert found == MATCHES


async def test_an_update_is_tested_by_its_new_row(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(full=True), await wire_to()
    await owner(f"insert into {table} values (1, 'pending'), (2, 'done')")
    await wire.subscribe(
        topic_name(), everything(table, event="UPDATE", filter="status=eq.pending")
    )
    await owner(f"update {table} set status = 'gone' where id = 1")
    await owner(f"update {table} set status = 'pending' where id = 2")
    assert (await wire.next()).data["record"]["id"] == 2
    await wire.heartbeat()


@pytest.mark.parametrize("full", [False, True])
async def test_a_delete_is_tested_by_what_the_identity_kept(
    wire_to: Connect, make_table: MakeTable, owner: Sql, full: bool
) -> None:
    table, wire = await make_table(full=full), await wire_to()
    await owner(f"insert into {table} values (1, 'pending'), (2, 'done'), (3, 'pending')")
    by_status, by_key = await wire.subscribe(
        topic_name(),
        everything(table, event="DELETE", filter="status=eq.pending"),
        everything(table, event="DELETE", filter="id=gt.1"),
    )
    await owner(f"delete from {table} where id in (1, 2, 3)")
    frames = await wire.changes(3 if full else 2)
    seen = {frame.data["old_record"]["id"]: frame.payload["ids"] for frame in frames}
    if full:
        assert seen == {1: [by_status], 2: [by_key], 3: [by_key, by_status]}
    else:
        assert seen == {2: [by_key], 3: [by_key]}
    await wire.heartbeat()


async def test_a_selection_trims_columns_and_record_and_leaves_numbers_as_they_are(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table("id int primary key, price numeric, secret text")
    wire = await wire_to()
    ids = await wire.subscribe(
        topic_name(), everything(table, select=["id", "price"]), everything(table)
    )
    await owner(f"insert into {table} values (1, 12.300, 's')")
    frames = {tuple(frame.payload["ids"]): frame for frame in await wire.changes(2)}
    trimmed = frames[(ids[0],)]
    assert trimmed.data["columns"] == [
        {"name": "id", "type": "int4"},
        {"name": "price", "type": "numeric"},
    ]
    assert isinstance(trimmed.raw, str)
    assert '"price": 12.300' in trimmed.raw
    assert set(trimmed.data["record"]) == {"id", "price"}
    assert frames[(ids[1],)].data["record"]["secret"] == "s"


async def test_a_selection_of_an_unknown_column_is_an_error(
    wire_to: Connect, make_table: MakeTable
) -> None:
    table, wire = await make_table(), await wire_to()
    message = await wire.refused_binding(topic_name(), everything(table, select=["id", "nocol"]))
    assert "nocol" in message


@pytest.mark.parametrize("event", ["FOO", "Insert", "*", None])
async def test_an_unknown_event_stands_for_every_event(
    wire_to: Connect, make_table: MakeTable, owner: Sql, event: Any
) -> None:
    table, wire = await make_table(), await wire_to()
    binding = everything(table, event=event)
    await wire.subscribe(topic_name(), binding if event else {"schema": "public", "table": table})
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"delete from {table}")
    assert [frame.data["type"] for frame in await wire.changes(2)] == ["INSERT", "DELETE"]


@pytest.mark.parametrize("kind", ["INSERT", "insert", "UPDATE", "DELETE"])
async def test_a_named_event_is_the_only_one_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql, kind: str
) -> None:
    table, wire = await make_table(), await wire_to()
    await wire.subscribe(topic_name(), everything(table, event=kind))
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"update {table} set status = 'b'")
    await owner(f"delete from {table}")
    assert (await wire.next()).data["type"] == kind.upper()
    await wire.heartbeat()


@pytest.mark.parametrize(
    "wildcard", [{"schema": "public"}, {"schema": "*", "table": "*"}, {"table": "*"}]
)
async def test_a_missing_or_starred_schema_or_table_stands_for_all(
    wire_to: Connect, make_table: MakeTable, owner: Sql, wildcard: dict[str, str]
) -> None:
    table, wire = await make_table(), await wire_to()
    await wire.subscribe(topic_name(), wildcard)
    await owner(f"insert into {table} values (1, 'a')")
    while (frame := await wire.next()).data["table"] != table:
        pass
    assert frame.data["record"] == {"id": 1, "status": "a"}


PREFIX = "Unable to subscribe to changes with given parameters. "
ENABLED = f"{PREFIX}Please check Realtime is enabled for the given connect parameters: "
HAPPENED = f"{PREFIX}An exception happened so please check your connect parameters: "
BAD_BINDINGS = [
    (
        {"event": "*", "schema": "public", "table": "nope"},
        ENABLED + "[event: *, schema: public, table: nope, filters: [], select: nil]",
    ),
    (
        {"event": "INSERT", "schema": "nope"},
        ENABLED + "[event: INSERT, schema: nope, table: *, filters: [], select: nil]",
    ),
    (
        {"filter": "nocol=eq.1"},
        HAPPENED + "[event: *, schema: public, table: TABLE, "
        'filters: [{"nocol", "eq", "1", false}], select: nil]. '
        "Exception: ERROR P0001 (raise_exception) invalid column for filter nocol",
    ),
    (
        {"filter": "key=not.eq.notauuid"},
        HAPPENED + "[event: *, schema: public, table: TABLE, "
        'filters: [{"key", "eq", "notauuid", true}], select: nil]. Exception: ERROR 22P02 '
        '(invalid_text_representation) invalid input syntax for type uuid: "notauuid"',
    ),
    ({"filter": "status=eq.a,b"}, 'Error parsing `filter` params: ["b"]'),
    ({"filter": "status"}, 'Error parsing `filter` params: ["status"]'),
    ({"filter": "foo=x"}, 'Error parsing `filter` params: ["x"]'),
    ({"filter": "id=nope.1"}, 'Error parsing `filter` params: ["nope", "1"]'),
    (
        {"filter": "id=in.1,2"},
        "Error parsing `filter` params: `in` filter value must be wrapped by parentheses",
    ),
]


@pytest.mark.parametrize(("params", "message"), BAD_BINDINGS)
async def test_a_bad_binding_is_told_and_silences_the_good_one_beside_it(
    wire_to: Connect, make_table: MakeTable, owner: Sql, params: dict[str, Any], message: str
) -> None:
    table, wire = await make_table("id int primary key, key uuid, status text"), await wire_to()
    bad = params if "schema" in params else everything(table, **params)
    topic, watch = topic_name(), topic_name()
    assert await wire.refused_binding(topic, everything(table), bad) == message.replace(
        "TABLE", table
    )
    await wire.subscribe(watch, everything(table), ref="2")
    await owner(f"insert into {table} (id) values (1)")
    assert (await wire.next()).topic == f"realtime:{watch}"
    await wire.send(f"realtime:{topic}", "phx_leave", {}, ref="3", join_ref="1")
    assert [(await wire.next()).event for _ in range(2)] == ["phx_reply", "phx_close"]


@pytest.mark.parametrize(("given", "written"), [(None, "nil"), (5, "5")])
async def test_a_filter_that_is_no_text_is_told(
    wire_to: Connect, make_table: MakeTable, given: Any, written: str
) -> None:
    table, wire = await make_table(), await wire_to()
    message = await wire.refused_binding(topic_name(), everything(table, filter=given))
    assert message.startswith(
        "No subscription params provided. Please provide at least a `schema` or `table` "
        "to subscribe to: %{"
    )
    assert f'"filter" => {written}' in message


@pytest.mark.parametrize("binding", [{"event": "*"}, {"event": "INSERT", "filter": "id=eq.1"}])
async def test_a_binding_without_schema_and_table_is_told(
    wire_to: Connect, binding: dict[str, str]
) -> None:
    wire = await wire_to()
    message = await wire.refused_binding(topic_name(), binding)
    assert message.startswith("No subscription params provided.")


async def test_an_unpublished_table_is_as_good_as_none(
    wire_to: Connect, make_table: MakeTable
) -> None:
    table, wire = await make_table(publish=False), await wire_to()
    assert (await wire.refused_binding(topic_name(), everything(table))).startswith(ENABLED)


@pytest.mark.parametrize(
    "text",
    [
        "status=eq.nul\u0000",
        "id=like.1%",
        "status=is.maybe",
        'st"atus=eq.1',
        "status; drop table x=eq.1",
    ],
)
async def test_a_filter_that_postgres_cannot_try_is_told_and_the_socket_lives(
    wire_to: Connect, make_table: MakeTable, text: str
) -> None:
    table, wire = await make_table(), await wire_to()
    assert await wire.refused_binding(topic_name(), everything(table, filter=text))
    await wire.heartbeat()
