"""What goes wrong for one row or one subscriber of Realtime never stops the others."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.support.contract import Project
from tests.support.realtime import (
    Connect,
    MakeTable,
    Sql,
    everything,
    topic_name,
)


async def test_a_filter_whose_column_goes_or_changes_its_type_silences_only_itself(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table("id int primary key, gone text, turned text, stays text")
    wire = await wire_to()
    by_gone, by_turned, by_id = await wire.subscribe(
        topic_name(),
        everything(table, filter="gone=eq.a"),
        everything(table, filter="turned=eq.words"),
        everything(table, filter="id=gt.0"),
    )
    await owner(f"alter table {table} drop column gone")
    await owner(f"alter table {table} alter column turned type int using 0")
    await owner(f"insert into {table} values (1, 5, 'x')")
    frame = await wire.next()
    assert frame.payload["ids"] == [by_id]
    assert by_gone != by_turned
    assert frame.data["record"] == {"id": 1, "turned": 5, "stays": "x"}


async def test_a_dropped_table_and_one_made_again_under_its_name(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, other, wire = await make_table(), await make_table(), await wire_to()
    await wire.subscribe(topic_name(), everything(table), everything(other))
    await owner(
        f"insert into {table} values (1, 'a'); drop table {table};"
        f" create table {table} (id int primary key, more int);"
        f" grant select on {table} to service_role;"
        f" alter publication supabase_realtime add table {table}"
    )
    await owner(f"insert into {table} values (2, 3)")
    await owner(f"insert into {other} values (4, 'marker')")
    frames = []
    while (frame := await wire.next()).data["table"] != other:
        frames.append(frame)
    assert frames[-1].data["record"] == {"id": 2, "more": 3}


async def test_a_policy_that_fails_for_one_row_hides_that_row_alone(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table("id int primary key, n int", rls=True)
    await owner(f"create policy odd on {table} for select to authenticated using (1 / n > 0)")
    wire = await wire_to()
    token = project.user_token(str(uuid.uuid4()))
    await wire.subscribe(topic_name(), everything(table), token=token)
    await owner(f"insert into {table} values (1, 0), (2, 1)")
    assert (await wire.next()).data["record"] == {"id": 2, "n": 1}


async def test_a_pattern_that_is_no_pattern_harms_nobody(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, bad, good = await make_table(), await wire_to(), await wire_to()
    await bad.join(topic_name(), everything(table, filter="status=match.("))
    await bad.next()
    await good.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    assert (await good.next()).data["record"]["id"] == 1
    await bad.heartbeat()


async def test_numbers_of_any_length_and_odd_names_are_told(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table('id int primary key, n numeric, "{} %s ""é, " text')
    wire = await wire_to()
    await wire.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 9.9e9000, 'x')")
    raw = await wire.socket.recv()
    assert f'"n": 99{"0" * 8999}' in str(raw)
    assert r'"{} %s \"é, ": "x"' in str(raw)


async def test_a_claim_that_postgres_cannot_hold_harms_nobody(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table(rls=True)
    await owner(
        f"create policy own on {table} for select to authenticated"
        " using ((select auth.uid()) is not null)"
    )
    odd, service = await wire_to(), await wire_to()
    token = project.token(role="authenticated", sub="not a uuid", note="nul\u0000")
    await odd.subscribe(topic_name(), everything(table), token=token)
    await service.subscribe(topic_name(), everything(table))
    await owner(f"insert into {table} values (1, 'a')")
    assert (await service.next()).data["record"]["id"] == 1
    await odd.heartbeat()


async def test_the_last_to_leave_and_the_next_to_come_lose_nothing(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, wire = await make_table(), await wire_to()
    for number in range(12):
        topic = topic_name()
        await wire.subscribe(topic, everything(table), ref=str(number))
        await owner(f"insert into {table} values ({number}, 'a')")
        while (await wire.next()).data["record"]["id"] != number:
            pass
        name = f"realtime:{topic}"
        await wire.send(name, "phx_leave", {}, ref="bye", join_ref=str(number))
        assert [(await wire.next()).event for _ in range(2)] == ["phx_reply", "phx_close"]


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_a_broadcast_that_cannot_be_said_does_not_stop_the_next(
    wire_to: Connect, owner: Sql, version: str
) -> None:
    wire, topic, other = await wire_to(version), topic_name(), await wire_to("1.0.0")
    await wire.join(topic)
    await other.join(topic)
    send = "select realtime.send(%s::text::jsonb, %s::text, %s::text, false)"
    await owner(send, '{"id": 1}', "e" * 300, topic)
    await owner(
        "insert into realtime.messages (topic, event, extension, private, payload)"
        " values (%s, 'empty', 'broadcast', false, null)",
        topic,
    )
    await owner(send, '{"id": 2}', "marker", topic)
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["event"] != "marker":
        heard.append((await wire.next()).payload)
    assert (heard[0]["event"] == "e" * 300) is (version == "1.0.0")
    assert heard[-1]["payload"] == {"id": 2}
    assert (await other.next()).payload["event"] == "e" * 300
    await wire.heartbeat()


async def test_a_message_deleted_before_it_is_read_is_passed_over(
    wire_to: Connect, owner: Sql
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    await owner("begin")
    await owner("select realtime.send('{\"id\": 1}', 'ev', %s::text, false)", topic)
    await owner("delete from realtime.messages where topic = %s", topic)
    await owner("commit")
    await owner("select realtime.send('{\"id\": 2}', 'ev', %s::text, false)", topic)
    assert (await wire.next()).payload["payload"] == {"id": 2}
