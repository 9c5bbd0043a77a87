"""The frames in which Realtime tells of changed rows."""

from __future__ import annotations

import re

from tests.support.realtime import Connect, MakeTable, Sql, everything, topic_name

CHANGE_KEYS = {"columns", "commit_timestamp", "errors", "record", "schema", "table", "type"}


async def test_an_insert_is_told_with_its_columns_and_the_record_as_postgres_writes_it(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table("status text, id int primary key, a_long_name int, price numeric")
    wire = await wire_to()
    [binding_id] = await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values ('größe', 1, null, 12.300)")
    frame = await wire.next()
    data = frame.data
    assert set(frame.payload) == {"data", "ids"}
    assert frame.payload["ids"] == [binding_id]
    assert set(data) == CHANGE_KEYS
    assert data["columns"] == [
        {"name": "status", "type": "text"},
        {"name": "id", "type": "int4"},
        {"name": "a_long_name", "type": "int4"},
        {"name": "price", "type": "numeric"},
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data["commit_timestamp"])
    assert (data["errors"], data["schema"], data["table"]) == (None, "public", table)
    assert data["type"] == "INSERT"
    assert data["record"] == {"id": 1, "price": 12.3, "status": "größe", "a_long_name": None}
    assert isinstance(frame.raw, str)
    assert '"price": 12.300' in frame.raw


async def test_updates_and_deletes_tell_only_the_old_primary_key_by_default(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"update {table} set status = 'b'")
    await owner(f"update {table} set id = 2")
    await owner(f"delete from {table}")
    _, same_key, new_key, deleted = [frame.data for frame in await wire.changes(4)]
    assert set(same_key) == CHANGE_KEYS | {"old_record"}
    assert (same_key["old_record"], same_key["record"]) == ({"id": 1}, {"id": 1, "status": "b"})
    assert (new_key["old_record"], new_key["record"]["id"]) == ({"id": 1}, 2)
    assert deleted["old_record"] == {"id": 2}
    assert "record" not in deleted
    assert deleted["columns"] == same_key["columns"]


async def test_with_full_identity_the_whole_old_row_is_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(full=True), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"update {table} set status = 'b'")
    await owner(f"delete from {table}")
    _, updated, deleted = [frame.data for frame in await wire.changes(3)]
    assert updated["old_record"] == {"id": 1, "status": "a"}
    assert deleted["old_record"] == {"id": 1, "status": "b"}


async def test_truncate_tells_nothing(wire_to: Connect, make_table: MakeTable, owner: Sql) -> None:
    table, wire = await make_table(), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"truncate {table}")
    await owner(f"insert into {table} values (2, 'marker')")
    first, second = await wire.changes(2)
    assert (first.data["record"]["id"], second.data["record"]["id"]) == (1, 2)


TYPES = {
    "c_int2": ("int2", "-7", "-7"),
    "c_int8": ("int8", "9223372036854775807", "9223372036854775807"),
    "c_num": ("numeric", "12.300", "12.300"),
    "c_big": ("numeric", "1.5e300", "15" + "0" * 299),
    "c_nan": ("numeric", "'NaN'", "null"),
    "c_flt": ("float8", "0.1", "0.1"),
    "c_fnan": ("float8", "'NaN'", "null"),
    "c_real": ("real", "2.5", "2.5"),
    "c_bool": ("bool", "true", "true"),
    "c_uuid": (
        "uuid",
        "'7d194c3e-0000-4000-8000-000000000001'",
        '"7d194c3e-0000-4000-8000-000000000001"',
    ),
    "c_ts": ("timestamp", "'2024-01-02 03:04:05.678901'", '"2024-01-02T03:04:05.678901"'),
    "c_tz": (
        "timestamptz",
        "'2024-01-02 03:04:05.678901+05'",
        '"2024-01-01T22:04:05.678901+00:00"',
    ),
    "c_date": ("date", "'2024-01-02'", '"2024-01-02"'),
    "c_bytes": ("bytea", r"'\xDEADBEEF'", '"deadbeef"'),
    "c_char": ("char(5)", "'ab'", '"a"'),
    "c_vc": ("varchar(9)", "'ab'", '"ab"'),
    "c_js": ("json", """'{"b" : [1, null]}'""", '{"b": [1, null]}'),
    "c_jsb": ("jsonb", """'{"b":{"a":1.50}}'""", '{"b": {"a": 1.50}}'),
    "c_ints": ("int[]", "'{1,null,3}'", "[1, null, 3]"),
    "c_texts": ("text[]", """'{a,"b,c"}'""", '["a", "b,c"]'),
    "c_range": ("int4range", "'[1,5)'", '"[1,5)"'),
    "c_inet": ("inet", "'10.0.0.1/8'", '"10.0.0.1/8"'),
    "c_span": ("interval", "'1 day 02:00'", '"1 day 02:00:00"'),
    "c_point": ("point", "'(1,2.5)'", '"(1,2.5)"'),
    "c_null": ("text", "null", "null"),
}


