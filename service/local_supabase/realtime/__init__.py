"""The Realtime API of the embedded stack: changes from the write-ahead log, and broadcasts."""

from local_supabase.realtime.api import RealtimeApi

__all__ = ["RealtimeApi"]
