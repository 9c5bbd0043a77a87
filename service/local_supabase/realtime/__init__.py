"""Supabase Realtime on this machine: changes from the write-ahead log, and broadcasts.

Source: observed on Supabase Realtime 2.122 with the official clients, Python 2.34.1 (protocol
1.0.0) and supabase-js 2.109 (2.0.0). `tests/contract` asserts the same of both.
"""

from local_supabase.realtime.api import RealtimeApi

__all__ = ["RealtimeApi"]
