"""A provider for the suite that the fake and the client of Mureka obey alike."""

from __future__ import annotations

from typing import Protocol

from local_supabase.simulator import Simulator
from music_service.mureka.client import MurekaClient
from music_service.worker import ports
from tests.support.fakes import DONE, FakeProvider, FakeTask
from tests.support.journal import Journal


class ProviderAtHand(Protocol):
    """A provider, and what becomes of the tasks that are submitted from now on."""

    provider: ports.Provider

    def finish(self) -> None:
        """They are finished with music at once."""

    def take_long(self) -> None:
        """They are at work for longer than a test."""

    def end(self, status: str, reason: str) -> None:
        """They end without music."""

    def finish_empty(self) -> None:
        """They are finished, and there is nothing to fetch."""


class FakeAtHand:
    """The one in memory."""

    def __init__(self) -> None:
        self.provider = FakeProvider(Journal())

    def finish(self) -> None:
        self.provider.answers = [DONE]

    def take_long(self) -> None:
        self.provider.answers = [FakeTask("running")]

    def end(self, status: str, reason: str) -> None:
        self.provider.answers = [FakeTask(status, failed_reason=reason)]

    def finish_empty(self) -> None:
        self.provider.answers = [FakeTask()]


class MurekaAtHand:
    """The client, speaking to the simulator."""

    def __init__(self, client: MurekaClient, simulator: Simulator) -> None:
        self.provider = client
        self._simulator = simulator

    def finish(self) -> None:
        self._simulator.seconds = 0.0

    def take_long(self) -> None:
        self._simulator.seconds = 600.0

    def end(self, status: str, reason: str) -> None:
        self._simulator.faults.plan(on="task", outcome=status, reason=reason)

    def finish_empty(self) -> None:
        self._simulator.faults.plan(on="task", outcome="no_choices")
