"""Who is told of which rows: policies, grants, keys."""

from __future__ import annotations

import uuid

from tests.support.contract import Project
from tests.support.realtime import Connect, MakeTable, Sql, everything, topic_name

OWNED = "id int primary key, owner uuid, note text"


async def owned_table(make_table: MakeTable, owner: Sql, *, full: bool = False) -> str:
    table = await make_table(OWNED, rls=True, full=full)
    await owner(
        f"create policy own on {table} for select to authenticated"
        " using (owner = (select auth.uid()))"
    )
    return table


async def test_a_row_is_told_to_those_who_may_select_it_and_to_the_service(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await owned_table(make_table, owner)
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    adas, bobs, service = await wire_to(), await wire_to(), await wire_to()
    await adas.subscribe(topic_name(), everything(table), token=project.user_token(ada))
    await bobs.subscribe(topic_name(), everything(table), token=project.user_token(bob))
    await service.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, '{ada}', 'hers'), (2, '{bob}', 'his')")
    await owner(f"update {table} set note = 'still hers' where id = 1")
    assert [f.data["record"]["id"] for f in await adas.changes(2)] == [1, 1]
    assert [f.data["record"]["id"] for f in await bobs.changes(1)] == [2]
    assert [f.data["record"]["id"] for f in await service.changes(3)] == [1, 2, 1]
    for wire in (adas, bobs, service):
        await wire.heartbeat()


async def test_a_row_that_passes_into_other_hands_is_told_to_its_new_owner_only(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await owned_table(make_table, owner)
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    await owner(f"insert into {table} values (1, '{ada}', 'first'), (2, '{ada}', 'marker')")
    adas, bobs = await wire_to(), await wire_to()
    await adas.subscribe(
        topic_name(), everything(table, event="UPDATE"), token=project.user_token(ada)
    )
    await bobs.subscribe(
        topic_name(), everything(table, event="UPDATE"), token=project.user_token(bob)
    )
    await owner(f"update {table} set owner = '{bob}' where id = 1")
    await owner(f"update {table} set note = 'seen' where id = 2")
    assert (await adas.next()).data["record"]["id"] == 2
    assert (await bobs.next()).data["record"]["id"] == 1


async def test_a_delete_is_told_to_everyone_with_nothing_but_the_key(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await owned_table(make_table, owner, full=True)
    ada = str(uuid.uuid4())
    await owner(f"insert into {table} values (1, '{ada}', 'private')")
    stranger = await wire_to(key=project.publishable_key)
    await stranger.subscribe(topic_name(), everything(table, event="DELETE"))
    await owner(f"delete from {table}")
    data = (await stranger.next()).data
    assert (data["type"], data["old_record"], data["errors"]) == ("DELETE", {"id": 1}, None)


async def test_a_table_without_policies_in_force_tells_rows_that_are_gone_already(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table()
    wire = await wire_to(key=project.publishable_key)
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'short'); delete from {table}")
    assert [f.data["type"] for f in await wire.changes(2)] == ["INSERT", "DELETE"]


async def test_without_a_grant_nothing_but_the_event_is_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table(grants="")
    wire = await wire_to(key=project.publishable_key)
    [binding_id] = await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'secret')")
    await owner(f"update {table} set status = 'secret too'")
    inserted, updated = await wire.changes(2)
    assert inserted.payload == {
        "data": {
            "columns": [],
            "commit_timestamp": None,
            "errors": ["Error 401: Unauthorized"],
            "record": {},
            "schema": "public",
            "table": table,
            "type": "INSERT",
        },
        "ids": [binding_id],
    }
    assert updated.data["record"] == {}
    assert "secret" not in str(updated.raw)


async def test_with_grants_on_columns_only_those_are_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table("id int primary key, open text, hidden text", grants="", full=True)
    await owner(f"grant select (id, open) on {table} to anon")
    wire = await wire_to(key=project.publishable_key)
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a', 'secret')")
    await owner(f"update {table} set open = 'b'")
    await owner(f"delete from {table}")
    inserted, updated, deleted = await wire.changes(3)
    assert inserted.data["record"] == {"id": 1, "open": "a"}
    assert [column["name"] for column in inserted.data["columns"]] == ["id", "open"]
    assert updated.data["old_record"] == {"id": 1, "open": "a"}
    assert deleted.data["old_record"] == {"id": 1, "open": "b"}
    assert not [f for f in (inserted, updated, deleted) if "secret" in str(f.raw)]


async def test_without_a_grant_on_the_key_the_row_is_not_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table("id int primary key, open text", grants="")
    await owner(f"grant select (open) on {table} to anon")
    wire = await wire_to(key=project.publishable_key)
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    data = (await wire.next()).data
    assert (data["record"], data["errors"]) == ({}, ["Error 401: Unauthorized"])


async def test_a_table_without_a_primary_key_tells_an_error(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table("id int, status text"), await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    data = (await wire.next()).data
    assert (data["record"], data["columns"]) == ({}, [])
    assert data["errors"] == ["Error 400: Bad Request, no primary key"]


async def test_what_is_hidden_is_hidden_from_every_filter_too(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await owned_table(make_table, owner)
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    wire = await wire_to()
    await wire.subscribe(
        topic_name(),
        everything(table, filter=f"owner=eq.{ada}"),
        everything(table, filter="note=eq.marker"),
        token=project.user_token(bob),
    )
    await owner(f"insert into {table} values (1, '{ada}', 'hers'), (2, '{bob}', 'marker')")
    assert (await wire.next()).data["record"]["id"] == 2
    await wire.heartbeat()
