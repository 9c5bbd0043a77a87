"""A stand-in for Mureka: the same calls and bodies, real MP3s, no costs, faults on request."""

from service.embedded.simulator.app import Simulator
from service.embedded.simulator.faults import Fault

__all__ = ["Fault", "Simulator"]
