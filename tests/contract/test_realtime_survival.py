"""What goes wrong for one row or one subscriber of Realtime, and what it costs the others."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from tests.support.contract import Project
from tests.support.realtime import (
    PATIENCE_SECONDS,
    Connect,
    MakeTable,
    Sql,
    everything,
    topic_name,
)


async def test_a_filter_whose_column_goes_silences_only_itself(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table("id int primary key, gone text, stays text")
    wire = await wire_to()
    _, by_id = await wire.subscribe(
        topic_name(), everything(table, filter="gone=eq.a"), everything(table, filter="id=gt.0")
    )
    await owner(f"alter table {table} drop column gone")
    await owner(f"insert into {table} values (1, 'x')")
    frame = await wire.next()
    assert frame.payload["ids"] == [by_id]
    assert frame.data["record"] == {"id": 1, "stays": "x"}


# What one subscriber asks or is allowed by, and a row on which that raises.
RAISING = {
    "a filter on an array": ("", "tags=eq.{a}", "'{a}', 1"),
    "a filter on a column of another type now": (
        "alter table {} alter column tags type int using 0",
        "tags=eq.{a}",
        "5, 1",
    ),
    "a policy": ("", "", "null, 0"),
    "an id that is no uuid": ("", "", "null, 1"),
}
POLICY = (
    "create policy odd on {} for select to authenticated"
    " using (1 / n > 0 and (select auth.uid()) is not null)"
)


async def told_by_realtime(owner: Sql, table: str) -> None:
    """Return when Realtime has told, or lost, what is committed: it has read what came later."""
    for later in ("first", "second"):
        await owner(f"comment on table {table} is '{later}'")
        [now] = await owner("select pg_current_wal_lsn() as lsn")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await owner(  # noqa: ASYNC110  a slot tells nobody how far it is
                "select 1 from pg_replication_slots"
                " where slot_name like '%%realtime%%' and slot_name not like '%%messages%%'"
                " and active and confirmed_flush_lsn < %s::pg_lsn",
                now["lsn"],
            ):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", RAISING)
async def test_one_subscriber_for_whom_something_raises_costs_everybody_that_poll(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project, kind: str
) -> None:
    alteration, text, row = RAISING[kind]
    table = await make_table("id int primary key, tags text[], n int", rls=True)
    await owner(POLICY.format(table))
    odd, good = await wire_to(), await wire_to()
    sub = "user_2abc" if kind == "an id that is no uuid" else str(uuid.uuid4())
    topic = topic_name()
    token = {"token": project.user_token(sub)} if not text else {}
    await odd.subscribe(topic, everything(table, filter=text), **token)
    await good.subscribe(topic_name(), everything(table))
    if "alter" in alteration:
        await owner(alteration.format(table))
    await owner(f"insert into {table} values (1, {row})")
    await told_by_realtime(owner, table)
    await odd.send(f"realtime:{topic}", "phx_leave", {}, ref="2", join_ref="1")
    assert (await odd.next()).event == "phx_reply"
    await owner(f"insert into {table} values (2, null, 1)")
    assert (await good.next()).data["record"]["id"] == 2
    await good.heartbeat()


async def test_no_policy_of_ours_raises_for_an_id_that_is_no_uuid(
    wire_to: Connect, owner: Sql, project: Project
) -> None:
    odd, good = await wire_to(), await wire_to()
    token = project.user_token("user_2abc")
    await odd.subscribe(topic_name(), everything("music_tracks"), token=token)
    await good.subscribe(topic_name(), everything("music_tracks", event="INSERT"))
    [track] = await owner("insert into public.music_tracks (prompt) values ('x') returning id")
    try:
        while (frame := await good.next()).data["record"]["id"] != str(track["id"]):
            pass
        assert frame.data["record"]["prompt"] == "x"
        await odd.heartbeat()
    finally:
        await owner("delete from public.music_tracks where id = %s", track["id"])


async def test_broadcasts_are_untouched_by_what_raises(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table = await make_table("id int primary key, tags text[]")
    wire, topic = await wire_to(), topic_name()
    await wire.subscribe(topic, everything(table, filter="tags=eq.{a}"))
    await owner(f"insert into {table} values (1, '{{a}}')")
    await owner("select realtime.send('{\"id\": 1}', 'ev', %s::text, false)", topic)
    assert (await wire.next()).payload["payload"] == {"id": 1}


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
    assert [frame.data["record"]["id"] for frame in frames if frame.data["record"]] in ([], [1])
    await wire.subscribe(topic_name(), everything(table), ref="2")
    await owner(f"insert into {table} values (5, 6)")
    assert (await wire.next()).data["record"] == {"id": 5, "more": 6}


async def test_a_pattern_that_is_no_pattern_harms_nobody_once_it_is_gone(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    table, bad, good = await make_table(), await wire_to(), await wire_to()
    topic = topic_name()
    await bad.join(topic, everything(table, filter="status=match.("))
    await bad.next()
    await good.subscribe(topic_name(), everything(table))
    await bad.send(f"realtime:{topic}", "phx_leave", {}, ref="2", join_ref="1")
    assert (await bad.next()).event == "phx_reply"
    await owner(f"insert into {table} values (1, 'a')")
    assert (await good.next()).data["record"]["id"] == 1
    assert (await bad.next()).event == "phx_close"
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


async def test_a_claim_that_postgres_cannot_hold_is_refused_and_harms_nobody(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table(rls=True)
    odd, service = await wire_to(), await wire_to()
    token = project.token(role="authenticated", sub=str(uuid.uuid4()), note="nul\u0000")
    assert "22P05" in await odd.refused_binding(topic_name(), everything(table), token=token)
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


async def test_a_message_deleted_before_it_is_read_is_broadcast_all_the_same(
    wire_to: Connect, owner: Sql
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    await owner("begin")
    await owner("select realtime.send('{\"id\": 1}', 'ev', %s::text, false)", topic)
    await owner("delete from realtime.messages where topic = %s", topic)
    await owner("commit")
    await owner("select realtime.send('{\"id\": 2}', 'ev', %s::text, false)", topic)
    assert [(await wire.next()).payload["payload"]["id"] for _ in range(2)] == [1, 2]
