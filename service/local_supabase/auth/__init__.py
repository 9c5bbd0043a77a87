"""Supabase Auth on this machine: users, sign-ins, tokens.

Source: the platform's Auth API as its official clients call it. `tests/contract` asserts the same
of both.
"""

from local_supabase.auth.api import AuthApi

__all__ = ["AuthApi"]
