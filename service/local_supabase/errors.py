"""What goes wrong with the Supabase on this machine.

LocalSupabaseError
├── SetupError       a person must change something before it can start; the text says what
├── PartFailedError  a part could not start, or ended by itself; the text says which
└── CallRefusedError a call under `/dev/` is refused (steering.py)
"""

from __future__ import annotations


class LocalSupabaseError(Exception):
    """The root of every error that this package raises on purpose."""


class SetupError(LocalSupabaseError):
    """A port is taken, a program is missing, a folder or a migration is of no use."""


class PartFailedError(LocalSupabaseError):
    """A part of the stack could not start, or ended by itself."""
