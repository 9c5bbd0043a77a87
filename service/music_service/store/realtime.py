"""The project's Realtime through the official client, believed only as far as it gives evidence.

The client can go deaf in many ways without a word: after an exception in any callback, after a
refusal, after a close by the server. Hence one connection with one channel, whose callbacks never
raise, and which says when it ended and why; whoever wants to go on makes a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from music_service.errors import TransientError

Heard = Callable[[dict[str, Any]], object]

_JOIN_SECONDS = 10
_CLOSE_SECONDS = 1.0


class Channel:
    """A channel on a connection of its own: say what to hear, then open it.

    It is joined once the server lets it in, subscribed once the server follows the database, and
    ended for good when either is over. After its end nothing more is heard.

    Args:
        project_url: the project's URL.
        key: the key with which the connection is made.
        topic: the channel's name.
        private: whether the channel asks for rights.
        access_token: a user's token, where it is not the key that has the rights.
    """

    def __init__(
        self,
        project_url: str,
        key: str,
        topic: str,
        *,
        private: bool = False,
        access_token: str | None = None,
    ) -> None:
        self._client = AsyncRealtimeClient(
            f"{project_url.rstrip('/')}/realtime/v1",
            key,
            auto_reconnect=False,
            timeout=_JOIN_SECONDS,
        )
        if access_token is not None:
            self._client.access_token = access_token
        self._key = key
        config: Any = {"config": {"private": private}}
        self._channel = self._client.channel(topic, config)
        self._channel.on_system(self._on_system)
        self._when_subscribed: list[Callable[[], object]] = []
        loop = asyncio.get_running_loop()
        self._joined: asyncio.Future[None] = loop.create_future()
        self._subscribed: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[str] = loop.create_future()

    def hear_broadcasts(self, event: str, heard: Heard) -> None:
        """Call back with the payload of each broadcast of this event."""
        self._channel.on_broadcast(event, self._calling(heard, "payload"))

    def hear_changes(
        self,
        event: Literal["INSERT", "UPDATE", "DELETE"],
        table: str,
        heard: Heard,
        *,
        where: str,
        columns: list[str] | None = None,
    ) -> None:
        """Call back with the row of each change in a table of `public`; of one deleted, its key.

        Args:
            event: the kind of change.
            table: the table's name.
            heard: gets the row as a dict of columns.
            where: the filter, as in `status=eq.pending`.
            columns: those that are sent; all where None.
        """
        self._channel.on_postgres_changes(
            event,  # type: ignore[arg-type]  # an enum of strings
            self._calling(heard, "data", "old_record" if event == "DELETE" else "record"),
            table=table,
            schema="public",
            filter=where,
            select=columns,
        )

    def hear_subscribed(self, heard: Callable[[], object]) -> None:
        """Call back each time the server begins to follow the database: events may be lost."""
        self._when_subscribed.append(heard)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The connection, with the join sent and answered, for the length of a block.

        Raises:
            TransientError: the socket cannot be opened, or was closed before there was an answer.
        """
        try:
            await self._open()
            yield
        finally:
            self.end("closed")
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_CLOSE_SECONDS):  # a half-open link never says goodbye
                    await self._client.close()

    async def wait_joined(self) -> None:
        """Wait until the channel is let in; raises TransientError with the reason if it ends."""
        await asyncio.shield(self._joined)

    async def wait_subscribed(self) -> None:
        """Wait until the server follows the database; raises as `wait_joined` does."""
        await asyncio.shield(self._subscribed)

    async def wait_ended(self) -> str:
        """Wait for the end; answers the reason."""
        return await asyncio.shield(self._ended)

    @property
    def was_refused(self) -> bool:
        """Whether it ended because a private, or a public, channel is not allowed."""
        reason = self._ended.result() if self._ended.done() else ""
        return "Unauthorized" in reason or "PrivateOnly" in reason

    @property
    def cannot_follow(self) -> bool:
        """Whether it ended because the server does not tell of changes of a table."""
        reason = self._ended.result() if self._ended.done() else ""
        return "Please check Realtime is enabled" in reason

    def end(self, reason: str) -> None:
        """Hear nothing more; the first reason counts."""
        if self._ended.done():
            return
        reason = self._without_key(reason)
        self._ended.set_result(reason)
        for waited in (self._joined, self._subscribed):
            if not waited.done():
                waited.set_exception(TransientError(reason))
                waited.exception()  # nobody needs to wait for it

    async def _open(self) -> None:
        try:
            await self._client.connect()
            # An exception anywhere in the client ends this task of its, and nothing else tells.
            listening = self._client._listen_task  # noqa: SLF001  hence the bound in pyproject.toml
            if listening is None:
                self.end("the client does not listen")
            else:
                listening.add_done_callback(self._on_deaf)
            await self._channel.subscribe(self._on_state)
        except Exception as error:  # noqa: BLE001  the client passes on whatever its socket raised
            reason = self._without_key(f"{type(error).__name__}: {error}")
            raise TransientError(reason) from None

    def _without_key(self, reason: str) -> str:
        return reason.replace(self._key, "…")  # the socket's address holds it

    # An exception in one of these would end the client's listening for good, silently.

    def _calling(self, heard: Heard, *path: str) -> Callable[..., None]:
        def call(message: Any) -> None:
            with contextlib.suppress(Exception):
                if not self._ended.done():
                    for step in path:
                        message = message[step]
                    heard(message)

        return call

    def _on_system(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            if message.extension == "postgres_changes" and not self._ended.done():
                if not self._subscribed.done():
                    self._subscribed.set_result(None)
                for heard in self._when_subscribed:
                    heard()

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        with contextlib.suppress(Exception):
            if state != RealtimeSubscribeStates.SUBSCRIBED:
                self.end(_said(error) or state.value)
            elif not self._joined.done():
                self._joined.set_result(None)

    def _on_deaf(self, listening: asyncio.Task[Any]) -> None:
        if not listening.cancelled():
            listening.exception()  # else it is printed when the task is collected
        self.end("the client stopped listening")


def _said(error: Exception | None) -> str:
    """What the server said, out of the JSON around it."""
    text = str(error or "")
    try:
        said = json.loads(text)
    except ValueError:
        return text
    if isinstance(said, dict):
        return str(said.get("message") or said.get("reason") or text)
    return str(said)
