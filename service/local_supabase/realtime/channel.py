"""One joined topic of one socket: its rights, what it asks for, and how it comes to an end."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any, Protocol

import psycopg

from local_supabase.realtime import tables
from local_supabase.realtime.bindings import BadBindingError, Binding, id_of, of_topic, parse
from local_supabase.realtime.changes import Changes
from local_supabase.realtime.frames import Message
from local_supabase.times import Times

PREFIX = "realtime:"


class Sender(Protocol):
    """Sends to the client."""

    def send(
        self, topic: str, event: str, payload: str, *, ref: Any = None, join_ref: Any = None
    ) -> None:
        """Send a message; `payload` is JSON already."""

    def forget(self, channel: Channel) -> None:
        """The channel has ended by itself."""


class Channel:
    """A joined topic, from the join until `close`.

    Args:
        socket: what it sends through.
        changes: where it subscribes.
        times: of a subscription with another token.
        join: the message that asked for it.
        claims: of the token it was joined with.
    """

    def __init__(
        self,
        socket: Sender,
        changes: Changes,
        times: Times,
        join: Message,
        claims: dict[str, Any],
    ) -> None:
        config = _object(join.payload.get("config"))
        broadcast = _object(config.get("broadcast"))
        self.topic = join.topic
        self.join_ref = join.join_ref
        self.private = config.get("private") is True
        self.hears_itself = broadcast.get("self") is True
        self.wants_answers = broadcast.get("ack") is True
        self.wants_presence = _object(config.get("presence")).get("enabled") is True
        self.claims = claims
        self.bindings: list[Binding] = []
        self._is_legacy = not join.payload
        self._wanted = _wanted(join, config)
        self._socket = socket
        self._changes = changes
        self._times = times
        self._expiry: asyncio.TimerHandle | None = None
        self._subscribing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The topic as people know it."""
        return self.topic.removeprefix(PREFIX)

    def join_response(self) -> dict[str, Any]:
        """What the reply to the join says: each binding as it was sent, with its id."""
        return {
            "postgres_changes": [
                (params if isinstance(params, dict) else {}) | {"id": id_of(params)}
                for params in self._wanted
            ]
        }

    def begin(self) -> None:
        """Subscribe to what was asked for, and watch the token's end."""
        self._begin_after(0)

    def begin_again(self, claims: dict[str, Any]) -> None:
        """Go on with the claims of another token."""
        self.claims = claims
        self._begin_after(random.uniform(*self._times.resubscription_seconds))  # noqa: S311

    def _begin_after(self, seconds: float) -> None:
        left = max(float(self.claims["exp"]) - time.time(), 0)
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(
            left, self.expel, "Token has expired 0 seconds ago"
        )
        if self._wanted:
            if self._subscribing is not None:
                self._subscribing.cancel()
            self._subscribing = asyncio.create_task(
                self._subscribe(seconds), name="realtime subscribe"
            )

    def deliver_change(self, payload: str) -> None:
        """Send a change; who joined without a configuration gets the bare data."""
        if self._is_legacy:
            data = json.loads(payload)["data"]
            self._socket.send(self.topic, data["type"], json.dumps(data))
        else:
            self._socket.send(self.topic, "postgres_changes", payload)

    def expel(self, reason: str) -> None:
        """End the channel from our side and say why."""
        self._system("system", "error", reason)
        self.close()
        self._socket.forget(self)
        self.send_closed()

    def send_closed(self) -> None:
        """Tell the client that this channel is over."""
        self._socket.send(self.topic, "phx_close", "{}", ref=self.join_ref, join_ref=self.join_ref)

    def close(self) -> None:
        """Deliver nothing more; safe to call twice."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self._subscribing is not None:
            self._subscribing.cancel()
        self._changes.remove(self)

    async def _subscribe(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        try:
            asked = [parse(params) for params in self._wanted]
            bindings = [
                await tables.resolve(self._changes.database, binding, self.claims)
                for binding in asked
            ]
        except BadBindingError as error:
            self._fail(str(error))
        except psycopg.Error as error:
            self._fail(f"Unable to subscribe to changes with given parameters. {error}")
        else:
            self.bindings = bindings
            await self._changes.add(self)
            self._system("postgres_changes", "ok", "Subscribed to PostgreSQL")

    def _fail(self, reason: str) -> None:
        self._changes.remove(self)
        self.bindings = []
        self._system("postgres_changes", "error", reason)

    def _system(self, extension: str, status: str, message: str) -> None:
        payload = {
            "channel": self.name,
            "extension": extension,
            "message": message,
            "status": status,
        }
        self._socket.send(self.topic, "system", json.dumps(payload), join_ref=self.join_ref)


def _wanted(join: Message, config: dict[str, Any]) -> list[Any]:
    if not join.payload:
        return [of_topic(join.topic.removeprefix(PREFIX))]
    wanted = config.get("postgres_changes")
    return wanted if isinstance(wanted, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
