"""Messages on the wire: objects in protocol 1.0.0, arrays and binary broadcasts in 2.0.0."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VERSIONS = ("1.0.0", "2.0.0")

_USER_BROADCAST = 4
_JSON_ENCODING = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client; `ref` and `join_ref` are the client's own numbers."""

    topic: str
    event: str
    payload: dict[str, Any]
    ref: str | None
    join_ref: str | None


def decode(text: str, version: str) -> Message | None:
    """The message in a text frame, or None for anything that is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if version == "2.0.0":
        if not isinstance(value, list) or len(value) != 5:
            return None
        join_ref, ref, topic, event, payload = value
    else:
        if not isinstance(value, dict):
            return None
        join_ref, ref = value.get("join_ref"), value.get("ref")
        topic, event, payload = value.get("topic"), value.get("event"), value.get("payload")
    if not isinstance(topic, str) or not isinstance(event, str):
        return None
    return Message(topic, event, payload if isinstance(payload, dict) else {}, ref, join_ref)


def encode(
    version: str,
    topic: str,
    event: str,
    payload: str,
    *,
    ref: str | None = None,
    join_ref: str | None = None,
) -> str:
    """A text frame; `payload` is JSON already, so that numbers stay as Postgres wrote them."""
    if version == "2.0.0":
        head = ",".join(json.dumps(part) for part in (join_ref, ref, topic, event))
        return f"[{head},{payload}]"
    return (
        f'{{"event":{json.dumps(event)},"payload":{payload},'
        f'"ref":{json.dumps(ref)},"topic":{json.dumps(topic)}}}'
    )


def encode_broadcast(
    version: str, topic: str, event: str, message_id: str, payload: str
) -> str | bytes:
    """A broadcast from the database: text in 1.0.0, binary in 2.0.0."""
    meta = json.dumps({"id": message_id}, separators=(",", ":"))
    if version != "2.0.0":
        inner = (
            f'{{"event":{json.dumps(event)},"meta":{meta},"payload":{payload},"type":"broadcast"}}'
        )
        return encode(version, topic, "broadcast", inner)
    parts = [part.encode() for part in (topic, event, meta)]
    head = bytes([_USER_BROADCAST, *(len(part) for part in parts), _JSON_ENCODING])
    return head + b"".join(parts) + payload.encode()
