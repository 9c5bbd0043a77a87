"""The official Python client on Realtime: what an app sees of joins, changes and broadcasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from realtime import AsyncRealtimeChannel
from supabase import AsyncClient, acreate_client

from tests.support.contract import Project
from tests.support.realtime import PATIENCE_SECONDS, MakeTable, Sql, topic_name

Client = Callable[[str], Awaitable[AsyncClient]]


@pytest.fixture
async def client_for(project: Project) -> AsyncIterator[Client]:
    """Makes clients that are closed after the test."""
    made: list[AsyncClient] = []

    async def make(key: str) -> AsyncClient:
        made.append(await acreate_client(project.url, key))
        return made[-1]

    yield make
    for client in made:
        await client.realtime.close()
        await client.auth.close()


class Heard:
    """What a channel has told its callbacks."""

    def __init__(self, channel: AsyncRealtimeChannel) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.systems: asyncio.Queue[Any] = asyncio.Queue()
        self.states: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        channel.on_system(self.systems.put_nowait)
        self._channel = channel

    async def subscribe(self) -> tuple[str, str]:
        await self._channel.subscribe(
            lambda state, error: self.states.put_nowait((state.value, str(error)))
        )
        state: tuple[str, str] = await self._next(self.states)
        return state

    async def message(self) -> Any:
        return await self._next(self.messages)

    async def system(self) -> Any:
        return await self._next(self.systems)

    async def _next(self, queue: asyncio.Queue[Any]) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await queue.get()


async def test_inserts_updates_and_deletes_reach_the_callback(
    client_for: Client, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table = await make_table()
    client = await client_for(project.secret_key)
    channel = client.channel(topic_name())
    heard = Heard(channel)
    channel.on_postgres_changes(
        "*",  # type: ignore[arg-type]
        heard.messages.put_nowait,
        schema="public",
        table=table,
        filter="id=gt.0",
    )
    assert (await heard.subscribe())[0] == "SUBSCRIBED"
    assert (await heard.system()).message == "Subscribed to PostgreSQL"
    await owner(f"insert into {table} values (0, 'unseen'), (1, 'a')")
    await owner(f"update {table} set status = 'b' where id = 1")
    await owner(f"delete from {table} where id = 1")
    told = [(await heard.message())["data"] for _ in range(3)]
    assert [data["type"] for data in told] == ["INSERT", "UPDATE", "DELETE"]
    assert told[1]["record"] == {"id": 1, "status": "b"}
    assert told[2]["old_record"] == {"id": 1}


async def test_broadcasts_and_changes_share_one_private_channel(
    client_for: Client, make_table: MakeTable, owner: Sql, project: Project
) -> None:
    table, topic = await make_table(), topic_name()
    client = await client_for(project.secret_key)
    channel = client.channel(topic, {"config": {"private": True}})  # type: ignore[arg-type]
    heard = Heard(channel)
    channel.on_broadcast("ev", heard.messages.put_nowait)
    channel.on_postgres_changes(
        "INSERT",  # type: ignore[arg-type]
        heard.messages.put_nowait,
        schema="public",
        table=table,
    )
    assert (await heard.subscribe())[0] == "SUBSCRIBED"
    await heard.system()
    await owner("select realtime.send('{\"id\": 7}', 'ev', %s::text, true)", topic)
    assert (await heard.message())["payload"] == {"id": 7}
    await owner(f"insert into {table} values (1, 'a')")
    assert (await heard.message())["data"]["record"] == {"id": 1, "status": "a"}


async def test_a_refused_private_channel_is_an_error_of_the_channel(
    client_for: Client, project: Project
) -> None:
    client = await client_for(project.publishable_key)
    topic = topic_name()
    channel = client.channel(topic, {"config": {"private": True}})  # type: ignore[arg-type]
    state, error = await Heard(channel).subscribe()
    assert state == "CHANNEL_ERROR"
    assert f"Channel topic: {topic}" in error


async def test_the_client_hears_its_own_broadcast_where_it_asked_for_that(
    client_for: Client, project: Project
) -> None:
    client = await client_for(project.secret_key)
    channel = client.channel(topic_name(), {"config": {"broadcast": {"self": True, "ack": True}}})  # type: ignore[arg-type]
    heard = Heard(channel)
    channel.on_broadcast("shout", heard.messages.put_nowait)
    assert (await heard.subscribe())[0] == "SUBSCRIBED"
    await channel.send_broadcast("shout", {"n": 1})
    assert (await heard.message())["payload"] == {"n": 1}
