"""What only an embedded Realtime can be put through: restarts, silence, a broken database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from local_supabase.database import Connection, Database
from local_supabase.faults import RealtimeFaults
from local_supabase.ports import Ports
from local_supabase.realtime.bindings import Binding, parse
from local_supabase.realtime.changes import Changes
from local_supabase.realtime.tables import resolve
from local_supabase.stack import Stack
from tests.support.contract import project_of
from tests.support.realtime import Wire, everything, open_wire, topic_name
from tests.support.times import QUICK

TABLE = "things"
SCHEMA = f"""
create table {TABLE} (id int primary key, status text);
grant select on {TABLE} to service_role;
alter publication supabase_realtime add table {TABLE};
"""


@pytest.fixture(scope="module")
async def own_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without migrations, with one published table, that tests may break."""
    data_dir = tmp_path_factory.mktemp("realtime")
    async with Stack(data_dir, Ports.free(), times=QUICK, durable=False) as stack:
        await administrate(stack, SCHEMA)
        yield stack


@pytest.fixture
async def sockets() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def wire(own_stack: Stack, sockets: contextlib.AsyncExitStack) -> Wire:
    return await open_wire(project_of(own_stack), sockets, "1.0.0", own_stack.keys.secret)


async def administrate(stack: Stack, query: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        stack.admin_database_url, autocommit=True
    ) as connection:
        await connection.execute(query.encode())


async def change_until_heard(stack: Stack, wire: Wire, status: str) -> None:
    """Insert rows until one is told, as after a pause in which changes may be missed."""
    async with asyncio.timeout(20):
        listening = asyncio.create_task(wire.next(), name="listen")
        while not listening.done():
            await administrate(
                stack,
                f"insert into {TABLE} select coalesce(max(id), 0) + 1, '{status}' from {TABLE}",
            )
            await asyncio.wait([listening], timeout=0.3)
        assert (await listening).data["record"]["status"] == status


async def reconnected(stack: Stack) -> None:
    """Return when joins and broadcasts reach Postgres again; the pool waits between attempts."""
    async with stack.database.administrator():
        pass
    await stack.realtime._broadcasts.listening.wait()


async def test_a_restart_of_postgres_is_not_noticed_by_subscribers(
    own_stack: Stack, wire: Wire
) -> None:
    topic = topic_name()
    await wire.subscribe(topic, everything(TABLE))
    await administrate(own_stack, f"insert into {TABLE} values (1, 'before')")
    assert (await wire.next()).data["record"]["status"] == "before"
    await own_stack.postgres.stop()
    try:
        await wire.heartbeat()
        for private in (False, True):
            reply = await wire.join(topic_name(), ref="2", private=private)
            assert reply.payload["response"]["reason"] == (
                "UnableToConnectToProject: Realtime was unable to connect to the project database"
            )
        await wire.heartbeat()
    finally:
        await own_stack.postgres.start()
    await change_until_heard(own_stack, wire, "after")
    await reconnected(own_stack)
    await wire.socket.close()


async def test_broadcasts_are_heard_again_after_postgres_was_away(
    own_stack: Stack, wire: Wire
) -> None:
    topic = topic_name()
    assert (await wire.join(topic)).payload["status"] == "ok"
    await own_stack.postgres.stop()
    await own_stack.postgres.start()
    await reconnected(own_stack)
    async with asyncio.timeout(20):
        listening = asyncio.create_task(wire.next(), name="listen")
        while not listening.done():
            await administrate(
                own_stack, f"select realtime.send('{{\"id\": 1}}', 'ev', '{topic}', false)"
            )
            await asyncio.wait([listening], timeout=0.3)
        assert (await listening).payload["payload"] == {"id": 1}


async def test_after_a_long_outage_changes_are_dead_without_a_word_until_somebody_joins(
    tmp_path: Path, sockets: contextlib.AsyncExitStack
) -> None:
    times = replace(QUICK, longest_outage_seconds=0.6)
    async with Stack(tmp_path / "outage", Ports.free(), times=times) as stack:
        await administrate(stack, SCHEMA)
        wire = await open_wire(project_of(stack), sockets, "1.0.0", stack.keys.secret)
        topic = topic_name()
        await wire.subscribe(topic, everything(TABLE))
        await stack.postgres.stop()
        await stack.realtime._changes.given_up.wait()
        await stack.postgres.start()
        await reconnected(stack)
        await administrate(stack, f"insert into {TABLE} values (1, 'never told')")
        await administrate(stack, f"select realtime.send('{{\"id\": 1}}', 'ev', '{topic}', false)")
        assert (await wire.next()).event == "broadcast"
        await wire.heartbeat()
        other = await open_wire(project_of(stack), sockets, "1.0.0", stack.keys.secret)
        await other.subscribe(topic_name(), everything(TABLE))
        await administrate(stack, f"insert into {TABLE} values (2, 'told')")
        assert (await other.next()).data["record"]["status"] == "told"
        await wire.heartbeat()
        await other.socket.close()
        await wire.socket.close()


async def test_what_is_no_message_on_the_database_channel_is_passed_over(
    own_stack: Stack, wire: Wire
) -> None:
    topic = topic_name()
    await wire.join(topic)
    await administrate(own_stack, "notify realtime_messages, 'no message''s id'")
    await administrate(own_stack, "notify realtime_messages")
    await administrate(own_stack, f"select realtime.send('{{\"id\": 2}}', 'ev', '{topic}', false)")
    assert (await wire.next()).payload["payload"] == {"id": 2}


