"""A whole Supabase on this machine, and the Mureka simulator beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from local_supabase import data_directory, migrations
from local_supabase.auth import AuthApi
from local_supabase.context import Context
from local_supabase.database import Database
from local_supabase.faults import Faults
from local_supabase.gateway import Api, Server, application
from local_supabase.keys import Keys
from local_supabase.ports import HOST, Ports
from local_supabase.postgres import Postgres
from local_supabase.postgrest import PostgREST
from local_supabase.realtime import RealtimeApi
from local_supabase.rest import RestApi
from local_supabase.simulator import Simulator
from local_supabase.site import FrontDoor
from local_supabase.steering import Answer
from local_supabase.storage import StorageApi
from local_supabase.times import Times

SIMULATOR_KEY = "simulated-mureka-key"


class Stack:
    """Postgres, PostgREST, the gateway and the simulator, from `start` to `stop`.

    Args:
        data_dir: keeps everything between runs; made on the first start. One stack at a time.
        ports: where the parts listen on 127.0.0.1.
        site: a folder with a page, which the gateway serves at `/`; None for none.
        project_dir: the folder whose `supabase/` holds migrations and seed; None for none.
        simulator_seconds: how long a simulated generation takes.
        names: by which gateway and simulator may be called besides those of this machine.
        times: how long the parts take and wait; as the real servers do, unless a test is in haste.
        durable: False where the database need not outlive a crash of the machine, as in a test.
        progress: told in a few words what is being done.
    """

    def __init__(
        self,
        data_dir: Path,
        ports: Ports,
        *,
        site: Path | None = None,
        project_dir: Path | None = None,
        simulator_seconds: float = 8,
        names: Collection[str] = (),
        times: Times | None = None,
        durable: bool = True,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.url = f"http://{HOST}:{ports.gateway}"
        self.simulator_url = f"http://{HOST}:{ports.simulator}"
        self.failure: asyncio.Future[str] | None = None
        self.ready_seconds = 0.0
        self.faults = Faults()
        self._ports = ports
        self._site = site
        self._project_dir = project_dir
        self._simulator_seconds = simulator_seconds
        self._names = names
        self._times = times if times is not None else Times()
        self._durable = durable
        self._progress = progress
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def database_url(self) -> str:
        """For the role `postgres`, which owns the project's tables."""
        return self.postgres.conninfo("postgres")

    @property
    def admin_database_url(self) -> str:
        """For the superuser."""
        return self.postgres.conninfo()

    def environment(self) -> dict[str, str]:
        """What a worker, an app and a person need to reach this stack."""
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_SECRET_KEY": self.keys.secret,
            "SUPABASE_PUBLISHABLE_KEY": self.keys.publishable,
            "SUPABASE_SERVICE_ROLE_KEY": self.keys.service_role,
            "SUPABASE_ANON_KEY": self.keys.anon,
            "SUPABASE_DB_URL": self.database_url,
            "MUREKA_API_URL": self.simulator_url,
            "MUREKA_API_KEY": SIMULATOR_KEY,
        }

    async def start(self) -> None:
        """Start everything and return when it is ready.

        Raises:
            SetupError: a port is taken, the directory is in use, PostgREST is missing,
                or a migration was refused.
            PartFailedError: a part ended before it was ready; the text has the end of its log.
        """
        began = time.monotonic()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self.ready_seconds = time.monotonic() - began

    def serve_also(self, answers: Mapping[str, Answer]) -> None:
        """Let the started gateway answer these calls, named like `POST /dev/worker`.

        No key is asked for, and pages of another origin are refused.
        """
        self._front.serve_also(answers)

    async def stop(self) -> None:
        """Stop everything, the last started first; safe to call twice."""
        self.faults.clear()
        await self._open.aclose()

    async def _start(self) -> None:
        self._open.enter_context(data_directory.held(self.data_dir))
        self.failure = asyncio.get_running_loop().create_future()
        self.keys = Keys.load_or_create(self.data_dir / "keys.json")
        self.postgres = Postgres(
            self.data_dir / "postgres",
            self._ports.postgres,
            self.keys.postgres_password,
            durable=self._durable,
        )
        postgrest = PostgREST(
            self.data_dir,
            self._ports.postgrest,
            database_url=self.postgres.conninfo("authenticator"),
            keys=self.keys,
            public_url=self.url,
        )
        self.postgres.end_leftover()
        postgrest.end_leftover()
        self._ports.check_free()
        await self._start_postgres()
        self._progress("starting the APIs")
        await postgrest.start(self._fail)
        self._open.push_async_callback(postgrest.stop)
        await self._start_gateway(postgrest.url)
        await self._start_simulator()

    async def _start_postgres(self) -> None:
        self._progress("starting Postgres")
        await self.postgres.start(self._fail)
        self._open.push_async_callback(self.postgres.stop)
        await self.postgres.lay_platform()
        self.database = Database(self.admin_database_url)
        await self.database.open()
        self._open.push_async_callback(self.database.close)
        if self._project_dir is not None:
            self._progress("applying migrations")
            await migrations.apply(self.database_url, self._project_dir / "supabase")

    async def _start_gateway(self, postgrest_url: str) -> None:
        context = Context(
            self.database,
            self.keys,
            self.data_dir,
            self.url,
            postgrest_url,
            times=self._times,
            faults=self.faults,
        )
        self.realtime = RealtimeApi(context)
        apis: list[Api] = [
            RestApi(context),
            AuthApi(context),
            StorageApi(context),
            self.realtime,
        ]
        for api in apis:
            await api.start()
        app = self.faults.gateway.around(application(apis, self.keys))
        self._front = FrontDoor(app, self._site)
        server = Server(self._front, self._ports.gateway, "the gateway", names=self._names)
        await server.start()
        for api in apis:
            self._open.push_async_callback(api.stop)
        self._open.push_async_callback(server.stop)
        self._open.push_async_callback(
            self.realtime.stop
        )  # first: its sockets never end by themselves

    async def _start_simulator(self) -> None:
        self.simulator = Simulator(
            SIMULATOR_KEY,
            self._simulator_seconds,
            self.data_dir / "simulator",
            faults=self.faults.simulator,
        )
        app = self.faults.mureka.around(self.simulator.app)
        server = Server(app, self._ports.simulator, "the Mureka simulator", names=self._names)
        await server.start()
        self._open.push_async_callback(server.stop)

    def _fail(self, reason: str) -> None:
        if self.failure is not None and not self.failure.done():
            self.failure.set_result(reason)


@contextlib.asynccontextmanager
async def serve_simulator(
    port: int, seconds: float, data_dir: Path, *, names: Collection[str] = ()
) -> AsyncIterator[dict[str, str]]:
    """The simulator without a stack; yields the variables that lead a worker to it.

    Raises SetupError when the port is taken or the directory is of no use.
    """
    data_directory.mark(data_dir)
    simulator = Simulator(SIMULATOR_KEY, seconds, data_dir / "simulator")
    server = Server(simulator.app, port, "the Mureka simulator", names=names)
    await server.start()
    try:
        yield {"MUREKA_API_URL": f"http://{HOST}:{port}", "MUREKA_API_KEY": SIMULATOR_KEY}
    finally:
        await server.stop()
