"""A unit of systemd, read and obeyed without systemd: how it starts a service and stops it."""

from __future__ import annotations

import asyncio
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.support.fleet import Fleet, WorkerProcess


@dataclass(frozen=True)
class Unit:
    """The settings of a unit file by section and name, each with all of its values."""

    sections: dict[str, dict[str, list[str]]]

    @classmethod
    def read(cls, path: Path) -> Unit:
        """Read a unit file without continued lines."""
        sections: dict[str, dict[str, list[str]]] = {}
        section: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            if line.startswith("["):
                section = sections.setdefault(line.strip("[]"), {})
            elif line and not line.startswith(("#", ";")):
                name, _, value = line.partition("=")
                section.setdefault(name, []).append(value)
        return cls(sections)

    def one(self, name: str, section: str = "Service") -> str:
        """The value of a setting that is there once."""
        [value] = self.sections[section][name]
        return value

    @property
    def command(self) -> list[str]:
        """What is started."""
        return shlex.split(self.one("ExecStart"))

    @property
    def stop_signal(self) -> signal.Signals:
        """What is sent first when it is stopped."""
        return signal.Signals[self.one("KillSignal")]

    @property
    def stop_seconds(self) -> float:
        """After so long SIGKILL follows."""
        return float(self.one("TimeoutStopSec"))


class Instances:
    """Instances of a unit, as processes of a fleet."""

    def __init__(self, unit: Unit, fleet: Fleet) -> None:
        self._unit = unit
        self._fleet = fleet
        self._running: dict[str, WorkerProcess] = {}
        self.killed: list[str] = []

    async def start(self, instance: str, **environment: str) -> WorkerProcess:
        """`systemctl start`: as soon as it works."""
        assert self._unit.command[1:] == ["run"], "a fleet starts nothing else"
        worker = await self._fleet.start(f"worker-{instance}", **environment)
        self._running[instance] = worker
        return worker

    async def stop(self, instance: str) -> int:
        """`systemctl stop`: the signal, the patience, then SIGKILL; answers the exit code."""
        worker = self._running.pop(instance)
        worker.send(self._unit.stop_signal)
        try:
            async with asyncio.timeout(self._unit.stop_seconds):
                return await worker.ended()
        except TimeoutError:
            self.killed.append(instance)
            await worker.kill()
            return -signal.SIGKILL

    async def restart(self, instance: str, **environment: str) -> int:
        """`systemctl restart`: answers the exit code of the one that was there."""
        code = await self.stop(instance)
        await self.start(instance, **environment)
        return code
