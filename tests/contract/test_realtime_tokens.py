"""Tokens of a joined channel: renewed, replaced, refused, run out."""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt
import pytest

from tests.support.contract import Project
from tests.support.realtime import (
    Connect,
    Frame,
    MakeTable,
    Sql,
    Wire,
    everything,
    topic_name,
)


async def new_token(wire: Wire, topic: str, token: Any) -> None:
    payload = {} if token == "missing" else {"access_token": token}
    await wire.send(f"realtime:{topic}", "access_token", payload, ref="5", join_ref="1")


async def expelled(wire: Wire) -> tuple[str, Frame]:
    """What the system message said before the channel was closed."""
    system, close = await wire.next(), await wire.next()
    assert (system.event, system.payload["extension"]) == ("system", "system")
    assert system.payload["status"] == "error"
    assert (close.event, close.payload, close.ref) == ("phx_close", {}, "1")
    await wire.heartbeat()
    return str(system.payload["message"]), system


async def test_the_same_token_again_is_not_answered(
    wire_to: Connect, make_table: MakeTable, project: Project
) -> None:
    wire, topic, table = await wire_to(), topic_name(), await make_table()
    token = project.user_token(str(uuid.uuid4()))
    await wire.subscribe(topic, everything(table), token=token)
    await new_token(wire, topic, token)
    await wire.heartbeat()


async def test_another_token_subscribes_again_and_its_claims_decide_from_then_on(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table("id int primary key, owner uuid", rls=True)
    await owner(
        f"create policy own on {table} for select to authenticated"
        " using (owner = (select auth.uid()))"
    )
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    wire, topic = await wire_to(), topic_name()
    await wire.subscribe(topic, everything(table), token=project.user_token(ada))
    await new_token(wire, topic, project.user_token(bob))
    system = await wire.next()
    assert (system.event, system.payload["message"]) == ("system", "Subscribed to PostgreSQL")
    await owner(f"insert into {table} values (1, '{ada}'), (2, '{bob}')")
    assert (await wire.next()).data["record"]["id"] == 2
    await wire.heartbeat()


@pytest.mark.parametrize("token", [None, "missing", 5, "sb_secret_of_somebody"])
async def test_what_is_no_token_is_ignored(
    wire_to: Connect, make_table: MakeTable, token: Any
) -> None:
    wire, topic, table = await wire_to(), topic_name(), await make_table()
    await wire.subscribe(topic, everything(table))
    await new_token(wire, topic, token)
    await wire.heartbeat()


async def test_a_bad_token_closes_the_channel_but_not_the_socket(
    wire_to: Connect, project: Project
) -> None:
    now = int(time.time())
    forged = jwt.encode({"role": "anon", "exp": now + 60}, "x" * 32, "HS256")
    said = {
        forged: ":signature_error",
        "garbage": "The token provided is not a valid JWT",
        project.token(): "Fields `role` and `exp` are required in JWT",
    }
    for token, message in said.items():
        wire, topic = await wire_to(), topic_name()
        await wire.join(topic)
        await new_token(wire, topic, token)
        assert (await expelled(wire))[0] == message


async def test_a_token_that_has_run_out_closes_the_channel_and_says_since_when(
    wire_to: Connect, project: Project
) -> None:
    wire, topic = await wire_to("2.0.0"), topic_name()
    await wire.join(topic)
    await new_token(wire, topic, project.token(role="anon", exp=int(time.time()) - 30))
    message, system = await expelled(wire)
    words = message.split()
    assert words[:3] == ["Token", "has", "expired"]
    assert 30 <= int(words[3]) <= 45
    assert (system.join_ref, system.payload["channel"]) == ("1", topic)


async def test_a_token_that_runs_out_while_joined_closes_the_channel_at_that_second(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    wire, topic, table = await wire_to(), topic_name(), await make_table()
    ends = int(time.time()) + 2
    token = project.token(role="authenticated", exp=ends)
    await wire.subscribe(topic, everything(table), token=token)
    assert (await expelled(wire))[0] == "Token has expired 0 seconds ago"
    assert ends <= time.time() < ends + 2
    await owner(f"insert into {table} values (1, 'after the end')")
    await wire.subscribe(topic_name(), everything(table), ref="9")
    await owner(f"insert into {table} values (2, 'marker')")
    frame = await wire.next()
    assert frame.topic != f"realtime:{topic}"


async def test_a_renewed_token_keeps_the_channel_beyond_the_end_of_the_first(
    wire_to: Connect, project: Project
) -> None:
    wire, first, second = await wire_to(), topic_name(), topic_name()
    soon = project.token(role="authenticated", exp=int(time.time()) + 2)
    await wire.join(first, token=soon)
    await wire.join(second, token=soon, ref="2")
    await new_token(wire, first, project.user_token(str(uuid.uuid4())))
    system, close = await wire.next(), await wire.next()
    assert {system.topic, close.topic} == {f"realtime:{second}"}
    assert close.event == "phx_close"
    await wire.send(f"realtime:{first}", "phx_leave", {}, ref="8", join_ref="1")
    assert [(await wire.next()).event for _ in range(2)] == ["phx_reply", "phx_close"]


async def test_a_key_that_runs_out_does_not_hurt_a_channel_with_a_good_token(
    wire_to: Connect, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    ends = int(time.time()) + 2
    wire = await wire_to(key=project.token(role="anon", exp=ends))
    topic, falling_back, table = topic_name(), topic_name(), await make_table()
    token = project.user_token(str(uuid.uuid4()))
    await wire.subscribe(topic, everything(table), token=token)
    await wire.join(falling_back, ref="2")
    system, close = await wire.next(), await wire.next()
    assert (system.topic, close.event) == (f"realtime:{falling_back}", "phx_close")
    await owner(f"insert into {table} values (1, 'after the end')")
    assert (await wire.next()).topic == f"realtime:{topic}"
    reply = await wire.join(topic_name(), ref="3")
    assert reply.payload["response"]["reason"].startswith("InvalidJWTToken: Token has expired")
