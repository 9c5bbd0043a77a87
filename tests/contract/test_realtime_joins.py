"""Joining a channel of Realtime: what is answered, in which order, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest

from tests.support.contract import Project
from tests.support.realtime import Connect, MakeTable, Sql, everything, topic_name


async def test_the_reply_echoes_the_bindings_and_comes_before_one_system_message_for_all(
    wire_to: Connect, make_table: MakeTable
) -> None:
    wire, topic, table = await wire_to(), topic_name(), await make_table()
    odd = everything(table, filter="id=gt.0", colour=None, nested={"b": [1, None], "a": 2.5})
    reply = await wire.join(topic, everything(table), odd)
    assert reply.keys == {"event", "payload", "ref", "topic"}
    assert (reply.payload["status"], reply.topic) == ("ok", f"realtime:{topic}")
    entries = reply.payload["response"]["postgres_changes"]
    assert all(0 <= entry["id"] < 2**27 for entry in entries)
    assert [entry | {"id": 0} for entry in entries] == [
        everything(table) | {"id": 0},
        odd | {"id": 0},
    ]
    assert (await wire.next()).payload == {
        "channel": topic,
        "extension": "postgres_changes",
        "message": "Subscribed to PostgreSQL",
        "status": "ok",
    }
    await wire.heartbeat()


async def test_version_two_carries_the_join_ref_where_the_server_has_it(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    wire, topic, table = await wire_to("2.0.0"), topic_name(), await make_table()
    reply = await wire.join(topic, everything(table), ref="4")
    assert (reply.join_ref, reply.ref) == ("4", "4")
    system = await wire.next()
    assert (system.join_ref, system.ref, system.event) == ("4", None, "system")
    await owner(f"insert into {table} values (1, 'a')")
    change = await wire.next()
    assert (change.join_ref, change.ref, change.event) == (None, None, "postgres_changes")


async def test_no_frame_of_version_one_has_a_join_ref(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    wire, topic, table = await wire_to(), topic_name(), await make_table()
    frames = [await wire.join(topic, everything(table)), await wire.next()]
    await owner(f"insert into {table} values (1, 'a')")
    frames.append(await wire.next())
    await wire.send(f"realtime:{topic}", "phx_leave", {}, ref="2", join_ref="1")
    frames += [await wire.next(), await wire.next()]
    assert [frame.event for frame in frames] == [
        "phx_reply",
        "system",
        "postgres_changes",
        "phx_reply",
        "phx_close",
    ]
    assert all(frame.keys == {"event", "payload", "ref", "topic"} for frame in frames)


async def test_the_same_parameters_have_the_same_id_in_every_channel(
    wire_to: Connect, make_table: MakeTable
) -> None:
    table = await make_table()
    wire, other = await wire_to(), await wire_to("2.0.0")
    first = await wire.subscribe(topic_name(), everything(table), everything(table, filter=""))
    turned = dict(reversed(everything(table).items()))
    second = await other.subscribe(topic_name(), turned)
    assert first[0] == second[0]
    assert first[0] != first[1]


async def test_without_bindings_nothing_but_the_reply_comes(wire_to: Connect) -> None:
    wire = await wire_to()
    reply = await wire.join(topic_name())
    assert reply.payload == {"response": {"postgres_changes": []}, "status": "ok"}
    await wire.heartbeat()


async def test_presence_is_told_its_state_right_after_the_reply(wire_to: Connect) -> None:
    wire, topic = await wire_to("2.0.0"), topic_name()
    await wire.join(topic, presence={"key": "", "enabled": True}, ref="3")
    state = await wire.next()
    assert (state.event, state.payload, state.ref) == ("presence_state", {}, None)
    assert state.join_ref == "3"
    await wire.heartbeat()


@pytest.mark.parametrize(
    "config",
    [
        {"presence": [1], "broadcast": "loud", "private": "perhaps"},
        {"presence": None, "broadcast": None, "private": None, "postgres_changes": None},
        {"postgres_changes": "all of them"},
        {"postgres_changes": {"event": "*"}},
        None,
        [],
    ],
)
async def test_a_configuration_of_the_wrong_types_does_not_hinder_the_join(
    wire_to: Connect, config: Any
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.send(f"realtime:{topic}", "phx_join", {"config": config}, ref="1", join_ref="1")
    reply = await wire.next()
    assert reply.payload == {"response": {"postgres_changes": []}, "status": "ok"}


async def test_an_empty_payload_takes_the_binding_from_the_topic(
    wire_to: Connect, make_table: MakeTable, owner: Sql
) -> None:
    wire, table = await wire_to(), await make_table()
    topic = f"realtime:public:{table}:id=gt.1"
    await wire.send(topic, "phx_join", {}, ref="1", join_ref="1")
    [entry] = (await wire.next()).payload["response"]["postgres_changes"]
    assert (entry["schema"], entry["table"], entry["filter"]) == ("public", table, "id=gt.1")
    assert (await wire.next()).payload["message"] == "Subscribed to PostgreSQL"
    await owner(f"insert into {table} values (1, 'no'), (2, 'yes')")
    await owner(f"update {table} set status = 'more' where id = 2")
    inserted, updated = await wire.next(), await wire.next()
    assert (inserted.event, updated.event) == ("INSERT", "UPDATE")
    assert inserted.payload["record"] == {"id": 2, "status": "yes"}
    assert "ids" not in inserted.payload


async def refused(wire: Any, topic: str, **options: Any) -> str:
    reply = await wire.join(topic, **options)
    assert (reply.event, reply.payload["status"]) == ("phx_reply", "error")
    await wire.heartbeat()
    return str(reply.payload["response"]["reason"])


async def test_a_topic_outside_realtime_is_unmatched(wire_to: Connect) -> None:
    wire = await wire_to()
    await wire.send("elsewhere", "phx_join", {"config": {}}, ref="1", join_ref="1")
    reply = await wire.next()
    assert reply.payload == {"response": {"reason": "unmatched topic"}, "status": "error"}


async def test_a_topic_needs_a_name(wire_to: Connect) -> None:
    reason = await refused(await wire_to(), "")
    assert reason == "TopicNameRequired: You must provide a topic name"


async def test_a_join_with_a_bad_token_is_refused_with_the_reason(
    wire_to: Connect, project: Project
) -> None:
    now = int(time.time())
    forged = jwt.encode({"role": "anon", "exp": now + 60}, "x" * 32, "HS256")
    wire = await wire_to()
    assert await refused(wire, "a", token=forged) == (
        "JwtSignatureError: Failed to validate JWT signature"
    )
    for garbage in ("garbage", ""):
        assert await refused(wire, "a", token=garbage) == (
            "MalformedJWT: The token provided is not a valid JWT"
        )
    assert await refused(wire, "a", token=project.token()) == (
        "InvalidJWTToken: Fields `role` and `exp` are required in JWT"
    )
    expired = project.token(role="anon", exp=now - 60)
    reason = await refused(wire, "a", token=expired)
    words = reason.split()
    assert words[:4] == ["InvalidJWTToken:", "Token", "has", "expired"]
    assert 60 <= int(words[4]) <= 75
    assert words[5:] == ["seconds", "ago"]


@pytest.mark.parametrize("token", [None, "sb_secret_of_somebody", "missing"])
async def test_without_a_usable_token_the_key_of_the_socket_decides(
    wire_to: Connect, make_table: MakeTable, owner: Sql, token: Any
) -> None:
    wire, table = await wire_to(), await make_table(rls=True)
    topic = topic_name()
    payload: dict[str, Any] = {"config": {"postgres_changes": [everything(table)]}}
    if token != "missing":
        payload["access_token"] = token
    await wire.send(f"realtime:{topic}", "phx_join", payload, ref="1", join_ref="1")
    assert (await wire.next()).payload["status"] == "ok"
    assert (await wire.next()).payload["status"] == "ok"
    await owner(f"insert into {table} values (1, 'only the service sees this')")
    assert (await wire.next()).data["record"]["id"] == 1


async def test_a_private_channel_needs_a_policy(wire_to: Connect, project: Project) -> None:
    wire, topic = await wire_to(key=project.publishable_key), topic_name()
    assert await refused(wire, topic, private=True) == (
        f"Unauthorized: You do not have permissions to read from this Channel topic: {topic}"
    )


async def test_a_topic_that_postgres_cannot_store_is_refused_in_private_and_harms_nothing(
    wire_to: Connect,
) -> None:
    wire = await wire_to()
    reply = await wire.join("nul\u0000", private=True)
    assert reply.payload["status"] == "error"
    await wire.heartbeat()


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_a_frame_with_half_a_surrogate_pair_is_dropped_unread(
    wire_to: Connect, version: str
) -> None:
    wire = await wire_to(version)
    await wire.send("realtime:half \ud800", "phx_join", {"config": {}}, ref="1", join_ref="1")
    await wire.send("phoenix", "heartbeat", {"half": "\udc00"}, ref="2")
    await wire.heartbeat()


async def test_a_role_that_does_not_exist_is_told_when_it_subscribes(
    wire_to: Connect, make_table: MakeTable, project: Project
) -> None:
    wire, table = await wire_to(), await make_table()
    token = project.token(role="nosuchrole")
    message = await wire.refused_binding(topic_name(), everything(table), token=token)
    assert message.endswith('ERROR 42704 (undefined_object) role "nosuchrole" does not exist')
    assert (await wire.join(topic_name(), token=token, private=True)).payload["status"] == "error"
    await wire.heartbeat()


async def test_a_heartbeat_ref_may_be_any_json(wire_to: Connect) -> None:
    wire = await wire_to()
    for ref in (5, {"a": 1}, [1], True):
        await wire.send("phoenix", "heartbeat", {}, ref=ref)
        assert json.loads(await wire.socket.recv())["ref"] == ref
