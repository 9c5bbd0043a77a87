"""Trouble on request, for tests. Nothing goes wrong on purpose anywhere else in this package.

Faults.gateway    RequestFaults    requests to any API of the Supabase, chosen by their path
Faults.mureka     RequestFaults    requests to the Mureka simulator, chosen by their path
Faults.storage    UploadFaults     the next uploads to Storage
Faults.realtime   RealtimeFaults   joins, events and sockets of Realtime
Faults.simulator  SimulatorFaults  what the simulated Mureka makes of calls and tasks
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_supabase.faults.realtime import RealtimeFaults
from local_supabase.faults.requests import RequestFaults
from local_supabase.faults.simulator import Fault, SimulatorFaults
from local_supabase.faults.uploads import UploadFaults

__all__ = [
    "Fault",
    "Faults",
    "RealtimeFaults",
    "RequestFaults",
    "SimulatorFaults",
    "UploadFaults",
]


@dataclass(frozen=True, slots=True)
class Faults:
    """All the faults of one stack; see the module."""

    gateway: RequestFaults = field(default_factory=RequestFaults)
    mureka: RequestFaults = field(default_factory=RequestFaults)
    storage: UploadFaults = field(default_factory=UploadFaults)
    realtime: RealtimeFaults = field(default_factory=RealtimeFaults)
    simulator: SimulatorFaults = field(default_factory=SimulatorFaults)

    def clear(self) -> None:
        """Plan nothing any more, and let go of every request that is held."""
        self.gateway.clear()
        self.mureka.clear()
        self.storage.clear()
        self.realtime.clear()
        self.simulator.clear()
