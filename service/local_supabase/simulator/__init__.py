"""A stand-in for Mureka: the same calls and bodies, real MP3s, no costs, faults on request.

Source: Mureka's API reference, and its error texts as they were observed.
"""

from local_supabase.faults.simulator import Fault
from local_supabase.simulator.app import Simulator

__all__ = ["Fault", "Simulator"]
