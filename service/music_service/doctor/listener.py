"""One question to Realtime: does what the database says arrive, and after how long?"""

from __future__ import annotations

import asyncio

from music_service.errors import TransientError
from music_service.store.realtime import Channel


class Listener:
    """Knows when each name was first heard on a channel.

    Args:
        channel: not opened yet; its owner opens it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._heard: dict[str, asyncio.Future[float]] = {}

    def hear_broadcasts(self, event: str, field: str) -> None:
        """Listen to broadcasts; one is named by this field of its payload."""
        self._channel.hear_broadcasts(event, lambda payload: self._hear(str(payload[field])))

    def hear_insert(self, table: str, row_id: str) -> None:
        """Listen to one row of a table; it is named by its id."""
        self._channel.hear_changes(
            "INSERT",
            table,
            lambda row: self._hear(str(row["id"])),
            where=f"id=eq.{row_id}",
            columns=["id"],
        )

    def expect(self, name: str) -> asyncio.Future[float]:
        """The time, by the loop's clock, at which a name is heard."""
        return self._heard.setdefault(name, asyncio.get_running_loop().create_future())

    async def refusal(self) -> str | None:
        """Wait to be let in; answers why it was refused, or None."""
        try:
            await self._channel.wait_joined()
        except TransientError as error:
            return str(error)
        return None

    async def obstacle(self, seconds: float) -> str | None:
        """Wait until the server follows the database; answers why it cannot, or None.

        Raises:
            TimeoutError: it did not say within these seconds.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._channel.wait_subscribed()
        except TransientError as error:
            return str(error)
        return None

    def _hear(self, name: str) -> None:
        heard = self.expect(name)
        if not heard.done():
            heard.set_result(asyncio.get_running_loop().time())
