"""One embedded stack for the whole run, users with real tokens, and the official clients."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import hypothesis
import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.limits import LIFT_LIMITS
from tests.support.project import IS_FULL, ROOT, Connection, MakeClient, SignedIn
from tests.support.times import QUICK


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--figures`."""
    parser.addoption(
        "--figures", action="store_true", help="Print what tests measured, though they passed."
    )


hypothesis.settings.register_profile("patient", deadline=None)  # a machine may be slow


def pytest_configure(config: pytest.Config) -> None:
    """Let passed tests speak where figures are wanted, and no example be in a hurry."""
    hypothesis.settings.load_profile("patient")
    if config.getoption("--figures"):
        config.option.reportchars += "P"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the long form alone, and say so."""
    if not IS_FULL and (left_out := [item for item in items if item.get_closest_marker("full")]):
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The embedded Supabase with the project's migrations; generations take a third of a second."""
    data_dir = tmp_path_factory.mktemp("stack")
    async with Stack(
        data_dir, Ports.free(), project_dir=ROOT, simulator_seconds=0.3, times=QUICK, durable=False
    ) as running:
        running.simulator.account.concurrent_request_limit = 1000
        async with running.database.administrator() as administrator:
            await administrator.execute(LIFT_LIMITS.encode())
        yield running


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[Connection]:
    """A connection as the operator has it in the dashboard; statements commit at once."""
    async with await psycopg.AsyncConnection[DictRow].connect(
        stack.database_url, autocommit=True, row_factory=dict_row
    ) as connection:
        yield connection


@pytest.fixture
async def make_client(stack: Stack) -> AsyncIterator[MakeClient]:
    """Makes official clients for a key; their connections are closed after the test."""
    opened: list[tuple[AsyncClient, httpx.AsyncClient]] = []

    async def make(key: str | None = None) -> AsyncClient:
        http = httpx.AsyncClient(timeout=20)
        options = AsyncClientOptions(httpx_client=http)
        client = await acreate_client(stack.url, key or stack.keys.publishable, options)
        opened.append((client, http))
        return client

    yield make
    for client, http in opened:
        await client.realtime.close()
        await client.auth.close()
        await http.aclose()


@pytest.fixture
async def service(make_client: MakeClient, stack: Stack) -> AsyncClient:
    """The official client with the secret key, as a backend has it."""
    return await make_client(stack.keys.secret)


@pytest.fixture
def make_user(make_client: MakeClient) -> Callable[[], Awaitable[SignedIn]]:
    """Signs up a new user of the app and answers them with a client of their own."""

    async def make() -> SignedIn:
        email, password = f"{uuid.uuid4().hex}@example.com", "correct horse"
        client = await make_client()
        answer = await client.auth.sign_up({"email": email, "password": password})
        assert answer.user is not None
        return SignedIn(answer.user.id, email, password, client)

    return make


@pytest.fixture
async def user(make_user: Callable[[], Awaitable[SignedIn]]) -> SignedIn:
    """One signed-in user of the app."""
    return await make_user()
