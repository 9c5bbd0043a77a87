"""The Realtime socket itself: how it is opened, kept open and spoken on."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.contract import Project
from tests.support.realtime import Connect, socket_url, topic_name

VERSIONS = ["1.0.0", "2.0.0"]


async def refusal(url: str, **headers: str) -> tuple[int, bytes]:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers)
    return refused.value.response.status_code, bytes(refused.value.response.body or b"")


@pytest.mark.parametrize("version", ["", "1.0", "3.0.0", "2"])
async def test_an_unknown_version_is_refused_without_a_word(project: Project, version: str) -> None:
    url = socket_url(project, apikey=project.secret_key, vsn=version)
    assert await refusal(url) == (403, b"")


async def test_without_a_version_the_socket_speaks_objects(project: Project) -> None:
    url = socket_url(project, apikey=project.secret_key)
    async with connect(url) as socket:
        beat = {"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "3"}
        await socket.send(json.dumps(beat))
        assert json.loads(await socket.recv()) == {
            "event": "phx_reply",
            "payload": {"response": {}, "status": "ok"},
            "ref": "3",
            "topic": "phoenix",
        }


async def test_version_two_speaks_arrays(wire_to: Connect) -> None:
    wire = await wire_to("2.0.0")
    await wire.send("phoenix", "heartbeat", {}, ref="3")
    assert json.loads(await wire.socket.recv()) == [
        None,
        "3",
        "phoenix",
        "phx_reply",
        {"response": {}, "status": "ok"},
    ]


def bad_key(project: Project, kind: str) -> str:
    now = int(time.time())
    match kind:
        case "forged":
            return jwt.encode({"role": "anon", "exp": now + 60}, "x" * 32, "HS256")
        case "expired":
            return project.token(role="anon", exp=now - 60)
        case "without a role":
            return project.token()
        case "without an end":
            secret = project.jwt_secret or pytest.skip("needs CONTRACT_SUPABASE_JWT_SECRET")
            return jwt.encode({"role": "anon"}, secret, "HS256")
    return kind


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "The token provided is not a valid JWT"),
        ("garbage", "The token provided is not a valid JWT"),
        ("a.b.c", "The token provided is not a valid JWT"),
        ("sb_secret_nobody_knows", "The token provided is not a valid JWT"),
        ("forged", "Failed to validate JWT signature"),
        ("expired", "Token has expired"),
        ("without a role", "Fields `role` and `exp` are required in JWT"),
        ("without an end", "Fields `role` and `exp` are required in JWT"),
    ],
)
async def test_a_bad_key_is_refused_with_the_reason(
    project: Project, key: str, sentence: str
) -> None:
    url = socket_url(project, apikey=bad_key(project, key), vsn="1.0.0")
    status, body = await refusal(url)
    assert (status, json.loads(body)) == (401, {"error": sentence})


async def test_a_missing_key_is_refused_and_one_in_the_header_is_accepted(
    project: Project,
) -> None:
    url = socket_url(project, vsn="1.0.0")
    status, body = await refusal(url)
    assert (status, json.loads(body)) == (401, {"error": "API key is missing"})
    headers = {"x-api-key": project.secret_key}
    async with connect(url, additional_headers=headers) as socket:
        await socket.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}')
        assert json.loads(await socket.recv())["ref"] == "1"


async def test_any_role_may_open_the_socket(wire_to: Connect, project: Project) -> None:
    wire = await wire_to(key=project.token(role="nosuchrole"))
    await wire.heartbeat()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_heartbeat_without_a_ref_is_answered_without_one(
    wire_to: Connect, version: str
) -> None:
    wire = await wire_to(version)
    await wire.send("phoenix", "heartbeat", {}, ref=None)
    frame = await wire.next()
    assert (frame.event, frame.ref, frame.payload["status"]) == ("phx_reply", None, "ok")


ARRAY = '[null,"1","phoenix","heartbeat",{}]'
OBJECT = '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'
JUNK: list[Any] = ["", "hello", "null", "42", "[]", "{}", '{"topic":1}', "[" * 5000, b"\x00\xff"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_no_message_is_ignored_and_the_socket_lives(
    wire_to: Connect, version: str
) -> None:
    wire = await wire_to(version)
    wrong_version = ARRAY if version == "1.0.0" else OBJECT
    for junk in [*JUNK, wrong_version, b"\x03", b"\x03\xff\xff\xff\xff\xff\x01short", b""]:
        await wire.socket.send(junk)
    await wire.heartbeat()


@pytest.mark.parametrize("version", VERSIONS)
async def test_unknown_events_are_ignored_on_joined_and_other_topics(
    wire_to: Connect, version: str
) -> None:
    wire = await wire_to(version)
    topic = topic_name()
    await wire.join(topic)
    for name in (f"realtime:{topic}", "realtime:never-joined", "phoenix"):
        await wire.send(name, "no_such_event", {"a": 1}, ref="9", join_ref="1")
    await wire.heartbeat()


@pytest.mark.parametrize("version", VERSIONS)
async def test_leaving_is_answered_and_then_the_channel_is_closed(
    wire_to: Connect, version: str
) -> None:
    wire = await wire_to(version)
    topic = topic_name()
    await wire.join(topic, ref="7")
    await wire.send(f"realtime:{topic}", "phx_leave", {}, ref="8", join_ref="7")
    reply, close = await wire.next(), await wire.next()
    assert (reply.event, reply.ref, reply.payload["status"]) == ("phx_reply", "8", "ok")
    assert (close.event, close.ref, close.payload) == ("phx_close", "7", {})
    await wire.heartbeat()


async def test_joining_a_joined_topic_closes_the_former_channel(wire_to: Connect) -> None:
    wire = await wire_to()
    topic = topic_name()
    await wire.join(topic, ref="1")
    assert (await wire.join(topic, ref="2")).payload["status"] == "ok"
    close = await wire.next()
    assert (close.event, close.ref, close.payload) == ("phx_close", "1", {})
    await wire.send(f"realtime:{topic}", "phx_leave", {}, ref="3", join_ref="1")
    await wire.heartbeat()
    await wire.send(f"realtime:{topic}", "phx_leave", {}, ref="4", join_ref="2")
    assert (await wire.next()).ref == "4"
    assert (await wire.next()).event == "phx_close"


async def test_leaving_what_was_never_joined_is_answered_all_the_same(wire_to: Connect) -> None:
    wire = await wire_to()
    await wire.send("realtime:never", "phx_leave", {}, ref="5", join_ref="1")
    frame = await wire.next()
    assert (frame.event, frame.ref, frame.payload["status"]) == ("phx_reply", "5", "ok")
    await wire.heartbeat()


async def test_a_broadcast_to_a_topic_that_is_not_joined_is_an_error(wire_to: Connect) -> None:
    wire = await wire_to()
    message = {"type": "broadcast", "event": "shout", "payload": {}}
    await wire.send("realtime:never", "broadcast", message, ref="6")
    frame = await wire.next()
    assert (frame.event, frame.ref) == ("phx_reply", "6")
    assert frame.payload == {"response": {"reason": "unmatched topic"}, "status": "error"}
