"""The auth API of the embedded stack: users, sign-ins, tokens."""

from local_supabase.auth.api import AuthApi

__all__ = ["AuthApi"]
