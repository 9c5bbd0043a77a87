"""Messages on the wire: objects in protocol 1.0.0, arrays and binary broadcasts in 2.0.0."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VERSIONS = ("1.0.0", "2.0.0")

_USER_BROADCAST_PUSH = 3
_USER_BROADCAST = 4
_JSON_ENCODING = 1
_LONGEST_PART = 255


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client; `ref` and `join_ref` are the client's own, of any JSON type."""

    topic: str
    event: str
    payload: dict[str, Any]
    ref: Any
    join_ref: Any


def decode(text: str, version: str) -> Message | None:
    """The message in a text frame, or None for anything that is none."""
    try:
        value = _loads(text)
    except (ValueError, RecursionError):
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


def decode_binary(data: bytes) -> Message | None:
    """The broadcast in a binary frame of protocol 2.0.0, or None for anything that is none."""
    if len(data) < 7 or data[0] != _USER_BROADCAST_PUSH or data[6] != _JSON_ENCODING:
        return None
    parts, at = [], 7
    for size in data[1:6]:
        parts.append(data[at : at + size])
        at += size
    try:
        join_ref, ref, topic, event, _ = (part.decode() for part in parts)
        payload = {"type": "broadcast", "event": event, "payload": _loads(data[at:])}
    except (ValueError, RecursionError):
        return None
    return Message(topic, "broadcast", payload, ref or None, join_ref or None)


def encode(
    version: str,
    topic: str,
    event: str,
    payload: str,
    *,
    ref: Any = None,
    join_ref: Any = None,
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
    version: str, topic: str, event: str, message_id: str | None, payload: str
) -> str | bytes:
    """A broadcast: text in 1.0.0, binary in 2.0.0.

    Raises:
        ValueError: topic or event is longer than a binary frame can say.
    """
    meta = "" if message_id is None else _compact({"id": message_id})
    if version != "2.0.0":
        told = f'"meta":{meta},' if meta else ""
        inner = f'{{"event":{_compact(event)},{told}"payload":{payload},"type":"broadcast"}}'
        return encode(version, topic, "broadcast", inner)
    parts = [part.encode() for part in (topic, event, meta)]
    if max(map(len, parts)) > _LONGEST_PART:
        raise ValueError(f"A broadcast's topic and event have at most {_LONGEST_PART} bytes.")
    head = bytes([_USER_BROADCAST, *map(len, parts), _JSON_ENCODING])
    return head + b"".join(parts) + payload.encode()


def _loads(text: str | bytes) -> Any:
    """JSON; raises ValueError, also for half a surrogate pair, which is no text."""
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
