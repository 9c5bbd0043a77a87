"""Broadcasts: from the database by realtime.send, and what a client sends to itself."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.support.contract import Project
from tests.support.realtime import Connect, Sql, literal, topic_name

Send = Callable[..., Awaitable[None]]


@pytest.fixture
def send(owner: Sql) -> Send:
    """Broadcasts from the database."""

    async def say(topic: str, payload: Any, *, event: str = "ev", private: bool = False) -> None:
        query = "select realtime.send(%s::text::jsonb, %s::text, %s::text, %s)"
        await owner(query, json.dumps(payload), event, topic, private)

    return say


@pytest.fixture
async def own_topics(owner: Sql) -> AsyncIterator[str]:
    """A policy that lets users read the topic that is named after them; answers its prefix."""
    name = f"contract-{uuid.uuid4().hex[:12]}"
    prefix = f"{name}:"
    await owner(
        f'create policy "{name}" on realtime.messages for select to authenticated using ('
        f"extension = 'broadcast' and (select realtime.topic()) = "
        f"{literal(prefix)} || (select auth.uid())::text)"
    )
    yield prefix
    await owner(f'drop policy "{name}" on realtime.messages')


async def test_a_broadcast_arrives_as_text_in_version_one(wire_to: Connect, send: Send) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    await send(topic, {"id": 1, "b": None, "naïve": "ü"})
    frame = await wire.next()
    assert frame.keys == {"event", "payload", "ref", "topic"}
    assert (frame.event, frame.topic, frame.ref) == ("broadcast", f"realtime:{topic}", None)
    uuid.UUID(frame.payload["meta"].pop("id"))
    assert frame.payload == {
        "event": "ev",
        "meta": {},
        "payload": {"id": 1, "b": None, "naïve": "ü"},
        "type": "broadcast",
    }


async def test_a_broadcast_arrives_as_bytes_in_version_two(wire_to: Connect, send: Send) -> None:
    wire, topic = await wire_to("2.0.0"), topic_name()
    await wire.join(topic)
    await send(topic, {"id": 1})
    raw = await wire.socket.recv()
    assert isinstance(raw, bytes)
    full_topic = f"realtime:{topic}".encode()
    assert raw[:5] == bytes([4, len(full_topic), 2, 45, 1])
    head = full_topic + b'ev{"id":"'
    assert raw[5:].startswith(head)
    assert raw.endswith(b'"}{"id": 1}')


async def test_a_payload_without_an_id_is_given_that_of_the_message(
    wire_to: Connect, send: Send
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    await send(topic, {"a": 1})
    payload = (await wire.next()).payload
    assert payload["payload"] == {"a": 1, "id": payload["meta"]["id"]}


@pytest.mark.parametrize("characters", [7_800, 8_000, 100_000])
async def test_a_broadcast_of_any_length_arrives_whole(
    wire_to: Connect, send: Send, characters: int
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    payload = {"id": 1, "words": "ü" * (characters // 4) + "x" * (characters // 2)}
    await send(topic, payload)
    await send(topic, {"id": 2})
    assert (await wire.next()).payload["payload"] == payload
    assert (await wire.next()).payload["payload"] == {"id": 2}


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_private_messages_reach_private_joins_only_and_public_ones_public_joins(
    wire_to: Connect, send: Send, version: str
) -> None:
    topic = topic_name()
    public, private = await wire_to(version), await wire_to(version)
    await public.join(topic)
    assert (await private.join(topic, private=True)).payload["status"] == "ok"
    for private_message in (True, False, True, False):
        await send(topic, {"id": private_message}, private=private_message)
    for wire, expected in ((public, False), (private, True)):
        heard = [(await wire.next()).payload["payload"]["id"] for _ in range(2)]
        assert heard == [expected, expected]
        await wire.heartbeat()


async def test_a_policy_lets_users_join_their_own_topic_and_no_other(
    wire_to: Connect, send: Send, own_topics: str, project: Project
) -> None:
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    wire = await wire_to(key=project.publishable_key)
    token = project.user_token(ada)
    assert (await wire.join(own_topics + ada, token=token, private=True)).payload["status"] == "ok"
    reply = await wire.join(own_topics + bob, token=token, private=True, ref="2")
    assert reply.payload["response"]["reason"] == (
        "Unauthorized: You do not have permissions to read from this Channel topic: "
        f"{own_topics}{bob}"
    )
    await send(own_topics + bob, {"id": "his"}, private=True)
    await send(own_topics + ada, {"id": "hers"}, private=True)
    assert (await wire.next()).payload["payload"] == {"id": "hers"}


async def test_a_token_of_somebody_else_ends_a_private_channel(
    wire_to: Connect, own_topics: str, project: Project
) -> None:
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    wire, topic = await wire_to(key=project.publishable_key), own_topics + ada
    await wire.join(topic, token=project.user_token(ada), private=True)
    payload = {"access_token": project.user_token(bob)}
    await wire.send(f"realtime:{topic}", "access_token", payload, ref="2", join_ref="1")
    system, close = await wire.next(), await wire.next()
    assert system.payload["message"] == (
        f"You do not have permissions to read from this Channel topic: {topic}"
    )
    assert (close.event, close.ref) == ("phx_close", "1")


async def test_every_joined_socket_hears_and_one_that_left_does_not(
    wire_to: Connect, send: Send
) -> None:
    topic = topic_name()
    stays, leaves = await wire_to("2.0.0"), await wire_to()
    await stays.join(topic)
    await leaves.join(topic)
    await send(topic, {"id": 1})
    assert (await stays.next()).payload["payload"] == {"id": 1}
    assert (await leaves.next()).payload["payload"] == {"id": 1}
    await leaves.send(f"realtime:{topic}", "phx_leave", {}, ref="2", join_ref="1")
    assert [(await leaves.next()).event for _ in range(2)] == ["phx_reply", "phx_close"]
    await send(topic, {"id": 2})
    assert (await stays.next()).payload["payload"] == {"id": 2}
    await leaves.heartbeat()


async def test_a_broadcast_of_a_transaction_that_is_undone_is_never_heard(
    wire_to: Connect, send: Send, owner: Sql
) -> None:
    wire, topic = await wire_to(), topic_name()
    await wire.join(topic)
    await owner("begin")
    await send(topic, {"id": "undone"})
    await owner("rollback")
    await send(topic, {"id": "marker"})
    assert (await wire.next()).payload["payload"] == {"id": "marker"}


async def test_sending_never_fails_the_transaction(owner: Sql) -> None:
    await owner("select realtime.send('{}', 'ev', null, false)")


async def test_broadcasts_arrive_within_milliseconds_and_in_order(
    wire_to: Connect, send: Send
) -> None:
    wire, topic, taken = await wire_to(), topic_name(), []
    await wire.join(topic)
    for number in range(50):
        began = time.perf_counter()
        await send(topic, {"id": number})
        assert (await wire.next()).payload["payload"] == {"id": number}
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    print(f"realtime.send to frame: p50 {taken[25]:.1f} ms, max {taken[-1]:.1f} ms")
    assert taken[25] < 50


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_a_client_hears_itself_and_is_answered_only_where_it_asked_for_that(
    wire_to: Connect, version: str
) -> None:
    wire, loud, quiet = await wire_to(version), topic_name(), topic_name()
    await wire.join(loud, broadcast={"self": True, "ack": True})
    await wire.join(quiet, broadcast={"self": False, "ack": False}, ref="2")
    message = {"type": "broadcast", "event": "shout", "payload": {"n": 1}}
    await wire.send(f"realtime:{quiet}", "broadcast", message, ref="3", join_ref="2")
    await wire.send(f"realtime:{loud}", "broadcast", message, ref="4", join_ref="1")
    frames = {frame.event: frame for frame in [await wire.next(), await wire.next()]}
    assert (frames["phx_reply"].ref, frames["phx_reply"].payload["status"]) == ("4", "ok")
    heard = frames["broadcast"]
    assert (heard.topic, heard.payload["event"]) == (f"realtime:{loud}", "shout")
    assert heard.payload["payload"] == {"n": 1}
    await wire.heartbeat()


async def test_a_binary_broadcast_of_a_client_is_understood(wire_to: Connect) -> None:
    wire, topic = await wire_to("2.0.0"), topic_name()
    await wire.join(topic, broadcast={"self": True, "ack": True})
    parts = [b"1", b"7", f"realtime:{topic}".encode(), b"shout", b""]
    head = bytes([3, *map(len, parts), 1])
    await wire.socket.send(head + b"".join(parts) + b'{"n":1}')
    frames = {frame.event: frame for frame in [await wire.next(), await wire.next()]}
    assert frames["phx_reply"].ref == "7"
    assert frames["broadcast"].payload["payload"] == {"n": 1}
