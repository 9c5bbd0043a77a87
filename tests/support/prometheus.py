"""A real Prometheus, as Debian has it, and what it is asked over HTTP."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_supabase.ports import Ports
from tests.support.project import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULE_TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
EXAMPLE = ROOT / "deploy" / "prometheus" / "prometheus.yml"


def _program(name: str) -> str:
    found = os.environ.get(name.upper()) or shutil.which(name)
    if found is None:
        pytest.fail(
            f"{name} was not found: install Prometheus (apt-get install --no-install-recommends "
            f"prometheus) or name the program in {name.upper()}.",
            pytrace=False,
        )
    return found


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool with a text to read; fails with what to do where there is none."""
    return subprocess.run(
        [_program("promtool"), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Prometheus:
    """One that runs for the length of a block."""

    http: httpx.AsyncClient

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression answers now; fails where it cannot be evaluated."""
        answer = await self.http.get("/api/v1/query", params={"query": expression})
        said = answer.json()
        assert said["status"] == "success", f"{expression}: {said.get('error')}"
        assert not said.get("warnings"), f"{expression}: {said['warnings']}"
        result: list[dict[str, Any]] = said["data"]["result"]
        return result

    async def rules(self) -> list[dict[str, Any]]:
        """Every alert: name, query, labels, annotations, state, health, lastError."""
        said = (await self.http.get("/api/v1/rules", params={"type": "alert"})).json()
        return [rule for group in said["data"]["groups"] for rule in group["rules"]]

    async def until(self, expression: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until an expression answers something, and answer that."""
        async with asyncio.timeout(seconds):
            while True:
                if found := await self.query(expression):
                    return found
                await asyncio.sleep(0.2)


@asynccontextmanager
async def running_prometheus(folder: Path, config: str) -> AsyncIterator[Prometheus]:
    """Prometheus on a free port of 127.0.0.1, with a configuration; its log is in the folder."""
    (folder / "prometheus.yml").write_text(config)
    port = Ports.free().gateway
    with (folder / "prometheus.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            _program("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
            ) as http:
                await _ready(http, process, folder / "prometheus.log")
                yield Prometheus(http)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _ready(http: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, log.read_text()
            try:
                if (await http.get("/-/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)
