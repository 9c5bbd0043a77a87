"""The Realtime API of the embedded stack: changes from the write-ahead log, and broadcasts."""

from service.embedded.realtime.api import RealtimeApi

__all__ = ["RealtimeApi"]