async def test_every_type_arrives_as_the_json_that_clients_expect(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in TYPES.items())
    table, wire = await make_table(f"id int primary key, {columns}"), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    values = ", ".join(value for _, value, _ in TYPES.values())
    await owner(f"insert into {table} values (1, {values})")
    frame = await wire.next()
    raw = frame.raw
    assert isinstance(raw, str)
    missing = [name for name, (*_, text) in TYPES.items() if f'"{name}": {text}' not in raw]
    assert missing == []
    for name, kind in [("c_tz", "timestamptz"), ("c_ints", "_int4"), ("c_char", "bpchar")]:
        assert {"name": name, "type": kind} in frame.data["columns"]


async def test_an_enum_arrives_as_a_string_even_one_made_after_the_subscription(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    await wire.next()
    await owner(f"create type {table}_mood as enum ('calm')")
    try:
        await owner(f"alter table {table} add column mood {table}_mood")
        await owner(f"insert into {table} values (2, 'b', 'calm')")
        assert (await wire.next()).data["record"] == {"id": 2, "status": "b", "mood": "calm"}
        await owner(f"alter type {table}_mood rename to {table}_temper")
        await owner(f"insert into {table} values (3, 'c', 'calm')")
        assert (await wire.next()).data["record"]["mood"] == "calm"
    finally:
        await owner(f"drop type if exists {table}_mood cascade")
        await owner(f"drop type if exists {table}_temper cascade")


async def test_one_frame_a_channel_lists_every_matching_binding_in_reverse(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(), await wire_to()
    ids = await wire.subscribe(
        topic_name(),
        everything(table),
        everything(table, filter="id=eq.9"),
        everything(table, event="INSERT"),
        {"schema": "public"},
    )
    await owner(f"insert into {table} values (1, 'a')")
    await owner(f"update {table} set status = 'b'")
    inserted, updated = await wire.changes(2)
    assert inserted.payload["ids"] == [ids[3], ids[2], ids[0]]
    assert updated.payload["ids"] == [ids[3], ids[0]]
    await wire.heartbeat()


async def test_a_thousand_rows_of_one_statement_arrive_whole_and_in_order(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(rls=True), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} select n, 'many' from generate_series(1, 1000) n")
    frames = await wire.changes(1000)
    assert [frame.data["record"]["id"] for frame in frames] == list(range(1, 1001))


async def test_a_large_row_arrives_whole_and_an_oversized_one_with_its_small_values(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    columns = "id int primary key, body text, short text, edge text, over text"
    table, wire = await make_table(columns), await wire_to("2.0.0")
    await wire.subscribe(topic_name(), everything(table))
    small = "'short', repeat('e', 62), repeat('o', 63)"
    await owner(f"insert into {table} values (1, repeat('x', 500000), {small})")
    await owner(f"insert into {table} values (2, repeat('x', 1100000), {small})")
    whole, cut = [frame.data for frame in await wire.changes(2)]
    assert (len(whole["record"]["body"]), whole["errors"]) == (500_000, None)
    assert cut["errors"] == ["Error 413: Payload Too Large"]
    assert cut["record"] == {"id": 2, "short": "short", "edge": "e" * 62}
    assert len(cut["columns"]) == 5


async def test_an_untouched_large_value_is_left_out_of_an_update_and_kept_with_full_identity(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    columns = "id int primary key, n int, body text"
    wire = await wire_to()
    for full in (False, True):
        table = await make_table(columns, full=full)
        await owner(f"alter table {table} alter column body set storage external")
        await wire.subscribe(topic_name(), everything(table))
        await owner(f"insert into {table} values (1, 1, repeat('x', 9000))")
        await owner(f"update {table} set n = 2")
        _, updated = [frame.data for frame in await wire.changes(2)]
        expected = {"id", "n", "body"} if full else {"id", "n"}
        assert set(updated["record"]) == expected