async def test_changes_go_on_after_the_publication_was_gone(own_stack: Stack, wire: Wire) -> None:
    await wire.subscribe(topic_name(), everything(TABLE))
    await administrate(own_stack, "drop publication supabase_realtime")
    await administrate(own_stack, f"insert into {TABLE} values (1000, 'never told')")
    await administrate(own_stack, f"create publication supabase_realtime for table {TABLE}")
    await change_until_heard(own_stack, wire, "told again")


async def test_changes_go_on_after_every_connection_was_ended(own_stack: Stack, wire: Wire) -> None:
    await wire.subscribe(topic_name(), everything(TABLE))
    await administrate(
        own_stack,
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
        " and backend_type = 'client backend'",
    )
    await change_until_heard(own_stack, wire, "told again after all")


SERVICE: dict[str, Any] = {"role": "service_role"}


class Listener:
    """A subscriber that keeps what it is told."""

    def __init__(self, binding: Binding) -> None:
        self.claims = SERVICE
        self.bindings = [binding]
        self.told: asyncio.Queue[str] = asyncio.Queue()

    def deliver_change(self, payload: str) -> None:
        self.told.put_nowait(payload)


class SlowToClose(Changes):
    """Changes whose connections take as long to close as a test wishes."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, QUICK, RealtimeFaults())
        self.closing = asyncio.Event()
        self.may_close = asyncio.Event()

    async def _connect(self) -> Connection:
        connection = await super()._connect()
        close = connection.close

        async def slowly() -> None:
            self.closing.set()
            await self.may_close.wait()
            await close()

        connection.close = slowly  # type: ignore[method-assign]
        return connection


@pytest.fixture
async def slow_changes(own_stack: Stack) -> AsyncIterator[SlowToClose]:
    changes = SlowToClose(own_stack.database)
    running = asyncio.create_task(changes.run(), name="changes")
    yield changes
    changes.may_close.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_newcomer_does_not_trust_the_slot_that_is_being_given_up(
    own_stack: Stack, slow_changes: SlowToClose
) -> None:
    binding = await resolve(own_stack.database, parse(everything(TABLE)), SERVICE)
    first, second = Listener(binding), Listener(binding)
    async with asyncio.timeout(20):
        await slow_changes.add(first)
        slow_changes.remove(first)
        await slow_changes.closing.wait()
        adding = asyncio.create_task(slow_changes.add(second), name="add")
        await asyncio.wait([adding], timeout=0.05)
        assert not adding.done()
        slow_changes.may_close.set()
        await adding
        await administrate(own_stack, f"insert into {TABLE} values (5000, 'for the newcomer')")
        assert "for the newcomer" in await second.told.get()
    assert first.told.empty()


async def closed(wire: Wire) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as end:
        await wire.next()
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


async def test_dropping_all_closes_every_socket_as_a_restart_of_the_server_does(
    own_stack: Stack, wire: Wire
) -> None:
    await wire.join(topic_name())
    own_stack.faults.realtime.drop_all()
    assert await closed(wire) == (1012, "")


async def test_faults_refuse_private_joins_and_swallow_events_until_they_are_cleared(
    own_stack: Stack, wire: Wire
) -> None:
    faults = own_stack.faults.realtime
    await wire.subscribe(topic_name(), everything(TABLE))
    faults.refuse_private = True
    reply = await wire.join(topic_name(), private=True)
    assert "Unauthorized" in reply.payload["response"]["reason"]
    faults.clear()
    assert (await wire.join(topic_name(), private=True)).payload["status"] == "ok"


async def test_a_share_of_all_events_gets_lost_until_the_fault_is_cleared(
    own_stack: Stack, wire: Wire
) -> None:
    topic = topic_name()
    await wire.join(topic)
    own_stack.faults.realtime.lost_share = 1.0
    await administrate(own_stack, f"select realtime.send('{{}}', 'lost', '{topic}', false)")
    await asyncio.sleep(0.3)  # it would have come by then
    own_stack.faults.realtime.clear()
    await administrate(own_stack, f"select realtime.send('{{}}', 'heard', '{topic}', false)")
    assert (await wire.next()).payload["event"] == "heard"


async def test_a_client_that_does_not_read_is_let_go_and_the_others_are_served(
    own_stack: Stack,
    wire: Wire,
    sockets: contextlib.AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("local_supabase.realtime.socket._QUEUE_FRAMES", 100)
    project, topic = project_of(own_stack), topic_name()
    lazy = await open_wire(project, sockets, "1.0.0", own_stack.keys.secret, compression=None)
    await lazy.join(topic)
    await wire.join(topic)
    lazy.socket.transport.pause_reading()
    payload = "jsonb_build_object('id', n, 'x', repeat('x', 10000))"
    await administrate(
        own_stack,
        f"select realtime.send({payload}, 'ev', '{topic}', false) from generate_series(1, 1500) n",
    )
    heard = [(await wire.next()).payload["payload"]["id"] for _ in range(1500)]
    assert heard == list(range(1, 1501))
    async with asyncio.timeout(10):
        while len(own_stack.realtime._sockets) > 1:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0.05)
    lazy.socket.transport.abort()


async def test_stopping_the_stack_closes_sockets_with_1012(
    own_stack: Stack, sockets: contextlib.AsyncExitStack
) -> None:
    project = project_of(own_stack)
    wires = [
        await open_wire(project, sockets, version, own_stack.keys.secret)
        for version in ("1.0.0", "2.0.0")
    ]
    for wire in wires:
        await wire.subscribe(topic_name(), everything(TABLE))
    await own_stack.realtime.stop()
    assert [await closed(wire) for wire in wires] == [(1012, ""), (1012, "")]
    await own_stack.realtime.stop()
