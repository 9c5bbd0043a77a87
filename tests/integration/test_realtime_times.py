"""The times of the embedded Realtime, each made long enough to be measured or short enough."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.frames import Close

from local_supabase.context import Context
from local_supabase.ports import HOST, Ports
from local_supabase.realtime import RealtimeApi
from local_supabase.stack import Stack
from tests.support.apis import served
from tests.support.contract import Project, project_of
from tests.support.project import Connection
from tests.support.realtime import Wire, everything, open_wire, socket_url, topic_name
from tests.support.times import QUICK


@pytest.fixture
async def sockets() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def table(database: Connection) -> AsyncIterator[str]:
    """A published table of the test's own."""
    name = f"timed_{uuid.uuid4().hex[:12]}"
    await database.execute(
        f"create table {name} (id int primary key, status text);"
        f" grant select on {name} to service_role;"
        f" alter publication supabase_realtime add table {name}".encode()
    )
    yield name
    await database.execute(f"drop table {name}".encode())


@asynccontextmanager
async def realtime_with(stack: Stack, **times: Any) -> AsyncIterator[Project]:
    """The Realtime of the stack once more, with some times of its own."""
    url = f"http://{HOST}:{Ports.free().gateway}"
    context = Context(
        stack.database,
        stack.keys,
        stack.data_dir,
        url,
        postgrest_url="",
        times=replace(QUICK, **times),
    )
    async with served(RealtimeApi(context), url):
        yield replace(project_of(stack), url=url)


async def seconds_of(doing: Awaitable[Any]) -> float:
    began = time.monotonic()
    await doing
    return time.monotonic() - began


async def test_a_bad_key_is_refused_after_a_while(stack: Stack) -> None:
    async with realtime_with(stack, refused_upgrade_seconds=0.4) as project:
        assert await seconds_of(refused(socket_url(project, apikey="garbage"))) >= 0.4


async def refused(url: str) -> None:
    with pytest.raises(InvalidStatus):
        await connect(url)


async def test_a_join_is_refused_after_a_while(stack: Stack, sockets: AsyncExitStack) -> None:
    async with realtime_with(stack, refused_join_seconds=0.4) as project:
        wire = await open_wire(project, sockets, "1.0.0", project.secret_key)
        assert await seconds_of(wire.join("")) >= 0.4


async def test_what_is_changed_while_the_first_subscription_is_made_is_lost(
    stack: Stack, sockets: AsyncExitStack, table: str, database: Connection
) -> None:
    async with realtime_with(stack, cold_subscription_seconds=(0.8, 0.8)) as project:
        wire = await open_wire(project, sockets, "1.0.0", project.secret_key)
        await wire.join(topic_name(), everything(table))
        await database.execute(f"insert into {table} values (1, 'too early')".encode())
        assert (await wire.next()).payload["message"] == "Subscribed to PostgreSQL"
        await database.execute(f"insert into {table} values (2, 'in time')".encode())
        assert (await wire.next()).data["record"]["status"] == "in time"


async def test_another_token_is_acknowledged_after_a_while(
    stack: Stack, sockets: AsyncExitStack, table: str
) -> None:
    async with realtime_with(stack, resubscription_seconds=(0.4, 0.4)) as project:
        wire, topic = await open_wire(project, sockets, "1.0.0", project.secret_key), topic_name()
        await wire.subscribe(topic, everything(table))
        payload = {"access_token": project.token(role="service_role", sub="another")}
        await wire.send(f"realtime:{topic}", "access_token", payload, join_ref="1")
        assert await seconds_of(wire.next()) >= 0.4


async def test_a_client_that_says_nothing_is_let_go_without_a_word(
    stack: Stack, sockets: AsyncExitStack
) -> None:
    async with realtime_with(stack, silence_seconds=(0.6, 0.6)) as project:
        wire = await open_wire(project, sockets, "1.0.0", project.secret_key)
        await wire.join(topic_name())
        with pytest.raises(ConnectionClosedOK) as end:
            await wire.next()
    assert end.value.rcvd == Close(1000, "")


async def test_a_ping_of_the_socket_is_a_sign_of_life(stack: Stack) -> None:
    async with realtime_with(stack, silence_seconds=(0.6, 0.6)) as project:
        began = time.monotonic()
        url = socket_url(project, apikey=project.secret_key)
        async with connect(url, ping_interval=0.2) as socket:
            wire = Wire(socket, "1.0.0", project)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await socket.recv()
            await wire.heartbeat()
        assert time.monotonic() - began > 1.5
